//! A small disk of our own: a tmpfs for the server's data, which can be filled and freed.

use super::plan::Outcome;
use super::stage::Stage;
use crate::{DEADLINE, Error};
use protocol::Code;
use rand::RngExt;
use rand::rngs::StdRng;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// A mounted tmpfs. Dropped: unmounted; whoever uses it must be gone before.
#[derive(Debug)]
pub struct Disk {
    /// The mount point; removed after the unmounting.
    point: TempDir,
}

impl Disk {
    /// Mounts one of so many megabytes. Fails where mounting is not allowed.
    pub fn mount(megabytes: u32) -> Result<Self, Error> {
        let point = TempDir::new()?;
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=0700"), "confab-harness"])
            .arg(point.path())
            .output()?;
        if output.status.success() {
            Ok(Self { point })
        } else {
            Err(Error::Process(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
        }
    }

    /// Whether one can be mounted here.
    pub fn is_allowed() -> bool {
        Self::mount(1).is_ok()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.point.path()
    }

    fn ballast(&self) -> PathBuf {
        self.point.path().join("ballast")
    }

    /// Writes until nothing more fits; returns the bytes it took.
    pub fn fill(&self) -> Result<u64, Error> {
        let mut file = File::options().create(true).append(true).open(self.ballast())?;
        let mut written = 0;
        let mut piece = vec![0x5a; 1 << 16];
        // Ever smaller pieces, so that not even a page stays free.
        while !piece.is_empty() {
            match file.write(&piece) {
                Ok(n) => written += n as u64,
                Err(error) if error.kind() == ErrorKind::StorageFull => piece.truncate(piece.len() / 2),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(written)
    }

    /// Gives the space back.
    pub fn free(&self) -> Result<(), Error> {
        match std::fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, for a server that is being killed may still hold it.
        let unmounted = Command::new("umount").arg("-l").arg(self.point.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("could not be unmounted: {}", self.point.path().display());
        }
    }
}

/// Messages tried until the full disk is felt.
const TRIES: usize = 2_000;

/// Fills the disk, sees sends refused without a false promise, frees it and sees them work again without a restart.
pub async fn fill(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let Some(disk) = &stage.disk else { return Ok("no disk of our own".to_owned().into()) };
    let mut wrong = Vec::new();
    let mut kept = Vec::new();
    disk.fill()?;
    let mut refused = None;
    for _ in 0..TRIES {
        match stage.probe.post(4_000).await {
            Ok(id) => kept.push(id),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    match &refused {
        Some(error) if error.code() == Some(Code::Unavailable) => {}
        Some(error) => wrong.push(format!("on a full disk a send ended with: {error}")),
        None => wrong.push(format!("{TRIES} sends were stored on a full disk")),
    }
    // The others feel it too, for a while.
    sleep(Duration::from_millis(random.random_range(200..1_500))).await;
    disk.free()?;
    let again = Instant::now();
    while let Err(error) = stage.probe.post(10).await {
        if again.elapsed() > DEADLINE {
            wrong.push(format!("sends still fail though the disk is free: {error}"));
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    let stored = stage.probe.stored().await?;
    let lost = kept.iter().filter(|id| !stored.contains(id)).count();
    if lost > 0 {
        wrong.push(format!("{lost} messages acknowledged on a full disk are lost"));
    }
    Ok(Outcome { detail: format!("refused after {} more messages", kept.len()), wrong })
}
