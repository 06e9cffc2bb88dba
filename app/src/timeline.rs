//! The messages of one conversation as this tab has them, and the part of them that is on the page.

mod cache;
mod lines;
#[cfg(test)]
pub(crate) mod tests;

pub use cache::{Applied, Timeline};

use crate::outbox::Act;
use protocol::{Change, Code, Message, MessageId, Nonce, Timestamp};
use std::sync::Arc;

/// Most messages on the page at once: real rows, so that search in the page and screen readers work.
pub const WINDOW_ROWS: usize = 200;

/// What a view knows about a conversation's messages.
#[derive(Clone, Debug, PartialEq)]
pub enum TimelineState {
    /// Nobody asked for them: call [`Live::open`](crate::live::Live::open).
    Absent,
    /// The first page is on its way.
    Loading,
    /// The first page could not be fetched; [`Live::open`](crate::live::Live::open) tries again.
    Failed,
    /// Here they are.
    Ready(Arc<Window>),
}

/// What is on the page: at most [`WINDOW_ROWS`] messages, as many lines between them, and my unsent ones at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// In order of display.
    pub rows: Vec<Row>,
    /// Whether nothing comes before the first row: it is the conversation's first message.
    pub at_start: bool,
    /// Whether nothing stored comes after the last row. Only then are unsent messages among the rows.
    pub at_head: bool,
    /// Whether older messages are being fetched, to stand before the first row.
    pub fetching_older: bool,
    /// Whether newer messages are being fetched, to stand after the last row.
    pub fetching_newer: bool,
    /// Whether the last fetch failed; asking again is another try.
    pub failed: bool,
    /// Number of the conversation's newest message, as far as known.
    pub head_seq: u64,
}

/// One row of the page.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A stored message, with what I did to it and is not stored yet.
    Message(Arc<Message>),
    /// What happened between the messages: somebody joined, left, got a role; the group has a new title, or other
    /// people may find it. `at` is set.
    Line(Arc<Change>),
    /// One of mine, not yet stored as far as this tab knows.
    Pending(Arc<Pending>),
}

/// Identity of a row. My message keeps it when the stored one takes the place of the echo.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RowKey {
    /// One of mine.
    Nonce(Nonce),
    /// Somebody else's (or mine, where the server did not say the nonce).
    Id(MessageId),
    /// Not a message: the change's `rev`.
    Line(u64),
}

impl Row {
    /// What the row is, whatever state it is in.
    pub fn key(&self) -> RowKey {
        match self {
            Self::Message(message) => match &message.nonce {
                Some(nonce) => RowKey::Nonce(nonce.clone()),
                None => RowKey::Id(message.id),
            },
            Self::Line(change) => RowKey::Line(change.rev),
            Self::Pending(pending) => RowKey::Nonce(pending.nonce.clone()),
        }
    }

    /// The stored message's number; none while it is not stored, and for what is no message.
    pub fn seq(&self) -> Option<u64> {
        match self {
            Self::Message(message) => Some(message.seq),
            Self::Line(_) | Self::Pending(_) => None,
        }
    }
}

/// A message somebody's answer refers to.
#[derive(Clone, Debug, PartialEq)]
pub enum Quoted {
    /// Not here yet; it is asked for.
    Unknown,
    /// There is none, or it is not mine to see.
    Gone,
    /// As it is now; possibly recalled.
    Here(Arc<Message>),
}

/// Something I did that is not acknowledged yet; a message's is its local echo.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// Its key, for [`Live::retry`](crate::live::Live::retry) and [`Live::discard`](crate::live::Live::discard).
    pub nonce: Nonce,
    /// What it is. Rows are always [`Act::Send`].
    pub act: Act,
    /// When it was written, by this device's clock.
    pub at: Timestamp,
    /// How far it got.
    pub state: PendingState,
}

impl Pending {
    /// What it says; nothing where it is no message.
    pub fn text(&self) -> &str {
        match &self.act {
            Act::Send { text, .. } | Act::Edit { text, .. } => text.as_str(),
            Act::Recall { .. } | Act::React { .. } | Act::Pin { .. } => "",
        }
    }

    /// The message it answers.
    pub fn reply_to(&self) -> Option<MessageId> {
        if let Act::Send { reply_to, .. } = self.act { reply_to } else { None }
    }
}

/// How far an unsent message got.
#[derive(Clone, Debug, PartialEq)]
pub enum PendingState {
    /// On its way, or waiting for a connection: the clock.
    Waiting,
    /// Safe in the server's queue, not yet stored: still the clock.
    Accepted,
    /// Stored; the stored message is about to take its place: the tick.
    Stored,
    /// The server does not take it. It waits for retry or discard.
    Refused {
        /// The stable reason.
        code: Code,
        /// For people.
        message: String,
        /// Whether the same message may succeed later.
        retryable: bool,
    },
}
