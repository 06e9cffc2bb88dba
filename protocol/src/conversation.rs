//! Conversations and who is in them.

use crate::{ConversationId, Message, UserId};
use serde::{Deserialize, Serialize};

/// A conversation as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Which one.
    pub id: ConversationId,
    /// Two people, or a group.
    pub kind: Kind,
    /// A group's title; empty for a direct conversation, whose name is the other person's.
    pub title: String,
    /// Number of its newest message, 0 while it has none.
    pub head_seq: u64,
    /// Number of its newest change, 0 while it has none.
    pub head_rev: u64,
    /// My read mark: I have read up to this message.
    pub read_seq: u64,
    /// Messages after my mark that are neither mine nor recalled. Derived, never counted up.
    pub unread: u64,
    /// Unread messages that name me.
    pub mentions: u64,
    /// The newest message.
    pub last_message: Option<Message>,
    /// Members, myself included, in order of joining; empty where there are more than
    /// [`MEMBERS_INLINE`](crate::limits::MEMBERS_INLINE).
    pub members: Vec<Member>,
    /// How many members it has.
    pub member_count: u32,
}

/// What sort of conversation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Two people. Its id is derived from theirs, nobody joins or leaves.
    Direct,
    /// A titled group.
    Group,
}

/// One person in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// What they may do.
    pub role: Role,
    /// Their read mark.
    pub read_seq: u64,
}

/// What a member may do. Ordered: a later one may do all an earlier one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads, writes and adds people.
    Member,
    /// Also removes members and renames.
    Admin,
    /// Also hands the group over. A group always has one.
    Owner,
}
