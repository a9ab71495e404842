//! Numbers and times as a reader's language writes them, in the reader's time zone. The data is CLDR's, from ICU4X.

use std::sync::LazyLock;

use fixed_decimal::Decimal;
use fluent_bundle::FluentValue;
use icu_calendar::Gregorian;
use icu_datetime::{
    FixedCalendarDateTimeFormatter,
    fieldsets::{MD, YMD, YMDT},
    input::{Date, DateTime, Time},
    options::TimePrecision,
};
use icu_decimal::{DecimalFormatter, options::DecimalFormatterOptions};
use icu_locale_core::Locale;
use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};
use maud::{Markup, html};
use time::{Duration, OffsetDateTime};

use crate::{person::Reader, words::Language};

/// What stands for a number that there is none of.
const NONE: &str = "–";
/// Of sizes, a thousand to the next. Disks and S3's invoices count so.
const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
/// Between a number and its unit: they are one word.
const NO_BREAK: char = '\u{a0}';

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Up to there hours are counted, then days.
const HOURS_MAX: u64 = 48;

struct Formatters {
    numbers: Option<DecimalFormatter>,
    minutes: Option<FixedCalendarDateTimeFormatter<Gregorian, YMDT>>,
    days: Option<FixedCalendarDateTimeFormatter<Gregorian, YMD>>,
    days_of_month: Option<FixedCalendarDateTimeFormatter<Gregorian, MD>>,
}

impl Formatters {
    fn new(tag: &str) -> Self {
        let locale = Locale::try_from_str(tag).unwrap_or(Locale::UNKNOWN);
        let prefer = || (&locale).into();
        Self {
            numbers: DecimalFormatter::try_new((&locale).into(), DecimalFormatterOptions::default()).ok(),
            minutes: FixedCalendarDateTimeFormatter::try_new(
                prefer(),
                YMDT::medium().with_time_precision(TimePrecision::Minute),
            )
            .ok(),
            days: FixedCalendarDateTimeFormatter::try_new(prefer(), YMD::medium()).ok(),
            days_of_month: FixedCalendarDateTimeFormatter::try_new(prefer(), MD::medium()).ok(),
        }
    }
}

/// English without a country would have the month first and half a day's hours.
static ENGLISH: LazyLock<Formatters> = LazyLock::new(|| Formatters::new("en-GB"));
static GERMAN: LazyLock<Formatters> = LazyLock::new(|| Formatters::new("de"));

fn formatters(language: Language) -> &'static Formatters {
    match language {
        Language::English => &ENGLISH,
        Language::German => &GERMAN,
    }
}

impl Reader {
    /// With groups of thousands.
    pub(crate) fn number(&self, number: u64) -> String {
        self.decimal(&Decimal::from(number))
    }

    fn decimal(&self, number: &Decimal) -> String {
        formatters(self.language)
            .numbers
            .as_ref()
            .map_or_else(|| number.to_string(), |numbers| numbers.format(number).to_string())
    }

    /// A number of tenths, without the decimal where it is 0.
    fn tenths(&self, tenths: u64) -> String {
        let mut number = Decimal::from(tenths);
        number.multiply_pow10(-1);
        number.absolute.trim_end();
        self.decimal(&number)
    }

    /// A share, to a tenth of a percent. Only all is 100 %, and only nothing 0 %.
    pub(crate) fn percent(&self, part: u64, whole: u64) -> String {
        if whole == 0 {
            return NONE.to_owned();
        }
        let (part, whole) = (u128::from(part), u128::from(whole));
        let rounded = (part * 1000 + whole / 2) / whole;
        let tenths = if part == 0 || part == whole {
            rounded
        } else if part < whole {
            rounded.clamp(1, 999)
        } else {
            rounded.max(1001)
        };
        let number = self.tenths(u64::try_from(tenths).unwrap_or(u64::MAX));
        match self.language {
            Language::English => format!("{number}%"),
            Language::German => format!("{number}{NO_BREAK}%"),
        }
    }

    /// A size, to a tenth of its unit.
    pub(crate) fn bytes(&self, bytes: u64) -> String {
        let mut unit = 0;
        let mut scale: u64 = 1;
        // What rounds to 1000 of a unit is 1 of the next.
        while unit + 1 < UNITS.len() && bytes.saturating_mul(10).saturating_add(scale / 2) / scale >= 10_000 {
            (unit, scale) = (unit + 1, scale * 1000);
        }
        let tenths = (u128::from(bytes) * 10 + u128::from(scale / 2)) / u128::from(scale);
        format!("{}{NO_BREAK}{}", self.tenths(u64::try_from(tenths).unwrap_or(u64::MAX)), UNITS[unit])
    }

    /// A time to the minute, in the reader's zone.
    pub(crate) fn minute(&self, time: OffsetDateTime) -> String {
        let zoned = self.zoned(time);
        let text = formatters(self.language)
            .minutes
            .as_ref()
            .zip(written(&zoned))
            .map(|(minutes, input)| minutes.format(&input).to_string());
        let text = text.unwrap_or_else(|| zoned.strftime("%Y-%m-%d %H:%M").to_string());
        // In the hour that a clock shows twice, its name is needed as well.
        let twice = self.zone.to_ambiguous_timestamp(zoned.datetime()).is_ambiguous();
        if twice { format!("{text} {}", zoned.strftime("%Z")) } else { text }
    }

    /// A day, in the reader's zone.
    pub(crate) fn day(&self, time: OffsetDateTime) -> String {
        let zoned = self.zoned(time);
        let text = formatters(self.language)
            .days
            .as_ref()
            .zip(written(&zoned))
            .map(|(days, input)| days.format(&input.date).to_string());
        text.unwrap_or_else(|| zoned.strftime("%Y-%m-%d").to_string())
    }

    /// A time under an axis: the hour, or where days are counted, the day.
    pub(crate) fn tick(&self, time: OffsetDateTime, by_day: bool) -> String {
        let zoned = self.zoned(time);
        let day = formatters(self.language).days_of_month.as_ref().zip(written(&zoned)).filter(|_| by_day);
        day.map_or_else(
            || zoned.strftime("%H:%M").to_string(),
            |(days, input)| days.format(&input.date).to_string(),
        )
    }

    /// A time to the minute, which programs read as well.
    pub(crate) fn time(&self, time: OffsetDateTime) -> Markup {
        html! { time datetime=(machine(time)) { (self.minute(time)) } }
    }

    /// A time to the second, where many come close together.
    pub(crate) fn second(&self, time: OffsetDateTime) -> Markup {
        let seconds = self.zoned(time).strftime(":%S").to_string();
        html! { time datetime=(machine(time)) { (self.minute(time)) (seconds) } }
    }

    /// How far a time is from now, and which it is.
    pub(crate) fn relative(&self, time: OffsetDateTime, now: OffsetDateTime) -> Markup {
        html! {
            time datetime=(machine(time)) {
                (self.distance(time, now))
                span.quiet { ", " (self.minute(time)) }
            }
        }
    }

    /// How far a time is from now.
    pub(crate) fn distance(&self, time: OffsetDateTime, now: OffsetDateTime) -> String {
        let seconds = (time - now).whole_seconds();
        let way = if seconds < 0 { "ago" } else { "in" };
        let seconds = seconds.unsigned_abs();
        let nearest = |unit: u64| (seconds + unit / 2) / unit;
        let (unit, count) = if nearest(MINUTE) == 0 {
            return self.t("now");
        } else if nearest(MINUTE) < 60 {
            ("minutes", nearest(MINUTE))
        } else if nearest(HOUR) < HOURS_MAX {
            ("hours", nearest(HOUR))
        } else {
            ("days", nearest(DAY))
        };
        self.counted(&format!("{way}-{unit}"), count)
    }

    /// How long something takes or took, in the two largest units that it has.
    pub(crate) fn duration(&self, duration: Duration) -> String {
        let seconds = duration.whole_seconds().unsigned_abs();
        let (large, small) = match seconds {
            0..MINUTE => return self.counted("for-seconds", seconds),
            MINUTE..HOUR => (("for-minutes", seconds / MINUTE), ("for-seconds", seconds % MINUTE)),
            HOUR..DAY => (("for-hours", seconds / HOUR), ("for-minutes", seconds % HOUR / MINUTE)),
            DAY.. => (("for-days", seconds / DAY), ("for-hours", seconds % DAY / HOUR)),
        };
        let first = self.counted(large.0, large.1);
        if small.1 == 0 { first } else { format!("{first} {}", self.counted(small.0, small.1)) }
    }

    /// A text with a number in it: `count` chooses the plural, `number` is what is read.
    pub(crate) fn counted(&self, key: &str, count: u64) -> String {
        let choice = u32::try_from(count).unwrap_or(u32::MAX);
        self.t_with(key, &[("count", FluentValue::from(choice)), ("number", self.number(count).into())])
    }

    /// The moment that a browser's field for one says (`2026-12-01T09:30`), in the reader's zone. Of a time that a clock shows twice, the first.
    pub(crate) fn moment(&self, text: &str) -> Option<String> {
        let civil: jiff::civil::DateTime = text.trim().parse().ok()?;
        Some(self.zone.to_timestamp(civil).ok()?.to_string())
    }

    /// When a day begins (`2026-12-01`), or one so many days later, in the reader's zone.
    pub(crate) fn begin_of(&self, day: &str, later: i64) -> Option<String> {
        let day: jiff::civil::Date = day.trim().parse().ok()?;
        let day = day.checked_add(jiff::Span::new().days(later)).ok()?;
        Some(self.zone.to_timestamp(day.at(0, 0, 0, 0)).ok()?.to_string())
    }

    fn zoned(&self, time: OffsetDateTime) -> ZonedDateTime {
        let zone = |zone: &TimeZone| {
            Timestamp::from_nanosecond(time.unix_timestamp_nanos())
                .map(|time| time.to_zoned_datetime(zone.clone()))
        };
        // Both count the years 0 to 9999; what is beyond is nobody's time.
        zone(&self.zone).unwrap_or_else(|_| Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC))
    }
}

/// A clock's reading, as ICU takes it.
fn written(zoned: &ZonedDateTime) -> Option<DateTime<Gregorian>> {
    let part = |part: i8| u8::try_from(part).ok();
    let date = Date::try_new_gregorian(zoned.year().into(), part(zoned.month())?, part(zoned.day())?).ok()?;
    let time = Time::try_new(part(zoned.hour())?, part(zoned.minute())?, 0, 0).ok()?;
    Some(DateTime { date, time })
}

/// For programs: in UTC, to the second.
fn machine(time: OffsetDateTime) -> String {
    Timestamp::from_second(time.unix_timestamp()).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn readers(zone: &str) -> [Reader; 2] {
        let zone = TimeZone::get(zone).unwrap();
        Language::ALL.map(|language| Reader { language, zone: zone.clone() })
    }

    #[test]
    fn numbers_have_groups() {
        let [english, german] = readers("UTC");
        for (number, in_english, in_german) in [
            (0, "0", "0"),
            (999, "999", "999"),
            (1_000, "1,000", "1.000"),
            (1_234_567, "1,234,567", "1.234.567"),
            (u64::MAX, "18,446,744,073,709,551,615", "18.446.744.073.709.551.615"),
        ] {
            assert_eq!(english.number(number), in_english);
            assert_eq!(german.number(number), in_german);
        }
    }

    #[test]
    fn only_all_is_all_and_only_nothing_nothing() {
        let [english, german] = readers("UTC");
        for (part, whole, in_english, in_german) in [
            (0, 0, "–", "–"),
            (0, 7, "0%", "0\u{a0}%"),
            (7, 7, "100%", "100\u{a0}%"),
            (1, 3, "33.3%", "33,3\u{a0}%"),
            (2, 3, "66.7%", "66,7\u{a0}%"),
            (1, 1_000_000, "0.1%", "0,1\u{a0}%"),
            (999_999, 1_000_000, "99.9%", "99,9\u{a0}%"),
            (1_000_001, 1_000_000, "100.1%", "100,1\u{a0}%"),
            (1, 2, "50%", "50\u{a0}%"),
        ] {
            assert_eq!(english.percent(part, whole), in_english, "{part} of {whole}");
            assert_eq!(german.percent(part, whole), in_german, "{part} of {whole}");
        }
    }

    #[test]
    fn sizes_have_their_unit() {
        let [english, german] = readers("UTC");
        for (bytes, in_english, in_german) in [
            (0, "0\u{a0}B", "0\u{a0}B"),
            (999, "999\u{a0}B", "999\u{a0}B"),
            (1_500, "1.5\u{a0}kB", "1,5\u{a0}kB"),
            (999_949, "999.9\u{a0}kB", "999,9\u{a0}kB"),
            (999_950, "1\u{a0}MB", "1\u{a0}MB"),
            (10_737_418_240, "10.7\u{a0}GB", "10,7\u{a0}GB"),
            (5_000_000_000_000_000, "5,000\u{a0}TB", "5.000\u{a0}TB"),
        ] {
            assert_eq!(english.bytes(bytes), in_english);
            assert_eq!(german.bytes(bytes), in_german);
        }
    }

    #[test]
    fn times_are_those_of_the_readers_clock() {
        for (zone, time, in_english, in_german) in [
            ("UTC", datetime!(2026-12-01 07:35:59 UTC), "1 Dec 2026, 07:35", "01.12.2026, 07:35"),
            (
                "America/Los_Angeles",
                datetime!(2026-12-01 07:35 UTC),
                "30 Nov 2026, 23:35",
                "30.11.2026, 23:35",
            ),
            // The clock goes from 02:00 to 03:00, ...
            ("Europe/Berlin", datetime!(2026-03-29 00:59 UTC), "29 Mar 2026, 01:59", "29.03.2026, 01:59"),
            ("Europe/Berlin", datetime!(2026-03-29 01:00 UTC), "29 Mar 2026, 03:00", "29.03.2026, 03:00"),
            // ... and in autumn shows an hour twice.
            (
                "Europe/Berlin",
                datetime!(2026-10-25 00:30 UTC),
                "25 Oct 2026, 02:30 CEST",
                "25.10.2026, 02:30 CEST",
            ),
            (
                "Europe/Berlin",
                datetime!(2026-10-25 01:30 UTC),
                "25 Oct 2026, 02:30 CET",
                "25.10.2026, 02:30 CET",
            ),
            ("Europe/Berlin", datetime!(2026-10-25 02:00 UTC), "25 Oct 2026, 03:00", "25.10.2026, 03:00"),
        ] {
            let [english, german] = readers(zone);
            assert_eq!(english.minute(time), in_english);
            assert_eq!(german.minute(time), in_german);
        }
        let [english, german] = readers("Europe/Berlin");
        let late = datetime!(2026-11-30 23:30 UTC);
        assert_eq!((english.day(late), german.day(late)), ("1 Dec 2026".into(), "01.12.2026".into()));
        assert_eq!((english.tick(late, true), german.tick(late, true)), ("1 Dec".into(), "1. Dez.".into()));
        assert_eq!((english.tick(late, false), german.tick(late, false)), ("00:30".into(), "00:30".into()));
        let html = english.time(late).into_string();
        assert_eq!(html, "<time datetime=\"2026-11-30T23:30:00Z\">1 Dec 2026, 00:30</time>");
    }

    #[test]
    fn a_day_begins_in_the_readers_zone() {
        let [_, german] = readers("Europe/Berlin");
        for (day, later, expected) in [
            ("2026-12-01", 0, Some("2026-11-30T23:00:00Z")),
            // A day of 23 hours, and one of 25.
            ("2026-03-29", 1, Some("2026-03-29T22:00:00Z")),
            ("2026-10-25", 1, Some("2026-10-25T23:00:00Z")),
            ("2026-02-29", 0, None),
            ("", 0, None),
        ] {
            assert_eq!(german.begin_of(day, later).as_deref(), expected, "{day}");
        }
    }

    #[test]
    fn a_distance_is_told_in_one_unit() {
        let [english, german] = readers("UTC");
        let now = datetime!(2026-12-01 12:00 UTC);
        for (seconds, in_english, in_german) in [
            (0, "just now", "gerade eben"),
            (-29, "just now", "gerade eben"),
            (30, "in 1 minute", "in 1 Minute"),
            (-240, "4 minutes ago", "vor 4 Minuten"),
            (3_569, "in 59 minutes", "in 59 Minuten"),
            (3_570, "in 1 hour", "in 1 Stunde"),
            (-3 * 3_600, "3 hours ago", "vor 3 Stunden"),
            (47 * 3_600, "in 47 hours", "in 47 Stunden"),
            (48 * 3_600, "in 2 days", "in 2 Tagen"),
            (-1_461 * 86_400, "1,461 days ago", "vor 1.461 Tagen"),
        ] {
            let time = now + Duration::seconds(seconds);
            assert_eq!(english.distance(time, now), in_english, "{seconds}");
            assert_eq!(german.distance(time, now), in_german, "{seconds}");
        }
        let html = english.relative(now + Duration::hours(3), now).into_string();
        assert!(html.contains("in 3 hours") && html.contains("1 Dec 2026, 15:00"), "{html}");
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let [english, german] = readers("UTC");
        for (seconds, in_english, in_german) in [
            (0, "0 seconds", "0 Sekunden"),
            (1, "1 second", "1 Sekunde"),
            (60, "1 minute", "1 Minute"),
            (125, "2 minutes 5 seconds", "2 Minuten 5 Sekunden"),
            (7_500, "2 hours 5 minutes", "2 Stunden 5 Minuten"),
            (28 * 86_400, "28 days", "28 Tage"),
            (86_400 + 3_600 + 59, "1 day 1 hour", "1 Tag 1 Stunde"),
        ] {
            assert_eq!(english.duration(Duration::seconds(seconds)), in_english);
            assert_eq!(german.duration(Duration::seconds(seconds)), in_german);
        }
    }
}
