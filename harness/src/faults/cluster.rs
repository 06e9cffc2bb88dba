//! Several nodes on one database and one broker, as a configuration of a run, and their start.

use crate::Error;
use crate::backing::Service;
use crate::server::{Server, command};
use futures::future::try_join_all;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

/// Nodes that people connect to.
const GATEWAYS: usize = 3;
/// Nodes that store what is queued.
const WORKERS: usize = 2;

/// A configuration: `BUS[:queued][:sqlite]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// `redis`, `nats` or `kafka`.
    bus: &'static str,
    /// Whether messages go to the broker first and workers store them.
    queued: bool,
    /// One node on SQLite, beside the broker; otherwise several on Postgres.
    sqlite: bool,
}

impl FromStr for Setup {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let accepts =
            || "accepts redis, nats or kafka, then perhaps :queued, then perhaps :sqlite".to_owned();
        let mut parts = text.split(':');
        let bus =
            parts.next().and_then(|name| ["redis", "nats", "kafka"].into_iter().find(|bus| *bus == name));
        let mut setup = Self { bus: bus.ok_or_else(accepts)?, queued: false, sqlite: false };
        for part in parts {
            match part {
                "queued" if !setup.queued && !setup.sqlite => setup.queued = true,
                "sqlite" if !setup.sqlite => setup.sqlite = true,
                _ => return Err(accepts()),
            }
        }
        Ok(setup)
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.bus, if self.queued { ":queued" } else { "" })?;
        f.write_str(if self.sqlite { ":sqlite" } else { "" })
    }
}

impl Setup {
    /// Whether there are several gateways, on Postgres.
    pub fn several(self) -> bool {
        !self.sqlite
    }

    /// Whether workers are processes of their own.
    pub fn workers(self) -> bool {
        self.queued && !self.sqlite
    }

    /// Starts the broker, the database and every node.
    pub async fn start(self, binary: &Path, services: &Path) -> Result<Cluster, Error> {
        let name = |what| format!("faults-{}-{what}", self.to_string().replace(':', "-"));
        let broker = Service::start(services, self.bus, name("bus"));
        let store = async {
            match self.sqlite {
                true => Ok(None),
                false => Service::start(services, "postgres", name("store")).await.map(Some),
            }
        };
        let memory = async {
            match self.sqlite {
                true => Ok(None),
                false => Service::start(services, "redis", name("memory")).await.map(Some),
            }
        };
        let (broker, store, memory) = tokio::try_join!(broker, store, memory)?;
        let ingest = if self.queued { "queued" } else { "direct" };
        let mut arguments = vec!["serve", "--listen", "{listen}", "--data", "data"];
        arguments.extend(["--bus", broker.url(), "--ingest", ingest]);
        if let Some(memory) = &memory {
            arguments.extend(["--presence", memory.url(), "--cache", memory.url()]);
        }
        if let Some(store) = &store {
            arguments.extend(["--store", store.url()]);
        }
        let roles = if self.workers() { "gateway" } else { "gateway,worker" };
        let gateways = Self::nodes(binary, &arguments, roles, if self.sqlite { 1 } else { GATEWAYS });
        let workers = Self::nodes(binary, &arguments, "worker", if self.workers() { WORKERS } else { 0 });
        // All at once: only one of them prepares the database, the others wait for it.
        let (gateways, workers) = tokio::try_join!(gateways, workers)?;
        Ok(Cluster { gateways, workers, broker, store, memory })
    }

    async fn nodes(
        binary: &Path,
        arguments: &[&str],
        roles: &str,
        count: usize,
    ) -> Result<Vec<Server>, Error> {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--roles", roles]).collect();
        try_join_all(
            (0..count).map(|_| async { Server::start_as(binary, TempDir::new()?, &arguments, &[]).await }),
        )
        .await
    }
}

/// What was started. The fields end in this order.
#[derive(Debug)]
pub struct Cluster {
    /// People connect to them.
    pub gateways: Vec<Server>,
    /// They store what is queued; none where gateways do that themselves.
    pub workers: Vec<Server>,
    /// Between the nodes.
    pub broker: Service,
    /// Their Postgres; none where the store is a file of the one node.
    pub store: Option<Service>,
    /// A Redis for who is where and for the cache, apart from a broker that is one; none where there is one node.
    pub memory: Option<Service>,
}

/// Copies what a database that nobody uses holds into a file, which is read as any other.
pub async fn copy_rows(binary: PathBuf, from: String, folder: &Path) -> Result<PathBuf, Error> {
    let file = folder.join("copy.db");
    let to = format!("sqlite://{}", file.display());
    let copying =
        spawn_blocking(move || command(&binary).args(["move", "--from", &from, "--to", &to]).output());
    let output = copying.await.map_err(|error| Error::Process(error.to_string()))??;
    if output.status.success() {
        return Ok(file);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Process(format!("the rows could not be copied: {said}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_is_read_as_it_is_written() {
        for text in ["redis", "nats:queued", "kafka:sqlite", "redis:queued:sqlite"] {
            assert_eq!(text.parse::<Setup>().unwrap().to_string(), text);
        }
        for text in ["", "channel", "redis:", "redis:sqlite:queued", "nats:queued:queued"] {
            assert!(text.parse::<Setup>().is_err(), "{text}");
        }
    }
}
