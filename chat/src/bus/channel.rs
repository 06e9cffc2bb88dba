//! The bus of a single process: a bounded queue that loses nothing and keeps the order of commits.

use super::{Bus, Stored, Subscription};
use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};

/// Stored things that may wait to be delivered. When full, publishing waits: delivery never waits for a socket, so
/// it catches up, and writers slow down to its pace.
const CAPACITY: usize = 1024;

pub(crate) struct Channel(Mutex<Option<mpsc::Sender<Stored>>>);

/// A bus and its only subscription.
pub(crate) fn channel() -> (Channel, impl Subscription) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    (Channel(Mutex::new(Some(sender))), Receiver(receiver))
}

#[async_trait]
impl Bus for Channel {
    async fn publish(&self, stored: Stored) {
        let sender = self.0.lock().await.clone();
        if let Some(sender) = sender
            && sender.send(stored).await.is_err()
        {
            tracing::debug!("nobody hears the bus any more");
        }
    }

    async fn close(&self) {
        self.0.lock().await.take();
    }
}

struct Receiver(mpsc::Receiver<Stored>);

#[async_trait]
impl Subscription for Receiver {
    async fn next(&mut self) -> Option<Stored> {
        self.0.recv().await
    }
}
