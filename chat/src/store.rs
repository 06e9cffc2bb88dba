//! Where everything is kept, behind one trait per aggregate. The store is the log: whatever is committed here is
//! true, and everything else is a copy of it or a hint about it.
//!
//! Contract of every implementation:
//! - a method that returned `Ok` has committed, durably (a power cut afterwards loses nothing);
//! - a method that returned `Err` has stored nothing, unless the error says that this is `unknown`;
//! - `seq` and `rev` are dense, allocated in the transaction that writes what they number;
//! - membership is checked in the transaction that writes, not before it;
//! - [`Messages::post`], and the methods of [`Conversations`] that change something, are called by one task
//!   (`persist`), one at a time; all other methods by any number of tasks.

mod acts;
mod digest;
mod groups;
pub(crate) mod postgres;
pub(crate) mod sqlite;
pub(crate) mod transfer;

use crate::hub::Floor;
use async_trait::async_trait;
use protocol::rest::{Changes, Group, Me, PatchSettings, Receipts, Session, Version};
use protocol::{
    Body, Change, Conversation, ConversationId, Emoji, Epoch, History, Kind, Member, Message, MessageId,
    Nonce, Role, SessionId, Settings, Timestamp, User, UserId,
};
use std::fmt;
use tokio::sync::Notify;

/// A failure of the back end: what was being done, and the back end's own error.
#[derive(Debug)]
pub struct StoreError {
    /// What was being done.
    pub(crate) doing: &'static str,
    /// Whether it may have been stored all the same: what failed was a commit.
    pub(crate) unknown: bool,
    /// The back end's words, for the log only.
    pub(crate) source: Box<dyn std::error::Error + Send + Sync>,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.source)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// An account to be created.
pub(crate) struct NewAccount {
    pub(crate) id: UserId,
    pub(crate) username: String,
    pub(crate) display_name: String,
    /// PHC string.
    pub(crate) password: String,
    pub(crate) created_at: Timestamp,
}

/// A session to be created.
pub(crate) struct NewSession {
    pub(crate) id: SessionId,
    pub(crate) token_hash: [u8; 32],
    pub(crate) account: UserId,
    pub(crate) device: String,
    pub(crate) created_at: Timestamp,
}

/// A session found by its token.
pub(crate) struct FoundSession {
    pub(crate) id: SessionId,
    pub(crate) account: UserId,
    pub(crate) last_used_at: Timestamp,
}

/// Accounts and their sessions.
#[async_trait]
pub(crate) trait Accounts: Send + Sync {
    /// `false`: the name is taken. The session is created with it.
    async fn create_account(&self, account: NewAccount, session: NewSession) -> Result<bool>;
    /// Id and PHC string of the account of that (lower-case) name.
    async fn credentials(&self, username: &str) -> Result<Option<(UserId, String)>>;
    async fn me(&self, account: UserId) -> Result<Option<Me>>;
    async fn update_me(
        &self,
        account: UserId,
        display_name: Option<String>,
        locale: Option<Option<String>>,
    ) -> Result<()>;
    /// Those of `ids` that exist, in no order.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>>;
    /// People whose name or user name contains `q`, those that begin with it first; never `except`, and only members of
    /// the conversation, if one is given.
    async fn search_users(
        &self,
        q: &str,
        except: UserId,
        within: Option<ConversationId>,
        limit: u32,
    ) -> Result<Vec<User>>;
    /// The account that was made first; none where there is none.
    async fn first_account(&self) -> Result<Option<UserId>>;
    async fn set_last_seen(&self, account: UserId, at: Timestamp) -> Result<()>;

    async fn create_session(&self, session: NewSession) -> Result<()>;
    async fn session_by_token(&self, token_hash: &[u8; 32]) -> Result<Option<FoundSession>>;
    async fn session_exists(&self, id: SessionId) -> Result<bool>;
    async fn touch_session(&self, id: SessionId, at: Timestamp) -> Result<()>;
    /// Newest first; `current` is left false.
    async fn sessions(&self, account: UserId) -> Result<Vec<Session>>;
    /// `false`: no such session of that account.
    async fn delete_session(&self, account: UserId, id: SessionId) -> Result<bool>;
}

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
    /// The same for a caller that goes on meanwhile: `committing` is told once all that is left is to commit, by a store that
    /// can write another batch then.
    async fn post_ahead(
        &self,
        posts: &[NewPost],
        marks: &[NewMark],
        _committing: &Notify,
    ) -> Result<(Vec<PostOutcome>, Vec<MarkOutcome>)> {
        self.post(posts, marks).await
    }
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

/// The database as a whole.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    fn epoch(&self) -> Epoch;
    /// Draws another epoch, for whoever opens the database from now on: the numbers that clients have are not of this log.
    async fn renew(&self) -> Result<()>;
    /// A secret of everybody who may read the database, drawn at its creation: nodes know each other by it.
    fn key(&self) -> [u8; 32];
    /// `false`: a transfer into it was begun and not finished ([`transfer`]).
    async fn is_whole(&self) -> Result<bool>;
    /// Makes known that this node uses the database, until it is closed: `alone`, or with others that are not. `false`: that
    /// does not go with a node that uses it already.
    async fn claim(&self, alone: bool) -> Result<bool>;
    /// A cheap read, to know that it answers.
    async fn check(&self) -> Result<()>;
    /// Commits what is queued and closes every connection.
    async fn close(&self);
}

/// The store as `open` hands it out: one back end behind each trait.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) accounts: std::sync::Arc<dyn Accounts>,
    pub(crate) conversations: std::sync::Arc<dyn Conversations>,
    pub(crate) messages: std::sync::Arc<dyn Messages>,
    pub(crate) hello: std::sync::Arc<dyn Hello>,
    pub(crate) database: std::sync::Arc<dyn Database>,
}

/// The epoch made of what was drawn for it.
fn epoch(drawn: [u8; 16]) -> Epoch {
    Epoch::from_uuid(uuid::Builder::from_random_bytes(drawn).into_uuid())
}
