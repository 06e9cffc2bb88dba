//! Handshakes take their turn. When everybody comes back at once, after a restart or a broken network, they are let in as
//! fast as they are served: so many are in hand, the others wait in order of arrival.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Handshakes in hand: from being let in to the answer to `hello`, before it is written. One core serves a thousand a second, so these are a
/// quarter of a second of its work, and who is connected already waits behind no more than that.
const PLACES: usize = 256;
/// How long a socket that has not said hello keeps its place. Most networks answer sooner; and if nobody ever said hello,
/// a thousand a second would still be let in.
pub(super) const SILENT: Duration = Duration::from_millis(250);
/// Handshakes that may wait. Each holds its connection and the head of its request, some 10 KiB.
const WAITING: usize = 8_192;
/// How long one may wait: clients give up later than this, the first of them after 15 seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// A handshake in hand. Dropped: the next one is let in.
pub(super) type Place = OwnedSemaphorePermit;

/// The handshakes of a process.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    stopping: CancellationToken,
}

impl Arrivals {
    /// None yet.
    pub(super) fn new(stopping: CancellationToken) -> Self {
        let [places, waiting] = [PLACES, WAITING].map(|count| Arc::new(Semaphore::new(count)));
        Self { places, waiting, stopping }
    }

    /// Waits for its turn; in vain where too many wait, where it takes too long, and where the server stops. Dropped, it
    /// leaves the queue.
    pub(super) async fn turn(&self) -> Option<Place> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        let _waits = self.waiting.try_acquire().ok()?;
        // The semaphore is fair, and it is never closed.
        let turn = timeout(PATIENCE, Arc::clone(&self.places).acquire_owned());
        self.stopping.run_until_cancelled(turn).await?.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use tokio::time::Instant;

    fn full() -> (Arrivals, Vec<Place>) {
        let arrivals = Arrivals::new(CancellationToken::new());
        let places = (0..PLACES).map(|_| arrivals.turn().now_or_never().flatten());
        let places: Vec<_> = places.collect::<Option<_>>().unwrap();
        (arrivals, places)
    }

    #[tokio::test(start_paused = true)]
    async fn those_beyond_the_places_wait_and_those_beyond_the_queue_are_turned_away() {
        let (arrivals, mut places) = full();
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(arrivals.turn())).collect();
        assert!(waiting.iter_mut().all(|turn| turn.now_or_never().is_none()));
        assert!(arrivals.turn().now_or_never().is_some_and(|turn| turn.is_none()), "one too many");

        // In order of arrival.
        places.truncate(PLACES - 2);
        assert!(waiting[2].as_mut().now_or_never().is_none());
        let first = waiting[0].as_mut().now_or_never().flatten();
        let second = waiting[1].as_mut().now_or_never().flatten();
        assert!(first.is_some() && second.is_some());

        // Who hangs up leaves the queue to the next, and never takes a place.
        assert!(arrivals.turn().now_or_never().is_none(), "two have been let in, so there is room to wait");
        waiting.drain(..10);
        drop(first);
        assert!(waiting[0].as_mut().now_or_never().flatten().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_long_or_for_a_server_that_stops() {
        let (arrivals, _places) = full();
        let begun = Instant::now();
        assert!(arrivals.turn().await.is_none());
        assert_eq!(begun.elapsed(), PATIENCE);
        arrivals.stopping.cancel();
        assert!(arrivals.turn().await.is_none());
        assert_eq!(begun.elapsed(), PATIENCE);
    }
}
