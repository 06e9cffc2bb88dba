//! Everything that happens to a message, below HTTP and HTML.
//!
//! One way through: [`submit`] validates, `persist` commits in batches, the `bus` rings, `deliver` encodes once,
//! the [`hub`] hands out to the sockets connected here. Reading: [`history`] and [`resume`]. Around it: [`accounts`]
//! and [`conversations`]. The stores and the bus stand behind traits; `open` alone names what stands behind them.
//!
//! Invariants: an answer that says "stored" comes after the commit; the bus is a hint and the store is the truth;
//! nothing waits for a socket; every queue has a bound.

mod accounts;
mod bus;
mod clock;
mod conversations;
mod deliver;
pub mod doctor;
mod error;
mod history;
pub mod hub;
mod identity;
mod ingest;
pub mod metrics;
mod open;
mod pace;
mod persist;
mod planted;
mod presence;
mod rates;
mod replay;
mod resume;
mod settings;
mod store;
mod submit;
mod watch;
mod work;

pub use error::Error;
pub use hub::{Drained, Socket, SocketId};
pub use identity::Identity;
pub use open::OpenError;
pub use resume::Resume;
pub use settings::{
    Address, BusUrl, CacheUrl, IngestMode, PostgresUrl, PresenceUrl, Registration, Roles, Settings, StoreUrl,
};
pub use store::{Act, Span};

use ingest::Ingest;
use protocol::frame::close;
use protocol::rest::Readiness;
use protocol::{ServerFrame, UserId};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a use case answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The chat: every use case is a method of it. Cheap to clone.
#[derive(Clone)]
pub struct Chat {
    inner: Arc<Inner>,
}

struct Inner {
    registration: Registration,
    stores: store::Stores,
    bus: Arc<dyn bus::Bus>,
    hub: Arc<hub::Hub>,
    presences: Arc<presence::Presences>,
    writer: persist::Writer,
    ingest: Ingest,
    rates: rates::Rates,
    metrics: Arc<metrics::Metrics>,
    polled: metrics::Polled,
    passwords: accounts::Passwords,
    throttle: accounts::Throttle,
    tickets: Arc<accounts::Tickets>,
    /// Small writes nobody waits for; awaited at the end.
    tasks: TaskTracker,
    /// Whose turn it is among them.
    notes: Arc<Semaphore>,
    /// What must end in its order, until it is shut down.
    running: Mutex<Option<Running>>,
    /// Ends what runs until then beside them.
    stop: CancellationToken,
    /// Holds the lock of the store's file as long as this lives, where it is a file.
    _lock: Option<std::fs::File>,
}

/// The tasks that messages pass through.
struct Running {
    /// Submits to the broker, where messages are queued.
    queue: Option<JoinHandle<()>>,
    /// Takes from it, where this node does.
    worker: Option<JoinHandle<()>>,
    writer: JoinHandle<()>,
    delivery: JoinHandle<()>,
}

/// Who is connected to this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Each person once, by id.
    pub users: Vec<UserId>,
    /// Their sockets.
    pub sockets: usize,
}

impl Chat {
    /// Sockets connected here.
    pub fn sockets(&self) -> usize {
        self.inner.hub.count()
    }

    /// Who is connected here.
    pub fn connected(&self) -> Connected {
        let mut users = self.inner.hub.people();
        users.sort_unstable();
        Connected { users, sockets: self.sockets() }
    }

    /// Tells every socket that the server is stopping and when to come back, then closes it.
    pub fn close_all(&self, reason: &str, retry_after_ms: u64) {
        let bye = ServerFrame::Bye { reason: reason.to_owned(), retry_after_ms };
        for socket in self.inner.hub.all() {
            socket.push(&bye);
            socket.close(close::RESTARTING, "the server is restarting");
        }
    }

    /// The state of every part the server depends on.
    pub async fn ready(&self) -> Readiness {
        let store = match self.inner.stores.database.check().await {
            Ok(()) => "ok".to_owned(),
            Err(error) => {
                tracing::error!(store.error = %error, "not ready");
                "does not answer".to_owned()
            }
        };
        // Without its broker a node stores and polls: slower, and not a reason to send nobody there.
        let open = self.inner.writer.is_open();
        let bus = match (open, self.inner.bus.is_up()) {
            (true, true) => "ok",
            (true, false) => "does not answer",
            (false, _) => "closed",
        }
        .to_owned();
        let mut dependencies: BTreeMap<_, _> =
            [("store".to_owned(), store.clone()), ("bus".to_owned(), bus)].into();
        let mut ready = store == "ok" && open;
        if let Ingest::Queued(queue) = &self.inner.ingest {
            // What is queued rides out an absent store, and not an absent queue.
            ready = queue.is_up() && open;
            let queue = if queue.is_up() { "ok" } else { "does not answer" };
            dependencies.insert("queue".to_owned(), queue.to_owned());
        }
        Readiness { ready, dependencies }
    }

    /// Writes something that is nice to know, with nobody waiting. One at a time, and not at all while one is being
    /// written: thousands of people who leave or come back at once must not stand in line before the messages.
    pub(crate) fn note(
        &self,
        what: &'static str,
        write: impl Future<Output = Result<(), store::StoreError>> + Send + 'static,
    ) {
        let Ok(turn) = self.inner.notes.clone().try_acquire_owned() else { return };
        self.inner.tasks.spawn(async move {
            if let Err(error) = write.await {
                tracing::debug!(store.error = %error, what, "not noted");
            }
            drop(turn);
        });
    }

    /// Ends: what is queued is committed and told, then everything is closed. Requests that come later are refused
    /// as retryable. Doing it twice is doing it once.
    pub async fn shutdown(&self) {
        let Some(running) = self.inner.running.lock().await.take() else { return };
        self.inner.stop.cancel();
        if let Ingest::Queued(queue) = &self.inner.ingest {
            queue.close();
        }
        for (name, task) in [("queue", running.queue), ("worker", running.worker)] {
            if let Some(task) = task {
                ended(name, task).await;
            }
        }
        self.inner.writer.close();
        ended("writer", running.writer).await;
        self.inner.bus.close().await;
        ended("delivery", running.delivery).await;
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.stores.database.close().await;
    }
}

#[cfg(test)]
impl Chat {
    /// Ends the worker as a crash would: what it has in hand is not reported.
    pub(crate) async fn kill_worker(&self) {
        if let Some(worker) =
            self.inner.running.lock().await.as_mut().and_then(|running| running.worker.take())
        {
            worker.abort();
            let _aborted = worker.await;
        }
    }
}

async fn ended(part: &'static str, task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(%error, part, "a part had ended early");
    }
}

#[cfg(test)]
mod tests;
