//! Who looks at a page: anybody in some language, or a person who is logged in.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use fluent_bundle::FluentValue;
use jiff::tz::TimeZone;

use crate::words::Language;

/// In which language and time zone a page is read.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) language: Language,
    pub(crate) zone: TimeZone,
}

impl Reader {
    /// Somebody who is not logged in.
    pub(crate) fn stranger(accepted: &str) -> Self {
        Self { language: Language::choose(accepted), zone: TimeZone::UTC }
    }

    /// The text of a key.
    pub(crate) fn t(&self, key: &str) -> String {
        self.language.text(key)
    }

    /// The same with values in it.
    pub(crate) fn t_with(&self, key: &str, values: &[(&str, FluentValue<'_>)]) -> String {
        self.language.text_with(key, values)
    }

    /// What the time zone is called.
    pub(crate) fn zone_name(&self) -> String {
        self.zone.iana_name().unwrap_or("UTC").replace('_', " ")
    }
}

impl<S: Sync> FromRequestParts<S> for Reader {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let accepted = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(Self::stranger(accepted.unwrap_or_default()))
    }
}
