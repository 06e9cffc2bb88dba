//! Whether this device makes a sound for news: kept in the browser, on until somebody switches it off.

use leptos::prelude::window;
use web_sys::Storage;

const KEY: &str = "confab.sound";
const OFF: &str = "off";

/// None where the browser forbids it: then the sound is on.
pub(crate) fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}

/// Whether it is on. Browser only.
pub fn is_on() -> bool {
    storage().and_then(|storage| storage.get_item(KEY).ok().flatten()).as_deref() != Some(OFF)
}

/// Switches it, in all tabs. Browser only.
pub fn switch(on: bool) {
    if let Some(storage) = storage() {
        let _ = if on { storage.remove_item(KEY) } else { storage.set_item(KEY, OFF) };
    }
}
