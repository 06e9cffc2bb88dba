//! The browser's locks, which of all its tabs one holds.

use js_sys::{Function, Object, Promise, Reflect};
use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};

/// The browser's locks; none on plain http outside of this machine, and in old browsers.
pub(super) fn locks() -> Option<Object> {
    Reflect::get(&window().navigator(), &"locks".into()).ok()?.dyn_into().ok()
}

/// Asks for a lock with an option set or not. `granted` is called with it and returns a promise: held until that is kept.
/// What is returned is kept when the lock is let go, or broken when it is taken away.
pub(super) fn request(
    locks: &Object,
    name: &str,
    (option, set): (&str, bool),
    granted: &JsValue,
) -> Option<Promise> {
    let options = Object::new();
    let _ = Reflect::set(&options, &option.into(), &set.into());
    let request: Function = Reflect::get(locks, &"request".into()).ok()?.dyn_into().ok()?;
    request.call3(locks, &name.into(), &options, granted).ok()?.dyn_into().ok()
}
