//! The message that another one answers: above its words, and above the composer.

use crate::i18n::Locale;
use crate::live::Live;
use crate::names;
use crate::parts::avatar::hue;
use crate::parts::conversation_row::one_line;
use crate::parts::icon::{Icon, Picture};
use crate::parts::keyboard;
use crate::parts::message_actions::{Actions, FIELD, Mode};
use crate::timeline::Quoted;
use crate::words::{say, use_words};
use leptos::ev;
use leptos::prelude::*;
use protocol::{ConversationId, MessageId, UserId};

/// Who and what, once it is known.
type Line = (Option<UserId>, String, Option<u64>);

/// The line of a quote; follows edits and recalls of the original.
fn line(live: Live, words: Locale, id: ConversationId, message: MessageId) -> Memo<Line> {
    let quoted = live.message(id, message);
    Memo::new(move |_| {
        quoted.with(|quoted| match quoted {
            Quoted::Unknown => (None, String::new(), None),
            Quoted::Gone => (None, say!(words, quote_gone).to_owned(), None),
            Quoted::Here(message) => (Some(message.sender), one_line(words, message), Some(message.seq)),
        })
    })
}

fn name_of(live: Live, words: Locale, user: Option<UserId>) -> String {
    match user {
        Some(user) => names::of_subject(live, words, user),
        // Its line keeps its height while it is asked for.
        None => "\u{a0}".to_owned(),
    }
}

/// In a message: a link to the original.
#[component]
pub fn Quote(
    /// The conversation of both.
    id: ConversationId,
    /// The original.
    message: MessageId,
) -> impl IntoView {
    let (actions, live, words) = (expect_context::<Actions>(), expect_context::<Live>(), use_words());
    let line = line(live, words, id, message);
    let name = Memo::new(move |_| name_of(live, words, line.with(|line| line.0)));
    let jump = move |event: ev::MouseEvent| {
        if event.ctrl_key() || event.meta_key() || event.shift_key() {
            return;
        }
        if let Some(seq) = line.with_untracked(|line| line.2) {
            event.prevent_default();
            actions.jump(seq);
        }
    };
    view! {
        <a
            class="quote"
            href=move || line.with(|line| line.2).map(|seq| format!("/c/{id}/m/{seq}"))
            aria-label=move || line.with(|line| {
                line.0.map(|_| format!("{}: {}", say!(words, quote_of, name = name.get()), line.1))
            })
            on:click=jump
        >
            <span class=move || format!("quote-by {}", line.with(|line| line.0.map(|user| hue(user.uuid())).unwrap_or_default())) dir="auto">
                {move || name.get()}
            </span>
            <span class="quote-text" dir="auto">{move || line.with(|line| line.1.clone())}</span>
        </a>
    }
    .into_any()
}

/// Above the composer: what is being answered or edited, and the way out of it.
#[component]
pub fn WritingBar() -> impl IntoView {
    let (actions, live, words) = (expect_context::<Actions>(), expect_context::<Live>(), use_words());
    let bar = move |icon: Icon, title: Signal<String>, text: Signal<String>, end: &'static str| {
        view! {
            <div class="writing-bar" role="status">
                <Picture icon=icon />
                <div class="quote">
                    <span class="quote-by" dir="auto">{move || title.get()}</span>
                    <span class="quote-text" dir="auto">{move || text.get()}</span>
                </div>
                <button
                    class="icon-button small"
                    type="button"
                    aria-label=end
                    title=end
                    on:click=move |_| {
                        actions.mode.set(Mode::New);
                        keyboard::focus(FIELD);
                    }
                >
                    <Picture icon=Icon::Cross />
                </button>
            </div>
        }
        .into_any()
    };
    move || match actions.mode.get() {
        Mode::New => None,
        Mode::Reply(message) => {
            let line = line(live, words, actions.id, message);
            let title = Signal::derive(move || {
                let name = name_of(live, words, line.with(|line| line.0));
                say!(words, replying_to, name = name)
            });
            let text = Signal::derive(move || line.with(|line| line.1.clone()));
            Some(bar(Icon::Reply, title, text, say!(words, cancel_reply)))
        }
        Mode::Edit(message) => {
            let title = Signal::derive(move || say!(words, editing).to_owned());
            let text = Signal::derive(move || one_line(words, &message));
            Some(bar(Icon::Pencil, title, text, say!(words, cancel_edit)))
        }
    }
}
