//! What can stand in a history.

use super::BodyHash;
use super::seen::{Head, Rows, Seen, Truth};
use protocol::{Code, ConversationId, Epoch, Kind, MessageId, Nonce, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Milliseconds since the run began, on the monotonic clock.
    pub t: u64,
    /// Name of the device, for example `ada/1`, or [`DRIVER`](super::DRIVER).
    pub client: String,
    /// Whose device it is; nobody's for what the driver of the run notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// First line: what is being run.
    Run {
        /// The same seed gives the same plan.
        seed: u64,
        /// Version the server says it has.
        server: String,
        /// Whether several nodes served: what one of them heard of a mark may be told at another after what came later.
        #[serde(default)]
        several: bool,
        /// Parameters of the workload, for people.
        workload: BTreeMap<String, String>,
    },
    /// A conversation exists, with these members from its first `rev` on.
    Founded {
        /// Which one.
        conversation: ConversationId,
        /// What sort.
        kind: Kind,
        /// The founder among them.
        members: Vec<UserId>,
    },
    /// The socket is open; no `hello` yet.
    Connected,
    /// The socket is gone.
    Disconnected {
        /// Close code; 1006 where the connection ended without one.
        code: u16,
        /// For people.
        reason: String,
    },
    /// `hello` was answered up to `live`.
    Hello {
        /// Incarnation of the database.
        epoch: Epoch,
        /// Whether the client dropped everything it had, because the epoch was another one than before.
        reset: bool,
        /// What the server says differs from the client's cursors.
        heads: Vec<Head>,
        /// Cursors that are no longer the client's.
        gone: Vec<ConversationId>,
    },
    /// A conversation object came while live: the client became a member.
    Heads {
        /// What came.
        heads: Vec<Head>,
    },
    /// The client is told that it is a member no longer. Written once for each conversation it drops, from a `hello` or
    /// while live.
    Gone {
        /// Of which one.
        conversation: ConversationId,
    },
    /// A message is about to be sent, for the first time or again.
    Invoke {
        /// The sender's key for it.
        nonce: Nonce,
        /// Where to.
        conversation: ConversationId,
        /// What.
        body: BodyHash,
        /// 1 for the first time, counted by this device.
        attempt: u32,
    },
    /// Something is about to be done to a message, for the first time or again. It is answered like a message.
    Act {
        /// The user's key for it.
        nonce: Nonce,
        /// Where.
        conversation: ConversationId,
        /// Which message.
        message: MessageId,
        /// What.
        deed: Deed,
        /// 1 for the first time, counted by this device.
        attempt: u32,
    },
    /// An attempt was answered: stored.
    Acked {
        /// Of the message, or of what was done to it.
        nonce: Nonce,
        /// Where.
        conversation: ConversationId,
        /// Its place.
        seq: u64,
        /// Its last change.
        rev: u64,
        /// Its id.
        message: MessageId,
        /// Whether an earlier attempt stored it.
        duplicate: bool,
        /// The message as the answer shows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<Seen>,
    },
    /// An attempt was answered: not stored.
    Refused {
        /// Of the message.
        nonce: Nonce,
        /// Why.
        code: Code,
        /// Whether the client tries again.
        retryable: bool,
    },
    /// The connection died before an attempt was answered: it may or may not have been carried out.
    Unknown {
        /// Of the message.
        nonce: Nonce,
    },
    /// A change that the client's own rule (`rev` = last + 1) let onto the screen.
    Applied {
        /// Where.
        conversation: ConversationId,
        /// Its number.
        rev: u64,
        /// Its type on the wire: `posted`, `joined`, `left`, … `unsupported` for one this program does not know.
        change: String,
        /// Whom a change of membership is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<UserId>,
        /// The message as it is after the change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Seen>,
        /// How it came.
        via: Via,
        /// Milliseconds of the run when an answer to `sync` was asked for; it shows what was stored then, or later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<u64>,
    },
    /// A change that came and was dropped: known already, or of a conversation the client does not have.
    Dropped {
        /// Where.
        conversation: ConversationId,
        /// Its number.
        rev: u64,
        /// Whether the client has the conversation.
        held: bool,
        /// The message it carried.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Seen>,
    },
    /// A change that came too early: those after `last` are fetched.
    Gap {
        /// Where.
        conversation: ConversationId,
        /// The last applied `rev`.
        last: u64,
        /// The one that came or was told of.
        came: u64,
        /// How it came; none: a `pong` told of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        via: Option<Via>,
    },
    /// The server cannot continue from the client's position: the conversation is dropped and loaded anew.
    Reset {
        /// Which one.
        conversation: ConversationId,
    },
    /// A page became the whole of what the client has of a conversation.
    Page {
        /// Which one.
        conversation: ConversationId,
        /// Newest message when it was read.
        head_seq: u64,
        /// Newest change when it was read: the page is complete up to it.
        head_rev: u64,
        /// Ascending `seq`.
        messages: Vec<Seen>,
        /// Milliseconds of the run when it was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<u64>,
    },
    /// A `pong` did not come in time; the client gives the socket up.
    PongMissed {
        /// Of the `ping`.
        n: u64,
    },
    /// A `pong` told of a `rev` that had not come one beat later; the client gives the socket up.
    Silent {
        /// Where.
        conversation: ConversationId,
        /// The last applied `rev`.
        have: u64,
        /// The one told of.
        told: u64,
    },
    /// The client asks to move its user's read mark.
    ReadAsked {
        /// Where.
        conversation: ConversationId,
        /// To which message.
        seq: u64,
    },
    /// A read mark was told of by a `read` frame.
    ReadSeen {
        /// Where.
        conversation: ConversationId,
        /// Whose.
        user: UserId,
        /// To which message.
        seq: u64,
        /// What is still unread, where it is the client's own user's mark.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unread: Option<u64>,
        /// How many of those name the user, likewise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mentions: Option<u64>,
    },
    /// Somebody was added or removed, or it was tried. Written when the answer is there.
    Membership {
        /// Where.
        conversation: ConversationId,
        /// Who.
        subject: UserId,
        /// Added, otherwise removed.
        join: bool,
        /// Milliseconds of the run when it was asked for.
        asked: u64,
        /// Milliseconds of the run when it was answered; none: the connection died before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answered: Option<u64>,
        /// Whether the answer was success.
        done: bool,
    },
    /// The driver of the run does something to the server, the network or the clients.
    Fault {
        /// Which one.
        name: String,
        /// For people.
        detail: String,
        /// Where it is over: the world is whole again.
        #[serde(default)]
        healed: bool,
    },
    /// How the client's wait for rest ended: everything sent and complete up to what REST tells.
    Quiesced {
        /// Whether it is at rest.
        complete: bool,
        /// Milliseconds it took, or the deadline.
        waited_ms: u64,
        /// Messages without an answer.
        unsent: usize,
        /// Conversations that are not complete: the `rev` the client has, and the one REST tells.
        behind: Vec<(ConversationId, u64, u64)>,
    },
    /// Truth at the end: what a fresh client of this user reads over REST.
    Rest(Truth),
    /// Truth at the end: what this client has on its screen.
    Screen(Truth),
    /// Truth at the end: what the database file holds.
    Rows(Rows),
}

/// What somebody does to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Gives it other words.
    Edit {
        /// What it is to say.
        body: BodyHash,
    },
    /// Takes it back.
    Recall,
    /// Puts a reaction under it, or takes it away.
    React {
        /// Which one.
        emoji: String,
        /// Put, otherwise taken away.
        on: bool,
    },
    /// Pins it, or unpins it.
    Pin {
        /// Pinned, otherwise unpinned.
        on: bool,
    },
}

/// How a change came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// By itself.
    Event,
    /// In the answer to the client's own request.
    Ack,
    /// In an answer to `sync`.
    Changes,
}
