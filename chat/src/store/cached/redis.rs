//! In Redis, shared by all nodes of a database.
//!
//! An entry is `{prefix}:cache:{epoch}:{what}`: the hash of a token, or a conversation and a person. Its value is when its lease was
//! given out, by the server's clock, and under a seal of the database's key that time, the entry's name and what is cached: who can
//! write here can take entries away, and can put back what stood in the same place and is not too old, and nothing else.
//!
//! Whoever finds nothing gets a lease, `{entry}:lease`, and with it may put in what it then reads from the store. Who changes the entry
//! removes both: a reader that was overtaken has no lease any more, and its old value is not taken. Where a lease was lost
//! otherwise (the server forgot everything) the value is not taken either. Of two who read at once the later one may.
//!
//! What this node may have missed is void: the server's clock at the first answer after a doubt is the time before which nothing is
//! believed. Each node therefore begins without what others cached before its start.

use super::breaker::Breaker;
use super::{Cache, Key, Lease, Looked, NoAnswer, PATIENCE};
use crate::bus::address::Address;
use crate::bus::sealed::{SEAL, Seal};
use crate::clock::micros;
use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, FromRedisValue, RedisResult, Script, cmd};
use async_trait::async_trait;
use bytes::{Buf, Bytes};
use protocol::Epoch;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a lease is good: as long as a request may wait for the store.
const LEASE: Duration = Duration::from_secs(5);
/// How long connecting may take; nobody waits for it that long.
const CONNECT: Duration = Duration::from_millis(500);
/// By how much the clocks of nodes may differ where an entry's age is looked at: beside the server's clock, which whoever puts
/// another server in its place sets.
const SKEW: Duration = Duration::from_secs(30);
/// Digits of a time in microseconds since 1970, until the year 2286.
const TIME: usize = 16;
/// The lowest time of an entry that is never there.
const NONE: u64 = 9_999_999_999_999_999;

/// Keys: entry, lease. Arguments: the lease's name; its life in ms; the lowest time that is believed. Gives the time and the entry,
/// or the time alone, which is the lease's then.
const LOOK: &str = r"
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000000 + clock[2])
local value = redis.call('GET', KEYS[1])
if value and (tonumber(string.sub(value, 1, 16)) or 0) >= tonumber(ARGV[3]) then
  return {now, value}
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {now}
";

/// Keys: entry, lease. Arguments: the lease's name; the value; its life in ms, from its time on.
const FILL: &str = r"
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[2])
local clock = redis.call('TIME')
local age = (clock[1] * 1000000 + clock[2] - tonumber(string.sub(ARGV[2], 1, 16))) / 1000
local left = math.floor(ARGV[3] - age)
if age < 0 or left <= 0 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', left)
return 1
";

/// See the module.
pub(crate) struct Redis {
    connection: ConnectionManager,
    prefix: String,
    seal: Seal,
    breaker: Breaker,
    look: Script,
    fill: Script,
    /// The last doubt, and the server's clock at the first answer to what was asked after it.
    floor: Mutex<(Option<Instant>, u64)>,
}

impl Redis {
    /// Makes ready to ask. Redis may be away.
    pub(crate) fn open(address: &Address, epoch: Epoch, key: &[u8; 32]) -> Result<Self, String> {
        let client = Client::open(crate::bus::redis::connection_info(address)?)
            .map_err(|_| "accepts `redis://[USER:PASSWORD@]HOST[:PORT][/DB]`".to_owned())?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(1)
            .set_max_delay(CONNECT);
        let connection =
            ConnectionManager::new_lazy_with_config(client, config).map_err(|error| error.to_string())?;
        Ok(Self {
            connection,
            prefix: format!("{}:cache:{epoch}", address.prefix),
            seal: Seal::new(key, "cached"),
            breaker: Breaker::default(),
            look: Script::new(LOOK),
            fill: Script::new(FILL),
            floor: Mutex::default(),
        })
    }

    fn entry(&self, key: Key) -> String {
        match key {
            Key::Session(hash) => {
                let mut name = format!("{}:session:", self.prefix);
                for byte in hash {
                    // Writing into a string cannot fail.
                    let _ = write!(name, "{byte:02x}");
                }
                name
            }
            Key::Role(conversation, user) => format!("{}:role:{conversation}:{user}", self.prefix),
        }
    }

    /// An answer in time, or none; the breaker learns of it.
    async fn asked<T>(&self, asking: impl Future<Output = RedisResult<T>>) -> Result<T, NoAnswer> {
        if !self.breaker.admits() {
            return Err(NoAnswer::NotAsked);
        }
        let failure = match timeout(PATIENCE, asking).await {
            Ok(Ok(answer)) => {
                if self.breaker.told(true) {
                    tracing::info!("the cache answers again");
                }
                return Ok(answer);
            }
            Ok(Err(error)) => format!("{:?}", error.kind()),
            Err(_) => "no answer in time".to_owned(),
        };
        if self.breaker.told(false) {
            tracing::warn!(cache.error = %failure, "the cache does not answer: everything is read from the store");
        }
        Err(NoAnswer::Failed)
    }

    async fn script<T: FromRedisValue>(&self, script: &::redis::ScriptInvocation<'_>) -> Result<T, NoAnswer> {
        let mut connection = self.connection.clone();
        self.asked(script.invoke_async(&mut connection)).await
    }

    /// The lowest time that is believed, where it is known already.
    fn lowest(&self, since: Instant) -> Option<u64> {
        let floor = self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        (floor.0 >= Some(since)).then_some(floor.1)
    }

    /// The server's clock in an answer to what was asked after `since`.
    fn learnt(&self, since: Instant, now: u64) {
        let mut floor = self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        if floor.0 < Some(since) {
            *floor = (Some(since), floor.1.max(now));
        }
    }

    async fn ask(&self, entry: &str, lowest: u64) -> Result<(u64, Lease, Option<Vec<u8>>), NoAnswer> {
        let mut lease = Lease::new(Instant::now());
        lease.name = rand::random();
        let mut asking = self.look.key(entry);
        asking.key(format!("{entry}:lease")).arg(lease.name).arg(LEASE.as_millis() as u64).arg(lowest);
        let answer: Vec<Vec<u8>> = self.script(&asking).await?;
        let mut answer = answer.into_iter();
        let now = answer.next().and_then(|text| number(&text)).ok_or(NoAnswer::Failed)?;
        lease.given = now;
        Ok((now, lease, answer.next()))
    }

    /// What the seal is over.
    fn sealed(entry: &str, inner: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEAL + entry.len() + inner.len());
        bytes.extend_from_slice(entry.as_bytes());
        bytes.extend_from_slice(inner);
        bytes
    }

    /// What is cached behind a value's time and seal, where it is of this entry and not too old, by both clocks.
    fn opened(&self, key: Key, entry: &str, value: &[u8], now: u64, lowest: u64) -> Option<Bytes> {
        let (time, rest) = value.split_at_checked(TIME)?;
        let (seal, rest) = rest.split_at_checked(SEAL)?;
        let inner = Self::sealed(entry, &[time, rest].concat());
        self.seal.checked(&[seal, &inner].concat())?;
        let (given, mut rest) = (number(time)?, Bytes::copy_from_slice(rest));
        let life = key.lifetime().as_micros() as u64;
        let here = (rest.len() >= 8).then(|| rest.get_u64())?;
        let young = now.checked_sub(given).is_some_and(|age| age < life);
        let skew = SKEW.as_micros() as u64;
        (young && given >= lowest && micros().abs_diff(here) < life + skew).then_some(rest)
    }
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[async_trait]
impl Cache for Redis {
    async fn look(&self, key: Key, since: Instant) -> Result<Looked, NoAnswer> {
        let entry = self.entry(key);
        let lowest = self.lowest(since);
        let (now, lease, value) = self.ask(&entry, lowest.unwrap_or(NONE)).await?;
        self.learnt(since, now);
        let (Some(value), Some(lowest)) = (value, lowest) else { return Ok(Looked::Miss(lease)) };
        if let Some(value) = self.opened(key, &entry, &value, now, lowest) {
            return Ok(Looked::Hit(value));
        }
        // Something else stands there: a lease to replace it.
        let (_, lease, _) = self.ask(&entry, NONE).await?;
        Ok(Looked::Miss(lease))
    }

    async fn fill(&self, key: Key, lease: Lease, value: Bytes) -> Result<(), NoAnswer> {
        let entry = self.entry(key);
        let time = format!("{:016}", lease.given);
        let rest = [&micros().to_be_bytes(), &value[..]].concat();
        let seal = self.seal.of(&Self::sealed(&entry, &[time.as_bytes(), &rest].concat()));
        let value = [time.as_bytes(), &seal, &rest].concat();
        let mut filling = self.fill.key(&entry);
        filling.key(format!("{entry}:lease"));
        filling.arg(lease.name).arg(value).arg(key.lifetime().as_millis() as u64);
        self.script::<u8>(&filling).await.map(drop)
    }

    async fn remove(&self, keys: &[Key]) {
        let mut remove = cmd("UNLINK");
        for key in keys {
            let entry = self.entry(*key);
            remove.arg(format!("{entry}:lease")).arg(entry);
        }
        let mut connection = self.connection.clone();
        // Away: nobody who heard asks for them until they are too old.
        let _away: Result<u64, _> = self.asked(remove.query_async(&mut connection)).await;
    }
}
