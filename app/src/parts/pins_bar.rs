//! The newest pinned message, above the messages.

use crate::api;
use crate::boot::Boot;
use crate::live::Live;
use crate::parts::conversation_row::one_line;
use crate::parts::icon::{Icon, Picture};
use crate::parts::message_actions::{Actions, Sheet};
use crate::words::{say, use_words};
use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;

/// The bar; nothing where nothing is pinned.
#[component]
pub fn PinsBar() -> impl IntoView {
    let (actions, live, words) = (expect_context::<Actions>(), expect_context::<Live>(), use_words());
    let id = actions.id;
    let changed = live.pins_changed(id);
    let asked = StoredValue::new(0u64);
    // What the page carried is right until something changed.
    let carried = expect_context::<Arc<Boot>>().viewer.as_ref().and_then(|viewer| {
        let open = viewer.open.as_ref().filter(|open| open.conversation == id)?;
        open.pins.clone().filter(|_| changed.get_untracked() == 0)
    });
    let fetched = carried.is_none();
    actions.pins.set(carried.unwrap_or_default());
    Effect::new(move |_| {
        if changed.get() == 0 && !fetched {
            return;
        }
        let Some(number) = asked.try_update_value(|asked| {
            *asked += 1;
            *asked
        }) else {
            return;
        };
        spawn_local(async move {
            // Without an answer what was shown stays: the next change asks again.
            if let Ok(answer) = api::pins(id).await
                && asked.try_get_value() == Some(number)
            {
                actions.pins.try_set(answer.messages);
            }
        });
    });
    let newest = Memo::new(move |_| actions.pins.with(|pins| pins.last().cloned()));
    let several = Memo::new(move |_| actions.pins.with(|pins| pins.len()));
    move || {
        newest.get().map(|message| {
            let seq = message.seq;
            let jump = move |event: ev::MouseEvent| {
                if !event.ctrl_key() && !event.meta_key() && !event.shift_key() {
                    event.prevent_default();
                    actions.jump(seq);
                }
            };
            view! {
                <section class="pins-bar" aria-label=say!(words, pinned_messages)>
                    <Picture icon=Icon::Pin />
                    <a class="quote" href=format!("/c/{id}/m/{seq}") on:click=jump>
                        <span class="quote-by">{say!(words, pinned_message)}</span>
                        <span class="quote-text" dir="auto">{one_line(words, &message)}</span>
                    </a>
                    <button
                        class="icon-button"
                        type="button"
                        aria-haspopup="dialog"
                        aria-label=say!(words, pins_all)
                        title=say!(words, pins_all)
                        on:click=move |_| actions.sheet.set(Some(Sheet::Pins))
                    >
                        {move || several.get()}
                    </button>
                </section>
            }
            .into_any()
        })
    }
}
