//! The menu of a message, one for the whole conversation.

use crate::i18n::Locale;
use crate::live::Live;
use crate::parts::icon::{Icon, Picture};
use crate::parts::menu;
use crate::parts::message_actions::{Actions, Picking, Sheet};
use crate::parts::receipts::ReadersOf;
use crate::words::{say, use_words};
use leptos::prelude::*;
use protocol::Message;
use std::sync::Arc;

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Reply,
    React,
    Edit,
    CopyText,
    CopyLink,
    Pin,
    Unread,
    Readers,
    History,
    Recall,
}

/// The menu.
#[component]
pub fn MessageMenu() -> impl IntoView {
    let (actions, live, words) = (expect_context::<Actions>(), expect_context::<Live>(), use_words());
    let readers = expect_context::<ReadersOf>();
    view! {
        <div
            class="menu"
            role="menu"
            popover="auto"
            aria-label=say!(words, message_actions)
            node_ref=actions.menu
            on:keydown=|event| menu::on_key(&event)
            on:toggle=move |_| actions.menu_closed()
        >
            {move || actions.menu_of.get().map(|message| items(live, actions, readers, words, &message))}
        </div>
    }
    .into_any()
}

fn items(
    live: Live,
    actions: Actions,
    readers: ReadersOf,
    words: Locale,
    message: &Arc<Message>,
) -> Vec<AnyView> {
    let has_words = message.body.text().is_some();
    let pin = if message.pinned { say!(words, unpin) } else { say!(words, pin) };
    [
        (true, Choice::Reply, Icon::Reply, say!(words, reply)),
        (true, Choice::React, Icon::Smile, say!(words, react)),
        (actions.may_edit(message), Choice::Edit, Icon::Pencil, say!(words, edit)),
        (has_words, Choice::CopyText, Icon::Copy, say!(words, copy_text)),
        (true, Choice::CopyLink, Icon::Link, say!(words, copy_link)),
        (true, Choice::Pin, Icon::Pin, pin),
        (message.sender != live.me(), Choice::Unread, Icon::Unread, say!(words, unread_from_here)),
        (true, Choice::Readers, Icon::Eye, say!(words, who_read)),
        (message.edited_at.is_some(), Choice::History, Icon::Clock, say!(words, edit_history)),
        (actions.may_recall(message), Choice::Recall, Icon::Undo, say!(words, take_back)),
    ]
    .into_iter()
    .filter(|(there, ..)| *there)
    .map(|(_, choice, icon, label)| {
        let message = message.clone();
        view! {
            <button
                type="button"
                role="menuitem"
                tabindex="-1"
                class:alert=choice == Choice::Recall
                on:click=move |event| choose(live, actions, readers, choice, message.clone(), menu::place_of(&event, false))
            >
                <Picture icon=icon />
                {label}
            </button>
        }
        .into_any()
    })
    .collect()
}

fn choose(
    live: Live,
    actions: Actions,
    readers: ReadersOf,
    choice: Choice,
    message: Arc<Message>,
    at: (f64, f64),
) {
    // First, so that the focus is back where it was before anything else takes it.
    if let Some(popover) = actions.menu.get_untracked() {
        menu::close(&popover);
    }
    let id = actions.id;
    match choice {
        Choice::Reply => actions.reply(&message),
        Choice::React => {
            actions.open_picker(Picking::Reaction(message), at);
        }
        Choice::Edit => actions.edit(&message),
        Choice::CopyText => actions.copy(message.body.text().unwrap_or_default()),
        Choice::CopyLink => {
            let origin = window().location().origin().unwrap_or_default();
            actions.copy(&format!("{origin}/c/{id}/m/{}", message.seq));
        }
        Choice::Pin => live.pin(id, message.id, !message.pinned),
        Choice::Unread => live.mark_unread(id, message.seq),
        Choice::Readers => readers.show(message.id, message.sender),
        Choice::History => actions.sheet.set(Some(Sheet::History(message))),
        Choice::Recall => actions.sheet.set(Some(Sheet::Recall(message))),
    }
}
