//! Pointers, fingers, focus and keys on the messages of a log.

use super::{Actions, FIELD, Picking, Sheet, below};
use crate::parts::keyboard;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use protocol::Message;
use std::sync::Arc;
use std::time::Duration;
use web_sys::{Element, FocusEvent, HtmlElement, KeyboardEvent, MouseEvent, PointerEvent};

/// How long a finger rests on a message before its menu opens, as phones do it.
const LONG_PRESS: Duration = Duration::from_millis(500);

/// How far the toolbar stands out above a message, as in `style/message_actions.css`.
const TOOLBAR_PX: f64 = 32.0;

/// Listeners of the log. Each finds the message it is about from where the event happened.
impl Actions {
    fn message_at(self, event: &web_sys::Event) -> Option<Arc<Message>> {
        let seq = seq_of(event)?;
        self.find(|message| message.seq == seq && !message.recalled)
    }

    /// The toolbar comes to another message; first it is looked whether there is room above it.
    fn reach(self, how: RwSignal<Option<u64>>, seq: Option<u64>) {
        let top = |element: &Element| element.get_bounding_client_rect().top();
        if let (Some(row), Some(log)) = (seq.and_then(|seq| self.row(seq)), self.scroll.log.get_untracked()) {
            self.low.set(top(&row) < top(&log) + TOOLBAR_PX);
        }
        how.set(seq);
    }

    /// A mouse is over something.
    pub fn on_over(self, event: &PointerEvent) {
        let seq = if event.pointer_type() == "touch" { None } else { seq_of(event) };
        if self.hovered.get_untracked() != seq {
            self.reach(self.hovered, seq);
        }
    }

    /// The mouse has left.
    pub fn on_leave(self) {
        self.hovered.set(None);
    }

    /// A finger rests on something. Its menu opens when the finger is lifted: one that opens below a finger is closed by
    /// the lifting, as every click beside it does.
    pub fn on_down(self, event: &PointerEvent) {
        self.on_cancel();
        if event.pointer_type() != "touch" || within_link(event) {
            return;
        }
        let Some(message) = self.message_at(event) else { return };
        let timer = set_timeout_with_handle(
            move || {
                self.ripe.try_set_value(Some(message));
            },
            LONG_PRESS,
        );
        self.pressed.set_value(timer.ok());
    }

    /// It was lifted.
    pub fn on_up(self, event: &PointerEvent) {
        let at = (f64::from(event.client_x()), f64::from(event.client_y()));
        let ripe = self.ripe.try_update_value(Option::take).flatten();
        self.on_cancel();
        if let Some(message) = ripe {
            set_timeout(move || self.open_menu(message, at), Duration::ZERO);
        }
    }

    /// It scrolls.
    pub fn on_cancel(self) {
        self.ripe.try_set_value(None);
        if let Some(timer) = self.pressed.try_update_value(Option::take).flatten() {
            timer.clear();
        }
    }

    /// A tap shows the toolbar.
    pub fn on_click(self, event: &MouseEvent) {
        if by_touch(event) && !within_link(event) {
            self.reach(self.focused, seq_of(event));
        }
    }

    /// The focus came to something by keys.
    pub fn on_focus(self, event: &FocusEvent) {
        let by_keys = target(event).is_some_and(|target| target.matches(":focus-visible").unwrap_or(false));
        if by_keys {
            self.reach(self.focused, seq_of(event));
        }
    }

    /// The focus left something.
    pub fn on_blur(self, event: &FocusEvent) {
        let stays =
            event.related_target().and_then(|next| next.dyn_into::<Element>().ok()).is_some_and(|next| {
                seq_above(&next).is_some_and(|seq| self.focused.get_untracked() == Some(seq))
            });
        if !stays {
            self.focused.set(None);
        }
    }

    /// The menu key, a long press or the right button. Links and selected words keep the browser's own menu.
    pub fn on_context_menu(self, event: &MouseEvent) {
        let selected =
            window().get_selection().ok().flatten().is_some_and(|selection| !selection.is_collapsed());
        if event.shift_key() || selected || within_link(event) {
            return;
        }
        let Some(message) = self.message_at(event) else { return };
        event.prevent_default();
        if by_touch(event) {
            self.ripe.set_value(Some(message));
            return;
        }
        let mut at = (f64::from(event.client_x()), f64::from(event.client_y()));
        if at == (0.0, 0.0)
            && let Some(row) = self.row(message.seq)
        {
            at = below(&row);
        }
        self.open_menu(message, at);
    }

    /// Keys in the log: arrows walk over the messages, letters do something with the focused one.
    pub fn on_key(self, event: &KeyboardEvent) {
        if event.is_composing() || event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        let Some(target) = target(event) else { return };
        let key = event.key();
        let on_row = target.tag_name() == "ARTICLE";
        let on_log = self.scroll.log.get_untracked().is_some_and(|log| *target == ***log);
        if (on_row || on_log) && matches!(key.as_str(), "ArrowUp" | "ArrowDown") {
            if self.walk(on_row.then_some(&target), key == "ArrowUp") {
                event.prevent_default();
            }
            return;
        }
        if key == "Escape" && seq_of(event).is_some() {
            event.stop_propagation();
            keyboard::focus(FIELD);
            return;
        }
        let Some(message) = self.message_at(event).filter(|_| on_row) else { return };
        let Ok(row) = target.dyn_into::<HtmlElement>() else { return };
        match key.as_str() {
            "r" | "R" => self.reply(&message),
            "e" | "E" => self.edit(&message),
            "c" | "C" => match message.body.text() {
                Some(text) => self.copy(text),
                None => return,
            },
            "+" => self.open_picker(Picking::Reaction(message), below(&row)),
            "Enter" => self.open_menu(message, below(&row)),
            "Delete" if self.may_recall(&message) => self.sheet.set(Some(Sheet::Recall(message))),
            _ => return,
        }
        event.prevent_default();
    }

    /// The next message up or down; from the log itself, the last one in view. Says whether there is one: a message higher
    /// than the view is first scrolled through.
    fn walk(self, from: Option<&Element>, up: bool) -> bool {
        let (Some(log), Some(rows)) = (self.scroll.log.get_untracked(), self.scroll.rows.get_untracked())
        else {
            return false;
        };
        let view = log.get_bounding_client_rect();
        let next = match from {
            Some(row) => {
                let edges = row.get_bounding_client_rect();
                let hidden =
                    if up { edges.top() < view.top() - 1.0 } else { edges.bottom() > view.bottom() + 1.0 };
                if hidden && edges.height() > view.height() {
                    return false;
                }
                let mut next = Some(row.clone());
                loop {
                    next = next.and_then(|row| {
                        if up { row.previous_element_sibling() } else { row.next_element_sibling() }
                    });
                    if next.as_ref().is_none_or(|row| row.tag_name() == "ARTICLE") {
                        break next;
                    }
                }
            }
            None => {
                let all = rows.get_elements_by_tag_name("article");
                (0..all.length())
                    .rev()
                    .filter_map(|at| all.item(at))
                    .find(|row| row.get_bounding_client_rect().top() < view.bottom())
            }
        };
        match next.and_then(|row| row.dyn_into::<HtmlElement>().ok()) {
            Some(row) => row.focus().is_ok(),
            None => false,
        }
    }
}

fn by_touch(event: &MouseEvent) -> bool {
    event.dyn_ref::<PointerEvent>().is_some_and(|event| event.pointer_type() == "touch")
}

fn target(event: &web_sys::Event) -> Option<Element> {
    event.target()?.dyn_into().ok()
}

fn seq_above(element: &Element) -> Option<u64> {
    element.closest("[data-seq]").ok()??.get_attribute("data-seq")?.parse().ok()
}

fn seq_of(event: &web_sys::Event) -> Option<u64> {
    seq_above(&target(event)?)
}

fn within_link(event: &web_sys::Event) -> bool {
    target(event).is_some_and(|target| target.closest("a, button").is_ok_and(|link| link.is_some()))
}
