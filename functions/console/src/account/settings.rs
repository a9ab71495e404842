//! Language, time zone, and sessions elsewhere.

use std::sync::{Arc, LazyLock};

use axum::{Form, extract::State, response::Response};
use jiff::tz;
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    page_with,
    password::{confirm, unconfirmed},
};
use crate::{
    Console, ConsoleError,
    gate::At,
    login::redirect,
    person::{Person, Reader},
    record,
    visitor::Visitor,
    words::Language,
};

/// Names of places, as people know them; `Etc/...` and names without a place are for machines.
static ZONES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let names = tz::db().available().map(|name| name.as_str().to_owned());
    let mut zones: Vec<String> =
        names.filter(|name| name == "UTC" || (name.contains('/') && !name.starts_with("Etc/"))).collect();
    zones.sort_unstable();
    zones
});

/// The choice of a language, each in its own words.
pub(crate) fn languages(reader: &Reader, chosen: Language) -> Markup {
    html! {
        div.field {
            label for="field-language" { (reader.t("settings-language")) }
            select #field-language name="language" {
                @for language in Language::ALL {
                    option value=(language.tag()) lang=(language.tag()) selected[language == chosen] { (language.text("language-name")) }
                }
            }
        }
    }
}

/// Those that may be chosen.
pub(super) fn zones() -> &'static [String] {
    &ZONES
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    language: String,
    zone: String,
}

/// `POST /account/settings`. What is none of the choices is left as it is.
pub(super) async fn change(
    State(console): State<Arc<Console>>,
    person: Person,
    Form(form): Form<Settings>,
) -> Result<Response, ConsoleError> {
    let language = Language::of(&form.language).map(Language::tag);
    let zone = zones().iter().find(|zone| **zone == form.zone);
    sqlx::query("UPDATE broadcast.users SET language = coalesce($2, language), zone = coalesce($3, zone) WHERE id = $1")
        .bind(person.id)
        .bind(language)
        .bind(zone)
        .execute(console.store.pool())
        .await?;
    Ok(redirect("/account", None))
}

/// In the place of a session's number.
pub(super) const ALL_OTHERS: i64 = 0;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Ended {
    session: i64,
    current: String,
}

/// `POST /account/sessions/end`: one of the person's own, or all but this one.
pub(super) async fn end_session(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Ended>,
) -> Result<Response, ConsoleError> {
    if !confirm(&console, &person, form.current, now).await? {
        let wrong = unconfirmed(&person, "sessions-current");
        return page_with(&console, &person, now, (&wrong, form.session)).await;
    }
    let mut tx = console.store.pool().begin().await?;
    let ended =
        sqlx::query("DELETE FROM broadcast.sessions WHERE user_id = $1 AND id <> $2 AND $3 IN (id, $4)")
            .bind(person.id)
            .bind(person.session)
            .bind(form.session)
            .bind(ALL_OTHERS)
            .execute(&mut *tx)
            .await?;
    if ended.rows_affected() > 0 {
        let subject = form.session.to_string();
        record::of_person(&mut tx, &person, &visitor, "end_sessions", Some(&subject), now).await?;
    }
    tx.commit().await?;
    Ok(redirect("/account", None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_places() {
        assert!(zones().len() > 300);
        for (zone, expected) in [
            ("Europe/Berlin", true),
            ("UTC", true),
            ("Etc/GMT+1", false),
            ("EST5EDT", false),
            ("Mars/Olympus", false),
        ] {
            assert_eq!(zones().iter().any(|name| name == zone), expected, "{zone}");
        }
    }
}
