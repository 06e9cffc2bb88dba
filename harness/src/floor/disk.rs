//! Appends that are on the disk before the next one: what every durable send waits for at least.

use crate::Error;
use crate::load::frame::TEXT;
use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

/// Messages in a batch.
const BATCH: usize = 128;

/// Appends and syncs, each kind for this long. Answers appends a second, then messages a second in batches.
pub fn measure(time: Duration) -> Result<(f64, f64), Error> {
    let folder = tempfile::TempDir::new()?;
    let single = appends(&mut File::create(folder.path().join("single"))?, TEXT.as_bytes(), time)?;
    let batch = TEXT.repeat(BATCH);
    let batched = appends(&mut File::create(folder.path().join("batched"))?, batch.as_bytes(), time)?;
    Ok((single, batched * BATCH as f64))
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
