//! What people tried, and what the answers were.

use crate::history::{BodyHash, Deed, Seen};
use protocol::{ConversationId, MessageId, Nonce, UserId};

/// A message that somebody tried to send.
#[derive(Debug)]
pub struct Send<'a> {
    /// Who.
    pub user: UserId,
    /// Its key.
    pub nonce: &'a Nonce,
    /// Where to.
    pub conversation: ConversationId,
    /// What.
    pub body: BodyHash,
    /// The highest place that was acknowledged in the conversation before it was first tried: it must stand after it.
    pub floor: u64,
    /// How that went.
    pub tries: Tries,
}

/// Something that somebody tried to do to a message.
#[derive(Debug)]
pub struct Act<'a> {
    /// Who.
    pub user: UserId,
    /// Its key.
    pub nonce: &'a Nonce,
    /// Where.
    pub conversation: ConversationId,
    /// To which message.
    pub message: MessageId,
    /// What.
    pub deed: &'a Deed,
    /// The message as the first answer that was no duplicate shows it.
    pub state: Option<&'a Seen>,
    /// How that went.
    pub tries: Tries,
}

/// How often something was tried, and what the answers were.
#[derive(Debug, Default)]
pub struct Tries {
    /// When it was first tried.
    pub invoked: u64,
    /// Attempts.
    pub attempts: usize,
    /// Attempts without an answer: they may have been carried out.
    pub open: usize,
    /// Attempts whose answer promised that nothing was stored.
    pub refused: usize,
    /// Answers that said stored.
    pub acks: Vec<Ack>,
}

impl Tries {
    pub(super) fn first(invoked: u64) -> Self {
        Self { invoked, ..Self::default() }
    }

    pub(super) fn again(&mut self) {
        self.attempts += 1;
        self.open += 1;
    }

    pub(super) fn acked(&mut self, ack: Ack) {
        self.open = self.open.saturating_sub(1);
        self.acks.push(ack);
    }

    pub(super) fn refused(&mut self) {
        self.open = self.open.saturating_sub(1);
        self.refused += 1;
    }

    /// Whether every attempt was answered, and each answer promised that nothing was stored.
    pub const fn refused_for_good(&self) -> bool {
        self.acks.is_empty() && self.open == 0 && self.refused > 0
    }
}

/// An acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// When it came.
    pub t: u64,
    /// Place.
    pub seq: u64,
    /// Last change.
    pub rev: u64,
    /// Id.
    pub id: MessageId,
    /// Whether it was stored before.
    pub duplicate: bool,
}
