//! Bare programs that do the same work and nothing else: what this machine can do at all, measured in the same run,
//! so that a figure is a ratio and not a claim about somebody's hardware.
//!
//! Each runs as a process of its own on the server's core: [`wire`] answers over TCP, [`disk`] appends and syncs,
//! [`sqlite`] writes the server's tables without the server, [`redis`] is driven where it is installed.

pub mod disk;
pub mod redis;
pub mod sqlite;
pub mod wire;

use crate::Error;
use crate::load::latency::Latency;
use crate::load::process::SERVER_CORE;
use crate::load::report::Figure;
use clap::Subcommand;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::task::LocalSet;

/// One bare program, by itself.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Program {
    /// Answers over TCP until it is killed: what starts with 255 comes back, another byte brings so many frames to all.
    Wire,
    /// Writes and syncs; prints appends a second, messages a second in batches of 128, and milliseconds of a commit when idle.
    Disk {
        /// How long each takes.
        #[arg(long, default_value_t = 3)]
        seconds: u64,
    },
    /// Writes the server's tables row by row, 128 messages a commit; prints messages a second and the log's size in MiB.
    Sqlite {
        /// How long.
        #[arg(long, default_value_t = 3)]
        seconds: u64,
        /// Bytes of a page of the database.
        #[arg(long, default_value_t = 4096)]
        page: u32,
    },
}

/// Runs one of them. Blocks.
pub fn run(program: Program, tell: impl FnOnce(&str)) -> Result<(), Error> {
    match program {
        Program::Wire => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, wire::serve(|address| tell(&address.to_string())))
        }
        Program::Disk { seconds } => {
            let disk = disk::measure(Duration::from_secs(seconds))?;
            tell(&format!("{:.0} {:.0} {:.4}", disk.single, disk.batched, disk.idle));
            Ok(())
        }
        Program::Sqlite { seconds, page } => {
            let (rate, log) = sqlite::measure(Duration::from_secs(seconds), page)?;
            tell(&format!("{rate:.0} {log:.0}"));
            Ok(())
        }
    }
}

/// What the bare programs did.
#[derive(Clone, Debug, Default)]
pub struct Floors {
    /// Round trip of 200 bytes over TCP.
    pub echo: Latency,
    /// The same a hundred times a second: both ends find the processor asleep.
    pub idle: Latency,
    /// One 200-byte write to each of many sockets.
    pub single: wire::FanOut,
    /// Sixteen of them in one write to each.
    pub burst: wire::FanOut,
    /// One write to each, as long as an event with 200 bytes of text.
    pub event: wire::FanOut,
    /// Sixteen of those in one write to each.
    pub events: wire::FanOut,
    /// What the disk does by itself.
    pub disk: disk::Disk,
    /// Messages a second through SQLite, row by row, 128 a commit.
    pub sqlite: f64,
    /// Deliveries a second of redis, in bursts of 16; none where it is not installed.
    pub redis: Option<f64>,
}

impl Floors {
    /// The floors as rows of their own.
    pub fn figures(&self) -> Vec<Figure> {
        let mut figures = vec![
            Figure::new(0, "TCP echo of 200 bytes, p50", "ms", self.echo.p50(), self.echo.count())
                .times(&self.echo),
            Figure::new(0, "the same, 100 a second, p50", "ms", self.idle.p50(), self.idle.count())
                .times(&self.idle),
            Figure::new(
                0,
                "tokio fan-out, CPU per write of 667 bytes, as an event has",
                "µs",
                self.event.cpu_us,
                self.event.n,
            ),
            Figure::new(
                0,
                "tokio fan-out, CPU per write of 200 bytes",
                "µs",
                self.single.cpu_us,
                self.single.n,
            ),
            Figure::new(
                0,
                "tokio fan-out, bursts of 16, CPU per frame",
                "µs",
                self.burst.cpu_us,
                self.burst.n,
            ),
            Figure::new(0, "tokio fan-out, bursts of 16", "frames/s", self.burst.rate, self.burst.n),
            Figure::new(
                0,
                "the same with 667 bytes, as an event has",
                "frames/s",
                self.events.rate,
                self.events.n,
            )
            .note(format!("{:.3} µs CPU a frame", self.events.cpu_us)),
            Figure::new(0, "fdatasync after each 200 bytes", "/s", self.disk.single, 0),
            Figure::new(0, "fdatasync after 128 times 200 bytes", "messages/s", self.disk.batched, 0),
            Figure::new(0, "write of 20 KiB and fdatasync, 100 a second, p50", "ms", self.disk.idle, 0),
            Figure::new(0, "SQLite row by row, 128 a commit", "messages/s", self.sqlite, 0),
        ];
        if let Some(redis) = self.redis {
            figures.push(Figure::new(0, "redis PUBLISH in bursts of 16", "deliveries/s", redis, 0));
        }
        figures
    }
}

/// Runs every bare program.
pub async fn measure(quick: bool) -> Result<Floors, Error> {
    let sockets = if quick { 200 } else { 1000 };
    let time = Duration::from_secs(if quick { 1 } else { 3 });
    let (echo, idle, [single, burst, event, events]) = wire::measure(sockets, time).await?;
    let seconds = time.as_secs().to_string();
    let disk = answer(&["floor", "disk", "--seconds", &seconds])?;
    let sqlite = answer(&["floor", "sqlite", "--seconds", &seconds])?;
    let redis = redis::measure(sockets, time).await?;
    Ok(Floors {
        echo,
        idle,
        single,
        burst,
        event,
        events,
        disk: disk::Disk {
            single: disk.first().copied().unwrap_or_default(),
            batched: disk.get(1).copied().unwrap_or_default(),
            idle: disk.get(2).copied().unwrap_or_default(),
        },
        sqlite: sqlite.first().copied().unwrap_or_default(),
        redis,
    })
}

/// This program again, on the server's core.
fn program(arguments: &[&str]) -> Result<Command, Error> {
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_CORE]).arg(std::env::current_exe()?).args(arguments);
    Ok(command)
}

/// Runs a bare program to its end; the numbers it has printed.
fn answer(arguments: &[&str]) -> Result<Vec<f64>, Error> {
    let output = program(arguments)?.output()?;
    if !output.status.success() {
        return Err(Error::Process(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.split_whitespace().filter_map(|word| word.parse().ok()).collect())
}

/// A process that is killed when it is no longer needed.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Starts it and waits for its first line of output.
    fn start(mut command: Command) -> Result<(Self, String), Error> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take();
        let running = Self(child);
        let mut line = String::new();
        let stdout = stdout.ok_or_else(|| Error::Process("no standard output".into()))?;
        BufReader::new(stdout).read_line(&mut line)?;
        Ok((running, line.trim().to_owned()))
    }

    fn cpu(&self) -> Result<Duration, Error> {
        crate::load::process::cpu(self.0.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone is as good.
        let _gone = self.0.kill().and_then(|()| self.0.wait());
    }
}
