//! Dates and numbers as they stand in files, read.

use fixed_decimal::Decimal;
use icu_calendar::{Date, Gregorian};

/// Digits and signs of a number. Longer ones are no amounts.
const NUMBER_BYTES_MAX: usize = 40;

/// In which order a language writes the numbers of a date between slashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    DayFirst,
    MonthFirst,
    /// Nobody can say: English without a country, or a language that begins with the year.
    Unknown,
}

/// A date, with or without a time behind it: the day that is written there, in whatever time zone. Beginning with the year (`2026-03-09`,
/// `2026/03/09`, `2026.03.09`, `20260309`), or day, month and year between points; between slashes or hyphens in the language's order.
pub(super) fn date(text: &str, order: Order) -> Option<Date<Gregorian>> {
    let text = text.trim();
    let end = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let (day, time) = text.split_at(end);
    if !is_time(time) {
        return None;
    }
    let sign = day.chars().find(|c| !c.is_ascii_digit());
    let parts: Vec<&str> = match sign {
        Some(sign @ ('-' | '/' | '.')) => day.split(sign).collect(),
        None if day.len() == 8 => vec![&day[..4], &day[4..6], &day[6..]],
        _ => return None,
    };
    let [first, second, third] = parts[..] else { return None };
    let (year, month, day) = match (first.len(), sign) {
        (4, _) => (first, second, third),
        (_, Some('.')) => (third, second, first),
        _ => match order {
            Order::DayFirst => (third, second, first),
            Order::MonthFirst => (third, first, second),
            Order::Unknown => return None,
        },
    };
    if year.len() != 4 || ![month, day].iter().all(|part| (1..=2).contains(&part.len())) {
        return None;
    }
    // There is no year 0; it is how some databases write that there is no date.
    let year = digits(year).filter(|year| *year > 0)?;
    Date::try_new_gregorian(year.into(), digits(month)?.try_into().ok()?, digits(day)?.try_into().ok()?).ok()
}

fn digits(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Nothing, or `T12:30`, ` 12:30:59.123`, with `Z` or `+02:00` behind it.
fn is_time(text: &str) -> bool {
    let Some(text) = text.get(1..).map(str::trim) else { return true };
    let clock = text.trim_end_matches(['Z', 'z']);
    let clock = clock.rsplit_once(['+', '-']).map_or(clock, |(clock, _)| clock).trim_end();
    let seconds: Vec<&str> = clock.split(':').collect();
    let whole = |part: &str, max: u16| {
        (1..=2).contains(&part.len()) && digits(part).is_some_and(|number| number < max)
    };
    match seconds[..] {
        [hour, minute] => whole(hour, 25) && whole(minute, 60),
        [hour, minute, second] => {
            let second = second.split(['.', ',']).next().unwrap_or_default();
            whole(hour, 25) && whole(minute, 60) && whole(second, 61)
        }
        _ => false,
    }
}

/// A number. A point or a comma is the decimal sign where only one of them stands there, once; where both do, the last one is, and the other
/// groups thousands; one that stands there several times groups them. Spaces and apostrophes group as well. `1.234` and `1,234` may be a
/// thousand and something or one and something: nobody can say, so it is none.
pub(super) fn number(text: &str) -> Option<Decimal> {
    let text = text.trim();
    if text.len() > NUMBER_BYTES_MAX {
        return None;
    }
    let text = text.replace('\u{2212}', "-");
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (if text.starts_with('-') { "-" } else { "" }, digits),
        None => ("", text.as_str()),
    };
    let point = digits.rfind(['.', ',']);
    let (whole, fraction) = match point {
        None => (digits, ""),
        Some(at) => {
            let (head, tail) = (&digits[..at], &digits[at + 1..]);
            let mark = digits.as_bytes()[at];
            if head.as_bytes().contains(&mark) {
                // Twice the same: it groups, to the end.
                (digits, "")
            } else {
                let other = head.contains(['.', ',', ' ', '\'', '\u{a0}', '\u{202f}', '\u{2019}']);
                let doubtful =
                    !other && tail.len() == 3 && (1..=3).contains(&head.len()) && !head.starts_with('0');
                if doubtful || tail.is_empty() {
                    return None;
                }
                (head, tail)
            }
        }
    };
    let whole = ungrouped(whole)?;
    if whole.is_empty() && fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole = if whole.is_empty() { "0" } else { whole.as_str() };
    let point = if fraction.is_empty() { "" } else { "." };
    Decimal::try_from_str(&format!("{sign}{whole}{point}{fraction}")).ok()
}

/// Digits, in groups of three where one sign parts them.
fn ungrouped(text: &str) -> Option<String> {
    let Some(sign) = text.chars().find(|c| !c.is_ascii_digit()) else { return Some(text.to_owned()) };
    if !matches!(sign, '.' | ',' | ' ' | '\'' | '\u{2019}' | '\u{a0}' | '\u{202f}') {
        return None;
    }
    let mut groups = text.split(sign);
    let first = groups.next().filter(|first| (1..=3).contains(&first.len()))?;
    let rest: Option<Vec<&str>> = groups.map(|group| (group.len() == 3).then_some(group)).collect();
    let digits = format!("{first}{}", rest?.concat());
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str, order: Order) -> Option<(i32, u8, u8)> {
        date(text, order)
            .map(|date| (date.year().extended_year(), date.month().ordinal, date.day_of_month().0))
    }

    #[test]
    fn dates_are_read_where_there_is_no_doubt() {
        for text in [
            "2026-03-09",
            " 2026-3-9 ",
            "2026/03/09",
            "2026.03.09",
            "20260309",
            "09.03.2026",
            "9.3.2026",
            "2026-03-09T23:59",
            "2026-03-09T23:59:60Z",
            "2026-03-09 23:59:59.123+02:00",
            "9.3.2026 7:05",
        ] {
            assert_eq!(day(text, Order::Unknown), Some((2026, 3, 9)), "{text}");
        }
        for text in ["9/3/2026", "09-03-2026"] {
            assert_eq!(day(text, Order::DayFirst), Some((2026, 3, 9)), "{text}");
            assert_eq!(day(text, Order::MonthFirst), Some((2026, 9, 3)), "{text}");
            assert_eq!(day(text, Order::Unknown), None, "{text}");
        }
        for text in [
            "",
            "tomorrow",
            "0000-01-01",
            "9.3.26",
            "2026-02-30",
            "2026-13-01",
            "32.1.2026",
            "2026-03",
            "2026-03-09T25",
            "2026-03-09 noon",
            "+2026-03-09",
            "2026-03/09",
            "2026-03-09-01",
            "13/13/2026",
            "０9.03.2026",
            "99999999",
            "2026--9",
            "1.2.3.4",
        ] {
            assert_eq!(day(text, Order::DayFirst), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_read_where_there_is_no_doubt() {
        let table = [
            ("1234", "1234"),
            ("-7", "-7"),
            ("+7", "7"),
            ("−7", "-7"),
            ("0", "0"),
            ("12.5", "12.5"),
            ("12,50", "12.50"),
            ("0.125", "0.125"),
            ("0,125", "0.125"),
            ("1234.567", "1234.567"),
            ("1.2345", "1.2345"),
            ("1.234,5", "1234.5"),
            ("1,234.5", "1234.5"),
            ("1.234.567", "1234567"),
            ("1,234,567.89", "1234567.89"),
            ("1 234 567,8", "1234567.8"),
            ("1'234.567", "1234.567"),
            ("1\u{a0}234", "1234"),
            (",5", "0.5"),
        ];
        for (text, expected) in table {
            assert_eq!(number(text).map(|number| number.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "-",
            ".",
            "1.",
            "1.234",
            "123,456",
            "1.23.456",
            "1,2,3",
            "1.234,567,8",
            "12 34",
            "1e5",
            "0x1",
            "€ 5",
            "5 €",
            "1-2",
            "--1",
            "½",
            "1..234",
            "11111111111111111111111111111111111111111",
        ] {
            assert_eq!(number(text).map(|number| number.to_string()), None, "{text}");
        }
    }
}
