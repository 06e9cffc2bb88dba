//! What clients and rows show, without its words.

use super::BodyHash;
use protocol::{Conversation, ConversationId, Message, MessageId, Nonce, Reaction, UserId};
use serde::{Deserialize, Serialize};

/// A conversation object, without its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Which one.
    pub conversation: ConversationId,
    /// Its newest message.
    pub head_seq: u64,
    /// Its newest change.
    pub head_rev: u64,
    /// The user's read mark.
    pub read_seq: u64,
    /// What is unread.
    pub unread: u64,
    /// How many of those name the user.
    pub mentions: u64,
}

impl From<&Conversation> for Head {
    fn from(conversation: &Conversation) -> Self {
        let &Conversation { id, head_seq, head_rev, read_seq, unread, mentions, .. } = conversation;
        Self { conversation: id, head_seq, head_rev, read_seq, unread, mentions }
    }
}

/// A message, without its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its place.
    pub seq: u64,
    /// Its last change.
    pub rev: u64,
    /// The change that posted it, where that is known (rows).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted_rev: Option<u64>,
    /// Its id.
    pub id: MessageId,
    /// Who wrote it.
    pub sender: UserId,
    /// The sender's key for it, where it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
    /// Of its text; none where it has no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyHash>,
    /// Whether the text agrees with the hash inside it.
    pub intact: bool,
    /// Whether it is recalled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recalled: bool,
    /// Whether it was edited.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited: bool,
    /// Whom it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// Whether it names everybody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mentions_all: bool,
    /// Its reactions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// Whether it is pinned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
}

impl Seen {
    /// Of a message whose `text` is known.
    pub fn body_of(text: Option<&str>) -> (Option<BodyHash>, bool) {
        (text.map(BodyHash::of), text.is_some_and(super::is_intact))
    }

    /// Whether it names this person, by name or with everybody else.
    pub fn names(&self, user: UserId) -> bool {
        self.sender != user && (self.mentions_all || self.mentions.contains(&user))
    }

    /// Whether this person chose this reaction.
    pub fn has_reaction(&self, emoji: &str, user: UserId) -> bool {
        self.reactions.iter().any(|reaction| reaction.emoji == emoji && reaction.users.contains(&user))
    }

    /// The first part of its state that another sight of the same message has otherwise, by name.
    pub fn differs_in(&self, other: &Self) -> Option<&'static str> {
        let parts = [
            (self.sender == other.sender, "sender"),
            (self.recalled == other.recalled, "recall"),
            (self.body == other.body, "content"),
            (self.edited == other.edited, "edit mark"),
            (self.reactions == other.reactions, "reactions"),
            (self.pinned == other.pinned, "pin"),
            (self.mentions == other.mentions && self.mentions_all == other.mentions_all, "mentions"),
            (self.reply_to == other.reply_to, "answered message"),
            (self.rev == other.rev, "rev"),
        ];
        parts.into_iter().find(|(equal, _)| !equal).map(|(_, part)| part)
    }
}

impl From<&Message> for Seen {
    fn from(message: &Message) -> Self {
        let (body, intact) = Self::body_of(message.body.text());
        Self {
            seq: message.seq,
            rev: message.rev,
            posted_rev: None,
            id: message.id,
            sender: message.sender,
            nonce: message.nonce.clone(),
            body,
            intact,
            recalled: message.recalled,
            edited: message.edited_at.is_some(),
            mentions: message.mentions.clone(),
            mentions_all: message.mentions_all,
            reactions: message.reactions.clone(),
            pinned: message.pinned,
            reply_to: message.reply_to,
        }
    }
}

/// A conversation at rest, as one user sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// Which one.
    pub conversation: ConversationId,
    /// Every message after this one that the user may see is in `messages`; what is before it was never loaded.
    pub from_seq: u64,
    /// Ascending `seq`, or as the screen has them.
    pub messages: Vec<Seen>,
    /// The newest message.
    pub head_seq: u64,
    /// The newest change.
    pub head_rev: u64,
    /// The user's read mark.
    pub read_seq: u64,
    /// What is unread; none where the client cannot know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<u64>,
    /// How many of those name the user; none where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mentions: Option<u64>,
}

/// A conversation at rest, as the database has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Which one.
    pub conversation: ConversationId,
    /// Every message, with `nonce` and `posted_rev`.
    pub messages: Vec<Seen>,
    /// Its newest message, as the conversation's row says.
    pub head_seq: u64,
    /// Its newest change, as the conversation's row says.
    pub head_rev: u64,
    /// Everybody who is a member now.
    pub members: Vec<RowMember>,
    /// Every change that is not a new message.
    pub changes: Vec<RowChange>,
    /// Messages of which earlier versions are kept, once for each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<u64>,
}

/// A member's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowMember {
    /// Who.
    pub user: UserId,
    /// Messages after this one are theirs to read.
    pub joined_seq: u64,
    /// Changes after this one are theirs to see.
    pub joined_rev: u64,
    /// Their read mark.
    pub read_seq: u64,
    /// How many messages after it name them, as the rows of mentions have it; none where they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mentions: Option<u64>,
}

/// A change's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowChange {
    /// Its number.
    pub rev: u64,
    /// Its type on the wire.
    pub change: String,
    /// Whom a change of membership is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<UserId>,
}
