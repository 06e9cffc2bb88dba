//! Nodes, the Postgres and the broker they stand on, and the processor time of each.

use super::setup::{Bus, Setup};
use crate::backing::Service;
use crate::load::Options;
use crate::load::process::{address, cpu};
use crate::{Error, Server};
use std::net::SocketAddr;
use std::ops::Sub;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Units of `/proc/PID/stat` a second.
const TICKS: u64 = 100;
/// Nodes that did nothing for this long are at rest.
const QUIET: Duration = Duration::from_millis(400);
/// Nodes that are not at rest after this long never will be.
const RESTLESS: Duration = Duration::from_secs(60);

/// A private Postgres, one for all setups of a run.
#[derive(Debug)]
pub struct Store {
    service: Service,
    pid: u32,
}

impl Store {
    /// Starts an empty one.
    pub async fn start(services: &Path) -> Result<Self, Error> {
        let (service, pid) = started(services, "postgres").await?;
        Ok(Self { service, pid })
    }

    /// Makes a database and answers its address. Nothing is encrypted: it stands on the same machine.
    pub fn database(&self, name: &str) -> Result<String, Error> {
        let url = self.service.url();
        psql(url, &format!("CREATE DATABASE {name}"))?;
        let (server, _) = url.rsplit_once('/').ok_or_else(|| Error::Unreadable("an address".into()))?;
        Ok(format!("{server}/{name}?sslmode=disable"))
    }

    /// Forgets one.
    pub fn drop_database(&self, name: &str) -> Result<(), Error> {
        psql(self.service.url(), &format!("DROP DATABASE {name} WITH (FORCE)")).map(drop)
    }
}

/// Starts a service and finds its process.
async fn started(script: &Path, kind: &'static str) -> Result<(Service, u32), Error> {
    let name = format!("bench-{kind}");
    let service = Service::start(script, kind, name.clone()).await?;
    let folder: PathBuf =
        script.canonicalize()?.parent().and_then(Path::parent).unwrap_or(Path::new(".")).into();
    let file = std::fs::read_to_string(folder.join("target/services").join(name).join("pid"))?;
    let pid = file.lines().next().and_then(|line| line.trim().parse().ok());
    Ok((service, pid.ok_or_else(|| Error::Unreadable("a process's number".into()))?))
}

/// Runs statements and answers what they print, without decoration.
pub fn psql(url: &str, sql: &str) -> Result<String, Error> {
    let mut child = Command::new("psql")
        .args([url, "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        std::io::Write::write_all(&mut stdin, sql.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(Error::Process(format!("psql: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Processor time of a process, of its children and of those that have ended.
fn family(pid: u32) -> Result<Duration, Error> {
    let mut ticks = 0;
    for entry in std::fs::read_dir("/proc")?.filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(it) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // One that ended just now counts with its parent.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{it}/stat")) else { continue };
        // The name in parentheses may hold anything. After it: state, parent, …, and as 12th to 15th utime, stime and
        // both of the children that were waited for.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        if it == pid {
            ticks += (11..15).map(number).sum::<u64>();
        } else if number(1) == u64::from(pid) {
            ticks += (11..13).map(number).sum::<u64>();
        }
    }
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}

/// Processor time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Of all nodes.
    pub nodes: Duration,
    /// Of Postgres, all its processes.
    pub store: Duration,
    /// Of the broker.
    pub broker: Duration,
    /// Of the load itself.
    pub load: Duration,
}

impl Sub for Spent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            nodes: self.nodes.saturating_sub(before.nodes),
            store: self.store.saturating_sub(before.store),
            broker: self.broker.saturating_sub(before.broker),
            load: self.load.saturating_sub(before.load),
        }
    }
}

/// The nodes of one setup.
#[derive(Debug)]
pub struct Stage<'a> {
    store: &'a Store,
    broker: Option<(Service, u32)>,
    nodes: Vec<Server>,
    binary: PathBuf,
    arguments: Vec<String>,
    name: String,
    /// Of the database.
    pub url: String,
}

impl<'a> Stage<'a> {
    /// Starts the broker and one node on a new database.
    pub async fn set(options: &Options, store: &'a Store, setup: Setup) -> Result<Self, Error> {
        let binary = options.binary.canonicalize()?;
        let name = format!("bench_{}", setup.to_string().replace(':', "_"));
        let url = store.database(&name)?;
        let broker = match setup.bus {
            Bus::Channel => None,
            bus => Some(started(&options.services, bus.name()).await?),
        };
        let bus = broker.as_ref().map_or("channel", |(broker, _)| broker.url());
        let ingest = if setup.queued { "queued" } else { "direct" };
        let words = ["--store", &url, "--bus", bus, "--ingest", ingest];
        let arguments = ["serve", "--listen", "{listen}", "--data", "data"].iter().chain(&words);
        let arguments = arguments.map(|&word| word.to_owned()).collect();
        let mut stage = Self { store, broker, nodes: Vec::new(), binary, arguments, name, url };
        stage.another().await?;
        Ok(stage)
    }

    /// Starts one more node.
    pub async fn another(&mut self) -> Result<(), Error> {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.nodes.push(Server::start_as(&self.binary, TempDir::new()?, &arguments, &[]).await?);
        Ok(())
    }

    /// Where the nodes listen.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        self.nodes.iter().map(address).collect()
    }

    /// Processor time so far.
    pub fn spent(&self) -> Result<Spent, Error> {
        let mut nodes = Duration::ZERO;
        for node in &self.nodes {
            nodes += cpu(node.pid().ok_or_else(|| Error::Process("not running".into()))?)?;
        }
        let broker = self.broker.as_ref().map_or(Ok(Duration::ZERO), |(_, pid)| family(*pid))?;
        Ok(Spent { nodes, store: family(self.store.pid)?, broker, load: cpu(std::process::id())? })
    }

    /// Waits until nodes and Postgres have next to nothing left to do.
    pub async fn rest(&self) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            let before = self.spent()?;
            tokio::time::sleep(QUIET).await;
            let spent = self.spent()? - before;
            if spent.nodes + spent.store <= QUIET / 10 {
                return Ok(());
            }
            if begun.elapsed() > RESTLESS {
                return Err(Error::Deadline("the nodes to come to rest".into()));
            }
        }
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.nodes.clear();
        if let Err(error) = self.store.drop_database(&self.name) {
            eprintln!("a database stays until its server goes: {error}");
        }
    }
}
