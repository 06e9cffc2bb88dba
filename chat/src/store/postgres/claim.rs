//! Which nodes use the database, as an advisory lock: held alone by a node that hears no other, together by nodes that do.

use super::super::Result;
use super::{failed, options};
use protocol::Epoch;
use sqlx::{ConnectOptions, Connection, PgConnection};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// How long a start waits for a node that ended a moment ago to be gone from the server's eyes.
const LEAVING: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(250);
/// How often the holder asks whether its connection lives; a restart of the database takes the lock away.
const LOOK: Duration = Duration::from_secs(5);

/// A node's claim, while it holds one.
pub(super) struct Claim {
    url: String,
    lock: i64,
    holder: Mutex<Option<JoinHandle<()>>>,
}

async fn lock(url: &str, lock: i64, alone: bool) -> Result<Option<PgConnection>> {
    let doing = "claim the database";
    // The connection is idle between two looks, and that is what it is for.
    let options = options(url)?.options([("idle_session_timeout", "0")]);
    let mut connection = options.connect().await.map_err(failed(doing))?;
    let statement =
        if alone { "SELECT pg_try_advisory_lock($1)" } else { "SELECT pg_try_advisory_lock_shared($1)" };
    let held: bool =
        sqlx::query_scalar(statement).bind(lock).fetch_one(&mut connection).await.map_err(failed(doing))?;
    Ok(held.then_some(connection))
}

impl Claim {
    /// The lock is the database's: its epoch names it, whatever schema it is in.
    pub(super) fn new(url: &str, epoch: Epoch) -> Self {
        let (high, low) = epoch.uuid().as_u64_pair();
        Self { url: url.to_owned(), lock: (high ^ low).cast_signed(), holder: Mutex::default() }
    }

    pub(super) async fn make(&self, alone: bool) -> Result<bool> {
        let until = Instant::now() + LEAVING;
        let mut connection = loop {
            match lock(&self.url, self.lock, alone).await? {
                Some(connection) => break connection,
                None if Instant::now() > until => return Ok(false),
                None => sleep(AGAIN).await,
            }
        };
        let (url, name) = (self.url.clone(), self.lock);
        let holding = async move {
            loop {
                sleep(LOOK).await;
                if matches!(timeout(LOOK, connection.ping()).await, Ok(Ok(()))) {
                    continue;
                }
                match timeout(LOOK, lock(&url, name, alone)).await {
                    Ok(Ok(Some(again))) => connection = again,
                    Ok(Ok(None)) => {
                        tracing::error!(
                            "another node uses this database with another bus: messages between them come late"
                        );
                    }
                    // The database is away; everybody else says so.
                    Ok(Err(_)) | Err(_) => {}
                }
            }
        };
        *self.holder.lock().await = Some(tokio::spawn(holding));
        Ok(true)
    }

    /// The connection ends with its holder, and the lock with the connection.
    pub(super) async fn give_up(&self) {
        if let Some(holder) = self.holder.lock().await.take() {
            holder.abort();
            let _aborted = holder.await;
        }
    }
}
