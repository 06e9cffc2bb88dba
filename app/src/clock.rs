//! Times as people read them. The zone decides the numbers, the locale files the words, so that the server's page
//! and the browser's agree to the letter.
//!
//! Only the *offset* of a zone at an instant comes from outside: on the server from the time zone database, in the
//! browser from the browser. The database therefore stays out of WebAssembly.

use crate::i18n::Locale;
use crate::words::say;
use leptos::prelude::*;
use protocol::Timestamp;
use protocol::time::Date;

/// Milliseconds between two looks at the calendar: how late "today" may become "yesterday" on an idle page.
#[cfg(not(feature = "ssr"))]
const DAY_CHECK_MS: u64 = 30_000;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Where times are read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Zone {
    /// A zone by its IANA name; UTC where the name is unknown.
    Named(String),
    /// The browser's own.
    #[cfg_attr(feature = "ssr", expect(dead_code, reason = "the server has no zone of its own to show"))]
    Local,
}

/// The page's clock and calendar. A view that reads it follows when the zone becomes known or the day ends.
#[derive(Clone, Copy)]
pub struct Clock {
    zone: RwSignal<Zone>,
    today: RwSignal<Date>,
    now: RwSignal<Timestamp>,
    words: Locale,
}

impl Clock {
    /// Starts from what the server knew: the zone of the last visit and its own time.
    pub fn new(zone: Option<&str>, now: Timestamp, words: Locale) -> Self {
        let zone = Zone::Named(zone.unwrap_or("UTC").to_owned());
        let today = civil(&zone, now).0;
        Self { zone: RwSignal::new(zone), today: RwSignal::new(today), now: RwSignal::new(now), words }
    }

    /// Browser only, once, after hydration: remembers the browser's zone for the server, goes over to it, and keeps
    /// an eye on midnight.
    pub fn start(self) {
        #[cfg(not(feature = "ssr"))]
        {
            let local = browser::zone();
            browser::remember(&local);
            let known = self.zone.with_untracked(|zone| matches!(zone, Zone::Named(name) if *name == local));
            let look = move || {
                let (zone, now) = (self.zone.get_untracked(), self.instant());
                self.now.set(now);
                let today = civil(&zone, now).0;
                if today != self.today.get_untracked() {
                    self.today.set(today);
                }
            };
            // The same zone by another way of asking: nothing on the page changes, so nothing is told.
            if known {
                self.zone.update_untracked(|zone| *zone = Zone::Local);
            } else {
                self.zone.set(Zone::Local);
            }
            look();
            if let Ok(timer) = set_interval_with_handle(look, std::time::Duration::from_millis(DAY_CHECK_MS))
            {
                on_cleanup(move || timer.clear());
            }
        }
    }

    fn at(self, instant: Timestamp) -> (Date, i64) {
        self.zone.with(|zone| civil(zone, instant))
    }

    /// This instant, for a reckoning that nothing on the page follows.
    pub fn instant(self) -> Timestamp {
        #[cfg(not(feature = "ssr"))]
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a date fit")]
        return Timestamp::from_millis(js_sys::Date::now() as i64);
        #[cfg(feature = "ssr")]
        self.now.get_untracked()
    }

    /// Now, to within half a minute; a view that reads it follows.
    pub fn now(self) -> Timestamp {
        self.now.get()
    }

    /// The next day at a full hour.
    pub fn tomorrow_at(self, hour: i8) -> Timestamp {
        let now = self.instant();
        self.zone.with_untracked(|zone| {
            let (today, _) = civil(zone, now);
            let wanted = (today.days() + 1) * DAY_MS + i64::from(hour) * HOUR_MS;
            // The offset of about then: the night in which clocks change is over by the morning.
            let about = Timestamp::from_millis(now.millis() + DAY_MS);
            Timestamp::from_millis(wanted - offset(zone, about))
        })
    }

    /// When somebody was last connected: "last seen at 09:42".
    pub fn last_seen(self, instant: Timestamp) -> String {
        let (words, day, today) = (self.words, self.day(instant), self.today.get());
        if self.now().millis() - instant.millis() < MINUTE_MS {
            return say!(words, last_seen_now).to_owned();
        }
        match days_between(day, today) {
            0 => say!(words, last_seen_at, time = self.time(instant)),
            1 => say!(words, last_seen_yesterday, time = self.time(instant)),
            _ => say!(words, last_seen_on, date = self.date(day, today)),
        }
    }

    /// The day something happened on.
    pub fn day(self, instant: Timestamp) -> Date {
        self.at(instant).0
    }

    /// "09:42"
    pub fn time(self, instant: Timestamp) -> String {
        let (_, since_midnight) = self.at(instant);
        format!("{:02}:{:02}", since_midnight / HOUR_MS, since_midnight % HOUR_MS / MINUTE_MS)
    }

    /// As the list shows it: the time today, the weekday this week, else the date.
    pub fn brief(self, instant: Timestamp) -> String {
        let (day, today) = (self.day(instant), self.today.get());
        match days_between(day, today) {
            0 => self.time(instant),
            1..=6 => self.weekday(day).to_owned(),
            _ => self.date(day, today),
        }
    }

    /// As a chip between two days of messages shows it: "Today", "Sat, 21 Nov".
    pub fn chip(self, day: Date) -> String {
        let today = self.today.get();
        match days_between(day, today) {
            0 => say!(self.words, today).to_owned(),
            1 => say!(self.words, yesterday).to_owned(),
            _ => self.full(day, today),
        }
    }

    /// Date and time, for a tooltip: "Sat, 21 Nov, 09:42".
    pub fn exact(self, instant: Timestamp) -> String {
        let date = self.full(self.day(instant), self.today.get());
        say!(self.words, date_and_time, date = date, time = self.time(instant))
    }

    fn full(self, day: Date, today: Date) -> String {
        let (weekday, date) = (self.weekday(day), self.date(day, today));
        say!(self.words, date_weekday, weekday = weekday, date = date)
    }

    fn date(self, day: Date, today: Date) -> String {
        let (words, month, number) = (self.words, self.month(day), day.day);
        if day.year == today.year {
            say!(words, date_day_month, day = number, month = month)
        } else {
            say!(words, date_day_month_year, day = number, month = month, year = day.year)
        }
    }

    fn weekday(self, day: Date) -> &'static str {
        let words = self.words;
        match day.weekday() {
            1 => say!(words, weekday_1),
            2 => say!(words, weekday_2),
            3 => say!(words, weekday_3),
            4 => say!(words, weekday_4),
            5 => say!(words, weekday_5),
            6 => say!(words, weekday_6),
            _ => say!(words, weekday_7),
        }
    }

    fn month(self, day: Date) -> &'static str {
        let words = self.words;
        match day.month {
            1 => say!(words, month_1),
            2 => say!(words, month_2),
            3 => say!(words, month_3),
            4 => say!(words, month_4),
            5 => say!(words, month_5),
            6 => say!(words, month_6),
            7 => say!(words, month_7),
            8 => say!(words, month_8),
            9 => say!(words, month_9),
            10 => say!(words, month_10),
            11 => say!(words, month_11),
            _ => say!(words, month_12),
        }
    }
}

/// Whole days from `day` to `today`; negative for a day to come (another device's clock may run ahead).
const fn days_between(day: Date, today: Date) -> i64 {
    today.days() - day.days()
}

/// What calendar and clock in the zone showed; the clock in milliseconds since midnight.
fn civil(zone: &Zone, instant: Timestamp) -> (Date, i64) {
    let there = instant.millis() + offset(zone, instant);
    (Date::from_days(there.div_euclid(DAY_MS)), there.rem_euclid(DAY_MS))
}

/// How far the zone was ahead of UTC, in milliseconds.
#[cfg(feature = "ssr")]
fn offset(zone: &Zone, at: Timestamp) -> i64 {
    let Zone::Named(name) = zone else { return 0 };
    let known = jiff::tz::TimeZone::get(name).ok().zip(jiff::Timestamp::from_millisecond(at.millis()).ok());
    known.map_or(0, |(zone, at)| i64::from(zone.to_offset(at).seconds()) * 1_000)
}

#[cfg(not(feature = "ssr"))]
fn offset(zone: &Zone, at: Timestamp) -> i64 {
    match zone {
        Zone::Named(name) if name == "UTC" => 0,
        Zone::Named(name) => browser::offset_in(name, at).unwrap_or(0),
        Zone::Local => browser::offset_here(at),
    }
}

#[cfg(not(feature = "ssr"))]
mod browser {
    //! What the browser knows about zones.

    use super::DAY_MS;
    use js_sys::{Array, Date, Intl::DateTimeFormat, Object, Reflect};
    use leptos::wasm_bindgen::{JsCast, JsValue};
    use protocol::Timestamp;

    /// Seconds in a year, for a cookie that outlives the session.
    const YEAR_S: u32 = 31_536_000;

    /// IANA name of the browser's zone.
    pub(super) fn zone() -> String {
        let options = DateTimeFormat::new(&Array::new(), &Object::new()).resolved_options();
        Reflect::get(&options, &JsValue::from_str("timeZone"))
            .ok()
            .and_then(|name| name.as_string())
            .unwrap_or_else(|| "UTC".to_owned())
    }

    /// Tells the server, for the next page.
    pub(super) fn remember(zone: &str) {
        let plain = zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte));
        if let Ok(document) = leptos::prelude::document().dyn_into::<web_sys::HtmlDocument>()
            && plain
        {
            // A refused cookie only costs the next page's first drawing.
            let _ = document.set_cookie(&format!("tz={zone}; Path=/; SameSite=Lax; Max-Age={YEAR_S}"));
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of an offset")]
    pub(super) fn offset_here(at: Timestamp) -> i64 {
        (date(at).get_timezone_offset() * -60_000.0) as i64
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a date")]
    fn date(at: Timestamp) -> Date {
        Date::new(&JsValue::from_f64(at.millis() as f64))
    }

    /// The offset of a named zone: what its clock shows, read as UTC, less the instant.
    pub(super) fn offset_in(zone: &str, at: Timestamp) -> Option<i64> {
        let options = Object::new();
        for (key, value) in [
            ("timeZone", zone),
            ("hourCycle", "h23"),
            ("year", "numeric"),
            ("month", "2-digit"),
            ("day", "2-digit"),
            ("hour", "2-digit"),
            ("minute", "2-digit"),
            ("second", "2-digit"),
        ] {
            // Setting a property of a new plain object cannot fail.
            let _ = Reflect::set(&options, &JsValue::from_str(key), &JsValue::from_str(value));
        }
        let format = DateTimeFormat::new(&Array::of1(&JsValue::from_str("en-US-u-ca-gregory")), &options);
        let shown = format.format().call1(&JsValue::UNDEFINED, &date(at)).ok()?.as_string()?;
        Some(read(&shown)? - at.millis().div_euclid(1_000) * 1_000)
    }

    /// Reads "11/21/2026, 09:42:05" as if it were UTC.
    fn read(text: &str) -> Option<i64> {
        let numbers: Vec<i32> = text
            .split(|c: char| !c.is_ascii_digit())
            .filter(|part| !part.is_empty())
            .map_while(|part| part.parse().ok())
            .collect();
        let [month, day, year, hour, minute, second] = numbers[..] else { return None };
        let day = protocol::time::Date { year, month: month.try_into().ok()?, day: day.try_into().ok()? };
        let seconds = i64::from((hour * 60 + minute) * 60 + second);
        Some(day.days() * DAY_MS + seconds * 1_000)
    }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_254_120_000; // 2026-11-21T09:42:00Z, a Saturday

    fn clock(zone: Option<&str>, words: Locale) -> Clock {
        Clock::new(zone, Timestamp::from_millis(NOW), words)
    }

    fn ago(hours: i64) -> Timestamp {
        Timestamp::from_millis(NOW - hours * 3_600_000)
    }

    #[test]
    fn the_list_shows_time_weekday_or_date() {
        let owner = Owner::new();
        owner.with(|| {
            let en = clock(None, Locale::en);
            assert_eq!(en.brief(ago(0)), "09:42");
            assert_eq!(en.brief(ago(24)), "Fri");
            assert_eq!(en.brief(ago(24 * 6)), "Sun");
            assert_eq!(en.brief(ago(24 * 7)), "14 Nov");
            assert_eq!(en.brief(ago(24 * 400)), "17 Oct 2025");
            let zh = clock(Some("Asia/Shanghai"), Locale::zh_CN);
            assert_eq!(zh.brief(ago(0)), "17:42");
            assert_eq!(zh.brief(ago(24 * 7)), "11月14日");
            assert_eq!(zh.chip(zh.day(ago(24 * 400))), "2025年10月17日 周五");
        });
    }

    #[test]
    fn last_seen_and_tomorrow_are_told_by_the_zone() {
        let owner = Owner::new();
        owner.with(|| {
            let en = clock(None, Locale::en);
            assert_eq!(en.last_seen(ago(0)), "last seen just now");
            assert_eq!(en.last_seen(ago(2)), "last seen at 07:42");
            assert_eq!(en.last_seen(ago(24)), "last seen yesterday at 09:42");
            assert_eq!(en.last_seen(ago(24 * 8)), "last seen on 13 Nov");
            let berlin = clock(Some("Europe/Berlin"), Locale::en);
            assert_eq!(berlin.exact(berlin.tomorrow_at(8)), "Sun, 22 Nov, 08:00");
        });
    }

    #[test]
    fn the_day_is_the_zones() {
        let owner = Owner::new();
        owner.with(|| {
            // 23:42 the day before in Honolulu.
            let honolulu = clock(Some("Pacific/Honolulu"), Locale::en);
            assert_eq!(honolulu.chip(honolulu.day(ago(0))), "Today");
            assert_eq!(honolulu.time(ago(0)), "23:42");
            assert_eq!(honolulu.chip(honolulu.day(ago(24))), "Yesterday");
            assert_eq!(honolulu.exact(ago(72)), "Tue, 17 Nov, 23:42");
        });
    }
}
