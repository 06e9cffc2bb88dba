//! What `chat` is built from: parsed when the configuration loads, so that everything behind it is an enum.

use crate::bus;
pub use crate::bus::address::Address;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Everything [`Chat::open`](crate::Chat::open) needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of everything that is kept on this machine.
    pub data: PathBuf,
    /// Where messages are kept.
    pub store: StoreUrl,
    /// How nodes tell each other what was stored.
    pub bus: BusUrl,
    /// How messages come to the store.
    pub ingest: IngestMode,
    /// What this node does.
    pub roles: Roles,
    /// Where nodes share who is at which of them.
    pub presence: PresenceUrl,
    /// Where is cached what is read most.
    pub cache: CacheUrl,
    /// Who may make an account.
    pub registration: Registration,
}

/// Where nodes share who is at which of them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum PresenceUrl {
    /// Nowhere: each knows its own.
    #[default]
    Here,
    /// In Redis.
    #[cfg(feature = "redis")]
    Redis(Address),
}

impl FromStr for PresenceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let brokers: &[Broker<Self>] = &[
            #[cfg(feature = "redis")]
            redis(&["db", "ca"], Self::Redis),
        ];
        one_of(text, &[], brokers, "accepts `redis://HOST` or `rediss://HOST`")
    }
}

/// Where is cached what is read most.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum CacheUrl {
    /// Within the process.
    #[default]
    Memory,
    /// Nowhere: everything is read from the store.
    Off,
    /// In Redis, shared by all nodes.
    #[cfg(feature = "redis")]
    Redis(Address),
}

impl FromStr for CacheUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let brokers: &[Broker<Self>] = &[
            #[cfg(feature = "redis")]
            redis(&["db", "ca"], Self::Redis),
        ];
        let words = [("memory", Self::Memory), ("off", Self::Off)];
        one_of(text, &words, brokers, "accepts `memory`, `off`, `redis://HOST` or `rediss://HOST`")
    }
}

/// How messages come to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IngestMode {
    /// The node that took them stores them.
    #[default]
    Direct,
    /// They go to the broker first, and a worker stores them.
    Queued,
}

impl FromStr for IngestMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "direct" => Ok(Self::Direct),
            "queued" => Ok(Self::Queued),
            _ => Err("accepts `direct` or `queued`".to_owned()),
        }
    }
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Serves people.
    pub gateway: bool,
    /// Stores what was queued.
    pub worker: bool,
}

impl Default for Roles {
    fn default() -> Self {
        Self { gateway: true, worker: true }
    }
}

impl FromStr for Roles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut roles = Self { gateway: false, worker: false };
        for role in text.split(',').map(str::trim) {
            match role {
                "gateway" => roles.gateway = true,
                "worker" => roles.worker = true,
                _ => return Err("accepts `gateway`, `worker` or both with a comma between".to_owned()),
            }
        }
        Ok(roles)
    }
}

/// Where messages are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A SQLite file; none: `confab.db` in the data folder.
    Sqlite(Option<PathBuf>),
    /// A Postgres database, which several nodes may share.
    Postgres(PostgresUrl),
}

/// The address of a Postgres database, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. It may hold a password, so it is
/// never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

impl PostgresUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://…")
    }
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Ok(Self::Postgres(PostgresUrl(text.to_owned())));
        }
        match text.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(Some(path.into()))),
            _ => Err("accepts `sqlite://PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`".to_owned()),
        }
    }
}

/// How nodes tell each other what was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusUrl {
    /// Within one process.
    Channel,
    /// Apache Kafka.
    #[cfg(feature = "kafka")]
    Kafka(Address),
    /// NATS, with JetStream where work is queued.
    #[cfg(feature = "nats")]
    Nats(Address),
    /// Redis.
    #[cfg(feature = "redis")]
    Redis(Address),
}

impl BusUrl {
    /// How messages come to the store where nothing is said: Kafka is there for its log.
    pub fn usual_ingest(&self) -> IngestMode {
        match self {
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => IngestMode::Queued,
            _ => IngestMode::Direct,
        }
    }
}

impl FromStr for BusUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let brokers: &[Broker<Self>] = &[
            #[cfg(feature = "kafka")]
            Broker {
                schemes: &["kafka"],
                port: bus::kafka::PORT,
                settings: bus::kafka::SETTINGS,
                of: Self::Kafka,
            },
            #[cfg(feature = "nats")]
            Broker {
                schemes: &["nats", bus::nats::OVER_TLS],
                port: bus::nats::PORT,
                settings: bus::nats::SETTINGS,
                of: Self::Nats,
            },
            #[cfg(feature = "redis")]
            redis(bus::redis::SETTINGS, Self::Redis),
        ];
        let accepts = "accepts `channel`, `kafka://HOST`, `nats://HOST` or `redis://HOST`, or `tls://HOST` and `rediss://HOST` with TLS";
        one_of(text, &[("channel", Self::Channel)], brokers, accepts)
    }
}

/// A server that a setting may name by its address.
struct Broker<T> {
    /// Its schemes; the second is the one over TLS.
    schemes: &'static [&'static str],
    /// Where the address names none.
    port: u16,
    /// What the address may set besides the prefix.
    settings: &'static [&'static str],
    of: fn(Address) -> T,
}

/// A Redis, whatever it is for.
#[cfg(feature = "redis")]
const fn redis<T>(settings: &'static [&'static str], of: fn(Address) -> T) -> Broker<T> {
    Broker { schemes: &["redis", bus::redis::OVER_TLS], port: bus::redis::PORT, settings, of }
}

/// The one that a text names: a word, or the address of a server.
fn one_of<T: Clone>(
    text: &str,
    words: &[(&str, T)],
    brokers: &[Broker<T>],
    accepts: &str,
) -> Result<T, String> {
    if let Some((_, meant)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(meant.clone());
    }
    let given = text.split_once("://").map_or("", |(scheme, _)| scheme);
    for Broker { schemes, port, settings, of } in brokers {
        if let Some(scheme) = schemes.iter().find(|scheme| **scheme == given) {
            return Address::parse(scheme, *port, settings, text).map(of);
        }
    }
    Err(accepts.to_owned())
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Registration {
    /// Everybody who reaches the server.
    #[default]
    Open,
    /// Nobody.
    Closed,
}

impl FromStr for Registration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            _ => Err("accepts `open` or `closed` in this version".to_owned()),
        }
    }
}
