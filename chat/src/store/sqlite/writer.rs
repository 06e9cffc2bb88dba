//! The thread that writes messages. It calls SQLite by itself: through sqlx every statement would cross to the driver's
//! own thread, and every row and every result back to the runtime, a context switch each.
//!
//! It has a connection of its own. Who writes through the other one, or begins the log anew, holds
//! [`turn`](super::checkpoint::Checkpoints::turn) meanwhile, so that neither ever waits for SQLite's lock.

use super::post::{self, Written};
use super::{BUSY, CACHE, checkpoint};
use crate::store::{MarkOutcome, NewMark, NewPost, Result, Source, StoreError};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Statements kept prepared.
const STATEMENTS: usize = 32;

/// What became of a batch.
pub(super) type Outcomes = (Vec<Written>, Vec<MarkOutcome>);

struct Job {
    posts: Vec<NewPost>,
    marks: Vec<NewMark>,
    source: Source,
    answer: oneshot::Sender<Result<Outcomes>>,
}

struct Running {
    /// One batch: there is one task that asks, and it waits for the answer.
    jobs: mpsc::SyncSender<Job>,
    thread: JoinHandle<()>,
}

/// The thread, until it is closed.
pub(super) struct Writer(Mutex<Option<Running>>);

/// A failure that left nothing behind.
pub(super) fn failed(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |error| StoreError { doing, unknown: false, source: Box::new(error) }
}

fn ended(unknown: bool) -> StoreError {
    StoreError { doing: "write messages", unknown, source: "the writer has ended".into() }
}

impl Writer {
    /// Opens the database and starts the thread.
    pub(super) fn start(file: &Path) -> Result<Self> {
        let (jobs, queue) = mpsc::sync_channel(1);
        let connection = connect(file).map_err(failed("open the database for messages"))?;
        let state = State { file: file.to_owned(), connection: Some(connection) };
        let thread = std::thread::Builder::new()
            .name("confab-writer".to_owned())
            .spawn(move || state.run(&queue))
            .map_err(|error| StoreError {
                doing: "start the writer",
                unknown: false,
                source: Box::new(error),
            })?;
        Ok(Self(Mutex::new(Some(Running { jobs, thread }))))
    }

    /// Writes a batch in one transaction.
    pub(super) async fn write(
        &self,
        posts: Vec<NewPost>,
        marks: Vec<NewMark>,
        source: Source,
    ) -> Result<Outcomes> {
        let (answer, answered) = oneshot::channel();
        let job = Job { posts, marks, source, answer };
        let sent = {
            let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            running.as_ref().is_some_and(|running| running.jobs.try_send(job).is_ok())
        };
        if !sent {
            return Err(ended(false));
        }
        // Whether a thread that died over it had committed is not known.
        answered.await.unwrap_or_else(|_| Err(ended(true)))
    }

    /// Ends the thread after what it was given.
    pub(super) async fn close(&self) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { jobs, thread }) = running else { return };
        drop(jobs);
        if !matches!(tokio::task::spawn_blocking(|| thread.join()).await, Ok(Ok(()))) {
            tracing::warn!("the writer ended badly");
        }
    }
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // The same as the other connections have, see there.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", CACHE)?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", checkpoint::LOG_BYTES)?;
    Ok(connection)
}

struct State {
    file: PathBuf,
    /// None after a failure that it may not have survived.
    connection: Option<Connection>,
}

impl State {
    fn run(mut self, queue: &mpsc::Receiver<Job>) {
        while let Ok(Job { posts, marks, source, answer }) = queue.recv() {
            let outcome = self.batch(&posts, &marks, source);
            // Who asked has gone: it is stored all the same.
            let _gone = answer.send(outcome);
        }
    }

    fn batch(&mut self, posts: &[NewPost], marks: &[NewMark], source: Source) -> Result<Outcomes> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.file).map_err(failed("open the database for messages"))?,
        };
        let outcome = post::batch(&mut connection, posts, marks, source);
        // Where a commit failed, the transaction may still be open.
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::debug!(store.error = %error, "nothing left to roll back");
        }
        self.connection = connection.is_autocommit().then_some(connection);
        outcome
    }
}
