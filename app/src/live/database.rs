//! The browser's database of one person: their unsent requests, as JSON under their nonces.

use crate::outbox::Saved;
use js_sys::{Array, Promise};
use leptos::prelude::window;
use protocol::Nonce;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbDatabase, IdbFactory, IdbObjectStore, IdbRequest, IdbTransaction, IdbTransactionMode};

const STORE: &str = "outbox";

#[derive(Debug)]
pub(super) struct Database(IdbDatabase);

impl Database {
    /// None where the browser has no database, or forbids it.
    pub(super) async fn open(name: &str) -> Option<Self> {
        let request = factory()?.open_with_u32(name, 1).ok()?;
        let opening = request.clone();
        let make = Closure::once_into_js(move || {
            let database = opening.result().ok().and_then(|result| result.dyn_into::<IdbDatabase>().ok());
            // Fails only where it is there already.
            let _ = database.map(|database| database.create_object_store(STORE));
        });
        request.set_onupgradeneeded(Some(make.unchecked_ref()));
        answer(&request).await?.dyn_into().ok().map(Self)
    }

    /// Removes a database, when the last tab closes it.
    pub(super) fn remove(name: &str) {
        let _ = factory().map(|factory| factory.delete_database(name));
    }

    fn begin(&self, mode: IdbTransactionMode) -> Option<(IdbTransaction, IdbObjectStore)> {
        let transaction = self.0.transaction_with_str_and_mode(STORE, mode).ok()?;
        let store = transaction.object_store(STORE).ok()?;
        Some((transaction, store))
    }

    /// Everything; what cannot be read is nothing.
    pub(super) async fn all(&self) -> Vec<Saved> {
        let request = self.begin(IdbTransactionMode::Readonly).and_then(|(_, store)| store.get_all().ok());
        let Some(request) = request else { return Vec::new() };
        let all = answer(&request).await.and_then(|all| all.dyn_into::<Array>().ok()).unwrap_or_default();
        all.iter().filter_map(|one| serde_json::from_str(&one.as_string()?).ok()).collect()
    }

    /// Says whether it is kept.
    pub(super) async fn put(&self, saved: &Saved) -> bool {
        let Ok(text) = serde_json::to_string(saved) else { return false };
        let Some((transaction, store)) = self.begin(IdbTransactionMode::Readwrite) else { return false };
        let (value, key) = (JsValue::from_str(&text), JsValue::from_str(saved.nonce.as_str()));
        if store.put_with_key(&value, &key).is_err() {
            return false;
        }
        // Complete is more than done: from then on the tab may crash.
        let complete = Promise::new(&mut |complete, failed| {
            transaction.set_oncomplete(Some(&complete));
            transaction.set_onabort(Some(&failed));
        });
        complete.await.is_ok()
    }

    /// Takes one out, some time soon.
    pub(super) fn delete(&self, nonce: &Nonce) {
        if let Some((_, store)) = self.begin(IdbTransactionMode::Readwrite) {
            let _ = store.delete(&JsValue::from_str(nonce.as_str()));
        }
    }

    /// Takes everything out, some time soon.
    pub(super) fn clear(&self) {
        if let Some((_, store)) = self.begin(IdbTransactionMode::Readwrite) {
            let _ = store.clear();
        }
    }
}

fn factory() -> Option<IdbFactory> {
    window().indexed_db().ok().flatten()
}

async fn answer(request: &IdbRequest) -> Option<JsValue> {
    let answered = Promise::new(&mut |done, failed| {
        request.set_onsuccess(Some(&done));
        request.set_onerror(Some(&failed));
    });
    answered.await.ok()?;
    request.result().ok()
}
