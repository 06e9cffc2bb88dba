//! Redis, as a wire and as an intake. One primary; a Redis cluster is refused, because a batch and a script touch several keys.
//!
//! As a wire: a doorbell is a `PUBLISH` to `{prefix}:group_msg:{conversation}`, `{prefix}:private_msg:{conversation}`,
//! `{prefix}:user_msg:{user}` or `{prefix}:node_msg`, a batch in one write; a node listens by one pattern subscription on a
//! connection of its own. Redis keeps nothing of it: whoever does not listen at that moment has a gap.
//!
//! As an intake: a line is the stream `{prefix}:submitted:{n}`, read through the consumer group `workers`, each worker under its own name.
//! - A line belongs to the worker whose name is in `{prefix}:lease:{n}`, for [`LEASE`](super::intake::LEASE) after it was renewed. Reading and looking
//!   at the lease are one script, so that a worker that lost its lease without knowing gets nothing, however late its request arrives.
//! - What was given and is not done are the group's pending entries. Whoever takes a line over claims them all by `XAUTOCLAIM`, in the
//!   script that looks at the lease, and reads them in their order before anything new: they are under the name of the line's last reader.
//!   How long they were idle does not matter, because the lease says that their worker is gone. Consumers that have none left are removed.
//! - Done is `XACK` and `XDEL` in one transaction: a stream holds what is not done and nothing else; nothing is trimmed by length.
//! - Live workers stand in `{prefix}:workers` by their last sign of life; each has at most its share of the lines and gives up others
//!   between batches. All times are the server's: its clock jumping forward by a lease can end one early, and two workers may then
//!   store the same thing, which is stored once.
//! - The dead letters are the stream `{prefix}:dead`, the last [`DEAD`] of them; beyond that the oldest are forgotten, with a warning.
//!
//! `Ok` from [`Intake::submit`] means what the server's own settings make of it (docs/brokers.md); they are read at every connection,
//! and what is weaker than it looks is told in the log. A backlog is bounded by the server's `maxmemory`: with `noeviction`
//! submitting fails there, and nothing is lost.

mod connection;
mod durability;
mod intake;
mod lease;
mod listen;
#[cfg(test)]
mod tests;
mod tls;
mod wait;
mod wire;
mod work;

use super::address::Address;
use super::intake::{Intake, Work};
use super::wire::{LONGEST_PAUSE, Link, PAUSE, Subject};
use ::redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};
use std::sync::Arc;
use std::time::Duration;
use tls::Tls;

/// Where the address names no port.
pub(crate) const PORT: u16 = 6379;
/// The scheme of an address of a server that speaks TLS.
pub(crate) const OVER_TLS: &str = "rediss";
/// What an address may set besides the prefix: the number of the database (0), the replicas that must have a submission before
/// it is `Ok` (0: the primary alone), and with [`OVER_TLS`] a file of authorities to trust instead of the system's.
pub(crate) const SETTINGS: &[&str] = &["db", "replicas", "ca"];
/// Dead letters that are kept.
const DEAD: usize = 10_000;
/// The consumer group of every line.
const GROUP: &str = "workers";
/// The field of an entry that holds what was submitted.
const FIELD: &str = "sealed";
/// How often an idle connection is asked whether it is still there. With as long for the answer, a half-open one is noticed in 4 s.
const KEEPALIVE: Duration = Duration::from_secs(2);

/// Starts to listen and makes ready to send. An error is a setting that cannot be meant; the broker may be away.
pub(crate) async fn wire(address: &Address) -> Result<Link, String> {
    Ok(wire::open(Server::new(address)?).await)
}

/// What a client needs to connect to the first of the hosts.
pub(crate) fn connection_info(address: &Address) -> Result<ConnectionInfo, String> {
    let server = Server::new(address)?;
    let first = server.hosts.first().ok_or("accepts a host")?;
    server.info(first).map_err(|error| error.to_string())
}

/// Makes ready to submit. An error is a setting that cannot be meant; the broker may be away.
pub(crate) async fn intake(address: &Address) -> Result<Box<dyn Intake>, String> {
    let replicas = address.number("replicas", 0)?;
    Ok(Box::new(intake::Submitter::new(Server::new(address)?, replicas)))
}

/// Makes ready to work, under a name of its own among the workers.
pub(crate) async fn work(address: &Address, worker: &str) -> Result<Box<dyn Work>, String> {
    Ok(Box::new(work::Worker::new(Server::new(address)?, worker)))
}

/// Where the server is and who we are there. It holds a password, so it is never shown.
#[derive(Clone)]
struct Server {
    /// Tried in turn: several addresses of one primary, or of those that take its place.
    hosts: Arc<[(String, u16)]>,
    user: Option<(String, String)>,
    db: i64,
    /// None: it is spoken to as it is.
    tls: Option<Tls>,
    names: Names,
}

impl Server {
    fn new(address: &Address) -> Result<Self, String> {
        let host = |host: &String| {
            let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
            (name.trim_matches(['[', ']']).to_owned(), port.parse().unwrap_or(PORT))
        };
        let ca = address.settings.get("ca");
        let tls = match address.scheme == OVER_TLS {
            true => Some(Tls::new(ca)?),
            false if ca.is_some() => return Err(format!("accepts `ca` only with {OVER_TLS}://")),
            false => None,
        };
        Ok(Self {
            tls,
            hosts: address.hosts.iter().map(host).collect(),
            user: address.user.clone(),
            db: address.number("db", 0)?,
            names: Names(address.prefix.as_str().into()),
        })
    }

    /// What the client needs to connect to one of the hosts.
    fn info(&self, (host, port): &(String, u16)) -> ::redis::RedisResult<ConnectionInfo> {
        let mut settings = RedisConnectionInfo::default()
            .set_db(self.db)
            .set_protocol(ProtocolVersion::RESP2)
            .set_skip_set_lib_name();
        if let Some((user, password)) = &self.user {
            settings = settings.set_password(password);
            if !user.is_empty() {
                settings = settings.set_username(user);
            }
        }
        let (host, port) = (host.clone(), *port);
        let info = match &self.tls {
            Some(tls) => {
                let to = ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None };
                tls.with(to.into_connection_info()?)?
            }
            None => ConnectionAddr::Tcp(host, port).into_connection_info()?,
        };
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        Ok(info.set_tcp_settings(tcp).set_redis_settings(settings))
    }
}

/// Every name on the server begins with the prefix.
#[derive(Clone)]
struct Names(Arc<str>);

impl Names {
    /// What a doorbell is published to.
    fn channel(&self, subject: Subject) -> String {
        let prefix = &self.0;
        match subject {
            Subject::Direct(conversation) => format!("{prefix}:private_msg:{conversation}"),
            Subject::Group(conversation) => format!("{prefix}:group_msg:{conversation}"),
            Subject::User(user) => format!("{prefix}:user_msg:{user}"),
            Subject::Nodes => format!("{prefix}:node_msg"),
        }
    }

    /// All of them.
    fn pattern(&self) -> String {
        format!("{}:*_msg*", self.0)
    }

    fn submitted(&self, partition: u16) -> String {
        format!("{}:submitted:{partition}", self.0)
    }

    fn lease(&self, partition: u16) -> String {
        format!("{}:lease:{partition}", self.0)
    }

    fn workers(&self) -> String {
        format!("{}:workers", self.0)
    }

    fn dead(&self) -> String {
        format!("{}:dead", self.0)
    }
}

/// The pauses between tries to connect: they double, each with jitter.
struct Pause(Duration);

impl Pause {
    fn new() -> Self {
        Self(PAUSE)
    }

    fn next(&mut self) -> Duration {
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        PAUSE + (self.0 - PAUSE).mul_f64(rand::random())
    }
}
