//! Moves committed pages from the log into the file, on a connection of its own: inside a commit it costs tens of
//! milliseconds.

use sqlx::{Connection, Row, SqliteConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio_util::sync::CancellationToken;

/// Least time between two checkpoints: often enough that the log stays small, seldom enough that the pages every message
/// touches are moved once for many. Each costs two syncs, for which a commit may have to wait.
const EVERY: Duration = Duration::from_millis(500);
/// Longest time between two, for what is committed without ringing: accounts, sessions, members.
const AT_LEAST: Duration = Duration::from_secs(30);
/// How long a checkpoint that begins the log anew waits for readers; the next one tries again.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);
/// Pages of 4 KiB from which the log is begun anew. While messages never stop, a checkpoint that waits for nobody never
/// meets an empty log, which then grows without end: at this length the writer waits once, for what little is left.
const LOG_PAGES: i64 = 16_384;
/// What the log is cut back to where it has grown longer than that.
pub(super) const LOG_BYTES: i64 = LOG_PAGES * 4_096;
/// Pages that may be left for the writer to wait for.
const LEFT_PAGES: i64 = 2_048;
/// How long after one that a reader was in the way of, the log is tried to be begun anew again.
const RETRY: Duration = Duration::from_secs(2);

/// Between the writer and the checkpoints.
pub(super) struct Checkpoints {
    committed: Notify,
    /// Held while anything is written, and while the log is begun anew.
    turn: Mutex<()>,
    /// Whether something was taken back, which must not stand in the log either.
    forget: AtomicBool,
}

impl Default for Checkpoints {
    fn default() -> Self {
        // A server that ended between a recall and its checkpoint owes it still.
        Self { committed: Notify::new(), turn: Mutex::default(), forget: AtomicBool::new(true) }
    }
}

impl Checkpoints {
    /// To be held over every write.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Messages were committed.
    pub(super) fn committed(&self) {
        self.committed.notify_one();
    }

    /// Something was taken back: the log goes to nothing with the next checkpoint.
    pub(super) fn forget(&self) {
        self.forget.store(true, Ordering::Relaxed);
    }
}

/// Runs until told to stop.
pub(super) async fn run(
    mut connection: SqliteConnection,
    checkpoints: Arc<Checkpoints>,
    stop: CancellationToken,
) {
    let mut retry = None;
    loop {
        let owed = checkpoints.forget.load(Ordering::Relaxed);
        tokio::select! {
            () = checkpoints.committed.notified() => {}
            () = tokio::time::sleep(if owed { RETRY } else { AT_LEAST }) => {}
            () = stop.cancelled() => break,
        }
        // Whoever rang has its commit, and its answer goes out before a checkpoint takes the core and the disk.
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => break,
        }
        if let Err(error) = once(&mut connection, &checkpoints, &mut retry).await {
            tracing::warn!(store.error = %error, "a checkpoint failed; the next one retries");
        }
    }
    if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await {
        tracing::warn!(store.error = %error, "the last checkpoint failed; the log is replayed at the next start");
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(store.error = %error, "closing the checkpoint connection failed");
    }
}

async fn once(
    connection: &mut SqliteConnection,
    checkpoints: &Checkpoints,
    retry: &mut Option<Instant>,
) -> sqlx::Result<()> {
    // PASSIVE never waits for a reader or the writer; what it cannot move now, the next one moves.
    let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&mut *connection).await?;
    let (log, moved) = (row.try_get::<i64, _>(1)?, row.try_get::<i64, _>(2)?);
    let wanted = log >= LOG_PAGES || checkpoints.forget.load(Ordering::Relaxed);
    // Where much is left, a reader is in the way, and the writer would wait for nothing.
    if !wanted || log - moved > LEFT_PAGES || retry.is_some_and(|at| Instant::now() < at) {
        return Ok(());
    }
    let forget = checkpoints.forget.swap(false, Ordering::Relaxed);
    let _turn = checkpoints.turn().await;
    // A log that stays as long as it is costs nothing to be written over; one that is cut off has to grow again, which the
    // file system pays for with every commit.
    let begin = if forget { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "PRAGMA wal_checkpoint(RESTART)" };
    let begun = sqlx::query(begin).fetch_one(connection).await;
    // The first column says that a reader was in the way.
    let done = begun.as_ref().is_ok_and(|row| row.try_get::<i64, _>(0).is_ok_and(|busy| busy == 0));
    *retry = (!done).then(|| Instant::now() + RETRY);
    if forget && !done {
        checkpoints.forget();
    }
    begun.map(drop)
}
