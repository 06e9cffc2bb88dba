//! What carries sealed doorbells between nodes: the client of a broker, for the topic `stored`.
//!
//! Contract of every implementation:
//! - what one node sends is heard by every node that listens (by itself too, or not: hearers drop their own), usually
//!   once and in the order in which it was sent;
//! - it may be lost, doubled or reordered: hearers see that by number;
//! - [`Wire::send`] answers within [`PATIENCE`], whatever the broker does; an error means that some of it may not be heard;
//! - it reconnects by itself for as long as it is open, with pauses between [`PAUSE`] and [`LONGEST_PAUSE`]; that it
//!   listens again after it did not, or that its client dropped something, is told as [`Heard::Gap`];
//! - what is heard waits in a queue of [`HEARD`]; when that is full the client stops reading, and what the broker then
//!   drops is a gap;
//! - opening it does not need the broker: a node starts, stores and polls without it;
//! - closing it sends what was taken, within [`PATIENCE`], and ends the hearing;
//! - an address is never logged: it may hold a password. A payload is never logged: it is what people said.

use super::NodeId;
use async_trait::async_trait;
use bytes::Bytes;
use protocol::{ConversationId, UserId};
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a broker may take over one call.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// Before the first try to connect again; it doubles up to the longest, each with full jitter.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// What was heard and waits for the node.
pub(crate) const HEARD: usize = 1024;

/// What a doorbell is about, from which a broker's own name for it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A conversation of two.
    Direct(ConversationId),
    /// A group.
    Group(ConversationId),
    /// A person, at all their devices.
    User(UserId),
    /// The nodes themselves.
    Nodes,
}

/// One sealed doorbell.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) subject: Subject,
    pub(crate) sealed: Bytes,
}

/// What became of the cluster, for those who run it: ids, no words. Nobody acts on it.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// A run of the server begins.
    NodeStarted {
        #[serde(serialize_with = "as_text")]
        node: NodeId,
        machine: String,
        version: &'static str,
    },
    /// It ends as it was told to.
    NodeStopped {
        #[serde(serialize_with = "as_text")]
        node: NodeId,
    },
    /// It may have missed something, and asks the store.
    NodeMissed {
        #[serde(serialize_with = "as_text")]
        node: NodeId,
    },
    /// It is not heard any more by another one, and did not say that it ends.
    NodeSilent {
        #[serde(serialize_with = "as_text")]
        node: NodeId,
    },
    /// Somebody became a member of a group.
    Joined { conversation: ConversationId, user: UserId, by: UserId },
    /// Somebody is no longer a member of a group.
    Left { conversation: ConversationId, user: UserId, by: UserId },
}

fn as_text<S: Serializer>(node: &NodeId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(node)
}

/// What a node hears.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    Sealed(Bytes),
    /// Something may have been lost.
    Gap,
}

/// A broker did not do what it was asked to; in its client's words, without its address.
#[derive(Debug)]
pub(crate) struct WireError(pub(crate) String);

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WireError {}

/// The sending side. One task sends.
#[async_trait]
pub(crate) trait Wire: Send + Sync {
    /// Hands parcels to the broker, in order.
    async fn send(&self, parcels: Vec<Parcel>) -> Result<(), WireError>;
    /// Writes down what became of the cluster, where the broker keeps such things; never waits, and may lose it.
    fn note(&self, _event: Event) {}
    /// Whether the broker was there when last asked or told.
    fn is_up(&self) -> bool;
    /// Sends what was taken and ends the hearing.
    async fn close(&self);
}

/// Both sides, as an implementation hands them out.
pub(crate) struct Link {
    pub(crate) wire: Box<dyn Wire>,
    pub(crate) heard: mpsc::Receiver<Heard>,
}
