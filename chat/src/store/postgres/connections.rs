//! Connections with time limits: how long a read or a write may take, what became of a write that failed, and how a
//! connection in an unknown state is thrown away.

use super::Postgres;
use crate::store::{Result, StoreError};
use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Longest time of a read, the wait for a connection included.
const READ: Duration = Duration::from_secs(4);
/// The same for a write and all its tries.
const WRITE: Duration = Duration::from_millis(2_500);
/// The same for asking what became of a write whose outcome is unknown: it comes after that write's own time.
pub(super) const LOOK_UP: Duration = Duration::from_millis(1_500);
/// How long a connection that has been idle may take to show that it lives.
const PING: Duration = Duration::from_secs(1);
/// How often a write is tried that the database asked to be tried again: another node was in the way.
pub(super) const TRIES: u32 = 4;
/// How long writes are refused at once after one failed. What waited for that one has waited long enough: each gets its
/// answer within the time of one failure, not one failure after the other.
const PAUSE: Duration = Duration::from_millis(250);

/// Whether a connection that has been idle still answers.
pub(super) async fn answers(connection: &mut PgConnection) -> bool {
    matches!(timeout(PING, connection.ping()).await, Ok(Ok(())))
}

/// Nothing was heard in time.
pub(super) fn timed_out(doing: &'static str) -> StoreError {
    StoreError { doing, unknown: false, source: "the database did not answer in time".into() }
}

/// A connection in use. One that is dropped in the middle of something, or after a failure, is closed: nobody knows what
/// it would answer next, and what it holds locked ends with it.
pub(super) struct Held {
    connection: PoolConnection<sqlx::Postgres>,
    sound: bool,
}

impl Held {
    const fn new(connection: PoolConnection<sqlx::Postgres>) -> Self {
        Self { connection, sound: false }
    }

    /// Gives it back, with what was done with it.
    pub(super) fn done<T>(mut self, done: sqlx::Result<T>) -> sqlx::Result<T> {
        self.sound = done.is_ok();
        done
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.sound {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Held {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// How far a write has come: whether it may be stored although no answer came.
#[derive(Default)]
pub(super) struct Phase(AtomicBool);

impl Phase {
    /// From here on a lost answer leaves the outcome unknown.
    pub(super) fn committing(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_committing(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a write failed.
pub(super) struct Failure {
    error: StoreError,
    /// It was rolled back because of another node's, and may succeed at once.
    again: bool,
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

/// Whether the server itself said that the transaction is undone. Where the connection broke, or the server was being
/// stopped, it may have committed before.
fn is_rolled_back(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| !["08", "57P", "58", "XX"].iter().any(|class| code.starts_with(class)))
}

/// Whether it is the database that cannot be had just now, and not this one write that it refuses.
fn is_out_of_reach(error: &sqlx::Error) -> bool {
    use sqlx::Error::{ColumnDecode, Decode, Encode, RowNotFound};
    match code(error) {
        Some(code) => ["08", "53", "55", "57", "58", "XX"].iter().any(|class| code.starts_with(class)),
        None => !matches!(error, ColumnDecode { .. } | Decode(_) | Encode(_) | RowNotFound),
    }
}

/// Whether two nodes were in each other's way: serialization failure, deadlock, the same key at once.
fn is_collision(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| ["40001", "40P01", "23505"].contains(&code.as_str()))
}

/// Refuses writes for a moment after one failed.
#[derive(Default)]
pub(super) struct Breaker(Mutex<Option<Instant>>);

impl Breaker {
    fn is_open(&self) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    pub(super) fn open(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + PAUSE);
    }
}

impl Postgres {
    pub(super) async fn reader(&self) -> sqlx::Result<Held> {
        self.read.acquire().await.map(Held::new)
    }

    pub(super) async fn writer(&self) -> sqlx::Result<Held> {
        self.write.acquire().await.map(Held::new)
    }

    /// A read, within its time.
    pub(super) async fn reading<T>(
        &self,
        doing: &'static str,
        read: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T> {
        timeout(READ, read).await.map_err(|_| timed_out(doing))?.map_err(super::failed(doing))
    }

    /// One try of a write, until `started` is too long ago.
    pub(super) async fn attempt<T>(
        &self,
        doing: &'static str,
        started: Instant,
        phase: &Phase,
        write: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T, Failure> {
        let source: Box<dyn std::error::Error + Send + Sync> = if self.breaker.is_open() {
            "the database failed a moment ago".into()
        } else {
            match timeout(WRITE.saturating_sub(started.elapsed()), write).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => {
                    let again = is_collision(&error);
                    let unknown = phase.is_committing() && !is_rolled_back(&error);
                    if is_out_of_reach(&error) {
                        self.breaker.open();
                    }
                    let error = StoreError { doing, unknown, source: Box::new(error) };
                    return Err(Failure { error, again });
                }
                Err(_) => {
                    self.breaker.open();
                    "the database did not answer in time".into()
                }
            }
        };
        let unknown = phase.is_committing();
        Err(Failure { error: StoreError { doing, unknown, source }, again: false })
    }

    /// Whether it is worth another try.
    pub(super) fn again<T>(result: &Result<T, Failure>, tries: u32) -> bool {
        matches!(result, Err(failure) if failure.again && tries < TRIES)
    }
}

/// A write in a transaction of its own, tried again where another node was in the way: `$connection` is a [`Held`], and
/// `$phase` tells when the outcome begins to be unknown.
macro_rules! writing {
    ($store:expr, $doing:expr, |$connection:ident, $phase:ident| $write:expr) => {{
        let (store, started, mut tries) = ($store, std::time::Instant::now(), 0);
        loop {
            tries += 1;
            let $phase = $crate::store::postgres::connections::Phase::default();
            let attempt = async {
                let mut $connection = store.writer().await?;
                let done = $write.await;
                $connection.done(done)
            };
            let result = store.attempt($doing, started, &$phase, attempt).await;
            if !Postgres::again(&result, tries) {
                break result.map_err($crate::store::StoreError::from);
            }
        }
    }};
}
pub(super) use writing;

/// A read within its time: `$connection` is a [`Held`].
macro_rules! reading {
    ($store:expr, $doing:expr, |$connection:ident| $read:expr) => {{
        let store = $store;
        let read = async {
            let mut $connection = store.reader().await?;
            let done = $read.await;
            $connection.done(done)
        };
        store.reading($doing, read).await
    }};
}
pub(super) use reading;
