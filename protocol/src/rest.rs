//! Bodies of REST requests and answers.

use crate::{
    Body, Change, Conversation, ConversationId, Epoch, History, Member, Message, MessageId, Nonce, Role,
    SessionId, Timestamp, User, UserId,
};
use serde::{Deserialize, Serialize};

/// `POST accounts`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// 2 to 32 of `a-z 0-9 . _ -`; capitals are lowered.
    pub username: String,
    /// 8 to 256 characters.
    pub password: String,
    /// The user name where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// `POST sessions`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// Without regard to case.
    pub username: String,
    /// As registered.
    pub password: String,
}

/// Answer of `POST accounts` and `POST sessions`, beside the cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// Who signed in.
    pub user: User,
    /// For `Authorization: Bearer`. Shown this once; the server keeps only its hash.
    pub token: String,
}

/// One signed-in device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Which one.
    pub id: SessionId,
    /// What it called itself (its User-Agent), at most 200 characters.
    pub device: String,
    /// When it signed in.
    pub created_at: Timestamp,
    /// When it last asked for anything, to within ten minutes.
    pub last_used_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// `GET sessions`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// Newest first.
    pub sessions: Vec<Session>,
}

/// `POST ws-ticket`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// For `/ws?ticket=…`, once.
    pub ticket: String,
    /// Milliseconds until it is void.
    pub expires_in_ms: u64,
}

/// `GET me`: my account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    /// As others see me.
    #[serde(flatten)]
    pub user: User,
    /// Language of the interface, `en` or `zh-CN`; none: the browser's.
    pub locale: Option<String>,
}

/// `PATCH me`: only what is named changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchMe {
    /// 1 to 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// `en` or `zh-CN`; empty: the browser's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// `GET users`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// Best match first.
    pub users: Vec<User>,
}

/// `GET conversations`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversations {
    /// Newest activity first.
    pub conversations: Vec<Conversation>,
    /// Incarnation of the database.
    pub epoch: Epoch,
}

/// `POST conversations`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NewConversation {
    /// Open the conversation with somebody; the existing one, if there is one.
    Direct {
        /// With whom.
        user: UserId,
    },
    /// Found a group; the founder is its owner.
    Group {
        /// 1 to 100 characters.
        title: String,
        /// Others, without myself.
        #[serde(default)]
        members: Vec<UserId>,
        /// Unique for ever per person: a retry gets the group of the first request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nonce: Option<Nonce>,
        /// Whether everybody can find and join it.
        #[serde(default)]
        public: bool,
        /// What newcomers see.
        #[serde(default)]
        history: History,
    },
}

/// `PATCH conversations/{id}`: only what is named changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchConversation {
    /// 1 to 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether everybody can find and join it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// What newcomers see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// `PATCH conversations/{id}/settings`, and the frame `settings`: only what is named changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchSettings {
    /// Silent until then; a time that is past ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<Timestamp>,
    /// At the top of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// Out of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// Words not sent yet, at most as long as a message; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
}

/// `GET groups?q=`: public groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    /// Largest first, at most 20.
    pub groups: Vec<Group>,
}

/// A public group as somebody sees it who may not be in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Which one.
    pub id: ConversationId,
    /// Its title.
    pub title: String,
    /// How many members it has.
    pub member_count: u32,
    /// Whether I am one.
    pub joined: bool,
}

/// `PATCH conversations/{id}/members/{user}`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchMember {
    /// The new role. `owner` hands the group over: the old owner becomes an admin.
    pub role: Role,
}

/// `POST conversations/{id}/unread`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkUnread {
    /// From this message on.
    pub seq: u64,
}

/// `PATCH messages/{id}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditMessage {
    /// Unique for ever per person, so that a late retry does not undo a later edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
    /// What it says from now on.
    pub body: Body,
}

/// `GET messages/{id}/edits`: what a message said before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edits {
    /// Oldest first, without what it says now.
    pub versions: Vec<Version>,
}

/// What a message said for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// What it said.
    pub body: Body,
    /// Since when.
    pub at: Timestamp,
}

/// `GET conversations/{id}/pins`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// Ascending `seq`.
    pub messages: Vec<Message>,
}

/// `GET messages/{id}/receipts`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipts {
    /// How many have read it, the sender not counted.
    pub read: u32,
    /// Of how many.
    pub of: u32,
    /// Who, at most 200.
    pub readers: Vec<UserId>,
}

/// `GET conversations/{id}/members`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// In order of joining.
    pub members: Vec<Member>,
    /// The people themselves.
    pub users: Vec<User>,
}

/// `POST conversations/{id}/members`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMember {
    /// Who is to join.
    pub user: UserId,
}

/// `GET conversations/{id}/messages`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// Ascending `seq`.
    pub messages: Vec<Message>,
    /// Messages that those answer and that are not among them; those I may see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quoted: Vec<Message>,
    /// What else happened between the messages (joins, leaves, titles, roles), by `after` and `rev`; at most 200, the
    /// newest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub happened: Vec<Change>,
    /// The conversation's newest message when this was read.
    pub head_seq: u64,
    /// The conversation's newest change when this was read: the page is complete up to it.
    pub head_rev: u64,
}

/// `POST conversations/{id}/messages`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMessage {
    /// Unique for ever per sender.
    pub nonce: Nonce,
    /// What.
    pub body: Body,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
}

/// Answer of `POST conversations/{id}/messages`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// As stored.
    pub message: Message,
    /// Whether an earlier request with the same nonce stored it.
    pub duplicate: bool,
}

/// `GET conversations/{id}/changes`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The `after` of the request.
    pub from: u64,
    /// Complete up to this `rev`.
    pub to: u64,
    /// In order of `rev`.
    pub changes: Vec<Change>,
    /// Whether there is more after `to`.
    pub more: bool,
}

/// `POST conversations/{id}/read`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// I have read up to this message.
    pub seq: u64,
}

/// Answer of `POST conversations/{id}/read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMark {
    /// Where the mark is now: never before where it was, never after the head.
    pub read_seq: u64,
    /// What is still unread.
    pub unread: u64,
    /// How many of those name me.
    #[serde(default)]
    pub mentions: u64,
}

/// `GET unread/all`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadAll {
    /// Direct conversations with something unread.
    pub private_unreads: Vec<Unread>,
    /// Groups with something unread.
    pub group_unreads: Vec<Unread>,
}

/// What is unread in one conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Which one.
    pub conversation: ConversationId,
    /// How many.
    pub unread: u64,
    /// How many of them name me.
    pub mentions: u64,
    /// The newest of them, ascending `seq`, at most 50.
    pub messages: Vec<Message>,
}

/// `GET nodes`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nodes {
    /// By name.
    pub nodes: Vec<Node>,
    /// How they find each other.
    pub discovery: Discovery,
    /// Whether this is how it is now; false while nobody can be asked: then it is how it was last.
    pub fresh: bool,
}

/// One running server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it is called.
    pub name: String,
    /// Where the others reach it.
    pub address: String,
    /// How it is.
    pub health: Health,
    /// People connected to it, where that is known.
    pub users: Option<u64>,
    /// Their sockets.
    pub sockets: Option<u64>,
    /// Whether it is the one that answers.
    #[serde(rename = "self")]
    pub is_self: bool,
    /// When it was last known to be passing, to within a minute.
    pub seen_at: Option<Timestamp>,
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It can do its work.
    Passing,
    /// It can, and something is not as it should be.
    Warning,
    /// It cannot, or it does not answer.
    Critical,
    /// Nobody has asked it yet.
    Unknown,
}

/// How nodes find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discovery {
    /// Each is registered with Consul.
    Consul,
    /// By a list in the settings.
    Static,
    /// Not at all.
    None,
}

/// `GET /health/ready`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether the server can do its work.
    pub ready: bool,
    /// Each part it depends on: `ok`, or what is wrong.
    pub dependencies: std::collections::BTreeMap<String, String>,
}
