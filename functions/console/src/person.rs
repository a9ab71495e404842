//! Who looks at a page: anybody in some language, or a person who is logged in.

use std::{fmt, sync::Arc};

use access::{Role, Scope};
use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use contract::TenantId;
use fluent_bundle::FluentValue;
use jiff::tz::TimeZone;

use crate::{ConsoleError, gate::FormToken, words::Language};

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

    /// A user with settings as the database has them.
    pub(crate) fn of(language: &str, zone: &str) -> Self {
        Self {
            language: Language::of(language).unwrap_or(Language::English),
            zone: TimeZone::get(zone).unwrap_or(TimeZone::UTC),
        }
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
        if let Some(person) = parts.extensions.get::<Arc<Person>>() {
            return Ok(person.reader.clone());
        }
        let accepted = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(Self::stranger(accepted.unwrap_or_default()))
    }
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(crate) struct Person {
    /// Of the user.
    pub(crate) id: i64,
    pub(crate) session: i64,
    /// `None`: an operator.
    pub(crate) tenant: Option<TenantId>,
    pub(crate) tenant_name: Option<String>,
    /// The tenant's, for its files.
    pub(crate) bucket: Option<String>,
    pub(crate) email: String,
    pub(crate) role: Role,
    pub(crate) reader: Reader,
    /// For the forms of the session's pages.
    pub(crate) form_token: FormToken,
}

impl Person {
    /// Whether the person's role has a scope in the tenant.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.tenant.is_some() && self.role.may(scope)
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Person({}, {})", self.id, self.role)
    }
}

impl<S: Sync> FromRequestParts<S> for Person {
    type Rejection = ConsoleError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ConsoleError> {
        // Only a route that takes strangers has none.
        parts.extensions.get::<Arc<Self>>().map(|person| Self::clone(person)).ok_or(ConsoleError::Cut)
    }
}
