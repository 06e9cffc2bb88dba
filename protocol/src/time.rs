//! Wall-clock time, for display only: nothing is ordered by it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z, written as RFC 3339 UTC with exactly three decimals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Timestamp(i64);

/// The first instant RFC 3339 can write: 0000-01-01T00:00:00.000Z.
const FIRST: i64 = -62_167_219_200_000;
/// 9999-12-30T22:00:00.000Z: the last one that every time zone can show, and that jiff can.
const LAST: i64 = 253_402_207_200_000;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A day of the Gregorian calendar, also before it was introduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    /// 0 is the year before 1.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Date {
    /// The day this many days after 1970-01-01; negative before. Algorithm: `civil_from_days` of Howard Hinnant,
    /// <https://howardhinnant.github.io/date_algorithms.html>.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "each is bounded by the algorithm"
    )]
    pub const fn from_days(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march = (5 * of_year + 2) / 153; // months since March
        let day = of_year - (153 * march + 2) / 5 + 1;
        let month = if march < 10 { march + 3 } else { march - 9 };
        let year = year_of_era + era * 400 + (month <= 2) as i64;
        Self { year: year as i32, month: month as u8, day: day as u8 }
    }

    /// Days since 1970-01-01; negative before. `days_from_civil` of the same source.
    pub const fn days(self) -> i64 {
        let (month, day) = (self.month as i64, self.day as i64);
        let year = self.year as i64 - (month <= 2) as i64;
        let year_of_era = year.rem_euclid(400);
        let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
        let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
        year.div_euclid(400) * 146_097 + of_era - 719_468
    }

    /// 1 for Monday to 7 for Sunday. 1970-01-01 was a Thursday.
    pub const fn weekday(self) -> i64 {
        (self.days() + 3).rem_euclid(7) + 1
    }
}

impl fmt::Display for Date {
    /// ISO 8601: "2026-11-21".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

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
        let (date, time) = (Date::from_days(self.0.div_euclid(DAY_MS)), self.0.rem_euclid(DAY_MS));
        let (hour, minute) = (time / HOUR_MS, time % HOUR_MS / MINUTE_MS);
        let (second, millisecond) = (time % MINUTE_MS / SECOND_MS, time % SECOND_MS);
        write!(f, "{date}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
    }
}

/// A text is not an RFC 3339 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotATime;

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an RFC 3339 time")
    }
}

impl std::error::Error for NotATime {}

impl std::str::FromStr for Timestamp {
    type Err = NotATime;

    /// Decimals after the third are dropped, a leap second is the second before it, and what lies outside of what
    /// [`Timestamp::from_millis`] takes is clamped.
    fn from_str(text: &str) -> Result<Self, NotATime> {
        Reading(text.as_bytes()).time().map(Self::from_millis).ok_or(NotATime)
    }
}

/// What is still to be read of a text.
struct Reading<'a>(&'a [u8]);

impl Reading<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// One of these characters.
    fn one_of(&mut self, wanted: &[u8]) -> Option<u8> {
        self.byte().filter(|byte| wanted.contains(byte))
    }

    fn digits(&mut self, count: u32) -> Option<i64> {
        (0..count).try_fold(0, |number, _| {
            let byte = self.byte().filter(u8::is_ascii_digit)?;
            Some(number * 10 + i64::from(byte - b'0'))
        })
    }

    /// RFC 3339, section 5.6, in milliseconds since the Unix epoch.
    fn time(mut self) -> Option<i64> {
        let year = i32::try_from(self.digits(4)?).ok()?;
        self.one_of(b"-")?;
        let month = u8::try_from(self.digits(2)?).ok()?;
        self.one_of(b"-")?;
        let day = u8::try_from(self.digits(2)?).ok()?;
        let date = Date { year, month, day };
        // A day that does not exist comes back as another one.
        if !(1..=12).contains(&month) || Date::from_days(date.days()) != date {
            return None;
        }
        self.one_of(b"Tt ")?;
        let hour = self.digits(2).filter(|hour| *hour < 24)?;
        self.one_of(b":")?;
        let minute = self.digits(2).filter(|minute| *minute < 60)?;
        self.one_of(b":")?;
        let second = self.digits(2).filter(|second| *second <= 60)?.min(59);
        let millisecond = self.decimals()?;
        let offset = match self.byte()? {
            b'Z' | b'z' => 0,
            sign @ (b'+' | b'-') => {
                let hours = self.digits(2).filter(|hours| *hours < 24)?;
                self.one_of(b":")?;
                let minutes = self.digits(2).filter(|minutes| *minutes < 60)?;
                let size = hours * HOUR_MS + minutes * MINUTE_MS;
                if sign == b'-' { -size } else { size }
            }
            _ => return None,
        };
        let time = hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + millisecond;
        self.0.is_empty().then_some(date.days() * DAY_MS + time - offset)
    }

    /// The first three decimals, if there are any.
    fn decimals(&mut self) -> Option<i64> {
        let Some((b'.', rest)) = self.0.split_first() else { return Some(0) };
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (decimals, rest) = rest.split_at(count);
        self.0 = rest;
        let places = [100, 10, 1];
        let read = decimals.iter().zip(places).map(|(digit, place)| i64::from(digit - b'0') * place).sum();
        (count > 0).then_some(read)
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
        text.parse().map_err(de::Error::custom)
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

    /// Instants over the whole range, some of them a hair before and after a day begins.
    fn instants() -> impl Iterator<Item = i64> {
        let spread = (FIRST..=LAST).step_by(3_999_999_937);
        let days = (FIRST..=LAST).step_by(73 * 86_400_000).flat_map(|day| [day - 1, day, day + 1]);
        spread.chain(days).chain([FIRST, LAST]).filter(|at| (FIRST..=LAST).contains(at))
    }

    #[test]
    fn every_instant_is_written_as_jiff_writes_it_and_read_back() {
        for at in instants() {
            let written = Timestamp::from_millis(at).to_string();
            let jiff = jiff::Timestamp::from_millisecond(at).unwrap();
            assert_eq!(written, format!("{jiff:.3}"));
            assert_eq!(written.parse::<Timestamp>().unwrap().millis(), at);
        }
    }

    #[test]
    fn every_offset_is_read_as_jiff_reads_it() {
        for (at, minutes) in instants().step_by(7).zip((-1_439..=1_439).cycle()) {
            let there = jiff::Timestamp::from_millisecond(at + minutes * MINUTE_MS);
            let Ok(there) = there else { continue };
            let sign = if minutes < 0 { '-' } else { '+' };
            let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
            let text = there.to_string().replace('Z', &format!("{sign}{hours:02}:{rest:02}"));
            if !text.starts_with('-') {
                let jiff = text.parse::<jiff::Timestamp>().unwrap();
                assert_eq!(text.parse::<Timestamp>().unwrap().millis(), jiff.as_millisecond(), "{text}");
            }
        }
    }

    #[test]
    fn every_day_is_jiffs_day() {
        let first = jiff::civil::date(0, 1, 1);
        for (days, date) in
            (FIRST / DAY_MS..=LAST / DAY_MS).step_by(5).zip(first.series(jiff::Span::new().days(5)))
        {
            let ours = Date::from_days(days);
            assert_eq!(ours.to_string(), date.to_string());
            assert_eq!(
                (ours.days(), ours.weekday()),
                (days, i64::from(date.weekday().to_monday_one_offset()))
            );
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let good = "2026-11-22T08:00:00.000Z";
        for at in 0..good.len() {
            assert!(good[..at].parse::<Timestamp>().is_err(), "{}", &good[..at]);
            assert!(good.replacen(&good[at..=at], "x", 1).parse::<Timestamp>().is_err());
        }
        for bad in [
            "2026-02-29T08:00:00Z",
            "2026-00-10T08:00:00Z",
            "2026-13-10T08:00:00Z",
            "2026-11-00T08:00:00Z",
            "2026-11-31T08:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T08:60:00Z",
            "2026-11-22T08:00:61Z",
            "2026-11-22T08:00:00.Z",
            "2026-11-22T08:00:00",
            "2026-11-22T08:00:00+24:00",
            "2026-11-22T08:00:00Z ",
            "2026-11-22T08:00:00+é",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
        for (same, as_this) in [
            ("2028-02-29T08:00:00Z", "2028-02-29T08:00:00.000Z"),
            ("2026-11-22t08:00:00.1239z", "2026-11-22T08:00:00.123Z"),
            ("2026-11-22 23:59:60Z", "2026-11-22T23:59:59.000Z"),
        ] {
            assert_eq!(same.parse::<Timestamp>().unwrap().to_string(), as_this);
        }
    }
}
