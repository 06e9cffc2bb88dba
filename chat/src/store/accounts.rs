//! Accounts and their sessions, as a store keeps them.

use super::Result;
use async_trait::async_trait;
use protocol::rest::{Me, Session};
use protocol::{ConversationId, SessionId, Timestamp, User, UserId};
use std::time::Duration;

/// How exactly a session's last use is known: a write for each request would cost more than it tells.
pub(crate) const TOUCH_EVERY: Duration = Duration::from_secs(10 * 60);

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
    /// The hash of the token it had; none: no such session of that account.
    async fn delete_session(&self, account: UserId, id: SessionId) -> Result<Option<[u8; 32]>>;
}
