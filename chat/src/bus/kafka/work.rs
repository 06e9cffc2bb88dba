//! The topic `submitted`, from the side that works.

mod fetch;
#[cfg(test)]
mod tests;
pub(super) mod trim;

use super::client::{Health, Outgoing, Sender, Stop};
use super::dead;
use super::lines::Lines;
use super::settings::Broker;
use crate::bus::intake::{Delivery, Work};
use crate::bus::wire::{PATIENCE, WireError};
use async_trait::async_trait;
use fetch::Fetcher;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

/// What the worker and its thread share.
struct Shared {
    broker: Broker,
    worker: String,
    health: Health,
    stop: Stop,
    lines: Mutex<Lines>,
    /// Something was fetched, or it is closed.
    arrived: Notify,
    /// Something was done.
    room: Condvar,
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct KafkaWork {
    shared: Arc<Shared>,
    /// Made when the first letter is buried.
    dead: Option<Sender>,
    /// Closes when the thread ended.
    ended: oneshot::Receiver<()>,
}

pub(super) fn open(broker: Broker, worker: &str) -> Result<KafkaWork, String> {
    let shared = Arc::new(Shared {
        broker,
        worker: worker.to_owned(),
        health: Health::default(),
        stop: Stop::default(),
        lines: Mutex::default(),
        arrived: Notify::new(),
        room: Condvar::new(),
    });
    let (ending, ended) = oneshot::channel();
    let fetcher = Fetcher::new(Arc::clone(&shared));
    thread::Builder::new()
        .name("kafka-fetches".to_owned())
        .spawn(move || {
            fetcher.run();
            drop(ending);
        })
        .map_err(|error| format!("needs a thread: {error}"))?;
    Ok(KafkaWork { shared, dead: None, ended })
}

#[async_trait]
impl Work for KafkaWork {
    async fn next(&mut self, most: usize) -> Vec<Delivery> {
        loop {
            if self.shared.stop.is_asked() {
                return Vec::new();
            }
            // Nothing is awaited between giving and returning, so nothing is given to a call that was dropped.
            let given = self.shared.lines().give(most.max(1));
            if !given.is_empty() {
                return given;
            }
            self.shared.arrived.notified().await;
        }
    }

    async fn done(&mut self, deliveries: &[Delivery]) -> Result<(), WireError> {
        if self.shared.lines().done(deliveries) {
            self.shared.room.notify_one();
        }
        Ok(())
    }

    async fn bury(&mut self, delivery: &Delivery, reason: &str) -> Result<(), WireError> {
        let broker = &self.shared.broker;
        let sender = match self.dead.take() {
            Some(sender) => sender,
            None => Sender::new(&broker.config, broker.dead(), true, Health::default()).map_err(WireError)?,
        };
        let letter = Outgoing {
            partition: 0,
            key: &[],
            payload: &delivery.sealed,
            headers: Some(dead::headers(delivery, reason)),
        };
        let answers = self.dead.insert(sender).send([letter].into_iter()).await;
        answers.into_iter().collect::<Result<(), _>>()?;
        self.done(std::slice::from_ref(delivery)).await
    }

    async fn close(&mut self) {
        self.shared.stop.ask();
        self.shared.room.notify_one();
        // Fails when the thread ends.
        let _ = timeout(PATIENCE, &mut self.ended).await;
        self.dead = None;
    }
}

impl Drop for KafkaWork {
    fn drop(&mut self) {
        self.shared.stop.ask();
        self.shared.room.notify_one();
    }
}
