//! The service worker, which answers with the last pages seen while there is no server: `style/assets/sw.js`.

use js_sys::Reflect;
use leptos::prelude::{location, window};
use protocol::ConversationId;
use wasm_bindgen::JsValue;
use web_sys::ServiceWorkerContainer;

/// None on plain http outside of this machine, and in old browsers.
fn container() -> Option<ServiceWorkerContainer> {
    let navigator = window().navigator();
    let there = Reflect::has(&navigator, &"serviceWorker".into()).unwrap_or(false);
    there.then(|| navigator.service_worker())
}

/// Installs it. Without it pages come from the server only.
pub(super) fn start() {
    if let Some(container) = container() {
        let _ = container.register("/sw.js");
        visited(None);
    }
}

/// A conversation is looked at, or the page of the address: the worker fetches that page, because no page was loaded
/// for it.
pub(super) fn visited(id: Option<ConversationId>) {
    let path = match id {
        Some(id) => format!("/c/{id}"),
        None => location().pathname().unwrap_or_default(),
    };
    tell(&path);
}

/// Drops every page: they are nobody else's.
pub(super) fn forget() {
    tell("forget");
}

fn tell(word: &str) {
    if let Some(worker) = container().and_then(|container| container.controller()) {
        let _ = worker.post_message(&JsValue::from_str(word));
    }
}
