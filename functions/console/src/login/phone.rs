//! The first login of a user without a phone: one is registered, and proved at once by a code.

use access::{Phone, PhoneError};
use axum::{Form, extract::Query, response::Response};
use maud::html;
use serde::Deserialize;

use super::{
    challenge,
    guest::{Guest, Step},
    redirect,
    way::Way,
};
use crate::{
    ConsoleError,
    look::{Button, Field, Kind, Problems},
    phone,
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Registration {
    phone: String,
    next: String,
}

/// `GET /login/phone`.
pub(crate) async fn ask(guest: Guest, Query(way): Query<Way>) -> Result<Response, ConsoleError> {
    let Some((_, challenge)) = guest.challenge().await? else { return Ok(challenge::begin_again("ended")) };
    if challenge.phone.is_some() {
        return Ok(redirect("/login/code", way.next()));
    }
    Ok(show(&guest, &way, "", &Problems::default()))
}

fn show(guest: &Guest, way: &Way, typed: &str, problems: &Problems<'_>) -> Response {
    let [why, label, hint] = ["phone-why", "phone-label", "phone-hint"].map(|key| guest.reader.t(key));
    let phone = Field {
        value: typed,
        hint: Some(&hint),
        autocomplete: "tel",
        focus: true,
        ..Field::new("phone", &label, Kind::Phone)
    };
    let step = Step {
        title: "phone-title",
        above: html! { p { (why) } },
        action: "/login/phone",
        fields: &[phone],
        submit: ("phone-submit", Button::Main),
        below: html! {},
    };
    guest.show(&step, way, problems)
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
pub(crate) async fn register(guest: Guest, Form(form): Form<Registration>) -> Result<Response, ConsoleError> {
    let way = Way { next: form.next, ..Way::default() };
    let Some((mut tx, challenge)) = guest.challenge().await? else {
        return Ok(challenge::begin_again("ended"));
    };
    // A registered one is changed by whoever is logged in alone.
    if challenge.phone.is_some() {
        return Ok(redirect("/login/code", way.next()));
    }
    let phone = match judge(&form.phone, challenge.countries.as_deref()) {
        Ok(phone) => phone,
        Err(words) => {
            return Ok(show(&guest, &way, &form.phone, &Problems::one("phone", guest.reader.t(words))));
        }
    };
    let sealed = phone::seal(&guest.console, challenge.user, &phone)?;
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
    let text = challenge.text(sealed, &guest.reader, &guest.visitor);
    phone::send(&guest.console, &text, guest.now).await?;
    Ok(redirect("/login/code", way.next()))
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
