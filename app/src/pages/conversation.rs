//! `/c/{conversation}` and `/c/{conversation}/m/{seq}`

use crate::live::Live;
use crate::names;
use crate::parts::composer::Composer;
use crate::parts::details::Details;
use crate::parts::each::each;
use crate::parts::header::Header;
use crate::parts::message_actions::Actions;
use crate::parts::notice::AddressNotice;
use crate::parts::page_title::PageTitle;
use crate::parts::pins_bar::PinsBar;
use crate::parts::receipts::{Readers, ReadersOf};
use crate::parts::scroll::{Place, Scroll};
use crate::parts::timeline_view::TimelineView;
use crate::parts::typing::Typing;
use crate::timeline::{Row, TimelineState};
use crate::words::{say, use_words};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use protocol::ConversationId;

/// The page: the conversation its address names, if it is one of mine.
#[component]
pub fn Conversation() -> impl IntoView {
    let live = expect_context::<Live>();
    let params = use_params_map();
    let named = Memo::new(move |_| {
        params.with(|params| {
            let id = params.get("conversation")?.parse::<ConversationId>().ok()?;
            Some((id, params.get("seq").and_then(|seq| seq.parse::<u64>().ok())))
        })
    });
    let shown =
        Memo::new(move |_| named.get().filter(|(id, _)| live.conversation(*id).with(Option::is_some)));
    // Keyed, so that nothing of one conversation is left in the elements of another.
    each(
        move || vec![shown.get()],
        |shown| shown.map(|(id, target)| format!("{id} {}", target.unwrap_or_default())).unwrap_or_default(),
        |shown| match shown {
            Some((id, target)) => view! { <ConversationView id=id target=target /> }.into_any(),
            None => view! { <Gone /> }.into_any(),
        },
    )
}

/// One conversation: header, messages, composer, details.
#[component]
pub fn ConversationView(
    /// Which one.
    id: ConversationId,
    /// The message to show, where the address names one.
    target: Option<u64>,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let name = names::use_conversation_name(live, words, id);
    // As it is now: the line above what is new stays where it is until I leave.
    let mark = live.conversation(id).with_untracked(|one| {
        one.as_ref().filter(|one| one.unread > 0).map(|one| {
            let read = one.settings.unread_from.map_or(one.read_seq, |seq| seq.saturating_sub(1));
            (read.min(one.read_seq), one.head_seq)
        })
    });
    // Where nothing was ever read, everything is new: a line above it would say nothing.
    let line = mark.map(|(read, _)| read).filter(|read| *read > 0);
    let place = match (target, line) {
        (Some(seq), _) => Place::At(format!("[data-seq=\"{seq}\"]")),
        (None, Some(_)) => Place::At(".new-divider".to_owned()),
        (None, None) => Place::End,
    };
    let scroll = Scroll::new(place);
    let readers = ReadersOf::new(id);
    provide_context(readers);
    provide_context(Actions::new(id, scroll, target));
    Effect::new(move |_| match target {
        Some(seq) => live.show_around(id, seq),
        None => live.open(id),
    });
    if let (None, Some(read)) = (target, line) {
        go_where_new_begins(live, id, read);
    }
    view! {
        <PageTitle name=name />
        <div class="conversation">
            <main class="conversation-main" id="main" tabindex="-1" aria-label=move || name.get()>
                <Header id=id />
                <AddressNotice />
                <PinsBar />
                <TimelineView id=id scroll=scroll mark=line />
                {mark.map(|(_, head)| view! { <MarkRead id=id head=head /> })}
                <Typing id=id />
                <Composer id=id scroll=scroll />
            </main>
            <Readers readers=readers />
            <Details id=id />
        </div>
    }
    .into_any()
}

/// What is new may begin before the newest page: then that is where to go, not past it. Looked at once, when the
/// first messages are there.
fn go_where_new_begins(live: Live, id: ConversationId, read: u64) {
    let timeline = live.timeline(id);
    Effect::new(move |looked: Option<bool>| {
        if looked == Some(true) {
            return true;
        }
        let first = timeline.with(|state| match state {
            TimelineState::Ready(window) => Some(window.rows.iter().find_map(Row::seq)),
            _ => None,
        });
        if first.flatten().is_some_and(|first| first > read + 1) {
            live.show_around(id, read);
        }
        first.is_some()
    });
}

/// Without script nobody sees what is in view, so reading is said by a button.
#[component]
fn MarkRead(id: ConversationId, head: u64) -> impl IntoView {
    let words = use_words();
    view! {
        <form class="mark-read without-script" method="post" action="/fn/read">
            <input type="hidden" name="conversation" value=id.to_string() />
            <input type="hidden" name="seq" value=head.to_string() />
            <button class="button quiet" type="submit">{say!(words, mark_read)}</button>
        </form>
    }
    .into_any()
}

/// Said where there is no such conversation, or none of mine.
#[component]
fn Gone() -> impl IntoView {
    let words = use_words();
    view! {
        <PageTitle name=say!(words, gone_title).to_owned() />
        <main class="page welcome" id="main" tabindex="-1">
            <div class="empty">
                <h1>{say!(words, gone_title)}</h1>
                <p>{say!(words, gone)}</p>
                <a class="button" href="/">{say!(words, to_conversations)}</a>
            </div>
        </main>
    }
    .into_any()
}
