//! One conversation in the list.

use crate::clock::Clock;
use crate::i18n::Locale;
use crate::live::Live;
use crate::names;
use crate::parts::avatar::Avatar;
use crate::parts::icon::{Icon, Picture};
use crate::words::{self, say, use_words};
use leptos::prelude::*;
use protocol::{Body, Conversation, ConversationId, Kind, Message};

/// Characters of a message that a preview can show at most; the rest is cut by the width.
const PREVIEW_CHARS: usize = 120;

/// The row: a link to the conversation.
#[component]
pub fn ConversationRow(
    /// Which one.
    id: ConversationId,
    /// The one that is open.
    current: Signal<Option<ConversationId>>,
) -> impl IntoView {
    let (live, words, clock) = (expect_context::<Live>(), use_words(), expect_context::<Clock>());
    let conversation = live.conversation(id);
    let name = names::use_conversation_name(live, words, id);
    // The other person's colour where there is one, so that it is the same here and beside their messages.
    let picture = conversation
        .with_untracked(|one| one.as_ref().and_then(|one| names::other(live.me(), one)))
        .map_or(id.uuid(), |user| user.uuid());
    let last =
        Memo::new(move |_| conversation.with(|one| one.as_ref().and_then(|one| one.last_message.clone())));
    let unread = Memo::new(move |_| conversation.with(|one| one.as_ref().map_or(0, |one| one.unread)));
    let line = Memo::new(move |_| {
        conversation.with(|one| one.as_ref().map(|one| preview(live, words, one)).unwrap_or_default())
    });
    let is_group = conversation.with_untracked(|one| one.as_ref().is_some_and(|one| one.kind == Kind::Group));
    let is_current = move || current.get() == Some(id);
    view! {
        <li>
            <a
                class="conversation-row"
                class:unread=move || unread.get() != 0
                href=format!("/c/{id}")
                aria-current=move || is_current().then_some("page")
            >
                <Avatar id=picture name=name />
                <span class="row-title">
                    <span class="row-name" dir="auto">{move || name.get()}</span>
                    {is_group.then(|| view! {
                        <span class="row-kind" role="img" aria-label=say!(words, kind_group) title=say!(words, kind_group)>
                            <Picture icon=Icon::People />
                        </span>
                    })}
                </span>
                <span class="row-time">
                    {move || last.with(|last| last.as_ref().map(|message| {
                        let at = message.sent_at;
                        view! { <time datetime=at.to_string()>{clock.brief(at)}</time> }
                    }))}
                </span>
                <span class="row-preview">
                    {move || line.get().0.map(|by| view! { <span class="row-by" dir="auto">{by}</span> " " })}
                    <span class="row-text" dir="auto">{move || line.get().1}</span>
                </span>
                {move || match unread.get() {
                    0 => None,
                    n => Some(view! {
                        <span class="badge" role="img" aria-label=words::unread(words, n)>
                            {words::badge(n)}
                        </span>
                    }),
                }}
            </a>
        </li>
    }
    .into_any()
}

/// The last message in one line: "You: …", in groups "Ada: …". Who and what apart, because each has its own direction
/// and only the second is cut.
fn preview(live: Live, words: Locale, conversation: &Conversation) -> (Option<String>, String) {
    let Some(message) = &conversation.last_message else {
        return (None, say!(words, preview_empty).to_owned());
    };
    let by = if message.sender == live.me() {
        Some(say!(words, preview_you).to_owned())
    } else if conversation.kind == Kind::Group {
        let name = names::of_person(live, words, message.sender);
        let first = name.split_whitespace().next().unwrap_or(&name).to_owned();
        Some(say!(words, preview_by, name = first))
    } else {
        None
    };
    (by, one_line(words, message))
}

fn one_line(words: Locale, message: &Message) -> String {
    match &message.body {
        Body::Text { text } => {
            let start: String = text.as_str().trim_start().chars().take(PREVIEW_CHARS).collect();
            start.split_whitespace().collect::<Vec<_>>().join(" ")
        }
        Body::Recalled => say!(words, recalled).to_owned(),
        Body::Unsupported => say!(words, unsupported).to_owned(),
    }
}
