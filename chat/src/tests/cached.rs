//! With a cache nobody may do anything they might not do without it.

use super::nodes::{Cluster, acquainted};
use super::*;
use crate::CacheUrl;
use std::time::Duration;

/// Signed in by themselves: whose token is known.
async fn signed_in(scene: &Scene, name: &str) -> (Identity, String) {
    let username = format!("{name}{:08x}", rand::random::<u32>());
    let new = Register { username, password: "long enough".to_owned(), display_name: None };
    let token = scene.chat.register(new, "test", HERE).await.unwrap().token;
    (scene.chat.authenticate(&token).await.unwrap().unwrap(), token)
}

fn hits(scene: &Scene) -> u64 {
    scene.chat.metrics().cache_session.hits.get() + scene.chat.metrics().cache_member.hits.get()
}

#[tokio::test]
async fn who_signed_out_or_left_is_gone_at_once() {
    let scene = Scene::new().await;
    let (ada, token) = signed_in(&scene, "ada").await;
    let [ben] = scene.people().await;
    let id = scene.group(ben, &[ada]).await;
    for _ in 0..3 {
        assert_eq!(scene.chat.authenticate(&token).await.unwrap(), Some(ada));
        assert_eq!(scene.chat.my_role(ada, id).await.unwrap(), Role::Member);
    }
    assert!(hits(&scene) >= 4, "{}", hits(&scene));
    scene.chat.set_role(ben, id, ada.user, Role::Admin).await.unwrap();
    assert_eq!(scene.chat.my_role(ada, id).await.unwrap(), Role::Admin);
    scene.chat.remove_member(ben, id, ada.user).await.unwrap();
    assert_eq!(scene.chat.my_role(ada, id).await, Err(Error::NotFound));
    assert_eq!(scene.chat.search_members(ada, id, "").await, Err(Error::NotFound));
    scene.chat.sign_out(ada).await.unwrap();
    assert_eq!(scene.chat.authenticate(&token).await.unwrap(), None);
}

/// A request that is given up ends the session all the same, and tells everybody.
#[tokio::test]
async fn a_sign_out_that_nobody_waits_for_is_told() {
    let scene = Scene::new().await;
    let (ada, token) = signed_in(&scene, "ada").await;
    let socket = scene.socket(ada).await;
    scene.chat.authenticate(&token).await.unwrap();
    let mut signing_out = Box::pin(scene.chat.sign_out(ada));
    assert!(futures::poll!(&mut signing_out).is_pending());
    drop(signing_out);
    assert_eq!(closed(&socket).await, protocol::frame::close::SESSION_ENDED);
    assert_eq!(scene.chat.authenticate(&token).await.unwrap(), None);
}

/// Until it is so, within the two seconds in which an end reaches every node.
async fn soon(what: &str, holds: impl AsyncFn() -> bool) {
    within(Duration::from_secs(2), what, holds).await;
}

async fn within(time: Duration, what: &str, holds: impl AsyncFn() -> bool) {
    let held = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(time, held).await.unwrap_or_else(|_| panic!("not so: {what}"));
}

/// Ends at one node are ends at the other, where that has cached what ends. `away`: the node that ends cannot reach the cache.
async fn ends_reach_every_node(bus: &str, cache: CacheUrl, away: bool) {
    let Some(mut cluster) = Cluster::new(bus, IngestMode::Direct).await else { return };
    cluster.cache = cache;
    let other = cluster.node("gateway,worker").await;
    if away {
        // Port 9 is nobody's on a machine without old services.
        cluster.cache = "redis://127.0.0.1:9".parse().unwrap();
    }
    let one = cluster.node("gateway,worker").await;
    acquainted(&one, &other).await;
    let (ada, token) = signed_in(&one, "ada").await;
    let [ben] = one.people().await;
    let id = one.group(ben, &[ada]).await;
    // Cached there: a beat after it has heard of the first node.
    within(Duration::from_secs(20), "it is cached", async || {
        assert_eq!(other.chat.authenticate(&token).await.unwrap(), Some(ada));
        assert_eq!(other.chat.my_role(ada, id).await.unwrap(), Role::Member);
        let metrics = other.chat.metrics();
        metrics.cache_session.hits.get() > 0 && metrics.cache_member.hits.get() > 0
    })
    .await;
    one.chat.remove_member(ben, id, ada.user).await.unwrap();
    soon("removed", async || other.chat.my_role(ada, id).await == Err(Error::NotFound)).await;
    one.chat.sign_out(ada).await.unwrap();
    soon("signed out", async || other.chat.authenticate(&token).await.unwrap().is_none()).await;
    for _ in 0..20 {
        assert_eq!(other.chat.authenticate(&token).await.unwrap(), None);
        assert_eq!(other.chat.my_role(ada, id).await, Err(Error::NotFound));
    }
    if !away {
        assert_eq!(one.chat.authenticate(&token).await.unwrap(), None);
    }
    one.chat.shutdown().await;
    other.chat.shutdown().await;
}

fn shared() -> Option<CacheUrl> {
    let url = std::env::var("CONFAB_TEST_REDIS").ok().filter(|url| !url.is_empty())?;
    Some(format!("{url}?prefix=e{:016x}", rand::random::<u64>()).parse().unwrap())
}

macro_rules! on_every_bus {
    ($($kind:ident)*) => {$(
        mod $kind {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn an_end_reaches_every_cache() {
                ends_reach_every_node(stringify!($kind), CacheUrl::Memory, false).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn an_end_reaches_the_shared_cache() {
                let Some(cache) = shared() else { return };
                ends_reach_every_node(stringify!($kind), cache, false).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn an_end_reaches_those_who_reach_the_cache_from_one_who_does_not() {
                let Some(cache) = shared() else { return };
                ends_reach_every_node(stringify!($kind), cache, true).await;
            }
        }
    )*};
}

on_every_bus!(redis nats kafka);

/// Nobody who reads all of the cache can sign in with it.
#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_in_the_cache() {
    let Ok(url) = std::env::var("CONFAB_TEST_REDIS") else { return };
    if url.is_empty() {
        return;
    }
    let (folder, prefix) = (empty().await, format!("n{:016x}", rand::random::<u64>()));
    let cache = format!("{url}?prefix={prefix}").parse().unwrap();
    let chat = Chat::open(Settings { cache, ..settings(&folder) }).await.unwrap();
    let scene = Scene { chat, folder };
    let (_, token) = signed_in(&scene, "ada").await;
    scene.chat.authenticate(&token).await.unwrap();
    assert!(hits(&scene) > 0);
    let mut connection =
        ::redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> =
        ::redis::cmd("KEYS").arg(format!("{prefix}:*")).query_async(&mut connection).await.unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        let value: Vec<u8> = ::redis::cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
        for kept in [key.as_bytes(), &value] {
            assert!(!kept.windows(token.len()).any(|part| part == token.as_bytes()));
            assert!(scene.chat.authenticate(&String::from_utf8_lossy(kept)).await.unwrap().is_none());
        }
        let hash = key.rsplit(':').next().unwrap();
        assert_eq!(scene.chat.authenticate(hash).await.unwrap(), None);
    }
}
