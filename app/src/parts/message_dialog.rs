//! The dialog of a conversation's messages: the question before one is taken back, what one said before, all pins.

use crate::api;
use crate::clock::Clock;
use crate::live::Live;
use crate::names;
use crate::parts::conversation_row::one_line;
use crate::parts::icon::{Icon, Picture};
use crate::parts::message_actions::{Actions, Sheet};
use crate::parts::message_text::MessageText;
use crate::parts::notice::Notice;
use crate::words::{reason, say, use_words};
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::Message;
use protocol::rest::Version;
use std::sync::Arc;

/// The dialog. It is the browser's own: Escape closes it, the focus stays in it and goes back.
#[component]
pub fn MessageDialog() -> impl IntoView {
    let (actions, words) = (expect_context::<Actions>(), use_words());
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        if actions.sheet.with(Option::is_some) {
            // What it shows is drawn by then.
            request_animation_frame(move || {
                if let Some(dialog) = dialog.try_get_untracked().flatten().filter(|dialog| !dialog.open()) {
                    let _ = dialog.show_modal();
                }
            });
        } else if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    });
    let title = move || match actions.sheet.get() {
        Some(Sheet::Recall(_)) => say!(words, take_back_question),
        Some(Sheet::History(_)) => say!(words, edit_history),
        Some(Sheet::Pins) => say!(words, pinned_messages),
        None => "",
    };
    view! {
        <dialog
            class="dialog message-dialog"
            closedby="any"
            aria-labelledby="message-dialog"
            node_ref=dialog
            on:close=move |_| actions.sheet.set(None)
        >
            <div class="dialog-head">
                <h2 id="message-dialog">{title}</h2>
                <button
                    class="icon-button"
                    type="button"
                    aria-label=say!(words, close)
                    title=say!(words, close)
                    on:click=move |_| actions.sheet.set(None)
                >
                    <Picture icon=Icon::Cross />
                </button>
            </div>
            {move || match actions.sheet.get() {
                Some(Sheet::Recall(message)) => view! { <Recall message=message /> }.into_any(),
                Some(Sheet::History(message)) => view! { <History message=message /> }.into_any(),
                Some(Sheet::Pins) => view! { <Pins /> }.into_any(),
                None => ().into_any(),
            }}
        </dialog>
    }
    .into_any()
}

#[component]
fn Recall(message: Arc<Message>) -> impl IntoView {
    let (actions, live, words) = (expect_context::<Actions>(), expect_context::<Live>(), use_words());
    let (id, text) = (message.id, one_line(words, &message));
    view! {
        <blockquote class="quote"><span class="quote-text" dir="auto">{text}</span></blockquote>
        <p>{say!(words, take_back_explain)}</p>
        <div class="dialog-buttons">
            <button class="button quiet" type="button" autofocus on:click=move |_| actions.sheet.set(None)>
                {say!(words, cancel)}
            </button>
            <button
                class="button danger"
                type="button"
                on:click=move |_| {
                    actions.sheet.set(None);
                    live.recall(actions.id, id);
                }
            >
                {say!(words, take_back)}
            </button>
        </div>
    }
    .into_any()
}

#[component]
fn History(message: Arc<Message>) -> impl IntoView {
    let (words, clock) = (use_words(), expect_context::<Clock>());
    let (versions, problem) = (RwSignal::new(None::<Vec<Version>>), RwSignal::new(None::<String>));
    let id = message.id;
    Effect::new(move |_| {
        spawn_local(async move {
            match api::edits(id).await {
                Ok(answer) => {
                    versions.try_set(Some(answer.versions));
                }
                Err(error) => {
                    problem.try_set(Some(reason(words, error.code).to_owned()));
                }
            }
        });
    });
    let now = Version { body: message.body.clone(), at: message.edited_at.unwrap_or(message.sent_at) };
    let rows = move || {
        let earlier = versions.get()?;
        let rows = std::iter::once(now.clone()).chain(earlier.into_iter().rev()).enumerate();
        let rows: Vec<AnyView> = rows
            .map(|(at, version)| {
                let when = clock.exact(version.at);
                view! {
                    <li>
                        <p class="hint">
                            <time datetime=version.at.to_string()>{when}</time>
                            {(at == 0).then(|| format!(" · {}", say!(words, edit_now)))}
                        </p>
                        <div class="bubble" dir="auto">
                            <MessageText text=version.body.text().unwrap_or_default().to_owned() names=Vec::new() />
                        </div>
                    </li>
                }
                .into_any()
            })
            .collect();
        Some(view! { <ol class="versions">{rows}</ol> }.into_any())
    };
    view! {
        <Notice text=problem />
        <div class="dialog-scroll" tabindex="0" role="group" aria-labelledby="message-dialog">{rows}</div>
    }
    .into_any()
}

#[component]
fn Pins() -> impl IntoView {
    let (actions, live, words) = (expect_context::<Actions>(), expect_context::<Live>(), use_words());
    let clock = expect_context::<Clock>();
    let id = actions.id;
    let rows = move || {
        let pins = actions.pins.get();
        let none = pins.is_empty();
        let rows: Vec<AnyView> = pins
            .into_iter()
            .rev()
            .map(|message| {
                let (seq, sender) = (message.seq, message.sender);
                view! {
                    <li class="pin">
                        <a
                            class="quote"
                            href=format!("/c/{id}/m/{seq}")
                            on:click=move |event| {
                                event.prevent_default();
                                actions.sheet.set(None);
                                actions.jump(seq);
                            }
                        >
                            <span class="quote-by" dir="auto">
                                {move || names::of_subject(live, words, sender)}
                                <time datetime=message.sent_at.to_string()>{clock.brief(message.sent_at)}</time>
                            </span>
                            <span class="quote-text" dir="auto">{one_line(words, &message)}</span>
                        </a>
                        <button
                            class="icon-button"
                            type="button"
                            aria-label=say!(words, unpin)
                            title=say!(words, unpin)
                            on:click=move |_| live.pin(id, message.id, false)
                        >
                            <Picture icon=Icon::Cross />
                        </button>
                    </li>
                }
                .into_any()
            })
            .collect();
        view! {
            {none.then(|| view! { <p role="status">{say!(words, pins_none)}</p> })}
            <ul>{rows}</ul>
        }
        .into_any()
    };
    view! { <div class="dialog-scroll" tabindex="0" role="group" aria-labelledby="message-dialog">{rows}</div> }
        .into_any()
}
