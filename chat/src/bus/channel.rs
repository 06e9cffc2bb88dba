//! The bus of a single process: a bounded queue that loses nothing and keeps the order of commits.

use super::{Bus, Ear, Stored, Subscription};
use crate::metrics::Depth;
use async_trait::async_trait;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Stored things that may wait to be delivered. When full, publishing waits: delivery never waits for a socket, so
/// it catches up, and writers slow down to its pace.
const CAPACITY: usize = 1024;

pub(crate) struct Channel {
    queue: RwLock<Option<mpsc::Sender<Stored>>>,
    ear: Option<Arc<dyn Ear>>,
    begun: Instant,
}

/// A bus and its only subscription, and what hears before it.
pub(crate) fn channel(ear: Option<Arc<dyn Ear>>) -> (Channel, impl Subscription) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    (Channel { queue: RwLock::new(Some(sender)), ear, begun: Instant::now() }, Receiver(receiver))
}

impl Channel {
    fn sender(&self) -> Option<mpsc::Sender<Stored>> {
        self.queue.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Bus for Channel {
    async fn publish(&self, stored: Stored) {
        if let Some(ear) = &self.ear {
            ear.heard(&stored);
        }
        if let Some(sender) = self.sender()
            && sender.send(stored).await.is_err()
        {
            tracing::debug!("nobody hears the bus any more");
        }
    }

    fn whisper(&self, stored: Stored) -> bool {
        self.sender()
            .is_some_and(|sender| sender.capacity() > CAPACITY / 2 && sender.try_send(stored).is_ok())
    }

    fn is_up(&self) -> bool {
        true
    }

    fn whole_since(&self) -> Option<Instant> {
        Some(self.begun)
    }

    fn depths(&self) -> Vec<Depth> {
        self.sender().iter().map(|sender| Depth::of("delivery", sender)).collect()
    }

    async fn close(&self) {
        self.queue.write().unwrap_or_else(PoisonError::into_inner).take();
    }
}

struct Receiver(mpsc::Receiver<Stored>);

#[async_trait]
impl Subscription for Receiver {
    async fn next(&mut self) -> Option<Stored> {
        self.0.recv().await
    }
}
