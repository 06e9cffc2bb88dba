//! The doorbell: tells every node what was stored.
//!
//! Contract of every implementation:
//! - what was published reaches every subscription of every node, its own included, usually once;
//! - it may be lost, doubled or reordered: that costs latency, never data, because the store is the log and every
//!   hearer can see a gap by number;
//! - publishing waits while the bus is full, so that a slow hearer slows the writers instead of losing anything;
//! - when the bus is closed, what was published before is still heard, then the subscription ends;
//! - a whisper is what is only of the moment: it never waits, it is dropped where the bus is half full, and its loss
//!   costs nobody anything but the moment.

pub(crate) mod address;
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
pub(crate) mod wire;

use crate::hub::SocketId;
use crate::store::{Marked, Personal};
use async_trait::async_trait;
use protocol::{Change, ConversationId, Kind, Nonce, Presence, Timestamp, UserId};

/// Something that was committed, or that is only of the moment.
#[derive(Clone, Debug)]
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
}

/// The socket that asked for a change.
#[derive(Clone, Debug)]
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
    /// Stops: subscriptions end after what was published.
    async fn close(&self);
}

/// One node's subscription.
#[async_trait]
pub(crate) trait Subscription: Send {
    /// The next thing that was stored; none when the bus is closed. Cancel safe.
    async fn next(&mut self) -> Option<Stored>;
}
