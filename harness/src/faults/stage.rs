//! A server with a team at work behind a proxy: what faults happen to.

use super::Round;
use super::clock::{self, Clock};
use super::disk::Disk;
use super::probe::Probe;
use super::rows;
use super::team::Team;
use super::workload::Workload;
use crate::history::{History, What, Writer};
use crate::proxy::Proxy;
use crate::recorder::truth::record_rest;
use crate::scene::PASSWORD;
use crate::server::command;
use crate::{Client, Error, Server};
use futures::future::{join_all, try_join_all};
use rand::RngExt;
use rand::rngs::StdRng;
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
    /// Between most devices and the server.
    pub proxy: Proxy,
    /// Past it.
    pub probe: Probe,
    /// The server.
    pub server: Server,
    /// The server's disk, where it has one of its own.
    pub disk: Option<Disk>,
    /// The server's clock, where it has one of its own.
    pub clock: Option<Clock>,
    history: History,
    binary: PathBuf,
    data: PathBuf,
}

/// What a round leaves behind beside its history.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// The server's log.
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
        let data = disk.as_ref().map_or_else(|| home.path().join("data"), |disk| disk.path().join("data"));
        let place = data.to_string_lossy().into_owned();
        let mut environment = clock.as_ref().map(Clock::environment).unwrap_or_default();
        if let Some(planted) = round.planted {
            environment.push(("CONFAB_PLANTED", planted.to_owned()));
        }
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let arguments = ["serve", "--listen", "{listen}", "--data", &place];
        let server = Server::start_as(binary, home, &arguments, &environment).await?;
        let nobody = server.client()?;
        let proxy = Proxy::start(address(server.base())?, random.random()).await?;
        history
            .note(What::Run {
                seed: round.seed,
                server: version(binary),
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
            probe,
            server,
            disk,
            clock,
            history,
            binary: binary.to_owned(),
            data,
        })
    }

    /// Where the server listens.
    pub fn address(&self) -> Result<SocketAddr, Error> {
        address(self.server.base())
    }

    /// Starts the server again on what it has stored.
    pub async fn start_again(&mut self) -> Result<(), Error> {
        self.server.start_again().await
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
        let Self { workload, team, proxy, probe, mut server, disk, clock, history, binary, data } = self;
        workload.stop().await?;
        // Twice: what the first ones wait for may still be sent by the last ones.
        for _ in 0..2 {
            try_join_all(team.devices.iter().map(|device| device.quiesce(within))).await?;
        }
        join_all(team.devices.iter().map(|device| device.record_screen()))
            .await
            .into_iter()
            .collect::<Result<(), _>>()?;
        let nobody = server.client()?;
        for person in &team.people {
            record_truth(&nobody, &person.username, &history).await?;
        }
        for rows in rows::read(data.join("confab.db")).await? {
            if team.rooms.iter().any(|room| room.conversation == rows.conversation) {
                history.note(What::Rows(rows)).await;
            }
        }
        if let Ok(team) = Arc::try_unwrap(team) {
            for device in team.devices {
                device.stop().await?;
            }
        }
        drop((proxy, probe, history));
        writer.finish().await?;
        server.sigterm()?;
        server.exit().await?;
        let drift = recount(binary, data).await?;
        let log = server.log();
        drop((server, disk, clock));
        Ok(Left { log, drift })
    }
}

/// What the server's own doctor finds wrong in a database that nobody uses.
async fn recount(binary: PathBuf, data: PathBuf) -> Result<Vec<String>, Error> {
    let looking =
        spawn_blocking(move || command(&binary).args(["doctor", "--data"]).arg(data).output()).await;
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
