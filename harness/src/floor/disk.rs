//! Appends that are on the disk before the next one: what every durable send waits for at least.

use crate::Error;
use crate::load::frame::TEXT;
use crate::load::latency::Latency;
use crate::load::pairs::Schedule;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// Messages in a batch.
const BATCH: usize = 128;

/// Bytes that the commit of one message writes: five pages of the log, each with its header.
const COMMIT: usize = 5 * (4_096 + 24);
/// Commits a second when a server has nearly nothing to do: each finds the processor and the disk asleep.
const IDLE: f64 = 100.0;

/// What the disk did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk {
    /// Appends of 200 bytes a second, each synced.
    pub single: f64,
    /// Messages a second in appends of 128 at a time, each append synced.
    pub batched: f64,
    /// Median time of a synced write as long as one message's commit, in milliseconds, a hundred times a second.
    pub idle: f64,
}

/// Writes and syncs, each kind for this long.
pub fn measure(time: Duration) -> Result<Disk, Error> {
    let folder = tempfile::TempDir::new()?;
    let single = appends(&mut File::create(folder.path().join("single"))?, TEXT.as_bytes(), time)?;
    let batch = TEXT.repeat(BATCH);
    let batched = appends(&mut File::create(folder.path().join("batched"))?, batch.as_bytes(), time)?;
    let idle = commits(&File::create(folder.path().join("idle"))?, time)?;
    Ok(Disk { single, batched: batched * BATCH as f64, idle })
}

fn appends(file: &mut File, bytes: &[u8], time: Duration) -> Result<f64, Error> {
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < time {
        file.write_all(bytes)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

/// Over what is there, as a log that was begun anew is written.
fn commits(file: &File, time: Duration) -> Result<f64, Error> {
    let bytes = vec![b'x'; COMMIT];
    file.write_all_at(&bytes, 0)?;
    file.sync_all()?;
    let (begun, schedule) = (Instant::now(), Schedule::new(Instant::now(), IDLE));
    let mut latency = Latency::default();
    for turn in 0_u32.. {
        let due = schedule.due(turn);
        if due.duration_since(begun) > time {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let started = Instant::now();
        file.write_all_at(&bytes, 0)?;
        file.sync_data()?;
        latency.record(started.elapsed());
    }
    Ok(latency.p50())
}
