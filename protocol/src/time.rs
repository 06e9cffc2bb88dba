//! Wall-clock time, for display only: nothing is ordered by it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z, written as RFC 3339 UTC with exactly three decimals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Timestamp(i64);

/// The first instant RFC 3339 can write: 0000-01-01T00:00:00.000Z.
const FIRST: i64 = -62_167_219_200_000;
/// The last one jiff can: 9999-12-30T22:00:00.000Z, so that every time zone can show it.
const LAST: i64 = 253_402_207_200_000;

impl Timestamp {
    /// From milliseconds since the Unix epoch, clamped to the years RFC 3339 can write.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(FIRST, LAST))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => Err(fmt::Error), // unreachable: `from_millis` clamps
        }
    }
}

impl std::str::FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>().map(|instant| Self::from_millis(instant.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_time_can_be_written() {
        assert_eq!(Timestamp::from_millis(i64::MIN).to_string(), "0000-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(i64::MAX).to_string(), "9999-12-30T22:00:00.000Z");
    }

    #[test]
    fn three_decimals_whatever_the_time() {
        assert_eq!(Timestamp::from_millis(1_795_334_400_000).to_string(), "2026-11-22T08:00:00.000Z");
        assert_eq!(Timestamp::from_millis(1_795_334_400_120).to_string(), "2026-11-22T08:00:00.120Z");
    }

    #[test]
    fn any_offset_is_read_as_the_same_instant() {
        let read = "2026-11-22T09:00:00.5+01:00".parse::<Timestamp>().unwrap();
        assert_eq!(read, Timestamp::from_millis(1_795_334_400_500));
    }
}
