//! The strip above a conversation: where I am, who is in it.

use crate::clock::Clock;
use crate::live::Live;
use crate::names;
use crate::parts::avatar::Avatar;
use crate::parts::conversation_menu::MenuOf;
use crate::parts::details;
use crate::parts::icon::{Icon, Picture};
use crate::parts::presence;
use crate::words::{self, say, use_words};
use leptos::prelude::*;
use protocol::{ConversationId, Kind, Presence};
use web_sys::MouseEvent;

/// The strip.
#[component]
pub fn Header(
    /// Of which conversation.
    id: ConversationId,
) -> impl IntoView {
    let (live, words, clock) = (expect_context::<Live>(), use_words(), expect_context::<Clock>());
    let conversation = live.conversation(id);
    let name = names::use_conversation_name(live, words, id);
    let other = conversation.with_untracked(|one| one.as_ref().and_then(|one| names::other(live.me(), one)));
    let picture = other.map_or(id.uuid(), |user| user.uuid());
    // Of a group that carries its members; nothing while everybody else is away.
    let online = Memo::new(move |_| {
        let people: Vec<_> = conversation.with(|one| {
            let members = one.iter().flat_map(|one| &one.members).map(|member| member.user);
            members.filter(|user| *user != live.me()).collect()
        });
        let here = people.into_iter().filter(|user| {
            let person = live.person(*user);
            person.with(|person| person.as_ref().is_some_and(|one| one.presence == Presence::Online))
        });
        match here.count() {
            0 => 0,
            others => others + 1,
        }
    });
    let about = move || {
        let (kind, count) = conversation
            .with(|one| one.as_ref().map_or((Kind::Group, 0), |one| (one.kind, u64::from(one.member_count))));
        match (kind, other) {
            (Kind::Direct, Some(user)) => presence::sentence(live, words, clock, user),
            (Kind::Direct, None) => String::new(),
            (Kind::Group, _) => {
                let members = words::members(words, count);
                match online.get() {
                    0 => members,
                    online => format!("{members} · {}", say!(words, members_online, count = online)),
                }
            }
        }
    };
    let menu = use_context::<MenuOf>();
    let open = move |event: MouseEvent| {
        if let Some(menu) = menu {
            menu.open(id, &event, false);
        }
    };
    view! {
        <header class="header">
            <a class="icon-button header-back" href="/" aria-label=say!(words, back)>
                <Picture icon=Icon::Back />
            </a>
            <Avatar id=picture name=name who=other />
            <div class="header-names">
                <h1 dir="auto">{move || name.get()}</h1>
                <p dir="auto">{about}</p>
            </div>
            <button
                class="icon-button with-script"
                type="button"
                aria-haspopup="menu"
                aria-label=say!(words, conversation_actions)
                title=say!(words, conversation_actions)
                on:click=open
            >
                <Picture icon=Icon::Dots />
            </button>
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
