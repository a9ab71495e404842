//! Filters that write values as the template's language does. The data is CLDR's, from ICU4X; formatters are made once per template.

use std::{error, fmt, sync::OnceLock};

use fault::Phrase;
use fixed_decimal::{Decimal, SignedRoundingMode, UnsignedRoundingMode};
use icu_calendar::{Date, Gregorian};
use icu_datetime::{
    FixedCalendarDateTimeFormatter,
    fieldsets::{YMD, YMDE},
};
use icu_decimal::DecimalFormatter;
use icu_locale_core::Locale;
use minijinja::{Environment, Error, ErrorKind, State, value::Value};

use super::{
    figures::{self, Order},
    person,
    prepare::MAIL,
};

/// Of a tag. Nobody's language needs more.
const TAG_BYTES_MAX: usize = 35;
/// Places behind the decimal sign that a template may ask for.
const DECIMALS_MAX: i16 = 10;

/// A template's language, with what writes values in it.
pub(super) struct Language {
    locale: Locale,
    order: Order,
    /// `short`, `medium` and `long`.
    dates: [OnceLock<Option<FixedCalendarDateTimeFormatter<Gregorian, YMD>>>; 3],
    full: OnceLock<Option<FixedCalendarDateTimeFormatter<Gregorian, YMDE>>>,
    numbers: OnceLock<Option<DecimalFormatter>>,
}

/// The value of a field is none that the filter can read. Not the value itself, which is personal data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unreadable(pub Phrase);

/// The template asks a filter for what it cannot do, whatever the value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Misused;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Misused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an argument of this filter")
    }
}

impl error::Error for Unreadable {}
impl error::Error for Misused {}

impl Language {
    /// A BCP 47 tag of a language that CLDR has.
    pub fn new(tag: &str) -> Result<Self, Phrase> {
        let unknown = Phrase::LocaleTag;
        if tag.len() > TAG_BYTES_MAX {
            return Err(unknown);
        }
        let locale = Locale::try_from_str(tag).map_err(|_| unknown)?;
        let mut language = Self {
            locale,
            order: Order::Unknown,
            dates: [const { OnceLock::new() }; 3],
            full: OnceLock::new(),
            numbers: OnceLock::new(),
        };
        let probe = Date::try_new_gregorian(2033, 11, 22).map_err(|_| unknown)?;
        let root = Self::formatter(&Locale::UNKNOWN, YMD::long()).map(|root| root.format(&probe).to_string());
        let written = |style| Some(language.ymd(style)?.format(&probe).to_string());
        // Of a language that it does not have, CLDR writes what no language does.
        if written(2) == root {
            return Err(Phrase::LocaleUnknown);
        }
        let short = written(0).unwrap_or_default();
        let at = |digits| short.find(digits).unwrap_or(usize::MAX);
        let (day, month, year) = (at("22"), at("11"), at("33"));
        // Who writes English without a country has not said how.
        if !tag.eq_ignore_ascii_case("en") && year > day.min(month) {
            language.order = if day < month { Order::DayFirst } else { Order::MonthFirst };
        }
        Ok(language)
    }

    fn formatter(locale: &Locale, style: YMD) -> Option<FixedCalendarDateTimeFormatter<Gregorian, YMD>> {
        FixedCalendarDateTimeFormatter::try_new(locale.into(), style).ok()
    }

    fn ymd(&self, style: usize) -> Option<&FixedCalendarDateTimeFormatter<Gregorian, YMD>> {
        let fields = [YMD::short(), YMD::medium(), YMD::long()][style];
        self.dates[style].get_or_init(|| Self::formatter(&self.locale, fields)).as_ref()
    }

    fn date(&self, text: &str, style: &str) -> Result<String, Error> {
        let style = match style {
            "short" => 0,
            "medium" => 1,
            "long" => 2,
            "full" => 3,
            _ => return Err(misused(Phrase::DateStyle)),
        };
        let date = figures::date(text, self.order).ok_or_else(|| unreadable(Phrase::NoDate))?;
        let written = if style == 3 {
            let fields = YMDE::long();
            let full = self
                .full
                .get_or_init(|| FixedCalendarDateTimeFormatter::try_new((&self.locale).into(), fields).ok());
            full.as_ref().map(|full| full.format(&date).to_string())
        } else {
            self.ymd(style).map(|formatter| formatter.format(&date).to_string())
        };
        written.ok_or_else(|| misused(Phrase::DatesUnknown))
    }

    fn number(&self, value: &Value, decimals: Option<i16>) -> Result<String, Error> {
        if decimals.is_some_and(|decimals| !(0..=DECIMALS_MAX).contains(&decimals)) {
            return Err(misused(Phrase::Decimals));
        }
        // What the template has calculated has a point and no groups.
        let number = match value.as_str() {
            Some(text) => figures::number(text),
            None => Decimal::try_from_str(&value.to_string()).ok(),
        };
        let mut number = number.ok_or_else(|| unreadable(Phrase::NoNumber))?;
        if let Some(decimals) = decimals {
            number.round_with_mode(-decimals, SignedRoundingMode::Unsigned(UnsignedRoundingMode::HalfExpand));
            number.absolute.pad_end(-decimals);
        }
        let formatter = self.numbers.get_or_init(|| {
            DecimalFormatter::try_new(
                (&self.locale).into(),
                icu_decimal::options::DecimalFormatterOptions::default(),
            )
            .ok()
        });
        let formatter = formatter.as_ref().ok_or_else(|| misused(Phrase::NumbersUnknown))?;
        Ok(formatter.format(&number).to_string())
    }
}

/// Makes `date`, `number` and `name` known to the templates of an environment.
pub(super) fn add_filters(environment: &mut Environment<'static>, language: std::sync::Arc<Language>) {
    let own = language.clone();
    environment.add_filter("date", move |state: &State, text: String, style: Option<&str>| {
        readable(state, own.date(&text, style.unwrap_or("medium")), &text)
    });
    let own = language.clone();
    environment.add_filter("number", move |state: &State, value: Value, decimals: Option<i16>| {
        if value.is_undefined() {
            return Err(ErrorKind::UndefinedError.into());
        }
        readable(state, own.number(&value, decimals), "")
    });
    environment.add_filter("name", move |text: String| person::name(&text, &language.locale.id));
}

/// The trial run of a template has no mail, and its fields no values: there only what the template itself says can be wrong.
fn readable(state: &State, written: Result<String, Error>, text: &str) -> Result<String, Error> {
    match written {
        Err(error) if is_unreadable(&error).is_some() && state.lookup(MAIL).is_none() => Ok(text.to_owned()),
        written => written,
    }
}

fn unreadable(problem: Phrase) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem.to_string()).with_source(Unreadable(problem))
}

fn misused(problem: Phrase) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem.to_string()).with_source(Misused)
}

/// What a filter of ours could not read, if that is the error.
pub(super) fn is_unreadable(error: &Error) -> Option<Unreadable> {
    error::Error::source(error)?.downcast_ref::<Unreadable>().copied()
}

/// Whether the template is wrong for every value.
pub(super) fn is_misused(error: &Error) -> bool {
    error::Error::source(error).and_then(|source| source.downcast_ref::<Misused>()).is_some()
}
