//! The WebSocket gateway: one task a socket, which reads, answers and writes in turns.
//!
//! In reading order: [`upgrade`] decides who may connect, [`connection`] is the life of a socket, [`reader`] makes
//! frames of text, [`writer`] puts frames on the wire.
//!
//! One task rather than a reader and a writer, because a task's memory is paid for by every idle socket and because
//! answers then keep the order of the requests by themselves. The hub only fills the socket's bounded queue; nobody
//! waits for a socket but its own task.

mod connection;
mod reader;
mod upgrade;
mod writer;

pub use upgrade::upgrade;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Sockets of one process; one more is answered 503 and tries again later.
const SOCKETS: usize = 20_000;

/// Handshakes at once, and each second after. When everybody comes back after a restart they come in waves that the
/// store can take; the rest is told to wait, before anything is looked up.
const ARRIVALS_BURST: NonZeroU32 = NonZeroU32::new(2_000).unwrap();
const ARRIVALS_PER_SECOND: NonZeroU32 = NonZeroU32::new(1_000).unwrap();

/// Every socket of the process, to bound them and to wait for them at the end.
#[derive(Clone, Debug)]
pub struct Sockets {
    room: Arc<Semaphore>,
    arrivals: Arc<DefaultDirectRateLimiter>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Sockets {
    /// None yet.
    pub fn new() -> Self {
        Self {
            room: Arc::new(Semaphore::new(SOCKETS)),
            arrivals: Arc::new(RateLimiter::direct(
                Quota::per_second(ARRIVALS_PER_SECOND).allow_burst(ARRIVALS_BURST),
            )),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }
    }

    /// Counts one more handshake, unless they come too fast.
    fn arrive(&self) -> bool {
        self.arrivals.check().is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_of_handshakes_is_bounded() {
        let sockets = Sockets::new();
        let began = std::time::Instant::now();
        let let_in = (0..10_000).filter(|_| sockets.arrive()).count();
        let most = 2_000.0 + 1_000.0 * began.elapsed().as_secs_f64() + 1.0;
        assert!(let_in >= 2_000 && (let_in as f64) <= most, "{let_in} of 10,000 at once");
    }
}
