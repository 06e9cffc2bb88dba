//! Where messages are written: a form that works without script, and sends over the socket with it.

use crate::boot::Boot;
use crate::live::Live;
use crate::names;
use crate::parts::icon::{Icon, Picture};
use crate::parts::scroll::{Place, Scroll};
use crate::words::{say, use_words};
use leptos::html;
use leptos::prelude::*;
use protocol::limits::TEXT_CHARS;
use protocol::{ConversationId, Text, UserId};
use std::sync::Arc;
use web_sys::{KeyboardEvent, Storage};

/// Characters left at which the page starts to count down.
const COUNT_FROM: usize = 500;
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
    let (live, words) = (expect_context::<Live>(), use_words());
    let nonce = expect_context::<Arc<Boot>>().form_nonce.clone();
    let name = names::use_conversation_name(live, words, id);
    let field = NodeRef::<html::Textarea>::new();
    let draft = Draft { me: live.me(), conversation: id };
    let length = RwSignal::new(0usize);

    Effect::new(move |_| {
        let Some(field) = field.get() else { return };
        // Typed before the page was live, it counts more than what was typed last time.
        if field.value().is_empty() {
            field.set_value(&draft.read());
        }
        length.set(field.value().chars().count());
        if has_keyboard() {
            let _ = field.focus();
        }
    });
    let send = move || {
        let Some(field) = field.get_untracked() else { return };
        let text = field.value();
        // The limits of a message are its own; a text that breaks them stays in the field, and the count says why.
        let Ok(text) = Text::try_from(text.trim_end().trim_start_matches('\n').to_owned()) else { return };
        // Where too many wait to be sent already, it stays in the field.
        if !live.send(id, text) {
            return;
        }
        field.set_value("");
        length.set(0);
        draft.write("");
        // The button took the focus; the next message is written in the field.
        let _ = field.focus();
        scroll.go(Place::End);
    };
    let on_key = move |event: KeyboardEvent| {
        let composing = event.is_composing() || event.key_code() == COMPOSING;
        if event.key() == "Enter" && !event.shift_key() && !composing && has_keyboard() {
            event.prevent_default();
            send();
        }
    };
    let on_input = move |_| {
        if let Some(field) = field.get_untracked() {
            let text = field.value();
            length.set(text.chars().count());
            draft.write(&text);
        }
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
                node_ref=field
                on:keydown=on_key
                on:input=on_input
            ></textarea>
            <p class="composer-count" id="composer-count" role="status" class:over=over>
                {count}
            </p>
            <button class="send" type="submit" aria-label=say!(words, send) title=say!(words, send)>
                <Picture icon=Icon::Send />
            </button>
        </form>
    }
    .into_any()
}

/// Whether this device is typed on with keys: on a touch screen Enter has to break lines, because nothing else can,
/// and taking the focus would bring up the keyboard.
fn has_keyboard() -> bool {
    !window()
        .match_media("(hover: none) and (pointer: coarse)")
        .ok()
        .flatten()
        .is_some_and(|query| query.matches())
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
