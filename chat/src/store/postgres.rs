//! The store of several nodes: Postgres, written by all of them at once.
//!
//! Numbers are allocated under the lock of the conversation's row, locks are taken in one order ([`locks`]), and what is
//! read for a write is read after them. Nobody listens for notifications: the bus rings, `watch` looks.
//!
//! What was taken back is in no row any more. Postgres keeps the bytes of former rows until it cleans the table
//! (autovacuum), and in its write-ahead log as long as that is kept: whoever needs them gone sooner runs `VACUUM message,
//! edit` and keeps little of the log. The server does not vacuum by itself: it costs all nodes, and proves nothing to
//! whoever holds the disks.

mod accounts;
mod acts;
mod batch;
mod claim;
mod connections;
mod conversations;
mod doctor;
mod groups;
mod locks;
mod log;
mod mentions;
mod messages;
mod post;
mod resume;
mod rows;
mod settings;
mod transfer;

pub(crate) use doctor::examine;
pub(crate) use transfer::tables;

use self::claim::Claim;
use self::connections::{Breaker, Held, reading};
use super::{Database, Result, StoreError, Stores};
use async_trait::async_trait;
use protocol::Epoch;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use std::sync::Arc;
use std::time::Duration;

/// Connections that write, of each node. Messages need one, because one task writes them; the rest is for accounts.
const WRITERS: u32 = 4;
/// Connections that read, of each node. With the writers: eight nodes stay below Postgres's usual hundred.
const READERS: u32 = 8;
/// How long a caller waits for a connection, a new one included.
const ACQUIRE: Duration = Duration::from_secs(2);
/// How long a connection may have been idle and is believed to live: a query then costs no question beforehand.
const FRESH: Duration = Duration::from_secs(1);
/// How long a start waits for another node that migrates.
const MIGRATING: Duration = Duration::from_secs(120);
/// Names the lock around migrations: "confab" in ASCII.
const MIGRATION_LOCK: i64 = 0x63_6f_6e_66_61_62;
static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/postgres");

/// What every connection is told. A statement that takes longer than these milliseconds is given up by the server, so
/// that a request is refused within 5 s (G11) and a node that froze in a transaction does not hold its locks.
const SESSION: [(&str, &str); 6] = [
    ("synchronous_commit", "on"),
    ("default_transaction_isolation", "read committed"),
    ("statement_timeout", "2500"),
    ("lock_timeout", "2000"),
    ("idle_in_transaction_session_timeout", "5000"),
    ("client_min_messages", "warning"),
];

/// What the connections of the pools are told besides. A server reads by key, a few rows of large tables: loops over
/// indexes are right whatever the planner believes of tables that grew since they were last analysed, and a page costs as
/// much as it shows. What has no index to use is read as a whole all the same.
/// A plan is kept, and one made while a table was empty would rather remember the whole of it than look up a key; analysing
/// comes up to a minute later, and until then each batch took longer than the one before.
const BY_KEY: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_material", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_bitmapscan", "off"),
];

/// A failure with the name of what was being done, where nothing was stored.
fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| StoreError { doing, unknown: false, source: Box::new(error) }
}

/// An address without what may be secret in it, for errors: the driver's own words are not told, they may quote it.
fn options(url: &str) -> Result<PgConnectOptions> {
    url.parse::<PgConnectOptions>()
        .map(|options| {
            let options = options.application_name("confab").options(SESSION).statement_cache_capacity(200);
            // Tests count statements by what is logged of them; elsewhere nothing is.
            if cfg!(test) { options } else { options.disable_statement_logging() }
        })
        .map_err(|_| StoreError {
            doing: "read the address of the database",
            unknown: false,
            source: "it is not of the form postgres://USER:PASSWORD@HOST:PORT/DATABASE".into(),
        })
}

/// A connection of its own without time limits, for what takes as long as it takes.
async fn unhurried(url: &str, doing: &'static str) -> Result<PgConnection> {
    let options =
        options(url)?.options([("statement_timeout", "0"), ("idle_in_transaction_session_timeout", "0")]);
    let connecting = tokio::time::timeout(ACQUIRE * 2, options.connect()).await;
    connecting.map_err(|_| connections::timed_out(doing))?.map_err(failed(doing))
}

/// The back end behind every store trait.
pub(crate) struct Postgres {
    write: PgPool,
    read: PgPool,
    epoch: Epoch,
    key: [u8; 32],
    breaker: Breaker,
    claim: Claim,
}

impl Postgres {
    /// Connects and migrates. Several nodes may do so at once.
    pub(crate) async fn open(url: &str) -> Result<Stores> {
        let (epoch, key) = migrate(url).await?;
        let options = options(url)?.options(BY_KEY);
        let pool = |connections| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE)
                .test_before_acquire(false)
                .before_acquire(|connection, meta| {
                    Box::pin(async move {
                        // One that does not answer is replaced by a new one.
                        Ok(meta.idle_for < FRESH || connections::answers(connection).await)
                    })
                })
                .connect_lazy_with(options.clone())
        };
        let (write, read) = (pool(WRITERS), pool(READERS));
        let store = Arc::new(Self {
            write,
            read,
            epoch,
            key,
            breaker: Breaker::default(),
            claim: Claim::new(url, epoch),
        });
        store.check().await?;
        Ok(Stores {
            accounts: store.clone(),
            conversations: store.clone(),
            messages: store.clone(),
            hello: store.clone(),
            database: store,
        })
    }
}

/// Brings the tables to this version's without opening the store.
pub(crate) async fn prepare(url: &str) -> Result<()> {
    migrate(url).await.map(drop)
}

/// Brings the tables to this version's, one node at a time, and draws the epoch and the key where there is none.
async fn migrate(url: &str) -> Result<(Epoch, [u8; 32])> {
    let doing = "migrate the database";
    let mut connection = unhurried(url, "connect to the database").await?;
    let encoding: String =
        sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut connection).await.map_err(failed(doing))?;
    if encoding != "UTF8" {
        let source = format!("its encoding is {encoding}, it must be UTF8").into();
        return Err(StoreError { doing, unknown: false, source });
    }
    let wait = format!("SET lock_timeout = {}", MIGRATING.as_millis());
    sqlx::raw_sql(sqlx::AssertSqlSafe(wait)).execute(&mut connection).await.map_err(failed(doing))?;
    // The connection's own lock: it ends with the connection, however that ends.
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut connection)
        .await
        .map_err(failed(doing))?;
    MIGRATIONS.run(&mut connection).await.map_err(|error| failed(doing)(error.into()))?;
    let epoch = super::epoch(drawn(&mut connection, "epoch").await?);
    let key = drawn(&mut connection, "key").await?;
    connection.close().await.map_err(failed(doing))?;
    Ok((epoch, key))
}

/// What was drawn for this database at its creation, or is drawn now.
async fn drawn<const N: usize>(connection: &mut PgConnection, key: &'static str) -> Result<[u8; N]> {
    let mut drawn = [0_u8; N];
    rand::fill(&mut drawn[..]);
    sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(key)
        .bind(&drawn[..])
        .execute(&mut *connection)
        .await
        .map_err(failed("write what names the database"))?;
    let bytes: Vec<u8> = sqlx::query_scalar("SELECT value FROM meta WHERE key = $1")
        .bind(key)
        .fetch_one(connection)
        .await
        .map_err(failed("read what names the database"))?;
    rows::exactly(&bytes).map_err(failed("read what names the database"))
}

#[async_trait]
impl Database for Postgres {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    async fn renew(&self) -> Result<()> {
        let drawn: [u8; 16] = rand::random();
        sqlx::query("UPDATE meta SET value = $1 WHERE key = 'epoch'")
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
        reading!(self, "ask the database", |connection| async {
            let moving = sqlx::query("SELECT 1 FROM meta WHERE key = $1").bind(super::transfer::MOVING);
            Ok(moving.fetch_optional(&mut *connection).await?.is_none())
        })
    }

    async fn claim(&self, alone: bool) -> Result<bool> {
        self.claim.make(alone).await
    }

    async fn check(&self) -> Result<()> {
        reading!(self, "ask the database", |connection| async {
            sqlx::query("SELECT 1 FROM meta LIMIT 1").execute(&mut *connection).await.map(drop)
        })
    }

    async fn close(&self) {
        self.claim.give_up().await;
        // A server that does not answer does not hold up the end.
        let closing = async { tokio::join!(self.read.close(), self.write.close()) };
        if tokio::time::timeout(ACQUIRE, closing).await.is_err() {
            tracing::warn!("the database did not take its leave");
        }
    }
}
