//! What a cache in Redis must do besides, with several nodes, without it, and against those who can write to it.

use super::*;
use crate::store::cached::redis::Redis;
use protocol::Epoch;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A database's part of the given server.
pub(super) struct Server {
    address: String,
    epoch: Epoch,
    client: ::redis::Client,
}

fn epoch() -> Epoch {
    Epoch::from_uuid(uuid::Uuid::now_v7())
}

impl Server {
    pub(super) fn given() -> Option<Self> {
        let url = std::env::var("CONFAB_TEST_REDIS").ok().filter(|url| !url.is_empty())?;
        let address = format!("{url}?prefix=c{:016x}", rand::random::<u64>());
        Some(Self { client: ::redis::Client::open(url).unwrap(), address, epoch: epoch() })
    }

    /// As another node has it.
    pub(super) fn cache(&self) -> Arc<dyn Cache> {
        self.cache_of(self.epoch, [7; 32])
    }

    fn cache_of(&self, epoch: Epoch, key: [u8; 32]) -> Arc<dyn Cache> {
        cache_at(&self.address, epoch, key)
    }

    async fn connection(&self) -> ::redis::aio::MultiplexedConnection {
        self.client.get_multiplexed_async_connection().await.unwrap()
    }

    async fn keys(&self) -> Vec<String> {
        let prefix = self.address.split_once("prefix=").unwrap().1;
        let pattern = format!("{prefix}:*");
        ::redis::cmd("KEYS").arg(pattern).query_async(&mut self.connection().await).await.unwrap()
    }

    async fn get(&self, key: &str) -> Vec<u8> {
        ::redis::cmd("GET").arg(key).query_async(&mut self.connection().await).await.unwrap()
    }

    async fn set(&self, key: &str, value: &[u8]) {
        let _done: () =
            ::redis::cmd("SET").arg(key).arg(value).query_async(&mut self.connection().await).await.unwrap();
    }

    async fn forget_everything(&self) {
        let keys = self.keys().await;
        if !keys.is_empty() {
            let _gone: u64 =
                ::redis::cmd("DEL").arg(keys).query_async(&mut self.connection().await).await.unwrap();
        }
    }
}

fn cache_at(address: &str, epoch: Epoch, key: [u8; 32]) -> Arc<dyn Cache> {
    let crate::CacheUrl::Redis(address) = address.parse().unwrap() else { panic!("not Redis") };
    Arc::new(Redis::open(&address, epoch, &key).unwrap())
}

/// Two nodes that have begun before anything was cached.
async fn two(server: &Server) -> (Node, Node) {
    let nodes = (Node::new(server.cache()).await, Node::new(server.cache()).await);
    nodes.0.ask(role(), None).await;
    nodes.1.ask(role(), None).await;
    nodes
}

#[tokio::test]
async fn what_one_node_read_the_other_finds_and_a_new_one_reads_anew() {
    let Some(server) = Server::given() else { return };
    let ((one, other), key) = (two(&server).await, role());
    one.ask(key, Some(Role::Admin)).await;
    assert_eq!(other.ask(key, None).await, Some(Role::Admin));
    let new = Node::new(server.cache()).await;
    assert_eq!(new.ask(key, None).await, None, "it may have missed anything before its start");
    assert_eq!(new.ask(key, Some(Role::Owner)).await, Some(Role::Owner));
    assert_eq!(new.ask(key, None).await, Some(Role::Owner));
    let restored = Node::new(server.cache_of(epoch(), [7; 32])).await;
    restored.ask(role(), None).await;
    assert_eq!(restored.ask(key, None).await, None, "another database");
}

#[tokio::test]
async fn a_reader_that_another_node_overtook_caches_nothing() {
    let Some(server) = Server::given() else { return };
    let ((one, other), key) = (two(&server).await, role());
    // The writer's doorbell has not come to the reader yet; the writer itself has taken the entry out.
    let change = async {
        other.bus.publish(left(key)).await;
        other.cached.cache.remove(&[key]).await;
    };
    assert_eq!(one.ask_while(key, Some(Role::Member), change).await, Some(Role::Member));
    assert_eq!(one.ask(key, None).await, None);
    // The server forgot everything meanwhile: nobody knows who was overtaken.
    let key = role();
    one.ask_while(key, Some(Role::Member), server.forget_everything()).await;
    assert_eq!(one.ask(key, None).await, None);
}

#[tokio::test]
async fn who_ends_something_need_not_reach_the_cache() {
    let Some(server) = Server::given() else { return };
    let ((one, other), key) = (two(&server).await, role());
    let writer = Node::new(cache_at("redis://127.0.0.1:9", server.epoch, [7; 32])).await;
    writer.ask(key, Some(Role::Member)).await;
    one.ask(key, Some(Role::Member)).await;
    writer.bus.publish(left(key)).await;
    assert_eq!(writer.ask(key, None).await, None);
    // The doorbell comes to both.
    for node in [&one, &other] {
        node.bus.publish(left(key)).await;
        assert_eq!(node.ask(key, None).await, None);
    }
    // Also where somebody puts it back who was slow, or means harm.
    let late = Node::new(server.cache()).await;
    late.ask(role(), None).await;
    late.ask(key, Some(Role::Member)).await;
    assert_eq!(one.ask(key, None).await, None);
}

#[tokio::test]
async fn what_is_forged_is_read_anew() {
    let Some(server) = Server::given() else { return };
    let ((node, _), key, other) = (two(&server).await, role(), role());
    let Key::Role(conversation, user) = key else { unreachable!() };
    node.ask(key, Some(Role::Member)).await;
    let names = server.keys().await;
    let entry = names.iter().find(|name| name.ends_with(&format!("{conversation}:{user}"))).unwrap();
    let value = server.get(entry).await;
    assert_eq!(node.ask(key, None).await, Some(Role::Member));
    // Every bit of it.
    for at in 0..value.len() {
        let mut forged = value.clone();
        forged[at] ^= 1;
        server.set(entry, &forged).await;
        assert_eq!(node.ask(key, None).await, None, "byte {at}");
    }
    for forged in [&b""[..], b"9999999999999999", &[0xff; 200]] {
        server.set(entry, forged).await;
        assert_eq!(node.ask(key, None).await, None);
    }
    // Somebody else's, and another database's under the same name.
    node.ask(other, Some(Role::Owner)).await;
    let Key::Role(conversation, user) = other else { unreachable!() };
    let others =
        server.keys().await.into_iter().find(|name| name.ends_with(&format!("{conversation}:{user}")));
    server.set(entry, &server.get(&others.unwrap()).await).await;
    assert_eq!(node.ask(key, None).await, None);
    let strange = Node::new(server.cache_of(server.epoch, [8; 32])).await;
    strange.ask(role(), None).await;
    strange.ask(key, Some(Role::Owner)).await;
    assert_eq!(node.ask(key, None).await, None);
    // What was right stands there again afterwards.
    assert_eq!(node.ask(key, Some(Role::Member)).await, Some(Role::Member));
    assert_eq!(node.ask(key, None).await, Some(Role::Member));
}

/// Answers what a node asks without a cache, and how long it takes.
async fn without(address: &str) -> Duration {
    let node = Node::new(cache_at(address, epoch(), [7; 32])).await;
    let (begun, key) = (Instant::now(), role());
    for n in 0..200 {
        let says = [None, Some(Role::Member), Some(Role::Owner)][n % 3];
        assert_eq!(node.ask(key, says).await, says);
    }
    assert_eq!(node.reads(), 200);
    assert!(node.cached.metrics.cache_member.errors.get() >= 3);
    begun.elapsed()
}

#[tokio::test]
async fn without_a_cache_answers_are_right_and_wait_for_it_a_few_times_only() {
    // Port 9 is nobody's on a machine without old services.
    assert!(without("redis://127.0.0.1:9").await < Duration::from_secs(1));
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("redis://{}", silent.local_addr().unwrap());
    let mut held = JoinSet::new();
    held.spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = silent.accept().await {
            held.push(socket);
        }
    });
    assert!(without(&address).await < Duration::from_secs(1));
}

/// Between a node and the server: can be closed, and opened again.
async fn relay(to: String, at: Option<TcpListener>) -> (JoinSet<()>, String) {
    let listener = match at {
        Some(listener) => listener,
        None => TcpListener::bind("127.0.0.1:0").await.unwrap(),
    };
    let address = listener.local_addr().unwrap().to_string();
    let mut running = JoinSet::new();
    running.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let Ok(mut server) = TcpStream::connect(&to).await else { continue };
            connections.spawn(async move {
                let _ended = tokio::io::copy_bidirectional(&mut socket, &mut server).await;
            });
        }
    });
    (running, address)
}

#[tokio::test]
async fn a_cache_that_comes_back_is_used_again() {
    let Some(server) = Server::given() else { return };
    let to = server.address.strip_prefix("redis://").unwrap().split(['?', '/']).next().unwrap().to_owned();
    let (running, address) = relay(to.clone(), None).await;
    let node = Node::new(cache_at(&format!("redis://{address}?prefix=back"), epoch(), [7; 32])).await;
    let key = role();
    node.ask(key, Some(Role::Member)).await;
    assert_eq!(node.ask(key, None).await, Some(Role::Member));
    drop(running);
    let away = async { while node.ask(key, None).await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), away).await.expect("it is still asked");
    let listener = loop {
        if let Ok(listener) = TcpListener::bind(&address).await {
            break listener;
        }
        tokio::task::yield_now().await;
    };
    let (_running, _) = relay(to, Some(listener)).await;
    let back = async {
        while node.ask(key, None).await.is_none() {
            node.ask(key, Some(Role::Member)).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back).await.expect("it is never asked again");
}
