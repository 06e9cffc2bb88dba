//! The history of a run: everything the clients asked for and everything they saw, one JSON record a line, so that
//! [`check`](crate::check) can judge it afterwards without a server.
//!
//! [`record`] is what a line says, [`seen`] what it shows, [`body`] makes texts that carry their own proof. This file writes and reads.

pub mod body;
pub mod record;
pub mod seen;

pub use body::{BodyHash, compose, is_intact};
pub use record::{Deed, Record, Via, What};
pub use seen::{Head, RowChange, RowMember, Rows, Seen, Truth};

use crate::Error;
use protocol::UserId;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::mpsc;

/// Name in `client` of what no device saw: the run itself, faults, rows.
pub const DRIVER: &str = "driver";

/// Name in `client` of what is asked over REST beside the devices.
pub const REST: &str = "rest";

/// Records that may wait for the file. At the bound the client that records waits: a history must be whole, and one that
/// is written this slowly measures nothing anyway.
const WAITING: usize = 8192;

/// Where clients record. Cheap to clone; the writer ends when [`Writer::finish`] is called and the clones are gone.
#[derive(Clone, Debug)]
pub struct History {
    begun: Instant,
    records: mpsc::Sender<Record>,
}

/// The task that writes the file.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    task: JoinHandle<std::io::Result<u64>>,
}

impl History {
    /// Begins a run: time counts from here. The file is replaced.
    pub fn begin(path: impl Into<PathBuf>) -> Result<(Self, Writer), Error> {
        let path = path.into();
        let file = File::create(&path).map_err(|error| in_file(&path, &error))?;
        let (records, waiting) = mpsc::channel(WAITING);
        // A thread and not a task: the file would block the clients' runtime, and with it their clocks.
        let task = std::thread::spawn(move || write(file, waiting));
        Ok((Self { begun: Instant::now(), records }, Writer { path, task }))
    }

    /// Milliseconds since the run began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Records what a device saw or did, at the time of the call. What cannot be written any more is told by
    /// [`Writer::finish`].
    pub async fn record(&self, client: &str, user: UserId, what: What) {
        self.push(client, Some(user), what).await;
    }

    /// Records what no device saw.
    pub async fn note(&self, what: What) {
        self.push(DRIVER, None, what).await;
    }

    async fn push(&self, client: &str, user: Option<UserId>, what: What) {
        let record = Record { t: self.now(), client: client.to_owned(), user, what };
        // The only error is a writer that has ended, which keeps the cause.
        let _ = self.records.send(record).await;
    }
}

impl Writer {
    /// Waits until everything is written; every [`History`] of the run must be dropped before. Returns the number of
    /// records.
    pub async fn finish(self) -> Result<u64, Error> {
        let Self { path, task } = self;
        let written = tokio::task::spawn_blocking(move || task.join()).await;
        match written {
            Ok(Ok(result)) => result.map_err(|error| in_file(&path, &error)),
            _ => Err(Error::Unreadable(format!("the writer of {} failed", path.display()))),
        }
    }
}

fn write(file: File, mut waiting: mpsc::Receiver<Record>) -> std::io::Result<u64> {
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let mut written = 0;
    while let Some(record) = waiting.blocking_recv() {
        serde_json::to_writer(&mut file, &record)?;
        file.write_all(b"\n")?;
        written += 1;
        if waiting.is_empty() {
            file.flush()?; // idle: what is known so far survives a crash of the harness
        }
    }
    file.flush()?;
    Ok(written)
}

/// A history as it was read.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// In the order of the file.
    pub records: Vec<Record>,
    /// Whether the last line was cut short, as a crash of the harness leaves it; it is left out.
    pub torn: bool,
}

/// Reads a history. Any unreadable line but the last is an error that names it.
pub fn read(path: &Path) -> Result<Parsed, Error> {
    let file = File::open(path).map_err(|error| in_file(path, &error))?;
    parse(BufReader::new(file)).map_err(|error| Error::Unreadable(format!("{}: {error}", path.display())))
}

/// Reads a history from anything. The error says which line it is about.
pub fn parse(mut from: impl BufRead) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if from.read_until(b'\n', &mut line).map_err(|error| format!("line {number}: {error}"))? == 0 {
            break;
        }
        match serde_json::from_slice(&line) {
            Ok(record) => parsed.records.push(record),
            // Only a line without its end can be a torn one.
            Err(_) if !line.ends_with(b"\n") => parsed.torn = true,
            Err(error) => return Err(format!("line {number}: {error}")),
        }
    }
    Ok(parsed)
}

fn in_file(path: &Path, error: &std::io::Error) -> Error {
    Error::Unreadable(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
