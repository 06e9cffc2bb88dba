//! The server under test: started on core 0, asked by the system what it used.

use super::seed::Seed;
use crate::{Error, Server};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Units of `/proc/PID/stat` a second: USER_HZ, which Linux has fixed at 100 for programs.
const TICKS: u64 = 100;
/// The server's core; the load has the other one.
pub const SERVER_CORE: &str = "0";

/// A server that did nothing for this long is at rest.
const QUIET: Duration = Duration::from_millis(400);
/// A server that is not at rest after this long never will be.
const RESTLESS: Duration = Duration::from_secs(90);

/// A running server, and what the system knows of it.
#[derive(Debug)]
pub struct Process {
    server: Server,
    data: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    /// From starting the process to its ready line, at its last start.
    pub started_in: Duration,
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident, files it maps included.
    pub resident: u64,
    /// Its own pages only.
    pub anonymous: u64,
    /// Most that was resident since [`Process::forget_peak`].
    pub peak: u64,
}

impl Process {
    /// Starts a server with an empty database, lets `fill` write into it while the server is down, and starts it
    /// again. Answers what `fill` did too.
    pub async fn filled<T>(
        binary: &Path,
        fill: impl AsyncFnOnce(&Self) -> Result<(), Error>,
        write: impl FnOnce(&mut Seed) -> Result<T, Error>,
    ) -> Result<(Self, T), Error> {
        let mut process = Self::launch(binary, None).await?;
        fill(&process).await?;
        process.stop().await?;
        let mut seed = Seed::open(&process.data.join("confab.db"))?;
        let written = write(&mut seed)?;
        seed.close()?;
        process.start().await?;
        Ok((process, written))
    }

    /// The same, with nothing to do over the network before.
    pub async fn seeded<T>(
        binary: &Path,
        write: impl FnOnce(&mut Seed) -> Result<T, Error>,
    ) -> Result<(Self, T), Error> {
        Self::filled(binary, async |_| Ok(()), write).await
    }

    /// Starts a server on data that is there.
    pub async fn on(binary: &Path, data: &Path) -> Result<Self, Error> {
        Self::launch(binary, Some(data)).await
    }

    async fn launch(binary: &Path, data: Option<&Path>) -> Result<Self, Error> {
        let binary = binary.canonicalize()?;
        let home = TempDir::new()?;
        let data = data.map_or_else(|| home.path().join("data"), Path::to_owned);
        let (program, folder) = (binary.to_string_lossy(), data.to_string_lossy());
        let arguments = ["-c", SERVER_CORE, &program, "serve", "--listen", "{listen}", "--data", &folder];
        let begun = Instant::now();
        let server = Server::start_as("taskset", home, &arguments, &[]).await?;
        let started_in = begun.elapsed();
        let address = address(&server)?;
        Ok(Self { server, data, address, started_in })
    }

    /// Stops it as a service manager does.
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.server.sigterm()?;
        self.server.exit().await.map(drop)
    }

    /// Starts it again.
    pub async fn start(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        self.server.start_again().await?;
        self.started_in = begun.elapsed();
        self.address = address(&self.server)?;
        Ok(())
    }

    /// The folder of its data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    fn pid(&self) -> Result<u32, Error> {
        self.server.pid().ok_or_else(|| Error::Process("not running".into()))
    }

    fn read(&self, file: &str) -> Result<String, Error> {
        Ok(std::fs::read_to_string(format!("/proc/{}/{file}", self.pid()?))?)
    }

    /// Processor time it has used, in the kernel and outside, in steps of 10 ms.
    pub fn cpu(&self) -> Result<Duration, Error> {
        cpu(self.pid()?)
    }

    /// Its memory now.
    pub fn memory(&self) -> Result<Memory, Error> {
        let (status, rollup) = (self.read("status")?, self.read("smaps_rollup")?);
        Ok(Memory {
            resident: kibibytes(&status, "VmRSS:") * 1024,
            peak: kibibytes(&status, "VmHWM:") * 1024,
            anonymous: kibibytes(&rollup, "Anonymous:") * 1024,
        })
    }

    /// Waits until it has nothing left to do: less than a twentieth of its core, for as long as [`QUIET`] says.
    pub async fn rest(&self) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            let before = self.cpu()?;
            tokio::time::sleep(QUIET).await;
            if self.cpu()? - before <= QUIET / 20 {
                return Ok(());
            }
            if begun.elapsed() > RESTLESS {
                return Err(Error::Deadline("the server to come to rest".into()));
            }
        }
    }

    /// From here on the peak counts anew.
    pub fn forget_peak(&self) -> Result<(), Error> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.pid()?), "5")?)
    }
}

/// Processor time a process has used.
pub(crate) fn cpu(pid: u32) -> Result<Duration, Error> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; utime and stime are the 12th and 13th field after it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}

/// Where it listens.
pub(crate) fn address(server: &Server) -> Result<SocketAddr, Error> {
    let base = server.base();
    base.trim_start_matches("http://").parse().map_err(|_| Error::Unreadable(format!("an address: {base}")))
}

fn kibibytes(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

/// Processor time of the whole machine and of this bench, to tell how much others took of it.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    at: Instant,
    busy: u64,
    ours: u64,
}

impl Machine {
    /// As the system says it now.
    pub fn now() -> Result<Self, Error> {
        // What is no number counts as none, so that the places stay.
        let fields = |line: &str, skip: usize, take: usize| -> u64 {
            line.split_whitespace().skip(skip).take(take).map(|word| word.parse().unwrap_or(0)).sum()
        };
        let machine = std::fs::read_to_string("/proc/stat")?;
        // The first line: cpu, user, nice, system, idle, iowait, irq, softirq, steal.
        let all = machine.lines().next().unwrap_or_default();
        let busy = fields(all, 1, 3) + fields(all, 6, 3);
        let own = std::fs::read_to_string("/proc/self/stat")?;
        // utime, stime, and both of the children that have ended.
        let ours = fields(own.rsplit(')').next().unwrap_or_default(), 11, 4);
        Ok(Self { at: Instant::now(), busy, ours })
    }

    /// What others took between two times, as a share of one core. Servers started in between must have ended.
    pub fn others(self, later: Self) -> f64 {
        let busy = (later.busy - self.busy).saturating_sub(later.ours - self.ours);
        busy as f64 / TICKS as f64 / later.at.duration_since(self.at).as_secs_f64().max(0.01)
    }
}

/// Looks at the machine before something is measured on it.
const LOOK: Duration = Duration::from_secs(1);

/// Waits until others take less than this share of a core, at most this long.
pub fn quiet(patience: Duration, share: f64) -> Result<(), Error> {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        let before = Machine::now()?;
        std::thread::sleep(LOOK);
        if before.others(Machine::now()?) < share {
            break;
        }
    }
    Ok(())
}
