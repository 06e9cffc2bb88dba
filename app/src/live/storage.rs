//! What survives a reload of this tab, where the browser keeps no database or cannot lock: my unsent requests. In the
//! tab's own storage, under my id, until they are stored, I sign out, or the tab is closed.

use crate::outbox::Saved;
use leptos::prelude::window;
use protocol::UserId;
use web_sys::Storage;

const OUTBOX: &str = "confab.outbox.";
const PERSON: &str = "confab.person";
const RELOADED: &str = "confab.reloaded";

/// None where the browser forbids it: then nothing survives, and nothing else changes.
fn storage() -> Option<Storage> {
    window().session_storage().ok().flatten()
}

fn key(me: UserId) -> String {
    format!("{OUTBOX}{me}")
}

/// My unsent requests of before the reload.
pub(super) fn load(me: UserId) -> Vec<Saved> {
    let text = storage().and_then(|storage| storage.get_item(&key(me)).ok().flatten());
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Keeps my unsent requests. Storage that is full keeps what it had: they are still sent by this page.
pub(super) fn save(me: UserId, saved: &[Saved]) {
    if saved.is_empty() {
        clear(me);
    } else if let (Some(storage), Ok(text)) = (storage(), serde_json::to_string(saved)) {
        let _ = storage.set_item(&key(me), &text);
    }
}

/// Drops my unsent requests.
pub(super) fn clear(me: UserId) {
    if let Some(storage) = storage() {
        let _ = storage.remove_item(&key(me));
    }
}

/// Who used this browser last, if it was somebody else; from now on it is me.
pub(super) fn somebody_before(me: UserId) -> Option<UserId> {
    let storage = window().local_storage().ok().flatten()?;
    let before = storage.get_item(PERSON).ok().flatten();
    let _ = storage.set_item(PERSON, &me.to_string());
    before?.parse().ok().filter(|before| *before != me)
}

/// Drops what somebody else left who used this tab before.
pub(super) fn drop_others(me: UserId) {
    let (Some(storage), mine) = (storage(), key(me)) else { return };
    let keys = (0..storage.length().unwrap_or(0)).filter_map(|index| storage.key(index).ok().flatten());
    for key in keys.filter(|key| key.starts_with(OUTBOX) && *key != mine).collect::<Vec<_>>() {
        let _ = storage.remove_item(&key);
    }
}

/// Notes that this tab reloads itself for a newer page; says whether it is the first time.
pub(super) fn first_reload() -> bool {
    let Some(storage) = storage() else { return false };
    let first = storage.get_item(RELOADED).is_ok_and(|before| before.is_none());
    first && storage.set_item(RELOADED, "1").is_ok()
}

/// The page and the server understand each other: the next time they do not is a first time again.
pub(super) fn reload_worked() {
    if let Some(storage) = storage() {
        let _ = storage.remove_item(RELOADED);
    }
}
