//! Leaving a group. Its owner hands it over first.

use super::Panel;
use crate::api;
use crate::live::Live;
use crate::names::{self, PLACES};
use crate::parts::avatar::Avatar;
use crate::parts::conversation_menu::MenuOf;
use crate::words::{say, use_words};
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::hooks::use_navigate;
use protocol::{Role, UserId};
use web_sys::SubmitEvent;

/// Id of the question before leaving.
pub(super) const LEAVE: &str = "leave";

/// The question, or to whom the group passes.
#[component]
pub(super) fn Leave(
    /// The panel's state.
    panel: Panel,
) -> impl IntoView {
    let (live, words) = (expect_context::<Live>(), use_words());
    let id = panel.id;
    let name = names::use_conversation_name(live, words, id);
    let conversation = live.conversation(id);
    let others = move || conversation.with(|one| one.as_ref().is_some_and(|one| one.member_count > 1));
    let owner = Memo::new(move |_| panel.my_role.get() == Role::Owner && others());
    let public = conversation.with_untracked(|one| one.as_ref().is_some_and(|one| one.public));
    let explained = if public { say!(words, leave_explain_public) } else { say!(words, leave_explain) };
    let question = say!(words, leave_question, name = PLACES[0]);
    let root = NodeRef::<html::Div>::new();
    // Asked for from the menu, perhaps on another page.
    if let Some(menu) = use_context::<MenuOf>() {
        Effect::new(move |_| {
            if menu.leaving.get() == Some(id)
                && let Some(root) = root.get()
            {
                let _ = root.show_popover();
                menu.leaving.set(None);
            }
        });
    }
    let navigate = use_navigate();
    let on_submit = move |event: SubmitEvent| {
        event.prevent_default();
        let navigate = navigate.clone();
        // The socket may bring the news first, and this panel be gone when the answer comes.
        spawn_local(async move {
            match api::leave(id).await {
                Ok(()) => {
                    navigate("/", Default::default());
                    live.forget(id);
                }
                Err(error) => panel.report(Some(error)),
            }
        });
    };
    let heir = move |user: UserId| {
        let name = Memo::new(move |_| names::of_person(live, words, user));
        let choose = move |_| {
            if let Some(root) = root.get_untracked() {
                let _ = root.hide_popover();
            }
            panel.ask_hand_over(user);
        };
        view! {
            <li>
                <button class="person" type="button" on:click=choose>
                    <Avatar id=user.uuid() name=name size="small" who=Some(user) />
                    <span class="person-name" dir="auto">{move || name.get()}</span>
                </button>
            </li>
        }
        .into_any()
    };
    let heirs = move || {
        let mut people = panel.members.with(|all| all.iter().map(|one| one.user).collect::<Vec<_>>());
        people.retain(|user| *user != live.me());
        people.into_iter().map(heir).collect::<Vec<_>>()
    };
    view! {
        <div class="dialog" id=LEAVE popover="auto" role="dialog" aria-labelledby="leave-title" node_ref=root on:toggle=move |_| panel.fetch(false)>
            <h2 id="leave-title">{move || names::in_sentence(&question, [name.get(), String::new()])}</h2>
            <p>{move || if owner.get() { say!(words, leave_owner) } else { explained }}</p>
            <Show when=move || owner.get()>
                <ul class="dialog-scroll people with-script" aria-label=say!(words, hand_over)>{heirs}</ul>
            </Show>
            <form class="dialog-buttons" method="post" action="/fn/quit" on:submit=on_submit>
                <input type="hidden" name="conversation" value=id.to_string() />
                <button class="button quiet" type="button" popovertarget=LEAVE popovertargetaction="hide">
                    {say!(words, cancel)}
                </button>
                <button class="button danger" type="submit" class:gone=move || owner.get()>{say!(words, leave_group)}</button>
            </form>
        </div>
    }
    .into_any()
}
