//! Before the store, what is asked of it most and changes least: whose session a token opens, and what somebody may do in a
//! conversation.
//!
//! A cache makes answers faster and never others: an entry that was changed is asked for nowhere any more once its doorbell is heard
//! ([`Trust`]), and where doorbells may be missed no cache is asked. What a transaction checks it checks in the store.
//!
//! What is not here: the heads of conversations and who stands where in them, which one query answers, and of which an old answer is
//! a wrong one (a client that is ahead of it would begin anew; those who listen have them in the hub); lists of members, because
//! they carry read marks, which move with every message; and people, because they carry when they were last seen.
//!
//! Contract of every [`Cache`]:
//! - it answers within [`PATIENCE`], or not at all; whoever asked then asks the store;
//! - an entry lives for its key's lifetime at most, counted from before it was read from the store;
//! - nothing is found that was read from the store before the time that is asked for;
//! - what was removed between a [`Looked::Miss`] and its [`Cache::fill`] is not there afterwards, or is not found for as long as
//!   [`Trust`] remembers the change.

mod breaker;
pub(crate) mod memory;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(test)]
mod tests;
mod trust;

pub(crate) use trust::Trust;

use super::{
    Accounts, Conversations, Created, Edited, FoundSession, GroupEdit, NewAccount, NewConversation,
    NewSession, NewSettings, Personal, Result, Standing, StoreError, Stores, TOUCH_EVERY,
};
use crate::clock::now;
use crate::metrics::{CacheCounts, Metrics};
use async_trait::async_trait;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use protocol::rest::{Group, Me, Session};
use protocol::{Conversation, ConversationId, Member, Role, SessionId, Timestamp, User, UserId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long a cache may take over one answer.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);
/// How long a session is cached: also the longest that one can live on where the node that ended it died over that.
const SESSION: Duration = Duration::from_secs(60);
/// How long a membership is.
const MEMBERSHIP: Duration = Duration::from_secs(300);
/// The longest of these.
const LONGEST: Duration = MEMBERSHIP;
/// Entries that wait to be taken out of the cache. Of more, the cache keeps what nobody here asks for.
const REMOVALS: usize = 1024;
/// Of these at once.
const AT_ONCE: usize = 256;

/// What is cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A session, by the hash of its token.
    Session([u8; 32]),
    /// Somebody's role in a conversation.
    Role(ConversationId, UserId),
}

impl Key {
    const fn lifetime(self) -> Duration {
        match self {
            Self::Session(_) => SESSION,
            Self::Role(..) => MEMBERSHIP,
        }
    }
}

/// The right to put in what was read from the store since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    begun: Instant,
    /// Its name, and when it was given out, where nodes share the cache.
    name: u64,
    given: u64,
}

impl Lease {
    const fn new(begun: Instant) -> Self {
        Self { begun, name: 0, given: 0 }
    }
}

/// What a cache has of a key.
#[derive(Debug)]
pub(crate) enum Looked {
    Hit(Bytes),
    Miss(Lease),
}

/// Why a cache says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// It was asked and gave none.
    Failed,
    /// It failed a moment ago, and was not asked.
    NotAsked,
}

/// A cache: see the module.
#[async_trait]
pub(crate) trait Cache: Send + Sync {
    /// What was read from the store after `since`, or the right to put it in.
    async fn look(&self, key: Key, since: Instant) -> Result<Looked, NoAnswer>;
    /// Puts in what was read from the store under a lease.
    async fn fill(&self, key: Key, lease: Lease, value: Bytes) -> Result<(), NoAnswer>;
    /// Takes entries out, and the leases that were given for them.
    async fn remove(&self, keys: &[Key]);
}

/// What can be an entry's value.
trait Value: Sized {
    fn encode(&self) -> Bytes;
    /// None: of another version, or damaged.
    fn decode(bytes: Bytes) -> Option<Self>;
}

/// The first byte of every value.
const VERSION: u8 = 1;

impl Value for FoundSession {
    fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(41);
        bytes.put_u8(VERSION);
        bytes.put_slice(self.id.as_bytes());
        bytes.put_slice(self.account.as_bytes());
        bytes.put_i64(self.last_used_at.millis());
        bytes.freeze()
    }

    fn decode(mut bytes: Bytes) -> Option<Self> {
        if bytes.len() != 41 || bytes.get_u8() != VERSION {
            return None;
        }
        Some(Self {
            id: SessionId::from_uuid(uuid::Uuid::from_u128(bytes.get_u128())),
            account: UserId::from_uuid(uuid::Uuid::from_u128(bytes.get_u128())),
            last_used_at: Timestamp::from_millis(bytes.get_i64()),
        })
    }
}

impl Value for Role {
    fn encode(&self) -> Bytes {
        let role = match self {
            Self::Member => 0,
            Self::Admin => 1,
            Self::Owner => 2,
        };
        Bytes::copy_from_slice(&[VERSION, role])
    }

    fn decode(bytes: Bytes) -> Option<Self> {
        match bytes[..] {
            [VERSION, 0] => Some(Self::Member),
            [VERSION, 1] => Some(Self::Admin),
            [VERSION, 2] => Some(Self::Owner),
            _ => None,
        }
    }
}

/// The store behind a cache.
pub(crate) struct Cached {
    accounts: Arc<dyn Accounts>,
    conversations: Arc<dyn Conversations>,
    cache: Arc<dyn Cache>,
    trust: Arc<Trust>,
    metrics: Arc<Metrics>,
}

/// Puts a cache before a store. The answer must hear the bus before anything is cached.
pub(crate) fn cached(stores: &mut Stores, cache: Arc<dyn Cache>, metrics: Arc<Metrics>) -> Arc<Trust> {
    let (removals, mut removed) = mpsc::channel(REMOVALS);
    let trust = Arc::new(Trust::new(removals));
    let emptied = cache.clone();
    // Ends with the last who can remove anything.
    tokio::spawn(async move {
        let mut keys = Vec::with_capacity(AT_ONCE);
        while removed.recv_many(&mut keys, AT_ONCE).await > 0 {
            emptied.remove(&keys).await;
            keys.clear();
        }
    });
    let (accounts, conversations) = (stores.accounts.clone(), stores.conversations.clone());
    let cached = Arc::new(Cached { accounts, conversations, cache, trust: trust.clone(), metrics });
    stores.accounts = cached.clone();
    stores.conversations = cached;
    trust
}

impl Cached {
    /// What is cached, or else what the store says, which is then cached where it is there and `lasting`.
    async fn through<V: Value + Send + Sync>(
        &self,
        key: Key,
        counts: &CacheCounts,
        read: impl Future<Output = Result<Option<V>>> + Send,
        lasting: impl Fn(&V) -> bool + Send,
    ) -> Result<Option<V>> {
        let Some(since) = self.trust.since(key) else {
            counts.passed.inc();
            return read.await;
        };
        let lease = match self.cache.look(key, since).await {
            Ok(Looked::Hit(value)) => match V::decode(value) {
                // What was heard while it was looked for.
                Some(value) if self.trust.since(key) == Some(since) => {
                    counts.hits.inc();
                    return Ok(Some(value));
                }
                Some(_) => None,
                None => {
                    self.cache.remove(&[key]).await;
                    None
                }
            },
            Ok(Looked::Miss(lease)) => Some(lease),
            Err(NoAnswer::Failed) => {
                counts.errors.inc();
                return read.await;
            }
            Err(NoAnswer::NotAsked) => {
                counts.passed.inc();
                return read.await;
            }
        };
        counts.misses.inc();
        let found = read.await?;
        if let (Some(lease), Some(value)) = (lease, found.as_ref().filter(|value| lasting(value)))
            && self.trust.since(key) == Some(since)
            && self.cache.fill(key, lease, value.encode()).await == Err(NoAnswer::Failed)
        {
            counts.errors.inc();
        }
        Ok(found)
    }
}

/// That something may have been stored although it failed: nobody rings for it.
fn suspect<T>(trust: &Trust, outcome: Result<T>) -> Result<T> {
    if let Err(StoreError { unknown: true, .. }) = &outcome {
        trust.doubt();
    }
    outcome
}

#[async_trait]
impl Accounts for Cached {
    async fn session_by_token(&self, token_hash: &[u8; 32]) -> Result<Option<FoundSession>> {
        let read = self.accounts.session_by_token(token_hash);
        // One whose use is to be noted is read anew until that is done: each use of an old entry would be noted again.
        let untouched = TOUCH_EVERY.saturating_sub(SESSION).as_millis() as i64;
        let lasting = |found: &FoundSession| now().millis() - found.last_used_at.millis() < untouched;
        self.through(Key::Session(*token_hash), &self.metrics.cache_session, read, lasting).await
    }

    async fn delete_session(&self, account: UserId, id: SessionId) -> Result<Option<[u8; 32]>> {
        let ended = suspect(&self.trust, self.accounts.delete_session(account, id).await)?;
        if let Some(token_hash) = ended {
            self.trust.forget(Key::Session(token_hash));
        }
        Ok(ended)
    }

    async fn create_account(&self, account: NewAccount, session: NewSession) -> Result<bool> {
        self.accounts.create_account(account, session).await
    }

    async fn credentials(&self, username: &str) -> Result<Option<(UserId, String)>> {
        self.accounts.credentials(username).await
    }

    async fn me(&self, account: UserId) -> Result<Option<Me>> {
        self.accounts.me(account).await
    }

    async fn update_me(
        &self,
        account: UserId,
        display_name: Option<String>,
        locale: Option<Option<String>>,
    ) -> Result<()> {
        self.accounts.update_me(account, display_name, locale).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        self.accounts.users(ids).await
    }

    async fn search_users(
        &self,
        q: &str,
        except: UserId,
        within: Option<ConversationId>,
        limit: u32,
    ) -> Result<Vec<User>> {
        self.accounts.search_users(q, except, within, limit).await
    }

    async fn first_account(&self) -> Result<Option<UserId>> {
        self.accounts.first_account().await
    }

    async fn set_last_seen(&self, account: UserId, at: Timestamp) -> Result<()> {
        self.accounts.set_last_seen(account, at).await
    }

    async fn create_session(&self, session: NewSession) -> Result<()> {
        self.accounts.create_session(session).await
    }

    async fn session_exists(&self, id: SessionId) -> Result<bool> {
        self.accounts.session_exists(id).await
    }

    async fn touch_session(&self, id: SessionId, at: Timestamp) -> Result<()> {
        self.accounts.touch_session(id, at).await
    }

    async fn sessions(&self, account: UserId) -> Result<Vec<Session>> {
        self.accounts.sessions(account).await
    }
}

#[async_trait]
impl Conversations for Cached {
    async fn role(&self, id: ConversationId, user: UserId) -> Result<Option<Role>> {
        let read = self.conversations.role(id, user);
        self.through(Key::Role(id, user), &self.metrics.cache_member, read, |_| true).await
    }

    async fn edit(&self, edit: GroupEdit) -> Result<Edited> {
        let id = edit.conversation;
        let edited = suspect(&self.trust, self.conversations.edit(edit).await)?;
        if let Edited::Done { changes } = &edited {
            changes.iter().for_each(|change| crate::bus::Ear::changed(&*self.trust, id, change));
        }
        Ok(edited)
    }

    async fn create(&self, new: NewConversation) -> Result<Created> {
        self.conversations.create(new).await
    }

    async fn conversation(&self, user: UserId, id: ConversationId) -> Result<Option<Conversation>> {
        self.conversations.conversation(user, id).await
    }

    async fn conversations(&self, user: UserId) -> Result<Vec<Conversation>> {
        self.conversations.conversations(user).await
    }

    async fn standing(&self, user: UserId, id: ConversationId) -> Result<Option<Standing>> {
        self.conversations.standing(user, id).await
    }

    async fn set(&self, new: &[NewSettings]) -> Result<Vec<Option<Personal>>> {
        self.conversations.set(new).await
    }

    async fn public_groups(&self, user: UserId, q: &str, limit: u32) -> Result<Vec<Group>> {
        self.conversations.public_groups(user, q, limit).await
    }

    async fn head_revs(&self, ids: &[ConversationId]) -> Result<Vec<(ConversationId, u64)>> {
        self.conversations.head_revs(ids).await
    }

    async fn member(&self, id: ConversationId, user: UserId) -> Result<Option<Member>> {
        self.conversations.member(id, user).await
    }

    async fn members(&self, id: ConversationId) -> Result<Vec<Member>> {
        self.conversations.members(id).await
    }
}
