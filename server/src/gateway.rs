//! The WebSocket gateway: one task a socket, which reads, answers and writes in turns.
//!
//! In reading order: [`upgrade`] decides who may connect, [`arrivals`] when, [`connection`] is the life of a socket, [`reader`] makes
//! frames of text, [`writer`] puts frames on the wire.
//!
//! One task rather than a reader and a writer, because a task's memory is paid for by every idle socket and because
//! answers then keep the order of the requests by themselves. The hub only fills the socket's bounded queue; nobody
//! waits for a socket but its own task.

mod arrivals;
mod connection;
mod reader;
mod upgrade;
mod writer;

pub use upgrade::upgrade;

use arrivals::Arrivals;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Sockets of one process; one more is answered 503 and tries again later.
const SOCKETS: usize = 20_000;

/// Every socket of the process, to bound them and to wait for them at the end.
#[derive(Clone, Debug)]
pub struct Sockets {
    room: Arc<Semaphore>,
    arrivals: Arrivals,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Sockets {
    /// None yet.
    pub fn new() -> Self {
        let stopping = CancellationToken::new();
        Self {
            room: Arc::new(Semaphore::new(SOCKETS)),
            arrivals: Arrivals::new(stopping.clone()),
            tasks: TaskTracker::new(),
            stopping,
        }
    }

    /// A place for one more, unless there are too many or the server is stopping.
    fn admit(&self) -> Option<OwnedSemaphorePermit> {
        if self.stopping.is_cancelled() {
            return None;
        }
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// Takes no more sockets; those that have not said hello yet are closed.
    pub fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
    }

    /// Until the last socket is gone. Answers whether that happened in time.
    pub async fn gone(&self, within: Duration) -> bool {
        tokio::time::timeout(within, self.tasks.wait()).await.is_ok()
    }
}

impl Default for Sockets {
    fn default() -> Self {
        Self::new()
    }
}
