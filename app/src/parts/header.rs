//! The strip above a conversation: where I am, who is in it.

use crate::live::Live;
use crate::names;
use crate::parts::avatar::Avatar;
use crate::parts::details;
use crate::parts::icon::{Icon, Picture};
use crate::words::{self, say, use_words};
use leptos::prelude::*;
use protocol::{ConversationId, Kind};

/// The strip.
#[component]
pub fn Header(
    /// Of which conversation.
    id: ConversationId,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let conversation = live.conversation(id);
    let name = names::use_conversation_name(live, words, id);
    let other = conversation.with_untracked(|one| one.as_ref().and_then(|one| names::other(live.me(), one)));
    let picture = other.map_or(id.uuid(), |user| user.uuid());
    let about = move || {
        let (kind, count) = conversation
            .with(|one| one.as_ref().map_or((Kind::Group, 0), |one| (one.kind, u64::from(one.member_count))));
        match (kind, other) {
            (Kind::Direct, Some(user)) => live
                .person(user)
                .with(|person| person.as_ref().map(|person| format!("@{}", person.username)))
                .unwrap_or_default(),
            (Kind::Direct, None) => String::new(),
            (Kind::Group, _) => words::members(words, count),
        }
    };
    view! {
        <header class="header">
            <a class="icon-button header-back" href="/" aria-label=say!(words, back)>
                <Picture icon=Icon::Back />
            </a>
            <Avatar id=picture name=name />
            <div class="header-names">
                <h1 dir="auto">{move || name.get()}</h1>
                <p dir="auto">{about}</p>
            </div>
            <button
                class="icon-button"
                type="button"
                popovertarget=details::PANEL
                aria-label=say!(words, details)
                title=say!(words, details)
            >
                <Picture icon=Icon::Panel />
            </button>
        </header>
    }
    .into_any()
}
