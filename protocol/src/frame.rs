//! WebSocket frames: JSON objects tagged by `type`. Unknown fields are ignored, unknown types are answered.

use crate::limits::Limits;
use crate::rest::PatchSettings;
use crate::{
    Body, Change, Code, Conversation, ConversationId, Emoji, Epoch, Kind, Message, MessageId, Nonce,
    Presence, SessionId, Settings, Timestamp, User, UserId,
};
use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer, Serialize};

/// Version of the contract a client names in `hello`.
pub const PROTOCOL: u32 = 1;

/// From a client to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame {
    /// First frame of every socket, within 10 s.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The epoch the cursors belong to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<Epoch>,
        /// What the client has: conversation and last applied `rev`. Absent: it has nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursors: Option<Vec<(ConversationId, u64)>>,
        /// The [`state`](crate::conversation::state) of each conversation as the client has it. A conversation where something moved that is
        /// not a change (read marks, my settings) then comes back in `heads` although its `rev` is the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        states: Option<Vec<(ConversationId, u32)>>,
    },
    /// Post a message.
    Send {
        /// Unique for ever per sender.
        nonce: Nonce,
        /// Where to.
        conversation: ConversationId,
        /// What.
        body: Body,
        /// The message it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<MessageId>,
    },
    /// Give one of my messages other words.
    Edit {
        /// Unique for ever per person.
        nonce: Nonce,
        /// Which message.
        message: MessageId,
        /// What it says from now on.
        body: Body,
    },
    /// Take a message back for everybody: mine, or anybody's where I am an owner or an admin.
    Recall {
        /// Unique for ever per person.
        nonce: Nonce,
        /// Which message.
        message: MessageId,
    },
    /// Put my reaction under a message, or take it away.
    React {
        /// Unique for ever per person.
        nonce: Nonce,
        /// Which message.
        message: MessageId,
        /// Which one.
        emoji: Emoji,
        /// Put or taken away.
        on: bool,
    },
    /// Pin a message, or unpin it.
    Pin {
        /// Unique for ever per person.
        nonce: Nonce,
        /// Which message.
        message: MessageId,
        /// Pinned or not.
        on: bool,
    },
    /// Fetch the changes after a `rev`.
    Sync {
        /// Of which conversation.
        conversation: ConversationId,
        /// The last applied `rev`.
        after: u64,
    },
    /// Move my read mark forward.
    Read {
        /// In which conversation.
        conversation: ConversationId,
        /// To this message.
        seq: u64,
    },
    /// Keep a conversation as unread from this message on, until I read it again.
    Unread {
        /// Which conversation.
        conversation: ConversationId,
        /// From this message.
        seq: u64,
    },
    /// Change what only I see of a conversation.
    Settings {
        /// Which conversation.
        conversation: ConversationId,
        /// Only what is named changes.
        settings: PatchSettings,
    },
    /// I am writing here. Said again every few seconds; lost without harm.
    Typing {
        /// In which conversation.
        conversation: ConversationId,
    },
    /// Whether somebody is at this device.
    Presence {
        /// `online` or `away`.
        state: Presence,
    },
    /// Sign of life, every `heartbeat_ms`.
    Ping {
        /// Comes back in the `pong`.
        n: u64,
    },
}

/// Declares [`ServerFrame`] and its second way of being read.
macro_rules! server_frame {
    (
        $(#[$about:meta])*
        pub enum ServerFrame {
            $(
                $(#[$doc:meta])*
                $name:ident { $($(#[$of_field:meta])* $field:ident: $type:ty,)* },
            )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        pub enum ServerFrame {
            $(
                $(#[$doc])*
                $name { $($(#[$of_field])* $field: $type,)* },
            )*
            /// The request was refused and stored nothing.
            Refused(Refusal),
            /// A type this program does not know: ignore it.
            #[serde(other)]
            Unsupported,
        }

        /// The types, as words.
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Tag {
            $($name,)*
            Refused,
            #[serde(other)]
            Unsupported,
        }

        impl ServerFrame {
            /// Reads the frame of a type that is known already from the whole object. The result is that of
            /// `Deserialize`, which however keeps the object in memory to look for its type first: twice the code, and
            /// the page is weighed.
            ///
            /// # Errors
            ///
            /// A field is missing, or is not what it must be.
            pub fn read<'de, D: Deserializer<'de>>(kind: &str, object: D) -> Result<Self, D::Error> {
                match Tag::deserialize(kind.into_deserializer())? {
                    $(
                        Tag::$name => {
                            #[derive(Deserialize)]
                            struct Fields {
                                $($(#[$of_field])* $field: $type,)*
                            }
                            let Fields { $($field),* } = Fields::deserialize(object)?;
                            Ok(Self::$name { $($field),* })
                        }
                    )*
                    Tag::Refused => Refusal::deserialize(object).map(Self::Refused),
                    Tag::Unsupported => Ok(Self::Unsupported),
                }
            }
        }
    };
}

server_frame! {
    /// From the server to a client.
    pub enum ServerFrame {
        /// Answer to `hello`.
        Welcome {
            /// Who is signed in.
            user: User,
            /// On which session.
            session: SessionId,
            /// Incarnation of the database; with another one than the client's, everything it has is void.
            epoch: Epoch,
            /// Milliseconds between pings.
            heartbeat_ms: u32,
            /// Every limit.
            limits: Limits,
            /// The server's clock.
            server_time: Timestamp,
        },
        /// Conversations that differ from the client's cursors, or are new to it. Also sent while live, when the
        /// client becomes a member of one.
        Heads {
            /// Whole objects; each replaces what the client has.
            conversations: Vec<Conversation>,
        },
        /// No longer yours: drop it.
        Gone {
            /// Which one.
            conversation: ConversationId,
        },
        /// All of `hello` is answered.
        Live {},
        /// Queued ingest only: the message is safe in the queue, not yet stored.
        Accepted {
            /// Of the `send`.
            nonce: Nonce,
        },
        /// The request is stored for good.
        Ack {
            /// Of the request.
            nonce: Nonce,
            /// The message as it is now.
            message: Message,
            /// Whether it was stored by an earlier request with the same nonce.
            duplicate: bool,
        },
        /// A change happened.
        Event {
            /// Where.
            conversation: ConversationId,
            /// What sort of conversation that is.
            kind: Kind,
            /// What.
            change: Change,
        },
        /// Answer to `sync`: the changes after `from` up to `to`.
        Changes {
            /// Of which conversation.
            conversation: ConversationId,
            /// The `after` of the request.
            from: u64,
            /// The client has everything up to this `rev` once it applied them.
            to: u64,
            /// In order of `rev`.
            changes: Vec<Change>,
            /// Whether there is more after `to`.
            more: bool,
        },
        /// The client's position cannot be continued from: drop the conversation's messages and load it anew.
        Reset {
            /// Which one.
            conversation: ConversationId,
            /// Why, for people.
            reason: String,
        },
        /// Somebody's read mark moved.
        Read {
            /// Where.
            conversation: ConversationId,
            /// Whose.
            user: UserId,
            /// To which message.
            seq: u64,
            /// To the reader's own devices: what is still unread.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            unread: Option<u64>,
            /// To the reader's own devices: how many of those name me.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            mentions: Option<u64>,
        },
        /// What only I see of a conversation, changed on another of my devices.
        Settings {
            /// Which conversation.
            conversation: ConversationId,
            /// All of it.
            settings: Settings,
            /// What is unread now.
            unread: u64,
            /// How many of those name me.
            mentions: u64,
        },
        /// Somebody is writing. Good for [`TYPING_MS`](crate::limits::TYPING_MS), then forget it.
        Typing {
            /// Where.
            conversation: ConversationId,
            /// Who.
            user: UserId,
        },
        /// Somebody I share a conversation with came, left or stepped away.
        Presence {
            /// Who.
            user: UserId,
            /// How they are now.
            state: Presence,
            /// When they were last connected, where they left.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            last_seen: Option<Timestamp>,
        },
        /// Who is connected of those I share a conversation with, after `live`; everybody else is not.
        Present {
            /// A device is connected, somebody is at it.
            online: Vec<UserId>,
            /// A device is connected, nobody is at it.
            away: Vec<UserId>,
        },
        /// Answer to `ping`.
        Pong {
            /// Of the `ping`.
            n: u64,
            /// Conversations whose head moved since the last pong, with their head `rev`: a silent gap shows here.
            heads: Vec<(ConversationId, u64)>,
        },
        /// The server is about to close the socket.
        Bye {
            /// Why, for people.
            reason: String,
            /// Wait this long before connecting again.
            retry_after_ms: u64,
        },
    }
}

/// Why a request was refused. Nothing of it was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Nonce of the refused request, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Type of the refused frame, if it had no nonce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// The stable reason.
    pub code: Code,
    /// For people.
    pub message: String,
    /// Whether the same request may succeed later, unchanged.
    pub retryable: bool,
    /// Wait this long first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// Codes a socket is closed with.
pub mod close {
    /// The server is restarting or stopping.
    pub const RESTARTING: u16 = 1012;
    /// A frame that is not a frame: malformed JSON, or anything before `hello`.
    pub const PROTOCOL: u16 = 1002;
    /// A binary frame.
    pub const TYPE: u16 = 1003;
    /// Text that is not UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// No `hello` in time, or no sign of life.
    pub const POLICY: u16 = 1008;
    /// A frame over [`FRAME_BYTES`](crate::limits::FRAME_BYTES).
    pub const TOO_LARGE: u16 = 1009;
    /// Too many sockets; come back later.
    pub const OVERLOADED: u16 = 1013;
    /// The session ended. Do not retry.
    pub const SESSION_ENDED: u16 = 4001;
    /// The client speaks another version of the contract.
    pub const UPGRADE: u16 = 4003;
    /// The client fell behind its queue: connect again with cursors.
    pub const RESYNC: u16 = 4008;
    /// Too many frames.
    pub const RATE_LIMITED: u16 = 4029;
}
