//! Somebody who is not logged in yet, and what is asked of them: a page with one form at a time.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
    response::Response,
};
use maud::{Markup, html};
use sqlx::PgTransaction;
use time::OffsetDateTime;

use super::{
    challenge::{self, Challenge, Purpose},
    way::Way,
};
use crate::{
    Console, ConsoleError,
    gate::{At, FormToken},
    look::{Button, Field, Frame, Problems, Submit, form},
    person::Reader,
    visitor::Visitor,
};

/// Who asks.
pub(crate) struct Guest {
    pub(super) console: Arc<Console>,
    pub(super) now: OffsetDateTime,
    pub(super) reader: Reader,
    pub(super) visitor: Visitor,
    pub(super) headers: HeaderMap,
    pub(super) form_token: FormToken,
}

/// A page with one form. Its words are keys of the catalogue, unless they have values in them.
pub(super) struct Step<'a> {
    pub(super) title: &'a str,
    /// What stands above the form.
    pub(super) above: Markup,
    /// Where the form goes.
    pub(super) action: &'a str,
    pub(super) fields: &'a [Field<'a>],
    /// What its button says, and how much it weighs.
    pub(super) submit: (&'a str, Button),
    /// Other ways to go.
    pub(super) below: Markup,
}

impl Guest {
    /// The challenge that the browser has, if it is open: locked to the end of the transaction.
    pub(super) async fn challenge(
        &self,
    ) -> Result<Option<(PgTransaction<'static>, Challenge)>, ConsoleError> {
        let mut tx = self.console.store.pool().begin().await?;
        let found = challenge::find(&mut tx, Purpose::Login, &self.headers, self.now).await?;
        Ok(found.map(|challenge| (tx, challenge)))
    }

    /// The page of a step.
    pub(super) fn show(&self, step: &Step<'_>, way: &Way, problems: &Problems<'_>) -> Response {
        let reader = &self.reader;
        let fields = html! { @for field in step.fields { (field.render(problems)) } };
        let content = html! {
            (step.above)
            (problems.render(reader))
            (self.form(step.action, way, &fields, step.submit))
            (step.below)
        };
        Frame { reader, title: &reader.t(step.title) }.around(problems.status(), &content)
    }

    /// A form that takes the wanted page along.
    pub(super) fn form(
        &self,
        action: &str,
        way: &Way,
        fields: &Markup,
        (submit, weight): (&str, Button),
    ) -> Markup {
        let content = html! {
            (way) (fields)
            (Submit { text: &self.reader.t(submit), weight }.render())
        };
        form(action, &self.form_token, &content)
    }
}

impl FromRequestParts<Arc<Console>> for Guest {
    type Rejection = ConsoleError;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, ConsoleError> {
        let At(now) = At::from_request_parts(parts, console).await?;
        let form_token = FormToken::from_request_parts(parts, console).await?;
        let Ok(reader) = Reader::from_request_parts(parts, console).await;
        let Ok(visitor) = Visitor::from_request_parts(parts, console).await;
        let headers = parts.headers.clone();
        Ok(Self { console: Arc::clone(console), now, reader, visitor, headers, form_token })
    }
}
