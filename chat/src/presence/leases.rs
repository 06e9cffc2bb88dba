//! Who is at which node, where several nodes share it: a lease for each person and node, in Redis.
//!
//! A node renews all of its people in a pipeline every [`RENEW`]; a node that is gone renews nothing, and [`LEASE`] later its people
//! are gone too (G9). Times are the server's: clocks of nodes play no part. While Redis is away everybody is as they are at
//! this node, and nothing waits longer than [`PATIENCE`] for it.

use crate::bus::address::Address;
use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, Pipeline, RedisResult, pipe};
use protocol::{Presence, UserId};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::timeout;

/// How long a lease is good.
pub(crate) const LEASE: Duration = Duration::from_secs(45);
/// How often it is renewed: two renewals may be lost.
pub(crate) const RENEW: Duration = Duration::from_secs(15);
/// How long Redis may take over one answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// People of one command.
const AT_ONCE: usize = 1_000;
/// Nodes that are asked for, of each person; more than any cluster has.
const NODES: usize = 64;

/// The leases of this node, and a way to those of the others.
pub(crate) struct Leases {
    connection: ConnectionManager,
    prefix: String,
    node: String,
}

const fn word(state: Presence) -> &'static str {
    match state {
        Presence::Away => "away",
        Presence::Online | Presence::Offline => "online",
    }
}

impl Leases {
    /// Makes ready to ask. Redis may be away.
    pub(crate) fn open(address: &Address) -> Result<Self, String> {
        let client = Client::open(crate::bus::redis::connection_info(address)?)
            .map_err(|_| "accepts `redis://[USER:PASSWORD@]HOST[:PORT]`".to_owned())?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_max_delay(Duration::from_secs(2));
        let connection =
            ConnectionManager::new_lazy_with_config(client, config).map_err(|error| error.to_string())?;
        let node = format!("{:016x}", rand::random::<u64>());
        Ok(Self { connection, prefix: address.prefix.clone(), node })
    }

    fn lease(&self, user: UserId, node: &str) -> String {
        format!("{}:presence:{user}:{node}", self.prefix)
    }

    /// A set: the nodes, whether they live or not. A dead one's name is taken out by whoever asks next.
    fn nodes(&self) -> String {
        format!("{}:presence-nodes", self.prefix)
    }

    fn alive(&self, node: &str) -> String {
        format!("{}:presence-node:{node}", self.prefix)
    }

    async fn run<T: ::redis::FromRedisValue>(&self, pipeline: &Pipeline) -> Option<T> {
        let mut connection = self.connection.clone();
        let answer: RedisResult<T> = match timeout(PATIENCE, pipeline.query_async(&mut connection)).await {
            Ok(answer) => answer,
            Err(_) => return None,
        };
        answer.inspect_err(|error| tracing::debug!(kind = ?error.kind(), "presence is not shared now")).ok()
    }

    /// Says how these people are here, until the next time.
    pub(crate) async fn renew(&self, people: &[(UserId, Presence)]) {
        let life = LEASE.as_millis() as u64;
        let mut pipeline = pipe();
        pipeline.pset_ex(self.alive(&self.node), 1, life).ignore().sadd(self.nodes(), &self.node).ignore();
        for part in people.chunks(AT_ONCE) {
            for (user, state) in part {
                pipeline.pset_ex(self.lease(*user, &self.node), word(*state), life).ignore();
            }
            let _away: Option<()> = self.run(&std::mem::replace(&mut pipeline, pipe())).await;
        }
        if people.is_empty() {
            let _away: Option<()> = self.run(&pipeline).await;
        }
    }

    /// These people are not here any more.
    pub(crate) async fn end(&self, people: &[UserId]) {
        for part in people.chunks(AT_ONCE) {
            let mut pipeline = pipe();
            for user in part {
                pipeline.del(self.lease(*user, &self.node)).ignore();
            }
            let _away: Option<()> = self.run(&pipeline).await;
        }
    }

    /// How these people are at the other nodes: those who are at one; none where Redis does not answer.
    pub(crate) async fn elsewhere(&self, people: &[UserId]) -> Option<HashMap<UserId, Presence>> {
        let mut nodes = self.run::<(Vec<String>,)>(pipe().smembers(self.nodes())).await?.0;
        nodes.retain(|node| *node != self.node);
        nodes.truncate(NODES);
        let mut found = HashMap::new();
        if nodes.is_empty() || people.is_empty() {
            return Some(found);
        }
        let mut pipeline = pipe();
        for node in &nodes {
            pipeline.exists(self.alive(node));
        }
        let alive: Vec<bool> = self.run(&pipeline).await?;
        let mut dead = pipe();
        for node in nodes.iter().zip(&alive).filter(|(_, alive)| !**alive).map(|(node, _)| node) {
            dead.srem(self.nodes(), node).ignore();
        }
        let _away: Option<()> = self.run(&dead).await;
        for node in nodes.iter().zip(&alive).filter(|(_, alive)| **alive).map(|(node, _)| node) {
            for part in people.chunks(AT_ONCE) {
                let keys: Vec<_> = part.iter().map(|user| self.lease(*user, node)).collect();
                let (states,): (Vec<Option<String>>,) = self.run(pipe().mget(keys)).await?;
                for (user, state) in part.iter().zip(states) {
                    let Some(state) = state else { continue };
                    let away = state == "away";
                    let known = found.entry(*user).or_insert(Presence::Away);
                    if !away {
                        *known = Presence::Online;
                    }
                }
            }
        }
        Some(found)
    }
}
