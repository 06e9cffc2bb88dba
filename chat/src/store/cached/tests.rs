//! What no cache may do, in process and in Redis.

use super::memory::Memory;
use super::*;
use crate::bus::channel::channel;
use crate::bus::{Bus, Ear, Stored, Subscription};
use crate::store::sqlite::Sqlite;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::sync::oneshot;

#[cfg(feature = "redis")]
mod redis;

/// A bus whose hearing can be cut.
struct Cut {
    bus: Arc<dyn Bus>,
    whole: Mutex<Option<Instant>>,
}

#[async_trait]
impl Bus for Cut {
    async fn publish(&self, stored: Stored) {
        self.bus.publish(stored).await;
    }

    fn whisper(&self, stored: Stored) -> bool {
        self.bus.whisper(stored)
    }

    fn is_up(&self) -> bool {
        true
    }

    fn whole_since(&self) -> Option<Instant> {
        *self.whole.lock().unwrap()
    }

    async fn close(&self) {
        self.bus.close().await;
    }
}

/// A store behind a cache, and what is heard for it.
struct Node {
    cached: Cached,
    bus: Arc<Cut>,
    /// How often the store was asked.
    read: AtomicUsize,
    _folder: TempDir,
    _hearing: Box<dyn Subscription>,
}

impl Node {
    async fn new(cache: Arc<dyn Cache>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut stores = Sqlite::open(&folder.path().join("confab.db")).await.unwrap();
        let (accounts, conversations) = (stores.accounts.clone(), stores.conversations.clone());
        let metrics = Arc::new(Metrics::default());
        let trust = cached(&mut stores, cache.clone(), metrics.clone());
        let (local, hearing) = channel(Some(trust.clone() as Arc<dyn Ear>));
        let bus = Arc::new(Cut { bus: Arc::new(local), whole: Mutex::new(Some(Instant::now())) });
        trust.hear_by(&(bus.clone() as Arc<dyn Bus>));
        let cached = Cached { accounts, conversations, cache, trust, metrics };
        Self { cached, bus, read: AtomicUsize::new(0), _folder: folder, _hearing: Box::new(hearing) }
    }

    /// What a store that says this is answered through the cache.
    async fn ask(&self, key: Key, says: Option<Role>) -> Option<Role> {
        let count = &self.read;
        let read = async move {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(says)
        };
        self.cached.through(key, &self.cached.metrics.cache_member, read, |_| true).await.unwrap()
    }

    /// The same, where the store answers only after something else was done meanwhile.
    async fn ask_while(
        &self,
        key: Key,
        says: Option<Role>,
        meanwhile: impl Future<Output = ()>,
    ) -> Option<Role> {
        let (begun, has_begun) = oneshot::channel();
        let (go, goes) = oneshot::channel();
        let read = async {
            begun.send(()).unwrap();
            goes.await.unwrap();
            Ok(says)
        };
        let asking = self.cached.through(key, &self.cached.metrics.cache_member, read, |_| true);
        let other = async {
            has_begun.await.unwrap();
            meanwhile.await;
            go.send(()).unwrap();
        };
        tokio::join!(asking, other).0.unwrap()
    }

    fn reads(&self) -> usize {
        self.read.load(Ordering::Relaxed)
    }
}

fn role() -> Key {
    Key::Role(ConversationId::generate(), UserId::generate())
}

fn left(key: Key) -> Stored {
    let Key::Role(conversation, user) = key else { panic!("not a membership") };
    let kind = protocol::ChangeKind::Left { user, by: user };
    let change = protocol::Change::new(7, kind);
    Stored::Change { conversation, kind: protocol::Kind::Group, change, origin: None }
}

async fn what_was_read_is_read_once(cache: Arc<dyn Cache>) {
    let (node, key) = (Node::new(cache).await, role());
    for _ in 0..3 {
        assert_eq!(node.ask(key, Some(Role::Admin)).await, Some(Role::Admin));
    }
    assert_eq!(node.reads(), 1);
    // What is not there is asked for each time: it may be there the next moment, and anybody may ask for anything.
    let key = role();
    for _ in 0..2 {
        assert_eq!(node.ask(key, None).await, None);
    }
    assert_eq!(node.reads(), 3);
    let counts = &node.cached.metrics.cache_member;
    assert_eq!((counts.hits.get(), counts.misses.get(), counts.errors.get()), (2, 3, 0));
}

async fn what_changed_is_nowhere_any_more(cache: Arc<dyn Cache>) {
    let (node, key, other) = (Node::new(cache).await, role(), role());
    for key in [key, other] {
        node.ask(key, Some(Role::Member)).await;
    }
    node.bus.publish(left(key)).await;
    assert_eq!(node.ask(key, None).await, None);
    assert_eq!(node.ask(key, Some(Role::Owner)).await, Some(Role::Owner));
    assert_eq!(
        node.ask(key, Some(Role::Admin)).await,
        Some(Role::Admin),
        "nothing is cached of it for a while"
    );
    assert_eq!(node.ask(other, None).await, Some(Role::Member), "of others it is");
    let hash = [3; 32];
    node.cached.trust.since(Key::Session(hash)).unwrap();
    let (user, session) = (UserId::generate(), SessionId::generate());
    node.bus.publish(Stored::Ended { user, session, token: Some(hash) }).await;
    assert_eq!(node.cached.trust.since(Key::Session(hash)), None);
}

/// A reader read the row, the writer commits and tells, the reader goes on.
async fn who_was_overtaken_caches_nothing(cache: Arc<dyn Cache>) {
    let (node, key) = (Node::new(cache).await, role());
    let change = node.bus.publish(left(key));
    assert_eq!(node.ask_while(key, Some(Role::Member), change).await, Some(Role::Member));
    assert_eq!(node.ask(key, None).await, None);
    let missed = node.bus.publish(Stored::Missed);
    let key = role();
    assert_eq!(node.ask_while(key, Some(Role::Member), missed).await, Some(Role::Member));
    assert_eq!(node.ask(key, None).await, None);
}

async fn what_may_have_been_missed_is_void(cache: Arc<dyn Cache>) {
    let (node, key) = (Node::new(cache).await, role());
    let old = Stored::Ended { user: UserId::generate(), session: SessionId::generate(), token: None };
    for doubt in [Stored::Missed, old] {
        node.ask(key, Some(Role::Member)).await;
        node.bus.publish(doubt).await;
        assert_eq!(node.ask(key, None).await, None);
        assert_eq!(node.ask(key, Some(Role::Member)).await, Some(Role::Member));
        assert_eq!(node.ask(key, None).await, Some(Role::Member), "what is read afterwards is cached again");
    }
}

async fn who_may_be_missing_something_reads_the_store(cache: Arc<dyn Cache>) {
    let (node, key) = (Node::new(cache).await, role());
    node.ask(key, Some(Role::Member)).await;
    let before = node.bus.whole.lock().unwrap().take();
    assert_eq!(node.ask(key, None).await, None);
    assert!(node.cached.metrics.cache_member.passed.get() > 0);
    // Everything was heard in the end.
    *node.bus.whole.lock().unwrap() = before;
    assert_eq!(node.ask(key, None).await, Some(Role::Member));
    // Not everything.
    *node.bus.whole.lock().unwrap() = Some(Instant::now());
    assert_eq!(node.ask(key, None).await, None);
}

async fn a_value_of_another_version_is_read_anew(cache: Arc<dyn Cache>) {
    let (node, key) = (Node::new(cache).await, role());
    for value in [&b""[..], b"\0\x01", b"\x01", b"\x01\x07", b"\x02\x01", b"\x01\x01\x01"] {
        let since = node.cached.trust.since(key).unwrap();
        node.cached.cache.remove(&[key]).await;
        let Ok(Looked::Miss(lease)) = node.cached.cache.look(key, since).await else { panic!("a hit") };
        node.cached.cache.fill(key, lease, Bytes::copy_from_slice(value)).await.unwrap();
        assert_eq!(node.ask(key, None).await, None, "{value:?}");
    }
}

macro_rules! of_every_cache {
    ($($rule:ident)*) => {
        mod in_memory {
            use super::{Arc, Memory};

            $(#[tokio::test]
            async fn $rule() {
                super::$rule(Arc::new(Memory::default())).await;
            })*
        }

        #[cfg(feature = "redis")]
        mod in_redis {
            $(#[tokio::test]
            async fn $rule() {
                let Some(server) = super::redis::Server::given() else { return };
                super::$rule(server.cache()).await;
            })*
        }
    };
}

of_every_cache! {
    what_was_read_is_read_once
    what_changed_is_nowhere_any_more
    who_was_overtaken_caches_nothing
    what_may_have_been_missed_is_void
    who_may_be_missing_something_reads_the_store
    a_value_of_another_version_is_read_anew
}

#[test]
fn values_are_what_they_were() {
    let found = FoundSession {
        id: SessionId::generate(),
        account: UserId::generate(),
        last_used_at: Timestamp::from_millis(1_795_334_400_123),
    };
    let again = FoundSession::decode(found.encode()).unwrap();
    assert_eq!((again.id, again.account, again.last_used_at), (found.id, found.account, found.last_used_at));
    assert!(FoundSession::decode(found.encode().slice(..40)).is_none());
    for role in [Role::Member, Role::Admin, Role::Owner] {
        assert_eq!(Role::decode(role.encode()), Some(role));
        assert!(FoundSession::decode(role.encode()).is_none());
    }
}

#[tokio::test]
async fn more_changes_than_are_remembered_void_everything() {
    let node = Node::new(Arc::new(Memory::default())).await;
    let (first, before) = (role(), node.cached.trust.since(role()));
    node.cached.trust.forget(first);
    while node.cached.trust.since(role()) == before {
        node.cached.trust.forget(role());
    }
    assert!(node.cached.trust.since(first) > before);
}
