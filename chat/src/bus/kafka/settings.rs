//! What an address says of a Kafka.

use crate::bus::address::Address;
use crate::bus::intake::PARTITIONS;
use crate::bus::wire::{LONGEST_PAUSE, PAUSE};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use std::time::Duration;

/// Lines where the address says nothing else, and with that the workers that can share the work. The client sends a request for
/// each line, however little goes there, so that few lines cost the broker a good deal less.
const LINES: u16 = 4;
/// What is done is kept for a week where the address says nothing else, as Kafka itself would.
const KEEP_HOURS: u32 = 168;
/// Longest name of a group: Kafka has no bound, its topics' is 249.
const GROUP_CHARS: usize = 200;

/// A broker, as an address describes it.
#[derive(Clone)]
pub(super) struct Broker {
    /// What every client begins with; it may hold a password.
    pub(super) config: ClientConfig,
    pub(super) prefix: String,
    /// Lines of `submitted`, where it is made here.
    pub(super) partitions: i32,
    /// Copies of each topic made here; none: three, or as many as there are brokers.
    pub(super) replication: Option<i32>,
    /// Whether missing topics are made.
    pub(super) create: bool,
    /// The workers' group.
    pub(super) group: String,
    /// How long what was done is kept.
    pub(super) keep: Duration,
}

impl Broker {
    /// Reads the settings of an address. An error is the sentence that says what is accepted.
    pub(super) fn of(address: &Address) -> Result<Self, String> {
        let partitions = address.number("partitions", LINES)?;
        if !(1..=PARTITIONS).contains(&partitions) {
            return Err(format!("accepts 1 to {PARTITIONS} `partitions`"));
        }
        let replication = match address.number("replication", 0_u16)? {
            0 if address.settings.contains_key("replication") => {
                return Err("accepts a `replication` of 1 or more".to_owned());
            }
            0 => None,
            copies => Some(i32::from(copies)),
        };
        let group = address.settings.get("group").cloned();
        let group = group.unwrap_or_else(|| format!("{}-workers", address.prefix));
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if group.is_empty() || group.len() > GROUP_CHARS || !group.chars().all(plain) {
            return Err(format!("accepts a `group` of 1 to {GROUP_CHARS} of a-z A-Z 0-9 . _ -"));
        }
        let hours = address.number("keep", KEEP_HOURS)?;
        Ok(Self {
            config: config(address)?,
            prefix: address.prefix.clone(),
            partitions: i32::from(partitions),
            replication,
            create: switch(address, "create", true)?,
            group,
            keep: Duration::from_secs(u64::from(hours) * 3600),
        })
    }

    pub(super) fn stored(&self) -> String {
        format!("{}.stored", self.prefix)
    }

    pub(super) fn submitted(&self) -> String {
        format!("{}.submitted", self.prefix)
    }

    pub(super) fn dead(&self) -> String {
        format!("{}.dead", self.prefix)
    }
}

fn switch(address: &Address, name: &str, default: bool) -> Result<bool, String> {
    match address.settings.get(name).map(String::as_str) {
        None => Ok(default),
        Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(_) => Err(format!("accepts `on` or `off` as `{name}`")),
    }
}

/// What all clients have in common.
fn config(address: &Address) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address.hosts.join(","));
    config.set("client.id", &address.prefix);
    config.set("reconnect.backoff.ms", PAUSE.as_millis().to_string());
    config.set("reconnect.backoff.max.ms", LONGEST_PAUSE.as_millis().to_string());
    config.set("socket.nagle.disable", "true");
    config.set("socket.keepalive.enable", "true");
    // A broker that hangs is left after these, not after a minute.
    config.set("socket.timeout.ms", "10000");
    config.set("socket.connection.setup.timeout.ms", "5000");
    config.set("api.version.request.timeout.ms", "3000");
    // Its own lines name hosts; what matters of them comes as errors too.
    config.set_log_level(RDKafkaLogLevel::Emerg);

    let tls = switch(address, "tls", false)?;
    let named = |name: &str| address.settings.contains_key(name);
    if (tls || address.user.is_some()) && !cfg!(feature = "kafka-tls") {
        return Err("needs a server built with the feature `kafka-tls` for TLS or a user".to_owned());
    }
    if named("ca") && !tls {
        return Err("accepts `ca`, the path of a certificate, only with `tls=on`".to_owned());
    }
    if named("mechanism") && address.user.is_none() {
        return Err("accepts a `mechanism` only with USER:PASSWORD".to_owned());
    }
    if let Some(ca) = address.settings.get("ca") {
        config.set("ssl.ca.location", ca);
    }
    if let Some((user, password)) = &address.user {
        let mechanism = address.settings.get("mechanism").map_or("PLAIN", String::as_str);
        if !["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].contains(&mechanism) {
            return Err("accepts PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 as `mechanism`".to_owned());
        }
        config.set("sasl.mechanism", mechanism).set("sasl.username", user).set("sasl.password", password);
    }
    let protocol = match (tls, address.user.is_some()) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    Ok(config)
}
