//! Reads of many rows, on threads that call SQLite by themselves. Through sqlx each row crosses to the runtime by
//! itself, and where both threads share a core each crossing is a context switch: a quarter of a list of 500 conversations.

use super::BUSY;
use super::rows::{Fields, corrupt};
use crate::store::{Result, StoreError};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OpenFlags};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Threads: one may be busy with a long list while others ask for short ones.
const THREADS: usize = 2;
/// Reads that may wait. Beyond it one more is refused: at some milliseconds each, these take as long as anybody waits.
const QUEUE: usize = 1_024;
/// SQLite's cache of each thread: negative, so in KiB. A list of 500 conversations touches some 6 MiB of pages.
const CACHE: i64 = -8_192;
/// Statements kept prepared on each thread.
const STATEMENTS: usize = 32;

type Job = Box<dyn FnOnce(&Connection) + Send>;

struct Running {
    jobs: mpsc::SyncSender<Job>,
    threads: Vec<JoinHandle<()>>,
}

/// The threads, until they are closed.
pub(super) struct Readers(Mutex<Option<Running>>);

fn failed(doing: &'static str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError { doing, unknown: false, source: error.into() }
}

impl Readers {
    /// Opens the database for each thread and starts them.
    pub(super) fn start(file: &Path) -> Result<Self> {
        let doing = "open the database for reading";
        let (jobs, queue) = mpsc::sync_channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let mut threads = Vec::new();
        for _ in 0..THREADS {
            let connection = connect(file).map_err(|error| failed(doing, error))?;
            let queue = queue.clone();
            let thread = std::thread::Builder::new().name("confab-reader".to_owned());
            threads
                .push(thread.spawn(move || run(&connection, &queue)).map_err(|error| failed(doing, error))?);
        }
        Ok(Self(Mutex::new(Some(Running { jobs, threads }))))
    }

    /// Every row of one statement, which is prepared once on each thread.
    pub(super) async fn all<T: Send + 'static>(
        &self,
        doing: &'static str,
        statement: &'static str,
        values: Vec<Value>,
        each: impl Fn(&Line<'_>) -> sqlx::Result<T> + Send + 'static,
    ) -> Result<Vec<T>> {
        // As the driver writes down its own statements, for who counts them.
        tracing::trace!(target: "sqlx::query", summary = statement);
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Who asked may have gone.
            let _gone = answer.send(rows(connection, statement, values, each));
        });
        let sent = {
            let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            running.as_ref().is_some_and(|running| running.jobs.try_send(job).is_ok())
        };
        if !sent {
            return Err(failed(doing, "too many reads are waiting"));
        }
        let found = answered.await.map_err(|_| failed(doing, "the reader has ended"))?;
        found.map_err(|error| failed(doing, error))
    }

    /// Ends the threads after what they were given.
    pub(super) async fn close(&self) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { jobs, threads }) = running else { return };
        drop(jobs);
        let joined = tokio::task::spawn_blocking(|| {
            threads.into_iter().map(JoinHandle::join).all(|ended| ended.is_ok())
        });
        if !matches!(joined.await, Ok(true)) {
            tracing::warn!("a reader ended badly");
        }
    }
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", CACHE)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn run(connection: &Connection, queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        job(connection);
    }
}

fn rows<T>(
    connection: &Connection,
    statement: &str,
    values: Vec<Value>,
    each: impl Fn(&Line<'_>) -> sqlx::Result<T>,
) -> sqlx::Result<Vec<T>> {
    let refused = |error: rusqlite::Error| sqlx::Error::Protocol(error.to_string());
    let mut statement = connection.prepare_cached(statement).map_err(refused)?;
    let names: HashMap<String, usize> = statement
        .column_names()
        .iter()
        .enumerate()
        .map(|(place, name)| ((*name).to_owned(), place))
        .collect();
    let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(refused)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(refused)? {
        found.push(each(&Line { row, names: &names })?);
    }
    Ok(found)
}

/// A row whose columns are found by name at once; SQLite's own interface compares one name after the other.
pub(super) struct Line<'a> {
    row: &'a rusqlite::Row<'a>,
    names: &'a HashMap<String, usize>,
}

impl Line<'_> {
    fn value(&self, column: &str) -> sqlx::Result<ValueRef<'_>> {
        let place = self.names.get(column).ok_or_else(|| sqlx::Error::ColumnNotFound(column.to_owned()))?;
        self.row.get_ref(*place).map_err(|error| sqlx::Error::Decode(error.into()))
    }
}

impl Fields for Line<'_> {
    fn integer(&self, column: &str) -> sqlx::Result<Option<i64>> {
        self.value(column)?.as_i64_or_null().map_err(|_| corrupt("not an integer"))
    }

    fn text(&self, column: &str) -> sqlx::Result<Option<&str>> {
        self.value(column)?.as_str_or_null().map_err(|_| corrupt("not a text"))
    }

    fn bytes(&self, column: &str) -> sqlx::Result<Option<&[u8]>> {
        self.value(column)?.as_blob_or_null().map_err(|_| corrupt("not bytes"))
    }
}
