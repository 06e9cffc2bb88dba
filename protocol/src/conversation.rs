//! Conversations and who is in them.

use crate::{ConversationId, Message, Timestamp, UserId};
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
    /// Whether everybody on the server can find and join it.
    #[serde(default)]
    pub public: bool,
    /// What newcomers see.
    #[serde(default)]
    pub history: History,
    /// What only I see of it.
    #[serde(default)]
    pub settings: Settings,
}

impl Conversation {
    /// Names everything in this object that is not a change, for `hello`: [`state`] of its marks and settings.
    pub fn state(&self) -> u32 {
        let marks = self.members.iter().map(|member| member.read_seq).sum();
        state(self.read_seq, marks, &self.settings)
    }
}

/// FNV-1a, 32 bits, over what is not a change: my mark, the sum of the members' marks as far as they are told, and my
/// settings, as 64-bit numbers, highest byte first, then the draft. A client that has another state than the server
/// gets the conversation again; two different states agree once in four thousand million times, and then until the
/// next change. Constants: Fowler, Noll, Vo, <http://www.isthe.com/chongo/tech/comp/fnv/>.
pub fn state(read_seq: u64, marks: u64, settings: &Settings) -> u32 {
    let numbers = [
        read_seq,
        marks,
        settings.muted_until.map_or(0, |time| time.millis().unsigned_abs()),
        u64::from(settings.pinned) | u64::from(settings.archived) << 1,
        settings.unread_from.unwrap_or_default(),
    ];
    let bytes = numbers.iter().flat_map(|number| number.to_be_bytes()).chain(settings.draft.bytes());
    bytes.fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// What newcomers to a group see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// What came after they joined.
    #[default]
    Join,
    /// All of it.
    All,
}

/// What one member alone sees of a conversation, on all their devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Silent until then; a far year is for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<Timestamp>,
    /// At the top of the list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// Out of the list until something unread comes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
    /// Words not sent yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub draft: String,
    /// Kept as unread from this message on, until read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_from: Option<u64>,
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
    /// Also removes members, renames, and takes back others' messages.
    Admin,
    /// Also gives roles, decides who may find the group, and hands it over. A group has one as long as it has members.
    Owner,
}
