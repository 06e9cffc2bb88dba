//! The doorbell: tells every node what was stored.
//!
//! Within one process it is a [`channel`]. Between nodes it is a [`relay`]: the same channel, and beside it a
//! [`wire`] to a broker, over which the doorbells go [`sealed`] with a key that only the database knows.
//!
//! Contract of both:
//! - what was published reaches every subscription of every node, its own included, usually once;
//! - it may be lost, doubled or reordered: that costs latency, never data, because the store is the log and every
//!   hearer can see a gap by number;
//! - publishing waits while the bus is full, so that a slow hearer slows the writers instead of losing anything;
//! - that something may have been lost between nodes is told as [`Stored::Missed`], so that what has no number (who was
//!   let in, whose session ended) is looked up;
//! - when the bus is closed, what was published before is still heard, then the subscription ends;
//! - a whisper is what is only of the moment: it never waits, it is dropped where the bus is half full, and its loss
//!   costs nobody anything but the moment.

pub(crate) mod address;
#[cfg(all(test, any(feature = "nats", feature = "redis")))]
pub(crate) mod certificates;
pub(crate) mod channel;
#[cfg(test)]
mod contract;
pub(crate) mod intake;
#[cfg(feature = "kafka")]
pub(crate) mod kafka;
#[cfg(feature = "nats")]
pub(crate) mod nats;
#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod relay;
pub(crate) mod sealed;
pub(crate) mod wire;

use crate::hub::SocketId;
use crate::metrics::Depth;
use crate::store::{Marked, Personal, PostOutcome};
use async_trait::async_trait;
use protocol::{Change, ConversationId, Kind, Nonce, Presence, SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use std::fmt;
use tokio::time::Instant;

/// Something that was committed, or that is only of the moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Stored {
    /// A change of a conversation.
    Change {
        conversation: ConversationId,
        kind: Kind,
        change: Change,
        /// Who asked for it: they get their `ack` in the event's place.
        origin: Option<Origin>,
    },
    /// A conversation began, or began to be visible, for these people.
    Opened { conversation: ConversationId, members: Vec<UserId> },
    /// Somebody's read mark moved.
    Read {
        conversation: ConversationId,
        user: UserId,
        marked: Marked,
        /// The socket that moved it knows.
        origin: Option<SocketId>,
    },
    /// What only one member sees of a conversation changed.
    Personal {
        conversation: ConversationId,
        user: UserId,
        personal: Personal,
        /// The socket that asked for it knows.
        origin: Option<SocketId>,
    },
    /// A session ended: its sockets everywhere are closed.
    Ended {
        user: UserId,
        session: SessionId,
        /// The hash of its token, by which it may be cached; none where the node is too old to say.
        #[serde(default)]
        token: Option<[u8; 32]>,
    },
    /// A ticket was redeemed: nowhere is it good a second time.
    Redeemed { ticket: [u8; 32] },
    /// What became of a message that a worker did not store as new; told to who sent it.
    Answered { origin: Origin, outcome: PostOutcome },
    /// Never sent: other nodes may have told of something that did not arrive here.
    Missed,
    /// Whispered: somebody is writing.
    Typing { conversation: ConversationId, user: UserId },
    /// Whispered: somebody came, left or stepped away.
    Presence {
        user: UserId,
        state: Presence,
        /// Where they left.
        last_seen: Option<Timestamp>,
        /// Their conversations: whose members are told.
        conversations: Vec<ConversationId>,
    },
    /// A node is there: that the one before it was lost shows soon, though nothing is stored.
    Beat,
}

/// A run of the server: another one after each start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct NodeId(u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl NodeId {
    pub(crate) fn draw() -> Self {
        Self(rand::random())
    }
}

/// The socket that asked for a change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) socket: SocketId,
    pub(crate) user: UserId,
    pub(crate) nonce: Nonce,
}

/// A bus: one topic, `stored`.
#[async_trait]
pub(crate) trait Bus: Send + Sync {
    /// Tells every node. Never fails the caller: what is stored is stored.
    async fn publish(&self, stored: Stored);
    /// Tells every node of something that may be lost, without waiting. `false`: it was dropped here.
    fn whisper(&self, stored: Stored) -> bool;
    /// Whether other nodes can be told, as far as is known.
    fn is_up(&self) -> bool;
    /// Since when everything that other nodes told was heard here, or told as [`Stored::Missed`]; none where something may be
    /// missing just now.
    fn whole_since(&self) -> Option<Instant>;
    /// What waits in its queues.
    fn depths(&self) -> Vec<Depth> {
        Vec::new()
    }
    /// Stops: subscriptions end after what was published.
    async fn close(&self);
}

/// Hears everything before it is queued, own and others', the moment it is heard. Never waits.
pub(crate) trait Ear: Send + Sync {
    /// Something was told.
    fn heard(&self, stored: &Stored);
    /// A conversation was changed.
    fn changed(&self, conversation: ConversationId, change: &Change);
}

/// One node's subscription.
#[async_trait]
pub(crate) trait Subscription: Send {
    /// The next thing that was stored; none when the bus is closed. Cancel safe.
    async fn next(&mut self) -> Option<Stored>;
}
