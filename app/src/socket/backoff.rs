//! How long to wait before the next try.

use std::time::Duration;

/// Exponential with full jitter: any time up to a bound that doubles, so that clients which lost one server do not
/// come back in step. (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.)
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// Bound of the first wait.
    pub const FIRST: Duration = Duration::from_millis(500);
    /// Bound of every later wait.
    pub const MOST: Duration = Duration::from_secs(30);
    /// A connection that lasted this long starts the next waits from the beginning.
    pub const STABLE: Duration = Duration::from_secs(60);

    /// The next wait; `random` is in `0.0..1.0`.
    pub fn next(&mut self, random: f64) -> Duration {
        let bound = Self::FIRST.saturating_mul(2_u32.saturating_pow(self.tries)).min(Self::MOST);
        self.tries = self.tries.saturating_add(1);
        bound.mul_f64(random.clamp(0.0, 1.0))
    }

    /// Starts from the beginning.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let bounds: Vec<_> = (0..8).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(bounds, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        backoff.reset();
        assert_eq!(backoff.next(0.5), Duration::from_millis(250));
        assert_eq!(backoff.next(0.0), Duration::ZERO);
    }

    #[test]
    fn never_overflows() {
        let mut backoff = Backoff { tries: u32::MAX };
        assert_eq!(backoff.next(1.0), Backoff::MOST);
    }
}
