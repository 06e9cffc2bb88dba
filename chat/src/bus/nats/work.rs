//! Working: what a worker takes from its lines, does and buries.

use super::super::address::Address;
use super::super::intake::{Delivery, DeliveryId, Work};
use super::super::wire::{PATIENCE, WireError};
use super::failed;
use super::finish;
use super::held::Shared;
use super::lines::Keeper;
use super::streams::Streams;
use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_trait::async_trait;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// The header of a dead letter that says why it is one.
pub(super) const REASON: &str = "Confab-Reason";
/// Longest reason, in characters; the rest is left out.
const REASON_CHARS: usize = 500;

/// See the module. Dropped without being closed, it is a worker that died.
pub(super) struct NatsWork {
    streams: Arc<Streams>,
    shared: Arc<Shared>,
    closing: CancellationToken,
    task: JoinHandle<Result<(), WireError>>,
    telling: JoinHandle<()>,
}

impl NatsWork {
    pub(super) async fn open(address: &Address, worker: &str) -> Result<Self, String> {
        let streams = Arc::new(Streams::open(address, worker).await?);
        let (shared, closing) = (Arc::new(Shared::default()), CancellationToken::new());
        let keeper = Keeper::new(streams.clone(), shared.clone(), closing.clone());
        let task = tokio::spawn(keeper.run());
        let telling = tokio::spawn(finish::tell(streams.clone(), shared.clone()));
        Ok(Self { streams, shared, closing, task, telling })
    }
}

fn sequence(delivery: &Delivery) -> Option<u64> {
    match delivery.id {
        DeliveryId::Number(sequence) => Some(sequence),
        DeliveryId::Text(_) => None,
    }
}

#[async_trait]
impl Work for NatsWork {
    async fn next(&mut self, most: usize) -> Vec<Delivery> {
        loop {
            if self.closing.is_cancelled() || self.task.is_finished() {
                return Vec::new();
            }
            let deliveries = self.shared.give(most);
            if !deliveries.is_empty() {
                return deliveries;
            }
            self.shared.ready.notified().await;
        }
    }

    async fn done(&mut self, deliveries: &[Delivery]) -> Result<(), WireError> {
        if !self.streams.connection.is_up() {
            return Err(failed("not connected"));
        }
        let mut lost = false;
        {
            let mut lines = self.shared.lines();
            for delivery in deliveries {
                let line = lines.get_mut(usize::from(delivery.partition)).and_then(Option::as_mut);
                let known =
                    line.zip(sequence(delivery)).is_some_and(|(line, sequence)| line.finish(sequence));
                lost |= !known;
            }
        }
        self.shared.finished.notify_one();
        if lost {
            return Err(failed("a line was lost before its work was done: it comes again"));
        }
        Ok(())
    }

    async fn bury(&mut self, delivery: &Delivery, reason: &str) -> Result<(), WireError> {
        let deadline = Instant::now() + PATIENCE;
        let Some(sequence) = sequence(delivery) else { return Err(failed("not a delivery of this broker")) };
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let reason = reason.chars().take(REASON_CHARS).map(plain).collect::<String>();
        let mut headers = HeaderMap::new();
        headers.insert(REASON, reason);
        // Buried once, though its acknowledgement was lost.
        headers.insert(NATS_MESSAGE_ID, format!("{}-{sequence}", delivery.partition));
        let buried = async {
            self.streams.ready().await?;
            let subject = self.streams.dead_letter(delivery.partition);
            let kept = self.streams.context.publish_with_headers(subject, headers, delivery.sealed.clone());
            kept.await.map_err(failed)?.await.map_err(failed)
        };
        timeout_at(deadline, buried).await.unwrap_or_else(|_| Err(failed("too slow")))?;
        self.done(std::slice::from_ref(delivery)).await
    }

    async fn close(&mut self) {
        if timeout_at(Instant::now() + PATIENCE, finish::told(&self.shared)).await.is_err() {
            tracing::warn!("NATS does not know of everything that was stored: some of it comes again");
        }
        self.closing.cancel();
        self.shared.ready.notify_one();
        let given_back = timeout_at(Instant::now() + PATIENCE, &mut self.task).await;
        if given_back.is_err() {
            self.task.abort();
        }
        self.telling.abort();
        self.streams.connection.close().await;
    }
}

impl Drop for NatsWork {
    fn drop(&mut self) {
        self.telling.abort();
        self.task.abort();
    }
}
