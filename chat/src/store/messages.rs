//! Messages, read marks and the log, as a store keeps them.

use super::{Result, Standing};
use crate::clock;
use async_trait::async_trait;
use protocol::rest::{Changes, Receipts, Version};
use protocol::{Body, Change, ConversationId, Emoji, Kind, Message, MessageId, Nonce, Timestamp, UserId};
use std::time::Duration;

/// Most messages and marks, together, of one transaction. More gains little: at 128 a commit the fsync is no longer
/// what a message costs.
pub(crate) const BATCH: usize = 128;

/// A message to be written.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct NewPost {
    pub(crate) id: MessageId,
    pub(crate) conversation: ConversationId,
    pub(crate) sender: UserId,
    pub(crate) nonce: Nonce,
    pub(crate) body: Body,
    pub(crate) reply_to: Option<MessageId>,
    pub(crate) sent_at: Timestamp,
}

impl NewPost {
    /// The message it is, with its numbers and the people it names.
    pub(crate) fn numbered(
        &self,
        (seq, rev): (u64, u64),
        mentions: Vec<UserId>,
        mentions_all: bool,
    ) -> Message {
        Message {
            id: self.id,
            conversation: self.conversation,
            seq,
            rev,
            sender: self.sender,
            nonce: Some(self.nonce.clone()),
            body: self.body.clone(),
            sent_at: self.sent_at,
            edited_at: None,
            recalled: false,
            reply_to: self.reply_to,
            mentions,
            mentions_all,
            reactions: Vec::new(),
            pinned: false,
        }
    }
}

/// What became of a [`NewPost`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum PostOutcome {
    Stored {
        kind: Kind,
        message: Message,
    },
    /// The nonce was used before, for the same.
    Duplicate(Message),
    /// The nonce was used before, for something else.
    OtherUse,
    /// No such conversation, or the sender is not a member.
    NotFound,
    /// The message it answers is not in the conversation.
    NoSuchReply,
}

impl PostOutcome {
    /// How a refusal is noted that could be another answer later; none where nothing has to be noted.
    pub(crate) const fn refusal(&self) -> Option<i64> {
        match self {
            Self::NotFound => Some(1),
            Self::NoSuchReply => Some(2),
            // A nonce stays used.
            Self::Stored { .. } | Self::Duplicate(_) | Self::OtherUse => None,
        }
    }

    /// A refusal as it was noted.
    pub(crate) const fn refused(noted: i64) -> Self {
        match noted {
            2 => Self::NoSuchReply,
            _ => Self::NotFound,
        }
    }
}

/// Where messages come from, and with that what their refusals mean. A retry by its sender is another message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Their sender, who is answered at once: they do not come again.
    Sender,
    /// A broker, which may deliver them again: a refusal is noted in the same transaction, by the message's id, and stays one.
    Broker,
    /// A topic that is read again: a noted refusal stays one, but none is noted, because whoever reads it may mend what was missing
    /// and read it once more.
    Topic,
}

impl Source {
    /// Whether earlier refusals are looked for.
    pub(crate) fn heeds_refusals(self) -> bool {
        self != Self::Sender
    }

    /// Whether refusals are kept.
    pub(crate) fn notes_refusals(self) -> bool {
        self == Self::Broker
    }
}

/// How long a refusal is noted: longer than a broker keeps what it may deliver again, unless it is told otherwise.
const REFUSED_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Refusals noted for ids below this are forgotten: ids begin with their time in milliseconds (RFC 9562, version 7).
pub(crate) fn refused_before() -> MessageId {
    let since =
        u128::try_from(clock::now().millis()).unwrap_or_default().saturating_sub(REFUSED_FOR.as_millis());
    MessageId::from_uuid(uuid::Uuid::from_u128(since << 80))
}

/// A read mark to be raised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewMark {
    pub(crate) conversation: ConversationId,
    pub(crate) user: UserId,
    pub(crate) seq: u64,
}

/// What became of a [`NewMark`]: where the mark is now and what is still unread; none where the person is not a
/// member.
pub(crate) type MarkOutcome = Option<Marked>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Marked {
    pub(crate) read_seq: u64,
    pub(crate) unread: u64,
    pub(crate) mentions: u64,
    /// Whether it was raised, or was kept as unread before.
    pub(crate) moved: bool,
    /// Whether the other members are told: not in large groups, where everybody's marks would be everybody's news.
    pub(crate) told: bool,
}

/// Which part of a conversation's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// The newest.
    Newest,
    /// The newest of those before this `seq`.
    Before(u64),
    /// The oldest of those after this `seq`.
    After(u64),
    /// About as many on both sides of this `seq`, itself included.
    Around(u64),
    /// The oldest of those sent at this time or later. Messages stand in order of time but for steps of the server's
    /// clock; across one, the page may begin some messages early or late.
    At(Timestamp),
}

/// What is to happen to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Other words, by its author.
    Edit(Body),
    /// Taken back, by its author or who looks after the group.
    Recall,
    /// A reaction put or taken away.
    React(Emoji, bool),
    /// Pinned or unpinned.
    Pin(bool),
}

/// An [`Act`] to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewAct {
    pub(crate) message: MessageId,
    pub(crate) by: UserId,
    pub(crate) nonce: Option<Nonce>,
    pub(crate) act: Act,
    pub(crate) at: Timestamp,
}

/// What became of a [`NewAct`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ActOutcome {
    Stored {
        kind: Kind,
        change: Change,
    },
    /// It was so already; only the nonce was noted.
    Unchanged(Message),
    /// The nonce was used before, for the same: the message as it is now.
    Duplicate(Message),
    /// The nonce was used before, for something else.
    OtherUse,
    /// No such message, or not for this person to see.
    NotFound,
    Forbidden(&'static str),
    /// The message is not one any more to which this can happen, or it is full.
    Conflict(&'static str),
}

/// A page and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) messages: Vec<Message>,
    pub(crate) quoted: Vec<Message>,
    pub(crate) happened: Vec<Change>,
}

/// Messages, read marks, the log.
#[async_trait]
pub(crate) trait Messages: Send + Sync {
    /// Writes a batch of at most [`BATCH`] in one transaction: the messages in order, then the marks (clamped to the head, never
    /// lowered). Sending raises the sender's own mark to the message.
    async fn post(
        &self,
        posts: &[NewPost],
        marks: &[NewMark],
    ) -> Result<(Vec<PostOutcome>, Vec<MarkOutcome>)>;
    /// Writes messages that were submitted to a broker.
    async fn post_submitted(&self, posts: &[NewPost], source: Source) -> Result<Vec<PostOutcome>>;
    /// What the nonces of these posts were used for, if at all: to be asked when the outcome of a commit is unknown.
    async fn look_up(&self, posts: &[NewPost]) -> Result<Vec<Option<PostOutcome>>>;
    /// Writes what happens to messages, in order, in one transaction; at most [`BATCH`].
    async fn act(&self, acts: &[NewAct]) -> Result<Vec<ActOutcome>>;
    /// A page, ascending, of what `standing` lets its owner see.
    async fn page(&self, id: ConversationId, standing: Standing, span: Span, limit: u32) -> Result<Page>;
    /// Of each of these conversations, after the first number and up to the second: the newest `limit` messages that are
    /// neither the reader's own nor recalled. One query; each conversation's are together and ascending.
    async fn unread(
        &self,
        reader: UserId,
        spans: &[(ConversationId, u64, u64)],
        limit: u32,
    ) -> Result<Vec<Message>>;
    /// The changes after `after` up to `limit` of them, as `standing` lets its owner see them: a change of a message
    /// from before they joined is counted and not shown.
    async fn changes(
        &self,
        id: ConversationId,
        standing: Standing,
        after: u64,
        limit: u32,
    ) -> Result<Changes>;
    /// One message, where the person may see it.
    async fn message(&self, user: UserId, id: MessageId) -> Result<Option<Message>>;
    /// What it said before, oldest first.
    async fn edits(&self, message: &Message) -> Result<Vec<Version>>;
    /// The pinned messages after `floor`, ascending.
    async fn pins(&self, id: ConversationId, floor: u64) -> Result<Vec<Message>>;
    /// Who of the members other than its sender has read a message: of how many, how many, and the first `limit`.
    async fn readers(&self, message: &Message, limit: u32) -> Result<Receipts>;
}
