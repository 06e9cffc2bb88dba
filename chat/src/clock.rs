//! The wall clock, for what is shown. Nothing is ordered by it.

use protocol::Timestamp;

/// Now, in milliseconds.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// Now, in microseconds since 1970: what a time between two nodes is measured by.
pub(crate) fn micros() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or(0)
}
