//! How long to wait before asking again somebody who did not answer.

use std::time::Duration;

/// The first wait; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST: Duration = Duration::from_secs(5);

/// A time between half of it and all of it, so that many who began together do not go on together.
pub(super) fn jittered(time: Duration) -> Duration {
    time.mul_f64(rand::random_range(0.5..=1.0))
}

/// Waits that grow to a bound, for ever.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) const fn new() -> Self {
        Self(FIRST)
    }

    /// The next wait.
    pub(super) fn next(&mut self) -> Duration {
        let wait = jittered(self.0);
        self.0 = (self.0 * 2).min(LONGEST);
        wait
    }

    /// They answered.
    pub(super) fn reset(&mut self) {
        self.0 = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_again() {
        let mut backoff = Backoff::new();
        assert!((FIRST / 2..=FIRST).contains(&backoff.next()));
        for _ in 0..100 {
            backoff.next();
        }
        assert!((LONGEST / 2..=LONGEST).contains(&backoff.next()));
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
