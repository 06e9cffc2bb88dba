//! Working: what a worker takes from its lines, does and buries.

use super::super::address::Address;
use super::super::intake::{Delivery, DeliveryId, Work};
use super::super::wire::{PATIENCE, WireError};
use super::failed;
use super::held::Shared;
use super::lines::Keeper;
use super::streams::Streams;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::{HeaderMap, Subject};
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// The header of a dead letter that says why it is one.
pub(super) const REASON: &str = "Confab-Reason";
/// Longest reason, in characters; the rest is left out.
const REASON_CHARS: usize = 500;

/// From so many of a line on, what is done is purged: that takes the server as long (2 ms) as nine acknowledgements where it
/// synchronises always, and is the same for one as for a hundred.
const PURGED: usize = 12;

/// See the module. Dropped without being closed, it is a worker that died.
pub(super) struct NatsWork {
    streams: Arc<Streams>,
    shared: Arc<Shared>,
    closing: CancellationToken,
    task: JoinHandle<Result<(), WireError>>,
}

/// What is done, and where that is said.
struct Done {
    partition: u16,
    sequence: u64,
    reply: Subject,
}

impl NatsWork {
    pub(super) async fn open(address: &Address, worker: &str) -> Result<Self, String> {
        let streams = Arc::new(Streams::open(address, worker).await?);
        let (shared, closing) = (Arc::new(Shared::default()), CancellationToken::new());
        let keeper = Keeper::new(streams.clone(), shared.clone(), closing.clone());
        let task = tokio::spawn(keeper.run());
        Ok(Self { streams, shared, closing, task })
    }

    /// Says of every line what of it is done.
    async fn acknowledge(&self, done: &[Done]) -> Result<(), WireError> {
        let by_line = || done.chunk_by(|one, next| one.partition == next.partition);
        let answers = join_all(by_line().map(|line| self.acknowledge_of(line))).await;
        let mut lines = self.shared.lines();
        let mut result = Ok(());
        for (line, answer) in by_line().zip(answers) {
            if answer.is_err() {
                result = answer;
                continue;
            }
            for one in line {
                if let Some(line) = &mut lines[usize::from(one.partition)] {
                    line.remove(one.sequence);
                }
            }
        }
        result
    }
}

impl NatsWork {
    /// Many that are the first of a line are taken out of it together; others are acknowledged in order, and the server's word on the last is waited for: it works them off in order too.
    async fn acknowledge_of(&self, line: &[Done]) -> Result<(), WireError> {
        let Some((end, before)) = line.split_last() else { return Ok(()) };
        if line.len() >= PURGED
            && self.are_first(line)
            && self.streams.purge(end.partition, end.sequence).await.is_ok()
        {
            return Ok(());
        }
        let client = &self.streams.connection.client;
        for one in before {
            client.publish(one.reply.clone(), Bytes::new()).await.map_err(failed)?;
        }
        client.request(end.reply.clone(), Bytes::new()).await.map_err(failed)?;
        Ok(())
    }

    /// Whether nothing before these is left in their line.
    fn are_first(&self, done: &[Done]) -> bool {
        let Some(partition) = done.first().map(|one| one.partition) else { return false };
        let lines = self.shared.lines();
        let line = lines.get(usize::from(partition)).and_then(Option::as_ref);
        line.is_some_and(|line| {
            let held = line.held.iter().take(done.len()).map(|held| held.sequence);
            held.eq(done.iter().map(|one| one.sequence))
        })
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
        let deadline = Instant::now() + PATIENCE;
        let mut done = Vec::with_capacity(deliveries.len());
        {
            let lines = self.shared.lines();
            for delivery in deliveries {
                let line = lines.get(usize::from(delivery.partition)).and_then(Option::as_ref);
                let (Some(line), Some(sequence)) = (line, sequence(delivery)) else { continue };
                if let Ok(index) = line.held.binary_search_by_key(&sequence, |held| held.sequence) {
                    let reply = line.held[index].reply.clone();
                    done.push(Done { partition: delivery.partition, sequence, reply });
                }
            }
        }
        done.sort_by_key(|one| (one.partition, one.sequence));
        let acknowledged = if self.streams.connection.is_up() {
            let answered = timeout_at(deadline, self.acknowledge(&done)).await;
            answered.unwrap_or_else(|_| Err(failed("too slow")))
        } else {
            Err(failed("not connected"))
        };
        self.shared.done.notify_one();
        if done.len() < deliveries.len() {
            return Err(failed("a line was lost before its work was done: it comes again"));
        }
        acknowledged
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
        self.closing.cancel();
        self.shared.ready.notify_one();
        let given_back = timeout_at(Instant::now() + PATIENCE, &mut self.task).await;
        if given_back.is_err() {
            self.task.abort();
        }
        self.streams.connection.close().await;
    }
}

impl Drop for NatsWork {
    fn drop(&mut self) {
        self.task.abort();
    }
}
