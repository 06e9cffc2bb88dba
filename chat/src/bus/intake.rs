//! Durable work between nodes: the topic `submitted`.
//!
//! Contract of every implementation:
//! - [`Intake::submit`] answers `Ok` for what the broker keeps as durably as it is set up to (docs/brokers.md says what
//!   that means for each), within [`PATIENCE`](super::wire::PATIENCE); an error means that nobody knows: the sender
//!   asks again with the same nonce, and a doubled submission is stored once;
//! - submissions of one key (a conversation) come to a worker in the order in which they were submitted, one worker
//!   at a time; those of other keys go on beside them, in [`PARTITIONS`] lines;
//! - what a worker got and has not reported as done comes again: to it, or, when it is gone, to another worker, before
//!   anything later of its line; what was reported as done before a clean stop does not come again;
//! - [`Work::next`] gives work to nobody else until it is done or its worker is gone for [`LEASE`]; a worker that asks for
//!   no more is given no more: its backlog stays with the broker;
//! - what can never be stored is buried: moved to the dead letters with its reason, and its line goes on;
//! - nothing that is not done is ever trimmed, and what was done is trimmed some time;
//! - it reconnects by itself, as a wire does.

use super::wire::WireError;
use async_trait::async_trait;
use bytes::Bytes;
use protocol::ConversationId;
use std::time::Duration;
use tokio::sync::mpsc;

/// Lines that go on beside each other; a conversation's is chosen by [`partition`]. As many workers can share the work.
pub(crate) const PARTITIONS: u16 = 16;
/// How long after the last sign of life of a worker its lines go to others.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// The line of a conversation: its id's last 64 bits, which are random or a digest, as a remainder.
pub(crate) fn partition(key: ConversationId) -> u16 {
    let (_, low) = key.uuid().as_u64_pair();
    u16::try_from(low % u64::from(PARTITIONS)).unwrap_or(0)
}

/// Something to be stored.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    pub(crate) key: ConversationId,
    pub(crate) sealed: Bytes,
}

/// Something a worker got.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// Its line.
    pub(crate) partition: u16,
    /// The broker's own name for it.
    pub(crate) id: DeliveryId,
    /// Not trusted before it is opened: whoever reaches the broker can put something there.
    pub(crate) sealed: Bytes,
}

/// How a broker calls a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DeliveryId {
    /// Kafka's offset, JetStream's stream sequence.
    Number(u64),
    /// An entry of a Redis stream.
    Text(String),
}

/// A buried submission.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetter {
    pub(crate) id: DeliveryId,
    pub(crate) reason: String,
    pub(crate) sealed: Bytes,
}

/// What was submitted and is still there, done or not: of a broker that keeps what is done.
pub(crate) struct Kept {
    /// Sealed, in order within each line, up to where each ended when the reading began. An error is the last of them.
    pub(crate) records: mpsc::Receiver<Result<Bytes, WireError>>,
    /// Whether something older was there once.
    pub(crate) trimmed: bool,
}

/// The side that submits. Any number of tasks; what one task submits keeps its order.
#[async_trait]
pub(crate) trait Intake: Send + Sync {
    /// Submits in order; an answer for each.
    async fn submit(&self, batch: Vec<Submission>) -> Vec<Result<(), WireError>>;
    /// Whether the broker was there when last asked or told.
    fn is_up(&self) -> bool;
    /// Submissions that wait for a worker, where the broker can say.
    async fn backlog(&self) -> Result<u64, WireError>;
    /// The oldest dead letters, `most` of them at most.
    async fn dead(&self, most: usize) -> Result<Vec<DeadLetter>, WireError>;
    /// Forgets a dead letter: it was submitted again, or nobody wants it.
    async fn forget(&self, letter: &DeadLetter) -> Result<(), WireError>;
    async fn close(&self);
}

/// The side that works. One task.
#[async_trait]
pub(crate) trait Work: Send {
    /// Waits for work and takes up to `most` of what there is, in order within each line. Empty: it was closed. While the
    /// broker is away it waits. Cancel safe: what was taken and not returned comes again.
    async fn next(&mut self, most: usize) -> Vec<Delivery>;
    /// These were stored: everything [`Work::next`] gave, or the first of it in each line.
    async fn done(&mut self, deliveries: &[Delivery]) -> Result<(), WireError>;
    /// This can never be stored. It is done once it is among the dead letters.
    async fn bury(&mut self, delivery: &Delivery, reason: &str) -> Result<(), WireError>;
    /// Gives its lines to others at once.
    async fn close(&mut self);
}
