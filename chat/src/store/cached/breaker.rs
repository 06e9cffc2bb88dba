//! Spares requests the wait for a server that does not answer.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Failures in a row after which it is not asked.
const FEW: u32 = 3;
/// Until one request tries again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    failures: u32,
    again: Option<Instant>,
}

/// Closed at first: everybody asks.
#[derive(Default)]
pub(super) struct Breaker(Mutex<State>);

impl Breaker {
    /// Whether the caller may ask. Of those who come while it is open, one in each [`PAUSE`] may.
    pub(super) fn admits(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match state.again {
            Some(again) if now < again => false,
            Some(_) => {
                state.again = Some(now + PAUSE);
                true
            }
            None => true,
        }
    }

    /// What became of it. True: it changed whether others may ask.
    pub(super) fn told(&self, answered: bool) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            state.failures = 0;
            return state.again.take().is_some();
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures < FEW {
            return false;
        }
        state.again.replace(Instant::now() + PAUSE).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn after_a_few_failures_one_in_each_second_may_ask() {
        let breaker = Breaker::default();
        for _ in 0..FEW {
            assert!(breaker.admits());
            breaker.told(false);
        }
        assert!(!breaker.admits());
        advance(PAUSE).await;
        assert!(breaker.admits());
        assert!(!breaker.admits(), "the first one tries for all");
        breaker.told(false);
        assert!(!breaker.admits());
        advance(PAUSE).await;
        assert!(breaker.admits());
        assert!(breaker.told(true));
        assert!(breaker.admits() && breaker.admits());
    }
}
