//! A wall clock of our own for the server, by libfaketime: it jumps at run time. The monotonic clock stays true.

use super::plan::Outcome;
use super::stage::Stage;
use crate::Error;
use rand::RngExt;
use rand::rngs::StdRng;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::sleep;

/// Seconds the clock is off after a jump.
const JUMPS: [i64; 5] = [3_600, -3_600, 2 * 86_400, -1, 0];

/// Where the library's offset is written. Dropped: the file is gone, and the server must be too.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    folder: TempDir,
}

/// The library, where it is installed (Debian package `libfaketime`). The variant for programs with threads first.
pub fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let folders: Vec<PathBuf> =
        folders.filter_map(|entry| entry.ok().map(|entry| entry.path().join("faketime"))).collect();
    ["libfaketimeMT.so.1", "libfaketime.so.1"]
        .iter()
        .find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.exists()))
}

impl Clock {
    /// A clock that tells the true time at first.
    pub fn new(library: PathBuf) -> Result<Self, Error> {
        let clock = Self { library, folder: TempDir::new()? };
        clock.jump(0)?;
        Ok(clock)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }

    /// What the server must find in its environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![
            ("LD_PRELOAD", text(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.file())),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    /// From now on the server's wall clock is off by so many seconds.
    pub fn jump(&self, seconds: i64) -> Result<(), Error> {
        // Replaced at once: the server reads it at any moment.
        let next = self.folder.path().join("next");
        std::fs::write(&next, format!("{seconds:+}\n"))?;
        Ok(std::fs::rename(next, self.file())?)
    }
}

/// Lets the clock jump forth and back some times; at the end it tells the true time again.
pub async fn jump(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let Some(clock) = &stage.clock else { return Ok("no clock of our own".to_owned().into()) };
    let mut wrong = Vec::new();
    let mut jumps = Vec::new();
    for _ in 0..random.random_range(2..5) {
        let seconds = JUMPS[random.random_range(0..JUMPS.len())];
        clock.jump(seconds)?;
        jumps.push(seconds);
        sleep(Duration::from_millis(random.random_range(200..1_200))).await;
        if let Err(error) = stage.probe.post(10).await {
            wrong.push(format!("with the clock {seconds:+} s off a send ended with: {error}"));
        }
    }
    clock.jump(0)?;
    Ok(Outcome { detail: format!("{jumps:?} s"), wrong })
}
