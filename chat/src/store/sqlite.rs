//! The embedded store: one file, write-ahead log, fsync before every answer.
//!
//! One connection writes messages, on [a thread of its own](writer); one writes everything else, several read. Nothing
//! else may write the file while a server runs (`open` takes a lock beside it).

mod accounts;
mod acts;
mod checkpoint;
mod conversations;
mod doctor;
mod groups;
mod log;
mod mentions;
mod messages;
mod post;
mod reader;
mod resume;
mod rows;
mod settings;
mod transfer;
mod writer;

pub(crate) use doctor::examine;
pub(crate) use transfer::tables;

use self::checkpoint::Checkpoints;
use self::reader::Readers;
use self::writer::Writer;
use super::{Database, Result, StoreError, Stores};
use async_trait::async_trait;
use protocol::Epoch;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Connections that read. More than the machine's cores gains nothing: SQLite reads from the page cache.
const READERS: u32 = 4;
/// How long a caller waits for a connection before the request is refused as retryable (G11: within 5 s).
const ACQUIRE: Duration = Duration::from_secs(4);
/// How long a statement waits for another connection's lock. Only checkpoints ever hold one.
const BUSY: Duration = Duration::from_secs(4);
/// SQLite's cache of a connection that writes: negative, so in KiB.
const CACHE: i64 = -16_384;
/// The same of the pooled ones that read. They read single rows; what they do not keep, the system does.
const POOLED_CACHE: i64 = -2_048;
static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// A failure with the name of what was being done.
fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| StoreError { doing, unknown: false, source: Box::new(error) }
}

/// The same for a commit, which may have come to the disk although it failed.
fn uncommitted(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| StoreError { doing, unknown: true, source: Box::new(error) }
}

type Checked<'a> = std::pin::Pin<Box<dyn Future<Output = sqlx::Result<bool>> + Send + 'a>>;

/// Whether a connection may be used again. Where a commit failed, SQLite has rolled back by itself, and the driver goes on
/// believing in a transaction: every later one would be refused. Such a connection is replaced by a new one.
fn clean(connection: &mut SqliteConnection, _: sqlx::pool::PoolConnectionMetadata) -> Checked<'_> {
    Box::pin(async move { Ok(!connection.is_in_transaction()) })
}

/// The back end behind every store trait.
pub(crate) struct Sqlite {
    write: SqlitePool,
    read: SqlitePool,
    readers: Readers,
    writer: Writer,
    epoch: Epoch,
    key: [u8; 32],
    checkpoints: Arc<Checkpoints>,
    stop: CancellationToken,
    checkpointer: tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Sqlite {
    /// Opens or creates the database file, migrates it, and starts the checkpointer.
    pub(crate) async fn open(file: &Path) -> Result<Stores> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A committed transaction survives a power cut only with FULL: NORMAL may roll it back.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .pragma("cache_size", CACHE.to_string())
            .pragma("journal_size_limit", checkpoint::LOG_BYTES.to_string())
            // What was taken back is overwritten in the file, not only unlinked.
            .pragma("secure_delete", "1")
            .statement_cache_capacity(200);
        // Tests count statements by what is logged of them; elsewhere nothing is.
        let options = if cfg!(test) { options } else { options.disable_statement_logging() };
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .before_acquire(clean)
            .acquire_timeout(ACQUIRE)
            // A round trip to the driver's thread, to ask whether a file is still there.
            .test_before_acquire(false)
            // Checkpoints run on a connection of their own: inside a commit they cost tens of milliseconds.
            .connect_with(options.clone().pragma("wal_autocheckpoint", "0"))
            .await
            .map_err(failed("open the database"))?;
        MIGRATIONS.run(&write).await.map_err(|error| failed("migrate the database")(error.into()))?;
        let epoch = super::epoch(Self::drawn(&write, "epoch").await?);
        let key = Self::drawn(&write, "key").await?;
        let read = SqlitePoolOptions::new()
            .max_connections(READERS)
            .before_acquire(clean)
            .test_before_acquire(false)
            .acquire_timeout(ACQUIRE)
            .connect_with(
                options.clone().pragma("query_only", "1").pragma("cache_size", POOLED_CACHE.to_string()),
            )
            .await
            .map_err(failed("open the database for reading"))?;
        let (readers, writer) = (Readers::start(file)?, Writer::start(file)?);
        let connection = options
            .busy_timeout(checkpoint::PATIENCE)
            .connect()
            .await
            .map_err(failed("open the database for checkpoints"))?;

        let (checkpoints, stop) = (Arc::new(Checkpoints::default()), CancellationToken::new());
        let checkpointer = tokio::spawn(checkpoint::run(connection, checkpoints.clone(), stop.clone()));
        let store = Arc::new(Self {
            write,
            read,
            readers,
            writer,
            epoch,
            key,
            checkpoints,
            stop,
            checkpointer: Some(checkpointer).into(),
        });
        Ok(Stores {
            accounts: store.clone(),
            conversations: store.clone(),
            messages: store.clone(),
            hello: store.clone(),
            database: store,
        })
    }

    /// What was drawn for this database at its creation, or is drawn now.
    async fn drawn<const N: usize>(write: &SqlitePool, key: &'static str) -> Result<[u8; N]> {
        let mut drawn = [0_u8; N];
        rand::fill(&mut drawn[..]);
        sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(key)
            .bind(&drawn[..])
            .execute(write)
            .await
            .map_err(failed("write what names the database"))?;
        let bytes: Vec<u8> = sqlx::query_scalar("SELECT value FROM meta WHERE key = ?")
            .bind(key)
            .fetch_one(write)
            .await
            .map_err(failed("read what names the database"))?;
        rows::exactly(&bytes).map_err(failed("read what names the database"))
    }
}

#[async_trait]
impl Database for Sqlite {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    async fn renew(&self) -> Result<()> {
        let drawn: [u8; 16] = rand::random();
        sqlx::query("UPDATE meta SET value = ? WHERE key = 'epoch'")
            .bind(&drawn[..])
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(failed("write what names the database"))
    }

    fn key(&self) -> [u8; 32] {
        self.key
    }

    async fn is_whole(&self) -> Result<bool> {
        let moving = sqlx::query("SELECT 1 FROM meta WHERE key = ?").bind(super::transfer::MOVING);
        let found = moving.fetch_optional(&self.read).await.map_err(failed("ask the database"))?;
        Ok(found.is_none())
    }

    /// The lock of the file has seen to it: one node, whatever its bus.
    async fn claim(&self, _alone: bool) -> Result<bool> {
        Ok(true)
    }

    async fn check(&self) -> Result<()> {
        sqlx::query("SELECT 1 FROM meta LIMIT 1")
            .execute(&self.read)
            .await
            .map(drop)
            .map_err(failed("ask the database"))
    }

    async fn close(&self) {
        self.read.close().await;
        self.readers.close().await;
        self.write.close().await;
        self.writer.close().await;
        self.stop.cancel();
        let checkpointer = self.checkpointer.lock().await.take();
        if let Some(task) = checkpointer
            && task.await.is_err()
        {
            tracing::warn!("the checkpointer ended early");
        }
    }
}
