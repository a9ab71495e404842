//! The first login of a user without a phone: one is registered, and proved at once by a code.

use std::sync::Arc;

use access::{Phone, PhoneError};
use axum::{
    Form,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use maud::html;
use serde::Deserialize;

use crate::{
    Console, ConsoleError,
    error::too_many,
    gate::{At, FormToken},
    look::Frame,
    person::Reader,
    phone::{self, Sent, Text},
    visitor::Visitor,
};

use super::{
    challenge::{self, Purpose},
    password::problem,
    redirect,
    way::Way,
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Registration {
    phone: String,
    next: String,
}

/// `GET /login/phone`.
pub(crate) async fn ask(
    State(console): State<Arc<Console>>,
    At(now): At,
    reader: Reader,
    form_token: FormToken,
    headers: HeaderMap,
    Query(way): Query<Way>,
) -> Result<Response, ConsoleError> {
    let mut tx = console.store.pool().begin().await?;
    let Some(challenge) = challenge::find(&mut tx, Purpose::Login, &headers, now).await? else {
        return Ok(challenge::begin_again("ended"));
    };
    if challenge.phone.is_some() {
        return Ok(redirect("/login/code", way.next()));
    }
    Ok(show(&reader, &form_token, &way, "", None))
}

fn show(reader: &Reader, form_token: &FormToken, way: &Way, typed: &str, wrong: Option<&str>) -> Response {
    let title = reader.t("phone-title");
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let content = html! {
        p { (reader.t("phone-why")) }
        (problem(wrong))
        form method="post" action="/login/phone" {
            (form_token)
            @if let Some(next) = way.next() { input type="hidden" name="next" value=(next); }
            p {
                label for="phone" { (reader.t("phone-label")) }
                input #phone type="tel" name="phone" value=(typed) autocomplete="tel" inputmode="tel" required maxlength="40"
                    aria-describedby=(if wrong.is_some() { "phone-hint problem" } else { "phone-hint" }) autofocus[wrong.is_none()];
            }
            p #phone-hint.hint { (reader.t("phone-hint")) }
            p { button type="submit" { (reader.t("phone-submit")) } }
        }
    };
    Frame { reader, title: &title }.around(status, &content)
}

/// A number that may get codes, or what to say about it. `countries`: the list, `None`: everywhere.
pub(crate) fn judge(typed: &str, countries: Option<&[String]>) -> Result<Phone, &'static str> {
    // Who writes no country's number means the tenant's own.
    let home = countries.and_then(|countries| countries.first()).map(String::as_str);
    let phone = Phone::parse(typed, home).map_err(|error| match error {
        PhoneError::Malformed => "phone-malformed",
        PhoneError::NotMobile => "phone-not-mobile",
    })?;
    let is_allowed =
        countries.is_none_or(|countries| countries.iter().any(|country| country == phone.country()));
    if is_allowed { Ok(phone) } else { Err("phone-country") }
}

/// `POST /login/phone`.
pub(crate) async fn register(
    State(console): State<Arc<Console>>,
    At(now): At,
    reader: Reader,
    form_token: FormToken,
    visitor: Visitor,
    headers: HeaderMap,
    Form(form): Form<Registration>,
) -> Result<Response, ConsoleError> {
    let way = Way { next: form.next, ..Way::default() };
    let mut tx = console.store.pool().begin().await?;
    let Some(challenge) = challenge::find(&mut tx, Purpose::Login, &headers, now).await? else {
        return Ok(challenge::begin_again("ended"));
    };
    // A registered one is changed by whoever is logged in alone.
    if challenge.phone.is_some() {
        return Ok(redirect("/login/code", way.next()));
    }
    let phone = match judge(&form.phone, challenge.countries.as_deref()) {
        Ok(phone) => phone,
        Err(words) => return Ok(show(&reader, &form_token, &way, &form.phone, Some(&reader.t(words)))),
    };
    let sealed = phone::seal(&console, challenge.user, &phone)?;
    // A code for another number is none for this one.
    sqlx::query(
        "UPDATE broadcast.challenges SET phone_sealed = $2, phone_ends = $3, code_hash = NULL, code_ends_at = NULL WHERE id = $1",
    )
    .bind(challenge.id)
    .bind(&sealed)
    .bind(phone.ends())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    let text = Text {
        challenge: challenge.id,
        user: challenge.user,
        tenant: challenge.tenant,
        wrong: challenge.wrong,
        phone_sealed: sealed,
        reader: &reader,
        visitor: &visitor,
    };
    Ok(match phone::send(&console, &text, now).await? {
        Sent::OnItsWay => redirect("/login/code", way.next()),
        Sent::TooMany(until) => too_many(&reader, "text-limit", until, now),
        Sent::DayFull(until) => too_many(&reader, "text-day", until, now),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_go_where_the_tenant_lives() {
        let list = ["DE".to_owned(), "US".to_owned()];
        for (typed, countries, expected) in [
            ("01512 3456789", Some(&list[..]), Ok("DE")),
            ("+1 201 555 0123", Some(&list[..]), Ok("US")),
            // The same calling code as an allowed country, and dear.
            ("+1 876 210 1234", Some(&list[..]), Err("phone-country")),
            ("+41 78 123 45 67", Some(&list[..]), Err("phone-country")),
            ("+41 78 123 45 67", None, Ok("CH")),
            ("+49 900 1234567", Some(&list[..]), Err("phone-not-mobile")),
            ("01512 3456789", None, Err("phone-malformed")),
        ] {
            let found = judge(typed, countries);
            assert_eq!(found.as_ref().map(Phone::country).map_err(|words| *words), expected, "{typed}");
        }
    }
}
