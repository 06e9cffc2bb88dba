//! Menus: popovers at a point, walked with the arrow keys. The browser closes them on Escape and on a click elsewhere,
//! and gives the focus back.

use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use web_sys::{HtmlElement, KeyboardEvent, MouseEvent};

/// Pixels between a menu and the window's edge.
const MARGIN: f64 = 8.0;

/// Where a menu belongs: at the pointer, or below the button that was pressed with a key or a finger.
pub fn place_of(event: &MouseEvent, at_pointer: bool) -> (f64, f64) {
    let button = event.current_target().and_then(|target| target.dyn_into::<HtmlElement>().ok());
    match button {
        Some(button) if !at_pointer || (event.client_x() == 0 && event.client_y() == 0) => {
            let edge = button.get_bounding_client_rect();
            (edge.left(), edge.bottom() + 4.0)
        }
        _ => (f64::from(event.client_x()), f64::from(event.client_y())),
    }
}

/// Shows the menu with its corner at a point of the window, moved as far as it must be to be seen whole, and puts the
/// focus on its first item.
pub fn open(menu: &HtmlElement, (x, y): (f64, f64)) {
    // One that is open elsewhere moves.
    close(menu);
    if menu.show_popover().is_err() {
        return;
    }
    let page = document().document_element();
    let (width, height) =
        page.map_or((0.0, 0.0), |page| (f64::from(page.client_width()), f64::from(page.client_height())));
    let left = x.min(width - f64::from(menu.offset_width()) - MARGIN).max(MARGIN);
    let top = y.min(height - f64::from(menu.offset_height()) - MARGIN).max(MARGIN);
    let style = menu.style();
    // These are names of properties: setting them cannot fail.
    let _ = style.set_property("left", &pixels(left));
    let _ = style.set_property("top", &pixels(top));
    walk(menu, "Home");
}

/// A length in whole pixels: the only number that would need the code that writes decimals, 5 KB of the first load.
#[expect(clippy::cast_possible_truncation, reason = "a place in a window")]
fn pixels(length: f64) -> String {
    format!("{}px", length.round() as i32)
}

/// Closes it; nothing happens where it is closed.
pub fn close(menu: &HtmlElement) {
    let _ = menu.hide_popover();
}

/// The keys within a menu.
pub fn on_key(event: &KeyboardEvent) {
    let key = event.key();
    let menu = event.current_target().and_then(|target| target.dyn_into::<HtmlElement>().ok());
    if let Some(menu) = menu.filter(|_| matches!(key.as_str(), "ArrowDown" | "ArrowUp" | "Home" | "End")) {
        event.prevent_default();
        event.stop_propagation();
        walk(&menu, &key);
    }
    if key == "Tab" {
        event.prevent_default();
    }
}

fn walk(menu: &HtmlElement, key: &str) {
    let Ok(items) = menu.query_selector_all("[role^=menuitem]") else { return };
    let items: Vec<HtmlElement> =
        (0..items.length()).filter_map(|at| items.item(at)?.dyn_into().ok()).collect();
    let focused = document().active_element();
    let at = items.iter().position(|item| focused.as_ref().is_some_and(|focused| **item == *focused));
    let last = items.len().saturating_sub(1);
    let next = match (key, at) {
        ("ArrowDown", Some(at)) if at < last => at + 1,
        ("ArrowUp", Some(at)) => at.checked_sub(1).unwrap_or(last),
        ("ArrowUp", None) | ("End", _) => last,
        _ => 0,
    };
    if let Some(item) = items.get(next) {
        let _ = item.focus();
    }
}
