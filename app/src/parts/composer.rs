//! Where messages are written: a form that works without script, and sends over the socket with it.

use crate::boot::Boot;
use crate::live::{Link, Live};
use crate::names;
use crate::parts::icon::{Icon, Picture};
use crate::parts::keyboard::has_keyboard;
use crate::parts::mention_list::{self, MentionList, Mentioning};
use crate::parts::menu;
use crate::parts::message_actions::{Actions, Mode, Picking};
use crate::parts::quote::WritingBar;
use crate::parts::scroll::{Place, Scroll};
use crate::words::{say, use_words};
use leptos::html;
use leptos::prelude::*;
use protocol::limits::TEXT_CHARS;
use protocol::{ConversationId, Text, UserId};
use std::sync::Arc;
use std::time::Duration;
use web_sys::{KeyboardEvent, MouseEvent, Storage};

/// Characters left at which the page starts to count down.
const COUNT_FROM: usize = 500;
/// After this a draft that was handed over has reached the server, if there is a connection.
const HANDED_OVER: Duration = Duration::from_secs(3);
/// What a browser reports as the key while an input method composes a character.
const COMPOSING: u32 = 229;
/// Beginning of the drafts' names in the browser's storage.
const DRAFTS: &str = "confab.draft.";

/// The field and its button.
#[component]
pub fn Composer(
    /// Where the messages go.
    id: ConversationId,
    /// Follows to the end when something is sent.
    scroll: Scroll,
) -> impl IntoView {
    let (actions, live, words) = (expect_context::<Actions>(), expect_context::<Live>(), use_words());
    let conversation = live.conversation(id);
    let nonce = expect_context::<Arc<Boot>>().form_nonce.clone();
    let name = names::use_conversation_name(live, words, id);
    let field = NodeRef::<html::Textarea>::new();
    let draft = Draft { me: live.me(), conversation: id };
    let length = RwSignal::new(0usize);

    let mentioning = Mentioning::new(id);
    let fill = move |text: &str| {
        if let Some(field) = field.get_untracked() {
            field.set_value(text);
            length.set(text.chars().count());
        }
    };

    Effect::new(move |_| {
        let Some(field) = field.get() else { return };
        // Typed before the page was live, it counts more than what was typed last time; what may not have reached the
        // server, more than what it has.
        if field.value().is_empty() {
            let (kept, told) = (draft.read(), live.draft(id));
            if kept.is_empty() || kept == told {
                draft.write("");
                field.set_value(&told);
            } else {
                field.set_value(&kept);
                live.set_draft(id, kept);
            }
        }
        length.set(field.value().chars().count());
        if has_keyboard() {
            let _ = field.focus();
        }
    });
    // What another device wrote, or sent, takes the place of the words the field had in common with it.
    let elsewhere = Memo::new(move |_| {
        conversation.with(|one| one.as_ref().map(|one| one.settings.draft.clone()).unwrap_or_default())
    });
    Effect::new(move |before: Option<String>| {
        let text = elsewhere.get();
        let editing = actions.mode.with_untracked(|mode| matches!(mode, Mode::Edit(_)));
        let written = field.get_untracked().map(|field| field.value());
        if before.is_some() && before == written && before.as_ref() != Some(&text) && !editing {
            draft.write("");
            fill(&text);
        }
        text
    });
    Effect::new(move |before: Option<Mode>| {
        let mode = actions.mode.get();
        let Some(before) = before.filter(|before| *before != mode) else { return mode };
        match (&before, &mode) {
            (_, Mode::Edit(message)) => fill(message.body.text().unwrap_or_default()),
            (Mode::Edit(_), _) => {
                let kept = draft.read();
                fill(&if kept.is_empty() { live.draft(id) } else { kept });
            }
            _ => {}
        }
        mentioning.close();
        if let Some(field) = field.get_untracked().filter(|_| mode != Mode::New) {
            let _ = field.focus();
            let end = u32::try_from(field.value().encode_utf16().count()).unwrap_or(u32::MAX);
            let _ = field.set_selection_range(end, end);
        }
        mode
    });
    let keep = move |text: &str| {
        draft.write(text);
        live.set_draft(id, text.to_owned());
    };
    let send = move || {
        let Some(field) = field.get_untracked() else { return };
        let text = field.value();
        // The limits of a message are its own; a text that breaks them stays in the field, and the count says why.
        let Ok(text) = Text::try_from(text.trim_end().trim_start_matches('\n').to_owned()) else { return };
        mentioning.close();
        let reply_to = match actions.mode.get_untracked() {
            Mode::Edit(message) => {
                if message.body.text() != Some(text.as_str()) {
                    live.edit(id, message.id, text);
                }
                actions.mode.set(Mode::New);
                let _ = field.focus();
                return;
            }
            Mode::Reply(message) => Some(message),
            Mode::New => None,
        };
        // First, so that who has the message has no draft of it any more.
        keep("");
        live.flush_draft(id);
        // Where too many wait to be sent already, it stays in the field.
        if !live.send(id, text, reply_to) {
            keep(&field.value());
            return;
        }
        actions.mode.set(Mode::New);
        fill("");
        // The button took the focus; the next message is written in the field.
        let _ = field.focus();
        scroll.go(Place::End);
    };
    let on_key = move |event: KeyboardEvent| {
        let composing = event.is_composing() || event.key_code() == COMPOSING;
        let Some(field) = field.get_untracked().filter(|_| !composing) else { return };
        if mentioning.on_key(&event, &field) {
            return;
        }
        match event.key().as_str() {
            "Enter" if !event.shift_key() && has_keyboard() => {
                event.prevent_default();
                send();
            }
            "Escape" if actions.mode.with_untracked(|mode| *mode != Mode::New) => {
                event.stop_propagation();
                actions.mode.set(Mode::New);
            }
            "ArrowUp" if field.value().is_empty() && !event.alt_key() && actions.edit_last() => {
                event.prevent_default();
            }
            _ => {}
        }
    };
    let on_input = move |_| {
        let Some(field) = field.get_untracked() else { return };
        let text = field.value();
        length.set(text.chars().count());
        mentioning.look(&field);
        if actions.mode.with_untracked(|mode| matches!(mode, Mode::Edit(_))) {
            return;
        }
        keep(&text);
        if !text.is_empty() {
            live.typing(id);
        }
    };
    let on_blur = move |_| {
        mentioning.close();
        live.flush_draft(id);
        // What the server has is kept there, where my other devices can end it.
        set_timeout(
            move || {
                if live.link().get_untracked() == Link::Live && draft.read() == live.draft(id) {
                    draft.write("");
                }
            },
            HANDED_OVER,
        );
    };
    let pick = move |event: MouseEvent| {
        actions.open_picker(Picking::Words, menu::place_of(&event, false));
    };
    let count = move || {
        let length = length.get();
        if length > TEXT_CHARS {
            Some(say!(words, too_long, count = length - TEXT_CHARS))
        } else if length + COUNT_FROM > TEXT_CHARS {
            Some(say!(words, characters_left, count = TEXT_CHARS - length))
        } else {
            None
        }
    };
    let label = move || {
        let editing = actions.mode.with(|mode| matches!(mode, Mode::Edit(_)));
        if editing { say!(words, save) } else { say!(words, send) }
    };
    let over = move || length.get() > TEXT_CHARS;
    view! {
        <form
            class="composer"
            method="post"
            action="/fn/send"
            on:submit=move |event| {
                event.prevent_default();
                send();
            }
        >
            <WritingBar />
            <MentionList mentioning=mentioning field=field />
            <input type="hidden" name="conversation" value=id.to_string() />
            <input type="hidden" name="nonce" value=nonce />
            <label class="visually-hidden" for="composer">{say!(words, message)}</label>
            <textarea
                id="composer"
                name="text"
                rows="1"
                required
                dir="auto"
                autocomplete="off"
                enterkeyhint="send"
                placeholder=move || say!(words, message_to, name = name.get())
                aria-describedby="composer-count"
                aria-autocomplete="list"
                aria-controls=mention_list::LIST
                aria-activedescendant=move || mentioning.active()
                node_ref=field
                on:keydown=on_key
                on:input=on_input
                on:blur=on_blur
            ></textarea>
            <p class="composer-count" id="composer-count" role="status" class:over=over>
                {count}
            </p>
            <button
                class="icon-button with-script"
                type="button"
                aria-haspopup="dialog"
                aria-label=say!(words, emoji)
                title=say!(words, emoji)
                on:click=pick
            >
                <Picture icon=Icon::Smile />
            </button>
            <button class="send" type="submit" aria-label=label title=label>
                <Picture icon=Icon::Send />
            </button>
        </form>
    }
    .into_any()
}

/// What was written and not sent, kept on this device.
#[derive(Clone, Copy)]
struct Draft {
    me: UserId,
    conversation: ConversationId,
}

impl Draft {
    fn key(self) -> String {
        format!("{DRAFTS}{}.{}", self.me, self.conversation)
    }

    fn read(self) -> String {
        storage().and_then(|storage| storage.get_item(&self.key()).ok().flatten()).unwrap_or_default()
    }

    /// A full or forbidden storage costs the draft, nothing else.
    fn write(self, text: &str) {
        if let Some(storage) = storage() {
            let _ = if text.is_empty() {
                storage.remove_item(&self.key())
            } else {
                storage.set_item(&self.key(), text)
            };
        }
    }
}

fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}

/// Forgets every draft on this device: called when signing out, because the next person may use the same browser.
pub fn forget_drafts() {
    let Some(storage) = storage() else { return };
    let names: Vec<String> = (0..storage.length().unwrap_or(0))
        .filter_map(|at| storage.key(at).ok().flatten())
        .filter(|name| name.starts_with(DRAFTS))
        .collect();
    for name in names {
        let _ = storage.remove_item(&name);
    }
}
