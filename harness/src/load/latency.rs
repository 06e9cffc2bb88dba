//! How long things took: a histogram of microseconds with three digits.

use crate::Error;
use hdrhistogram::Histogram;
use std::time::Duration;

/// Longest time told apart from longer ones, in microseconds.
const LONGEST: u64 = 120_000_000;

/// Times of one kind of operation.
#[derive(Clone, Debug)]
pub struct Latency(Option<Histogram<u64>>);

impl Default for Latency {
    fn default() -> Self {
        // The bounds are constants that the library accepts; without a histogram nothing would be recorded.
        Self(Histogram::new_with_bounds(1, LONGEST, 3).ok())
    }
}

impl Latency {
    /// One more.
    pub fn record(&mut self, time: Duration) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST).max(1));
        }
    }

    /// For another process: each time in microseconds, and how often it was recorded.
    pub fn to_line(&self) -> String {
        let times = self.0.iter().flat_map(Histogram::iter_recorded);
        let times = times.map(|time| format!("{}*{}", time.value_iterated_to(), time.count_at_value()));
        times.collect::<Vec<_>>().join(" ")
    }

    /// What another process has measured.
    pub fn from_line(line: &str) -> Result<Self, Error> {
        let mut latency = Self::default();
        for time in line.split_whitespace() {
            let numbers = time
                .split_once('*')
                .and_then(|(time, count)| Some((time.parse().ok()?, count.parse().ok()?)));
            let (time, count) = numbers.ok_or_else(|| Error::Unreadable(format!("a time: {time}")))?;
            if let Some(histogram) = &mut latency.0 {
                histogram.saturating_record_n(time, count);
            }
        }
        Ok(latency)
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// Milliseconds below which this share (0 to 1) of the times lie.
    pub fn quantile(&self, share: f64) -> f64 {
        self.0.as_ref().map_or(0.0, |histogram| histogram.value_at_quantile(share) as f64 / 1000.0)
    }

    /// Median, in milliseconds.
    pub fn p50(&self) -> f64 {
        self.quantile(0.5)
    }

    /// 99th percentile, in milliseconds.
    pub fn p99(&self) -> f64 {
        self.quantile(0.99)
    }

    /// Longest, in milliseconds.
    pub fn max(&self) -> f64 {
        self.0.as_ref().map_or(0.0, |histogram| histogram.max() as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_milliseconds() {
        let mut latency = Latency::default();
        for micros in 1..=1000 {
            latency.record(Duration::from_micros(micros));
        }
        latency.record(Duration::from_secs(3));
        assert_eq!(latency.count(), 1001);
        assert!((latency.p50() - 0.5).abs() < 0.01, "{}", latency.p50());
        assert!((latency.p99() - 0.99).abs() < 0.01, "{}", latency.p99());
        assert!((latency.max() - 3000.0).abs() < 5.0, "{}", latency.max());
        let told = Latency::from_line(&latency.to_line()).unwrap();
        assert_eq!((told.count(), told.p50(), told.p99()), (1001, latency.p50(), latency.p99()));
        assert!(Latency::from_line("").unwrap().count() == 0 && Latency::from_line("7").is_err());
    }
}
