//! Reactions under a message, as pills.

use crate::live::Live;
use crate::names;
use crate::parts::each::each;
use crate::parts::message_actions::Actions;
use crate::words::{say, use_words};
use leptos::prelude::*;
use protocol::Message;
use std::sync::Arc;

/// Names said of one reaction; the others are a number.
const NAMES: usize = 8;

/// The pills, in the order in which the emoji came.
#[component]
pub fn Reactions(
    /// The message as it is now.
    message: Signal<Option<Arc<Message>>>,
) -> impl IntoView {
    let words = use_words();
    let emoji = Memo::new(move |_| {
        message.with(|message| {
            let reactions = message.as_ref().map(|message| message.reactions.as_slice()).unwrap_or_default();
            reactions.iter().map(|one| one.emoji.clone()).collect::<Vec<_>>()
        })
    });
    view! {
        <Show when=move || emoji.with(|emoji| !emoji.is_empty())>
            <div class="reactions" role="group" aria-label=say!(words, reactions)>
                {each(
                    move || emoji.get(),
                    String::clone,
                    move |emoji| view! { <Pill message=message emoji=emoji /> }.into_any(),
                )}
            </div>
        </Show>
    }
    .into_any()
}

#[component]
fn Pill(message: Signal<Option<Arc<Message>>>, emoji: String) -> impl IntoView {
    let (actions, live, words) = (expect_context::<Actions>(), expect_context::<Live>(), use_words());
    let (shown, pressed) = (emoji.clone(), emoji.clone());
    let users = Memo::new(move |_| {
        message.with(|message| {
            let reactions = message.as_ref().map(|message| message.reactions.as_slice()).unwrap_or_default();
            reactions.iter().find(|one| one.emoji == emoji).map(|one| one.users.clone()).unwrap_or_default()
        })
    });
    let mine = move || users.with(|users| users.contains(&live.me()));
    let named = shown.clone();
    let label = Memo::new(move |_| {
        users.with(|users| {
            let name_of = |user: &_| names::of_subject(live, words, *user);
            let mut names =
                users.iter().take(NAMES).map(name_of).collect::<Vec<_>>().join(say!(words, names_comma));
            if users.len() > NAMES {
                names = say!(words, names_more, names = names, count = users.len() - NAMES);
            }
            say!(words, reaction_by, emoji = named.clone(), names = names)
        })
    });
    view! {
        <button
            type="button"
            class="reaction"
            aria-pressed=move || mine().to_string()
            aria-label=move || label.get()
            title=move || label.get()
            on:click=move |_| {
                if let Some(message) = message.get_untracked() {
                    actions.react(&message, &pressed);
                }
            }
        >
            <span aria-hidden="true">{shown}</span>
            <span aria-hidden="true">{move || users.with(Vec::len)}</span>
        </button>
    }
    .into_any()
}
