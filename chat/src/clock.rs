//! The wall clock, for what is shown. Nothing is ordered by it.

use protocol::Timestamp;

/// Now, in milliseconds.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}
