//! A server, or several, with a team at work behind a proxy: what faults happen to.

use super::Round;
use super::clock::{self, Clock};
use super::cluster::copy_rows;
use super::disk::Disk;
use super::probe::Probe;
use super::rows;
use super::team::Team;
use super::workload::Workload;
use crate::backing::Service;
use crate::history::{History, What, Writer};
use crate::proxy::Proxy;
use crate::recorder::truth::record_rest;
use crate::scene::PASSWORD;
use crate::server::command;
use crate::{Client, Error, Server};
use futures::future::{join_all, try_join_all};
use protocol::ConversationId;
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

/// Megabytes of a disk that will be full.
const DISK: u32 = 96;

/// Everything of a round. The fields end in this order: first who uses the server, then the server, then what it stands on.
#[derive(Debug)]
pub struct Stage {
    /// What people do.
    pub workload: Workload,
    /// The people.
    pub team: Arc<Team>,
    /// Between most devices and the servers.
    pub proxy: Proxy,
    /// Between everything else and the servers, where there are several; nothing happens to it.
    pub front: Option<Proxy>,
    /// Past it.
    pub probe: Probe,
    /// The servers that people connect to; one, or those of a cluster.
    pub nodes: Vec<Server>,
    /// Those that store what is queued, where they are processes of their own.
    pub workers: Vec<Server>,
    /// Between the nodes of a cluster.
    pub broker: Option<Service>,
    /// Their Postgres.
    pub store: Option<Service>,
    /// Where they share who is where, and a cache.
    pub memory: Option<Service>,
    /// The server's disk, where it has one of its own.
    pub disk: Option<Disk>,
    /// The server's clock, where it has one of its own.
    pub clock: Option<Clock>,
    /// Whether faults that need not last are short.
    pub brief: bool,
    nobody: Client,
    history: History,
    binary: PathBuf,
    data: PathBuf,
}

/// What a round leaves behind beside its history.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// The logs of all servers.
    pub log: String,
    /// What the server's own recount of its stopped database does not find right, in its sentences.
    pub drift: Vec<String>,
}

/// How the wait for rest after a fault ended.
#[derive(Clone, Copy, Debug)]
pub struct Recovery {
    /// Until the last device was complete, or the deadline.
    pub waited: Duration,
    /// Devices that were not complete by then.
    pub stuck: usize,
}

impl Stage {
    /// Starts everything; the workload is paused.
    pub async fn open(
        binary: &Path,
        round: &Round,
        history: History,
        random: &mut StdRng,
    ) -> Result<Self, Error> {
        let disk =
            round.faults.iter().any(|fault| fault.needs_disk()).then(|| Disk::mount(DISK)).transpose()?;
        let library = clock::library().filter(|_| round.faults.iter().any(|fault| fault.needs_clock()));
        let clock = library.map(Clock::new).transpose()?;
        let home = TempDir::new()?;
        let mut data =
            disk.as_ref().map_or_else(|| home.path().join("data"), |disk| disk.path().join("data"));
        let (mut workers, mut broker, mut store, mut memory) = (Vec::new(), None, None, None);
        let nodes = match &round.cluster {
            None => {
                let place = data.to_string_lossy().into_owned();
                let mut environment = clock.as_ref().map(Clock::environment).unwrap_or_default();
                if let Some(planted) = round.planted {
                    environment.push(("CONFAB_PLANTED", planted.to_owned()));
                }
                let environment: Vec<_> =
                    environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let arguments = ["serve", "--listen", "{listen}", "--data", &place];
                vec![Server::start_as(binary, home, &arguments, &environment).await?]
            }
            Some((setup, services)) => {
                let cluster = Box::pin(setup.start(binary, services)).await?;
                (workers, broker) = (cluster.workers, Some(cluster.broker));
                (store, memory) = (cluster.store, cluster.memory);
                cluster.gateways
            }
        };
        if round.cluster.is_some() {
            data = nodes[0].data();
        }
        let addresses: Vec<SocketAddr> =
            nodes.iter().map(|node| address(node.base())).collect::<Result<_, _>>()?;
        let proxy = Proxy::spread(addresses.clone(), random.random()).await?;
        let front = match addresses.len() {
            1 => None,
            _ => Some(Proxy::spread(addresses, random.random()).await?),
        };
        let nobody = match &front {
            None => nodes[0].client()?,
            Some(front) => Client::new(&front.base())?,
        };
        history
            .note(What::Run {
                seed: round.seed,
                server: version(binary),
                several: nodes.len() > 1,
                workload: [("size", format!("{:?}", round.size)), ("rate", round.rate.to_string())]
                    .map(|(name, value)| (name.to_owned(), value))
                    .into(),
            })
            .await;
        let probe = Probe::open(&nobody).await?;
        let team = Team::gather(round.size, &nobody, &proxy.base(), &history, random).await?;
        let team = Arc::new(team);
        let workload = Workload::new(Arc::clone(&team), history.clone(), round.rate, random.random());
        Ok(Self {
            workload,
            team,
            proxy,
            front,
            probe,
            nodes,
            workers,
            broker,
            store,
            memory,
            disk,
            clock,
            brief: round.brief,
            nobody,
            history,
            binary: binary.to_owned(),
            data,
        })
    }

    /// Where a server listens.
    pub fn address(&self) -> Result<SocketAddr, Error> {
        address(self.nodes[0].base())
    }

    /// One of the nodes that people connect to. Nothing is drawn where there is only one.
    pub fn draw_node(&self, random: &mut StdRng) -> usize {
        if self.nodes.len() > 1 { random.random_range(0..self.nodes.len()) } else { 0 }
    }

    /// What all servers have written, one after another.
    pub fn log(&self) -> String {
        logs(&self.nodes, &self.workers)
    }

    /// Writes a fault's begin or end into the history.
    pub async fn note(&self, name: &str, detail: &str, healed: bool) {
        self.history.note(What::Fault { name: name.to_owned(), detail: detail.to_owned(), healed }).await;
    }

    /// Waits until anybody's message is acknowledged after the count was `before`.
    pub async fn more_acks(&self, before: u64, within: Duration) -> Result<(), Error> {
        let begun = Instant::now();
        while self.team.acked() <= before {
            if begun.elapsed() > within {
                return Err(Error::Deadline("the next ack of anybody".into()));
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Stops talking and waits until every device has sent all it had and is complete up to what REST tells.
    pub async fn recover(&self, within: Duration) -> Result<Recovery, Error> {
        self.workload.pause();
        let begun = Instant::now();
        let rests = try_join_all(self.team.devices.iter().map(|device| device.quiesce(within))).await?;
        let stuck = rests.iter().filter(|rest| !rest.complete).count();
        Ok(Recovery { waited: begun.elapsed(), stuck })
    }

    /// Ends the work and writes the truths down: every screen, what fresh clients read over REST, and the rows. Then the
    /// server is stopped, its doctor looks at what it stored, and everything ends.
    pub async fn finish(self, writer: Writer, within: Duration) -> Result<Left, Error> {
        let Self { workload, team, proxy, front, probe, mut nodes, mut workers, .. } = self;
        let (broker, store, memory, disk, clock) =
            (self.broker, self.store, self.memory, self.disk, self.clock);
        let (nobody, history, binary, data) = (self.nobody, self.history, self.binary, self.data);
        workload.stop().await?;
        // Twice: what the first ones wait for may still be sent by the last ones.
        for _ in 0..2 {
            try_join_all(team.devices.iter().map(|device| device.quiesce(within))).await?;
        }
        join_all(team.devices.iter().map(|device| device.record_screen()))
            .await
            .into_iter()
            .collect::<Result<(), _>>()?;
        for person in &team.people {
            record_truth(&nobody, &person.username, &history).await?;
        }
        let rooms: BTreeSet<ConversationId> = team.rooms.iter().map(|room| room.conversation).collect();
        if let Ok(team) = Arc::try_unwrap(team) {
            for device in team.devices {
                device.stop().await?;
            }
        }
        drop((proxy, front, probe));
        for server in nodes.iter().chain(&workers) {
            server.sigterm()?;
        }
        for server in nodes.iter_mut().chain(&mut workers) {
            server.exit().await?;
        }
        let (place, file) = match &store {
            None => (vec!["--data".into(), data.clone().into_os_string()], data.join("confab.db")),
            Some(store) => {
                let file = copy_rows(binary.clone(), store.url().to_owned(), nodes[0].home()).await?;
                (vec!["--store".into(), store.url().into()], file)
            }
        };
        for rows in rows::read(file).await? {
            if rooms.contains(&rows.conversation) {
                history.note(What::Rows(rows)).await;
            }
        }
        drop(history);
        writer.finish().await?;
        let drift = recount(binary, place).await?;
        let log = logs(&nodes, &workers);
        drop((nodes, workers, broker, store, memory, disk, clock));
        Ok(Left { log, drift })
    }
}

fn logs(nodes: &[Server], workers: &[Server]) -> String {
    nodes.iter().chain(workers).map(Server::log).collect::<Vec<_>>().join("\n")
}

/// What the server's own doctor finds wrong in a database that nobody uses.
async fn recount(binary: PathBuf, place: Vec<OsString>) -> Result<Vec<String>, Error> {
    let looking = spawn_blocking(move || command(&binary).arg("doctor").args(place).output()).await;
    let output = looking.map_err(|error| Error::Process(error.to_string()))??;
    if output.status.success() {
        return Ok(Vec::new());
    }
    let said = [output.stdout, output.stderr].concat();
    // The first sentence says what was looked at.
    let found: Vec<String> = String::from_utf8_lossy(&said).lines().skip(1).map(str::to_owned).collect();
    Ok(if found.is_empty() { vec![format!("the doctor ended with {}", output.status)] } else { found })
}

/// As a person who signs in for this only.
async fn record_truth(nobody: &Client, username: &str, history: &History) -> Result<(), Error> {
    let (client, user) = nobody.sign_in(username, PASSWORD).await?;
    record_rest(&client, user.id, history).await.map(drop)
}

fn address(base: &str) -> Result<SocketAddr, Error> {
    let address = base.strip_prefix("http://").unwrap_or(base);
    address.parse().map_err(|error| Error::Unreadable(format!("{base}: {error}")))
}

/// What the binary calls itself; empty where it does not say.
fn version(binary: &Path) -> String {
    let output = command(binary).arg("--version").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
