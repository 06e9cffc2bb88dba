//! Gathering under load: whoever hands on what others bring does so at intervals once there is more than one thing at a
//! time. A message that is alone on its way never waits; of many, each costs less.

use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Keeps turns apart.
#[derive(Debug)]
pub(crate) struct Pace {
    every: Duration,
    next: Option<Instant>,
}

impl Pace {
    /// Turns that begin so long after each other.
    pub(crate) const fn new(every: Duration) -> Self {
        Self { every, next: None }
    }

    /// Waits until the next turn may begin. Cancel safe.
    pub(crate) async fn turn(&self) {
        if let Some(next) = self.next {
            sleep_until(next).await;
        }
    }

    /// A turn began with so many things, of at most so many. The next waits only where that helps: after one thing there is
    /// nothing to gather, after a full turn nothing to wait for.
    pub(crate) fn begun(&mut self, count: usize, most: usize) {
        self.next = (1 < count && count < most).then(|| Instant::now() + self.every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_comes_together_waits() {
        let (mut pace, begun) = (Pace::new(Duration::from_millis(3)), Instant::now());
        for count in [1, 128, 1] {
            pace.begun(count, 128);
            pace.turn().await;
        }
        assert_eq!(Instant::now(), begun);
        pace.begun(2, 128);
        pace.turn().await;
        assert!(begun.elapsed() >= Duration::from_millis(3));
    }
}
