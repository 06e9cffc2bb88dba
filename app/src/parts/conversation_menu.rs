//! What I can do with a conversation as a whole: silence it, keep it at the top, put it away, leave it. One menu for the
//! whole page, opened from the header's button or a row of the list.

use crate::clock::Clock;
use crate::live::Live;
use crate::parts::icon::{Icon, Picture};
use crate::parts::menu;
use crate::timeline::{Row, TimelineState};
use crate::words::{say, use_words};
use leptos::html;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use protocol::rest::PatchSettings;
use protocol::{Conversation, ConversationId, Kind, Settings, Timestamp};
use web_sys::MouseEvent;

const HOUR_MS: i64 = 60 * 60 * 1000;
/// The hour at which "until tomorrow" ends.
const MORNING: i8 = 8;
/// Silent for good: until the last second of the year 9999.
const FOR_GOOD_MS: i64 = 253_402_300_799_000;

/// Whether a conversation is silent.
pub fn is_muted(settings: &Settings, now: Timestamp) -> bool {
    settings.muted_until.is_some_and(|until| until > now)
}

/// Opens the menu; provided by the page's frame.
#[derive(Clone, Copy)]
pub struct MenuOf {
    of: RwSignal<Option<ConversationId>>,
    root: NodeRef<html::Div>,
    /// The landmark around it, there only while the menu is.
    region: NodeRef<html::Div>,
    /// The group that somebody asked to leave: its panel asks whether that is meant.
    pub leaving: RwSignal<Option<ConversationId>>,
}

impl MenuOf {
    /// One for the page.
    pub fn provide() -> Self {
        let menu = Self {
            of: RwSignal::new(None),
            root: NodeRef::new(),
            region: NodeRef::new(),
            leaving: RwSignal::new(None),
        };
        provide_context(menu);
        menu
    }

    /// For this conversation, at the pointer or below the button that was pressed.
    pub fn open(self, id: ConversationId, event: &MouseEvent, at_pointer: bool) {
        event.prevent_default();
        let place = menu::place_of(event, at_pointer);
        self.of.set(Some(id));
        // Its items are drawn by then, and it has a size.
        request_animation_frame(move || {
            if let (Some(root), Some(region)) = (self.root.get_untracked(), self.region.get_untracked()) {
                region.set_hidden(false);
                menu::open(&root, place);
            }
        });
    }
}

#[derive(Clone, Copy)]
enum Wish {
    Mute(Timestamp),
    Unmute,
    Pin(bool),
    Archive(bool),
    Read,
    Unread(u64),
    Leave,
}

/// The menu.
#[component]
pub fn ConversationMenu(
    /// What opens it.
    menu: MenuOf,
) -> impl IntoView {
    let (live, words, clock) = (expect_context::<Live>(), use_words(), expect_context::<Clock>());
    let navigate = use_navigate();
    let wish = move |id: ConversationId, wish: Wish| {
        if let Some(root) = menu.root.get_untracked() {
            menu::close(&root);
        }
        let set = |patch| live.set(id, patch);
        match wish {
            Wish::Mute(until) => set(PatchSettings { muted_until: Some(until), ..Default::default() }),
            // A time that is past ends it.
            Wish::Unmute => {
                set(PatchSettings { muted_until: Some(Timestamp::default()), ..Default::default() });
            }
            Wish::Pin(pinned) => set(PatchSettings { pinned: Some(pinned), ..Default::default() }),
            Wish::Archive(archived) => set(PatchSettings { archived: Some(archived), ..Default::default() }),
            Wish::Read => {
                let head = live.conversation(id).with_untracked(|one| one.as_ref().map(|one| one.head_seq));
                if let Some(head) = head {
                    live.mark_read(id, head);
                }
            }
            Wish::Unread(seq) => live.mark_unread(id, seq),
            Wish::Leave => {
                navigate(&format!("/c/{id}"), Default::default());
                menu.leaving.set(Some(id));
            }
        }
    };
    let items = move || {
        let id = menu.of.get()?;
        // As it was when the menu was opened: nothing moves under the pointer.
        let one = live.conversation(id).get_untracked()?;
        let wish = wish.clone();
        let item = move |(icon, text, wished): (Icon, &'static str, Wish)| {
            let wish = wish.clone();
            view! {
                <button
                    type="button"
                    role="menuitem"
                    tabindex="-1"
                    class:alert=matches!(wished, Wish::Leave)
                    on:click=move |_| wish(id, wished)
                >
                    <Picture icon=icon />
                    {text}
                </button>
            }
            .into_any()
        };
        let now = clock.instant();
        let (pinned, archived) = (one.settings.pinned, one.settings.archived);
        let muted = is_muted(&one.settings, now);
        let mut first = Vec::new();
        if one.unread > 0 {
            first.push((Icon::Tick, say!(words, mark_read), Wish::Read));
        } else if let Some(seq) = newest_of_others(live, &one) {
            first.push((Icon::Unread, say!(words, mark_as_unread), Wish::Unread(seq)));
        }
        let pin = if pinned { say!(words, unpin_from_top) } else { say!(words, pin_to_top) };
        let archive = if archived { say!(words, unarchive) } else { say!(words, archive) };
        first.push((Icon::Pin, pin, Wish::Pin(!pinned)));
        first.push((Icon::Archive, archive, Wish::Archive(!archived)));
        let silence = if muted {
            vec![(Icon::Bell, say!(words, unmute), Wish::Unmute)]
        } else {
            let later = |hours: i64| Wish::Mute(Timestamp::from_millis(now.millis() + hours * HOUR_MS));
            vec![
                (Icon::BellOff, say!(words, mute_hour), later(1)),
                (Icon::BellOff, say!(words, mute_hours), later(8)),
                (Icon::BellOff, say!(words, mute_tomorrow), Wish::Mute(clock.tomorrow_at(MORNING))),
                (Icon::BellOff, say!(words, mute_for_good), Wish::Mute(Timestamp::from_millis(FOR_GOOD_MS))),
            ]
        };
        let until = one.settings.muted_until.filter(|until| muted && until.millis() < FOR_GOOD_MS);
        let label = until.map(|until| say!(words, muted_until, time = clock.exact(until)));
        let leave =
            (one.kind == Kind::Group).then(|| item((Icon::Leave, say!(words, leave_group), Wish::Leave)));
        let silent = label.clone().unwrap_or_else(|| say!(words, mute).to_owned());
        let view = view! {
            {first.into_iter().map(&item).collect::<Vec<_>>()}
            <div role="group" aria-label=silent>
                {label.map(|label| view! { <span class="menu-label" aria-hidden="true">{label}</span> })}
                {silence.into_iter().map(&item).collect::<Vec<_>>()}
            </div>
            {leave}
        };
        Some(view.into_any())
    };
    let toggled = move |_| {
        if let (Some(root), Some(region)) = (menu.root.get_untracked(), menu.region.get_untracked()) {
            region.set_hidden(!root.matches(":popover-open").unwrap_or(false));
        }
    };
    view! {
        <div role="region" aria-label=say!(words, conversation_actions) hidden node_ref=menu.region>
            <div
                class="menu"
                popover="auto"
                role="menu"
                aria-label=say!(words, conversation_actions)
                node_ref=menu.root
                on:keydown=|event| menu::on_key(&event)
                on:toggle=toggled
            >
                {items}
            </div>
        </div>
    }
    .into_any()
}

/// The newest message that can be kept as unread: somebody else's. Where none is loaded, the newest of all.
fn newest_of_others(live: Live, one: &Conversation) -> Option<u64> {
    let theirs = |message: &protocol::Message| message.sender != live.me() && !message.recalled;
    if let Some(last) = one.last_message.as_ref().filter(|last| theirs(last)) {
        return Some(last.seq);
    }
    match live.timeline(one.id).get_untracked() {
        TimelineState::Ready(window) => window.rows.iter().rev().find_map(|row| match row {
            Row::Message(message) if theirs(message) => Some(message.seq),
            _ => None,
        }),
        _ => Some(one.head_seq).filter(|head| *head > 0),
    }
}
