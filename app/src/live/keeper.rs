//! Keeps my unsent requests in the browser, so that they survive the tab, and sees to it that of several tabs one
//! sends: the one that holds the lock of my name sends everybody's.
//!
//! Each tab writes its own requests into the database before they are sent, and tells the others; who is done with
//! one takes it out, and tells the others too. A tab that gets the lock starts from what the database has.

use super::Live;
use super::database::Database;
use super::locks::{self, locks};
use super::storage;
use crate::outbox::Saved;
use crate::socket::Timer;
use futures::StreamExt;
use futures::channel::mpsc::UnboundedReceiver;
use js_sys::{Object, Promise};
use leptos::task::spawn_local;
use protocol::{Nonce, Refusal, UserId};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, MessageEvent};

/// A request that another tab should have sent by now is sent by this one, which takes the lock from it: the other's
/// connection may be lost, or its page asleep.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the tab tells its keeper. The queue is bounded by the outbox: a few orders for each of its requests.
#[derive(Debug)]
pub(super) enum Order {
    /// Keep this.
    Keep(Saved),
    /// It is done with.
    Drop { nonce: Nonce, stored: Option<u64> },
    /// It was refused for good, and waits for me.
    Refused(Nonce, Refusal),
    /// Keep nothing of mine.
    Clear,
}

/// What one tab tells the others.
#[derive(Serialize, Deserialize)]
enum Word {
    Kept(Saved),
    Dropped { nonce: Nonce, stored: Option<u64> },
    Refused(Nonce, Refusal),
    Cleared,
}

/// Keeps until the tab ends.
pub(super) async fn run(live: Live, mut orders: UnboundedReceiver<Order>) {
    let me = live.me();
    let shared = match (locks(), BroadcastChannel::new(&name(me))) {
        (Some(locks), Ok(tabs)) => Database::open(&name(me)).await.map(|database| (locks, tabs, database)),
        _ => None,
    };
    let Some((locks, tabs, database)) = shared else { return alone(live, orders).await };
    if let Some(before) = storage::somebody_before(me) {
        Database::remove(&name(before));
        super::offline::forget();
    }
    // Heard from before what is kept is read, so that nothing falls between.
    let hear = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let word = event.data().as_string().and_then(|text| serde_json::from_str(&text).ok());
        if let Some(word) = word {
            heard(live, word);
        }
    });
    tabs.set_onmessage(Some(hear.into_js_value().unchecked_ref()));
    let kept = database.all().await;
    live.run(|world, moment| world.restore(kept, moment));
    let database = Rc::new(database);
    spawn_local(hold(live, locks.clone(), Rc::clone(&database), false));
    while let Some(order) = orders.next().await {
        let word = match order {
            Order::Keep(saved) => {
                // What cannot be kept is sent all the same.
                let kept = database.put(&saved).await;
                live.run(|world, moment| world.kept(&saved.nonce, moment));
                spawn_local(insist(live, saved.nonce.clone(), locks.clone(), Rc::clone(&database)));
                if !kept {
                    continue;
                }
                Word::Kept(saved)
            }
            Order::Drop { nonce, stored } => {
                database.delete(&nonce);
                Word::Dropped { nonce, stored }
            }
            Order::Refused(nonce, refusal) => Word::Refused(nonce, refusal),
            Order::Clear => {
                database.clear();
                Word::Cleared
            }
        };
        if let Ok(text) = serde_json::to_string(&word) {
            let _ = tabs.post_message(&JsValue::from_str(&text));
        }
    }
}

fn heard(live: Live, word: Word) {
    live.run(|world, moment| match word {
        Word::Kept(saved) => world.restore(vec![saved], moment),
        Word::Dropped { nonce, stored } => world.dropped(&nonce, stored, moment),
        Word::Refused(nonce, refusal) => world.told_refused(&nonce, &refusal, moment),
        Word::Cleared => world.forget_unsent(),
    });
}

/// Without a database or locks this tab sends its own, and keeps them in its own storage.
async fn alone(live: Live, mut orders: UnboundedReceiver<Order>) {
    let mut kept = storage::load(live.me());
    let before = kept.clone();
    live.run(|world, moment| {
        world.restore(before, moment);
        world.may_send(true, moment);
    });
    while let Some(order) = orders.next().await {
        match order {
            Order::Keep(saved) => {
                let nonce = saved.nonce.clone();
                kept.push(saved);
                storage::save(live.me(), &kept);
                live.run(|world, moment| world.kept(&nonce, moment));
            }
            Order::Drop { nonce, .. } => {
                kept.retain(|one| one.nonce != nonce);
                storage::save(live.me(), &kept);
            }
            Order::Refused(..) => {}
            Order::Clear => {
                kept.clear();
                storage::clear(live.me());
            }
        }
    }
}

/// Waits for the lock, and sends while it is held. Where `steal`, it is taken from who holds it.
async fn hold(live: Live, locks: Object, database: Rc<Database>, steal: bool) {
    loop {
        let granted = Rc::new(Cell::new(false));
        let (was_granted, database) = (Rc::clone(&granted), Rc::clone(&database));
        let callback = Closure::once_into_js(move |_lock: JsValue| {
            was_granted.set(true);
            spawn_local(async move {
                let before = live.run(|world, _| world.outbox.all_kept());
                let kept = database.all().await;
                live.run(|world, moment| world.adopt(&before, kept, moment));
            });
            // Held until the tab ends, or another takes it.
            Promise::new(&mut |_, _| ())
        });
        if let Some(held) = locks::request(&locks, &name(live.me()), ("steal", steal), &callback) {
            let _ = held.await;
        }
        live.run(|world, moment| world.may_send(!granted.get(), moment));
        // A thief's first request still stands in line; a browser that gives no lock is taken at its word.
        if steal || !granted.get() {
            return;
        }
    }
}

/// Sees to it that another tab sends what this one kept, or does it itself. It looks again and again as long as it waits: the tab that
/// was to send it may end, or lose its connection, at any time.
async fn insist(live: Live, nonce: Nonce, locks: Object, database: Rc<Database>) {
    loop {
        Timer::after(PATIENCE).await;
        let (waits, left) = live.run(|world, _| (world.outbox.waits(&nonce), world.is_left(&nonce)));
        if left {
            return hold(live, locks, database, true).await;
        }
        if !waits {
            return;
        }
    }
}

/// The name of my database, my lock and my tabs' channel.
fn name(me: UserId) -> String {
    format!("confab.{me}")
}
