//! The messages of the open conversation.

use crate::clock::Clock;
use crate::live::{Live, is_attended};
use crate::names;
use crate::parts::dividers::{DayChip, NewDivider};
use crate::parts::each::each;
use crate::parts::emoji_picker::EmojiPicker;
use crate::parts::icon::{Icon, Picture};
use crate::parts::message_actions::Actions;
use crate::parts::message_dialog::MessageDialog;
use crate::parts::message_menu::MessageMenu;
use crate::parts::message_row::{MessageRow, author, written_at};
use crate::parts::notice::ActNotices;
use crate::parts::scroll::{Place, Scroll};
use crate::parts::timeline_line::TimelineLine;
use crate::timeline::{Row, RowKey, TimelineState, Window};
use crate::words::{self, say, use_words};
use leptos::prelude::*;
use protocol::time::Date;
use protocol::{ConversationId, Kind};
use std::collections::HashMap;

/// Rows of one author closer than this belong together.
const JOIN_MS: i64 = 5 * 60 * 1000;

/// What stands in the log. What is equal stays on the page untouched.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Day(Date),
    New,
    Row { key: RowKey, joined: bool },
    Line(u64),
}

impl Item {
    fn key(&self) -> String {
        match self {
            Self::Day(day) => day.to_string(),
            Self::New => String::new(),
            Self::Line(rev) | Self::Row { key: RowKey::Line(rev), .. } => format!("rev {rev}"),
            Self::Row { key: RowKey::Nonce(nonce), joined } => format!("{nonce} {joined}"),
            Self::Row { key: RowKey::Id(id), joined } => format!("{id} {joined}"),
        }
    }
}

/// The rows in order with everything between them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Layout {
    items: Vec<Item>,
    rows: HashMap<RowKey, Row>,
}

impl Layout {
    /// `mark`: my read mark when I came, if anything was unread.
    fn new(live: Live, clock: Clock, window: &Window, mark: Option<u64>) -> Self {
        let mut layout = Self::default();
        let mut before: Option<&Row> = None;
        let mut divided = mark.is_none();
        let mut seen_old = window.at_start;
        for row in &window.rows {
            let (who, at) = (author(live, row), written_at(row));
            let line = if let Row::Line(change) = row { Some(change.rev) } else { None };
            let day = clock.day(at);
            let mut joined = before.is_some_and(|before| {
                !matches!(before, Row::Line(_))
                    && author(live, before) == who
                    && at.millis() - written_at(before).millis() < JOIN_MS
            });
            if before.is_none_or(|before| clock.day(written_at(before)) != day) {
                layout.items.push(Item::Day(day));
                joined = false;
            }
            if !divided
                && row.seq().is_some_and(|seq| mark.is_some_and(|mark| seq > mark))
                && who != live.me()
            {
                // A window that begins after the mark does not know where new began.
                if seen_old {
                    layout.items.push(Item::New);
                    joined = false;
                }
                divided = true;
            }
            seen_old = true;
            let key = row.key();
            layout.items.push(match line {
                Some(rev) => Item::Line(rev),
                None => Item::Row { key: key.clone(), joined },
            });
            layout.rows.insert(key, row.clone());
            before = Some(row);
        }
        layout
    }
}

/// The log, and the button that leads to its end.
#[component]
pub fn TimelineView(
    /// Of which conversation.
    id: ConversationId,
    /// Its scroll position.
    scroll: Scroll,
    /// My read mark when I came, if anything was unread.
    mark: Option<u64>,
) -> impl IntoView {
    let (live, words, clock) = (expect_context::<Live>(), use_words(), expect_context::<Clock>());
    let actions = expect_context::<Actions>();
    let state = live.timeline(id);
    let window = Memo::new(move |_| match state.get() {
        TimelineState::Ready(window) => Some(window),
        _ => None,
    });
    let layout = Memo::new(move |_| {
        window.with(|window| {
            window.as_ref().map(|window| Layout::new(live, clock, window, mark)).unwrap_or_default()
        })
    });
    let came_at = window.with_untracked(|window| window.as_ref().map(|window| window.head_seq));
    let flag = move |flag: fn(&Window) -> bool| {
        Memo::new(move |_| window.with(|window| window.as_ref().is_some_and(|window| flag(window))))
    };
    let (at_start, at_head) = (flag(|window| window.at_start), flag(|window| window.at_head));
    let (older, newer) = (flag(|window| window.fetching_older), flag(|window| window.fetching_newer));
    let failed = flag(|window| window.failed);
    let ready = flag(|_| true);
    let unread =
        Memo::new(move |_| live.conversation(id).with(|one| one.as_ref().map_or(0, |one| one.unread)));

    Effect::new(move |_| scroll.watch());
    Effect::new(move |_| scroll.set_at_head(at_head.get()));
    // More is asked for when an end comes near, and again when what came was too little to leave it.
    Effect::new(move |_| {
        layout.track();
        let near = scroll.near().get();
        if !ready.get() || failed.get() {
            return;
        }
        if near.start && !at_start.get() && !older.get() {
            live.show_older(id);
        }
        if near.end && !at_head.get() && !newer.get() {
            live.show_newer(id);
        }
    });
    read_what_is_seen(live, id, scroll, layout, at_head);

    let to_latest = move |_| {
        if !at_head.get_untracked() {
            live.show_newest(id);
        }
        scroll.go(Place::End);
    };
    let away = move || ready.get() && (scroll.at_end().get() == Some(false) || !at_head.get());
    view! {
        <div class="timeline">
            <div
                class="log"
                role="log"
                aria-label=say!(words, messages)
                // History is not news: nothing is read aloud while it arrives.
                aria-live=move || if older.get() || newer.get() { "off" } else { "polite" }
                aria-busy=move || (older.get() || newer.get()).to_string()
                tabindex="0"
                // What sounds goes by it: live/ring.rs.
                data-conversation=id.to_string()
                node_ref=scroll.log
                on:scroll=move |_| scroll.scrolled()
                on:keydown=move |event| actions.on_key(&event)
                on:pointerleave=move |_| actions.on_leave()
            >
                <div
                    class="rows"
                    node_ref=scroll.rows
                    on:pointerover=move |event| actions.on_over(&event)
                    on:pointerdown=move |event| actions.on_down(&event)
                    on:pointerup=move |event| actions.on_up(&event)
                    on:pointercancel=move |_| actions.on_cancel()
                    on:click=move |event| actions.on_click(&event)
                    on:focusin=move |event| actions.on_focus(&event)
                    on:focusout=move |event| actions.on_blur(&event)
                    on:contextmenu=move |event| actions.on_context_menu(&event)
                >
                    <Top id=id at_start=at_start ready=ready older=older layout=layout />
                    {each(
                        move || layout.with(|layout| layout.items.clone()),
                        Item::key,
                        move |item| match item {
                            Item::Day(day) => view! { <DayChip day=day /> }.into_any(),
                            Item::New => view! { <NewDivider /> }.into_any(),
                            Item::Line(rev) => line_view(layout, rev).into_any(),
                            Item::Row { key, joined } => row_view(id, layout, key, joined, came_at).into_any(),
                        },
                    )}
                    <a class="page-link without-script" class:gone=move || at_head.get() href=format!("/c/{id}")>
                        {say!(words, latest_messages)}
                    </a>
                </div>
                {move || match state.get() {
                    TimelineState::Absent | TimelineState::Loading => {
                        Some(view! { <p class="log-note" role="status">{say!(words, loading)}</p> }.into_any())
                    }
                    TimelineState::Failed => Some(view! { <Failed again=move || live.open(id) /> }.into_any()),
                    TimelineState::Ready(_) => None,
                }}
            </div>
            <Show when=move || failed.get()>
                <Failed again=move || if scroll.near().get_untracked().start { live.show_older(id) } else { live.show_newer(id) } />
            </Show>
            <Show when=away>
                <button class="jump with-script" type="button" aria-label=say!(words, jump_to_latest) title=say!(words, jump_to_latest) on:click=to_latest>
                    <Picture icon=Icon::Down />
                    {move || match unread.get() {
                        0 => None,
                        n => Some(view! { <span class="badge" aria-hidden="true">{words::badge(n)}</span> }),
                    }}
                </button>
            </Show>
            <ActNotices />
            <p class="said" role="status">{move || actions.said.get()}</p>
            <MessageMenu />
            <EmojiPicker />
            <MessageDialog />
        </div>
    }
    .into_any()
}

fn row_view(
    id: ConversationId,
    layout: Memo<Layout>,
    key: RowKey,
    joined: bool,
    came_at: Option<u64>,
) -> Option<impl IntoView> {
    let first = layout.with_untracked(|layout| layout.rows.get(&key).cloned())?;
    let fresh = came_at.is_some_and(|head| first.seq().is_none_or(|seq| seq > head));
    // A row on its way out keeps what it showed.
    let row = Memo::new(move |shown: Option<&Row>| {
        layout
            .with(|layout| layout.rows.get(&key).cloned())
            .or_else(|| shown.cloned())
            .unwrap_or_else(|| first.clone())
    });
    Some(view! { <MessageRow id=id row=row joined=joined fresh=fresh /> })
}

/// What happened between messages. It never changes.
fn line_view(layout: Memo<Layout>, rev: u64) -> Option<impl IntoView> {
    match layout.with_untracked(|layout| layout.rows.get(&RowKey::Line(rev)).cloned()) {
        Some(Row::Line(change)) => Some(view! { <TimelineLine change=change /> }),
        _ => None,
    }
}

/// What stands above the first row: the beginning of the conversation, or the way to older messages.
#[component]
fn Top(
    id: ConversationId,
    at_start: Memo<bool>,
    ready: Memo<bool>,
    older: Memo<bool>,
    layout: Memo<Layout>,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let name = names::use_conversation_name(live, words, id);
    let kind = live.conversation(id).with_untracked(|one| one.as_ref().map_or(Kind::Group, |one| one.kind));
    let empty = Memo::new(move |_| ready.get() && layout.with(|layout| layout.items.is_empty()));
    let before = Memo::new(move |_| layout.with(|layout| layout.rows.values().filter_map(Row::seq).min()));
    view! {
        {move || at_start.get().then(|| view! {
            <div class="beginning">
                <Show when=move || empty.get()>
                    <p class="empty-title">{say!(words, say_hello)}</p>
                </Show>
                <p dir="auto">
                    {move || match kind {
                        Kind::Direct => say!(words, say_hello_direct, name = name.get()),
                        Kind::Group => say!(words, say_hello_group, name = name.get()),
                    }}
                </p>
            </div>
        })}
        {move || (ready.get() && !at_start.get()).then(|| view! {
            <p class="older" role="status">{move || older.get().then(|| say!(words, loading_earlier))}</p>
            <a class="page-link without-script" href=move || format!("/c/{id}/m/{}", before.get().unwrap_or(1))>
                {say!(words, earlier_messages)}
            </a>
        })}
    }
    .into_any()
}

/// Said where messages could not be fetched.
#[component]
fn Failed(
    /// Tries once more.
    again: impl Fn() + 'static,
) -> impl IntoView {
    let words = use_words();
    view! {
        <p class="log-note" role="alert">
            {say!(words, loading_failed)} " "
            <button type="button" class="text-button" on:click=move |_| again()>{say!(words, try_again)}</button>
        </p>
    }
    .into_any()
}

/// Moves my read mark when the newest message is really seen: it is in view, on a visible page, in a focused window.
fn read_what_is_seen(
    live: Live,
    id: ConversationId,
    scroll: Scroll,
    layout: Memo<Layout>,
    at_head: Memo<bool>,
) {
    let watched = RwSignal::new(0u32);
    let conversation = live.conversation(id);
    let unread_from =
        Memo::new(move |_| conversation.with(|one| one.as_ref().and_then(|one| one.settings.unread_from)));
    let came_with = StoredValue::new(unread_from.get_untracked());
    let look_again = move || {
        watched.try_update(|times| *times = times.wrapping_add(1));
    };
    Effect::new(move |_| {
        let handles = [
            window_event_listener_untyped("focus", move |_| look_again()),
            window_event_listener_untyped("blur", move |_| look_again()),
            window_event_listener_untyped("visibilitychange", move |_| look_again()),
            window_event_listener_untyped("resize", move |_| look_again()),
        ];
        on_cleanup(move || handles.into_iter().for_each(WindowListenerHandle::remove));
    });
    Effect::new(move |_| {
        watched.track();
        let newest = layout.with(|layout| layout.rows.values().filter_map(Row::seq).max());
        let seen = scroll.at_end().get() == Some(true) && at_head.get();
        let laid_out = scroll.log.get().is_some_and(|log| log.client_height() > 0);
        // What I kept as unread while I was here stays so until I come back.
        let kept = unread_from.get();
        if kept.is_none() {
            came_with.set_value(None);
        }
        let kept = kept.is_some() && kept != came_with.get_value();
        if let (Some(seq), true) = (newest, seen && laid_out && is_attended() && !kept) {
            let behind = live.conversation(id).with_untracked(|one| {
                one.as_ref().is_some_and(|one| {
                    one.unread > 0 || one.read_seq < seq || one.settings.unread_from.is_some()
                })
            });
            if behind {
                live.mark_read(id, seq);
            }
        }
    });
}
