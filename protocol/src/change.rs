//! The log of a conversation: everything that happened to it, numbered by `rev` without holes.

use crate::{Message, Role, UserId};
use serde::{Deserialize, Serialize};

/// One numbered change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// 1, 2, 3 … within the conversation.
    pub rev: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: ChangeKind,
}

/// What happened to a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChangeKind {
    /// A new message.
    Posted {
        /// The message as it is now.
        message: Message,
    },
    /// Somebody became a member.
    Joined {
        /// Who did it.
        by: UserId,
        /// Who joined.
        user: UserId,
    },
    /// Somebody is no longer a member.
    Left {
        /// Who did it; the same person when they left by themselves.
        by: UserId,
        /// Who left.
        user: UserId,
    },
    /// The group has a new title.
    Renamed {
        /// Who did it.
        by: UserId,
        /// The new title.
        title: String,
    },
    /// A member's role changed.
    Role {
        /// Who did it.
        by: UserId,
        /// Whose.
        user: UserId,
        /// The new role.
        role: Role,
    },
    /// A kind this program does not know: number it and go on.
    #[serde(other)]
    Unsupported,
}
