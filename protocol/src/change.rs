//! The log of a conversation: everything that happened to it, numbered by `rev` without holes.

use crate::{History, Message, Role, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// One numbered change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Change {
    /// 1, 2, 3 … within the conversation.
    pub rev: u64,
    /// The newest message when it happened: the change stands after it in the timeline. Only where the change is not
    /// about a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// When it happened, for display. Only where the change is not about a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What happened.
    #[serde(flatten)]
    pub kind: ChangeKind,
}

/// What happened to a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChangeKind {
    /// A new message.
    Posted {
        /// The message as it is now.
        message: Message,
    },
    /// A message has other words.
    Edited {
        /// The message as it is now.
        message: Message,
    },
    /// A message was taken back.
    Recalled {
        /// The message as it is now, without its words.
        message: Message,
    },
    /// The reactions under a message changed.
    Reacted {
        /// The message as it is now.
        message: Message,
    },
    /// A message was pinned or unpinned.
    Pinned {
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
    /// Who may find the group, and what newcomers see, changed.
    Access {
        /// Who did it.
        by: UserId,
        /// Whether everybody can find and join it.
        public: bool,
        /// What newcomers see.
        history: History,
    },
    /// A kind this program does not know: number it and go on.
    Unsupported,
}

impl ChangeKind {
    /// The message it is about, if it is about one.
    pub const fn message(&self) -> Option<&Message> {
        match self {
            Self::Posted { message }
            | Self::Edited { message }
            | Self::Recalled { message }
            | Self::Reacted { message }
            | Self::Pinned { message } => Some(message),
            _ => None,
        }
    }

    /// The message it is about, to be changed.
    pub const fn message_mut(&mut self) -> Option<&mut Message> {
        match self {
            Self::Posted { message }
            | Self::Edited { message }
            | Self::Recalled { message }
            | Self::Reacted { message }
            | Self::Pinned { message } => Some(message),
            _ => None,
        }
    }
}

impl Change {
    /// A change without its place and time, as those about messages are.
    pub const fn new(rev: u64, kind: ChangeKind) -> Self {
        Self { rev, after: None, at: None, kind }
    }
}

/// Every field that any kind of change has; a name means the same in all of them. Serde would keep an object with a tag
/// among its fields in memory before it reads it, by code of its own for every struct inside: a tenth of the page.
#[derive(Deserialize)]
struct Fields {
    rev: u64,
    after: Option<u64>,
    at: Option<Timestamp>,
    #[serde(rename = "type")]
    kind: String,
    message: Option<Message>,
    by: Option<UserId>,
    user: Option<UserId>,
    title: Option<String>,
    role: Option<Role>,
    public: Option<bool>,
    history: Option<History>,
}

impl TryFrom<Fields> for Change {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let Fields { rev, after, at, kind, message, by, user, title, role, public, history } = fields;
        let by = by.ok_or("missing field `by`");
        let user = user.ok_or("missing field `user`");
        let message = message.ok_or("missing field `message`");
        let kind = match kind.as_str() {
            "posted" => ChangeKind::Posted { message: message? },
            "edited" => ChangeKind::Edited { message: message? },
            "recalled" => ChangeKind::Recalled { message: message? },
            "reacted" => ChangeKind::Reacted { message: message? },
            "pinned" => ChangeKind::Pinned { message: message? },
            "joined" => ChangeKind::Joined { by: by?, user: user? },
            "left" => ChangeKind::Left { by: by?, user: user? },
            "renamed" => ChangeKind::Renamed { by: by?, title: title.ok_or("missing field `title`")? },
            "role" => ChangeKind::Role { by: by?, user: user?, role: role.ok_or("missing field `role`")? },
            "access" => ChangeKind::Access {
                by: by?,
                public: public.ok_or("missing field `public`")?,
                history: history.ok_or("missing field `history`")?,
            },
            _ => ChangeKind::Unsupported,
        };
        Ok(Self { rev, after, at, kind })
    }
}
