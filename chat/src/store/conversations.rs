//! Conversations, their members and what starts a socket, as a store keeps them.

use super::Result;
use crate::hub::Floor;
use async_trait::async_trait;
use protocol::rest::{Group, PatchSettings};
use protocol::{
    Change, Conversation, ConversationId, History, Kind, Member, Nonce, Role, SessionId, Settings, Timestamp,
    User, UserId,
};

/// A group to be founded, or a direct conversation to be opened.
pub(crate) struct NewConversation {
    pub(crate) id: ConversationId,
    pub(crate) kind: Kind,
    pub(crate) title: String,
    /// The first is who asks.
    pub(crate) members: Vec<(UserId, Role)>,
    pub(crate) nonce: Option<Nonce>,
    pub(crate) public: bool,
    pub(crate) history: History,
    pub(crate) created_at: Timestamp,
}

/// What became of a [`NewConversation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// It is new.
    New,
    /// The direct conversation was there already, or the nonce founded this group before.
    Existing(ConversationId),
    /// The nonce was used before, for something else.
    OtherUse,
    /// One of the members does not exist.
    UnknownMember,
    /// One of the members is in too many conversations; the words for it.
    Full(&'static str),
}

/// A change of a group other than a message.
pub(crate) struct GroupEdit {
    pub(crate) conversation: ConversationId,
    /// Who asks.
    pub(crate) by: UserId,
    pub(crate) what: GroupChange,
    pub(crate) at: Timestamp,
}

pub(crate) enum GroupChange {
    Join(UserId),
    /// Nobody added them: they join a public group by themselves.
    JoinPublic,
    /// The same person as `by`: they leave by themselves.
    Leave(UserId),
    /// `Owner` hands the group over.
    Role(UserId, Role),
    /// Only what is named changes.
    Patch {
        title: Option<String>,
        public: Option<bool>,
        history: Option<History>,
    },
}

/// What became of a [`GroupEdit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edited {
    Done {
        changes: Vec<Change>,
    },
    /// It was so already; nothing was written.
    Nothing,
    /// No such conversation, or the asker is not a member, or the person does not exist.
    NotFound,
    Forbidden(&'static str),
    /// It cannot be as the group is now.
    Conflict(&'static str),
    /// The group has as many members as a group may have.
    Full,
}

/// Who stands where in a conversation, for one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) head_seq: u64,
    pub(crate) head_rev: u64,
    pub(crate) joined_seq: u64,
    pub(crate) joined_rev: u64,
}

/// A change of what only one member sees.
#[derive(Clone, Debug)]
pub(crate) struct NewSettings {
    pub(crate) conversation: ConversationId,
    pub(crate) user: UserId,
    pub(crate) what: SettingsChange,
}

#[derive(Clone, Debug)]
pub(crate) enum SettingsChange {
    Patch(PatchSettings),
    /// Keeps the conversation as unread from this message on: at most [`UNREAD_BACK`](protocol::limits::UNREAD_BACK)
    /// before the head, and nothing the member may not see.
    UnreadFrom(u64),
}

/// What only one member sees of a conversation, and what is unread for them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Personal {
    pub(crate) settings: Settings,
    pub(crate) read_seq: u64,
    pub(crate) unread: u64,
    pub(crate) mentions: u64,
}

/// Conversations and their members.
#[async_trait]
pub(crate) trait Conversations: Send + Sync {
    async fn create(&self, new: NewConversation) -> Result<Created>;
    async fn edit(&self, edit: GroupEdit) -> Result<Edited>;
    /// One conversation as a member sees it; none where they are not one.
    async fn conversation(&self, user: UserId, id: ConversationId) -> Result<Option<Conversation>>;
    /// All of a person's conversations, newest activity first, in a fixed number of queries.
    async fn conversations(&self, user: UserId) -> Result<Vec<Conversation>>;
    async fn standing(&self, user: UserId, id: ConversationId) -> Result<Option<Standing>>;
    /// Changes what only single members see, in order, in one transaction. None: not a member.
    async fn set(&self, new: &[NewSettings]) -> Result<Vec<Option<Personal>>>;
    /// Public groups whose title contains `q`, largest first.
    async fn public_groups(&self, user: UserId, q: &str, limit: u32) -> Result<Vec<Group>>;
    /// Of these conversations, the newest `rev` of each that exists.
    async fn head_revs(&self, ids: &[ConversationId]) -> Result<Vec<(ConversationId, u64)>>;
    /// What somebody may do in a conversation; none: they are no member.
    async fn role(&self, id: ConversationId, user: UserId) -> Result<Option<Role>> {
        Ok(self.member(id, user).await?.map(|member| member.role))
    }
    async fn member(&self, id: ConversationId, user: UserId) -> Result<Option<Member>>;
    /// In order of joining; of those who joined together, the higher role first.
    async fn members(&self, id: ConversationId) -> Result<Vec<Member>>;
}

/// Somebody at the start of a socket.
pub(crate) struct Start {
    /// Presence is left offline.
    pub(crate) user: User,
    /// Their conversations, each from where on they may see it.
    pub(crate) memberships: Vec<(ConversationId, Floor)>,
}

/// A conversation in short: whether a client has it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) id: ConversationId,
    pub(crate) kind: Kind,
    pub(crate) rev: u64,
    /// See [`state`](protocol::conversation::state).
    pub(crate) state: u32,
}

/// What the start of a socket reads. Each method is one query: a restart brings everybody back at once.
#[async_trait]
pub(crate) trait Hello: Send + Sync {
    /// None: the session has ended.
    async fn start(&self, session: SessionId, account: UserId) -> Result<Option<Start>>;
    /// All of a person's conversations, in no order.
    async fn heads(&self, user: UserId) -> Result<Vec<Head>>;
    /// People who share a conversation of a moderate size with this person, at most `most` of them, in no order. Asked only
    /// where there are other nodes.
    async fn company(&self, user: UserId, most: usize) -> Result<Vec<UserId>>;
    /// Those of these conversations the person is a member of, newest activity first.
    async fn whole(&self, user: UserId, ids: &[ConversationId]) -> Result<Vec<Conversation>>;
}
