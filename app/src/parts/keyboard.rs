//! The keys that work everywhere on the page.

use crate::live::Live;
use crate::parts::conversation_list::FILTER;
use crate::parts::details;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use leptos_router::hooks::use_navigate;
use protocol::ConversationId;
use web_sys::{HtmlElement, KeyboardEvent};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    /// To the filter of the list.
    Filter,
    /// To the next conversation of the list, or with `true` to the one before.
    Step { back: bool },
    /// Close what is open, or leave the field.
    Escape,
}

fn command(event: &KeyboardEvent) -> Option<Command> {
    if event.is_composing() {
        return None;
    }
    let (control, alt) = (event.ctrl_key() || event.meta_key(), event.alt_key());
    match (event.key().as_str(), control, alt) {
        ("k" | "K", true, false) => Some(Command::Filter),
        ("ArrowUp", false, true) => Some(Command::Step { back: true }),
        ("ArrowDown", false, true) => Some(Command::Step { back: false }),
        ("Escape", false, false) => Some(Command::Escape),
        _ => None,
    }
}

/// Listens for the keys, in the browser, as long as the calling component is there.
pub fn listen(live: Live, current: Signal<Option<ConversationId>>) {
    let navigate = use_navigate();
    let step = move |back: bool| {
        let order = live.order().get_untracked();
        let at = current.get_untracked().and_then(|id| order.iter().position(|one| *one == id));
        let next = match (at, back) {
            (Some(at), true) => at.checked_sub(1),
            (Some(at), false) => Some(at + 1),
            (None, _) => Some(0),
        };
        if let Some(id) = next.and_then(|at| order.get(at)) {
            navigate(&format!("/c/{id}"), Default::default());
        }
    };
    Effect::new(move |_| {
        let step = step.clone();
        let handle = window_event_listener(leptos::ev::keydown, move |event| match command(&event) {
            Some(Command::Filter) => {
                event.prevent_default();
                focus(FILTER);
            }
            Some(Command::Step { back }) => {
                event.prevent_default();
                step(back);
            }
            Some(Command::Escape) => escape(),
            None => {}
        });
        on_cleanup(move || handle.remove());
    });
}

/// Puts the focus on the element with this id.
pub fn focus(id: &str) {
    if let Some(element) =
        document().get_element_by_id(id).and_then(|element| element.dyn_into::<HtmlElement>().ok())
    {
        let _ = element.focus();
    }
}

/// Whether this device is typed on with keys: on a touch screen Enter has to break lines, because nothing else can,
/// and taking the focus would bring up the keyboard.
pub fn has_keyboard() -> bool {
    !window()
        .match_media("(hover: none) and (pointer: coarse)")
        .ok()
        .flatten()
        .is_some_and(|query| query.matches())
}

fn escape() {
    // Menus and questions close by themselves, as the browser's own do; the panel stays until asked.
    if document().query_selector(":popover-open:not(.details), dialog[open]").is_ok_and(|open| open.is_some())
    {
        return;
    }
    let panel =
        document().get_element_by_id(details::PANEL).and_then(|panel| panel.dyn_into::<HtmlElement>().ok());
    if let Some(panel) = panel.filter(|panel| panel.matches(":popover-open").unwrap_or(false)) {
        let _ = panel.hide_popover();
        return;
    }
    if let Some(element) =
        document().active_element().and_then(|element| element.dyn_into::<HtmlElement>().ok())
    {
        let _ = element.blur();
    }
}
