//! One's own page: how one reads, where one is logged in, and the password.

mod password;
mod settings;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use fluent_bundle::FluentValue;
use jiff::Timestamp;
use maud::{Markup, html};
use sqlx::Row;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError,
    gate::At,
    login::problem,
    look::Frame,
    person::{Person, Reader},
    session::IDLE_MAX,
    words::Language,
};

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/account", get(show))
        .route("/account/settings", post(settings::change))
        .route("/account/password", post(password::change))
        .route("/account/sessions/end", post(settings::end_session))
}

/// `GET /account`.
async fn show(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
) -> Result<Response, ConsoleError> {
    page(&console, &person, now, StatusCode::OK, None).await
}

/// The whole page, with what is wrong with a form of it.
async fn page(
    console: &Console,
    person: &Person,
    now: OffsetDateTime,
    status: StatusCode,
    wrong: Option<&str>,
) -> Result<Response, ConsoleError> {
    let (reader, title) = (&person.reader, person.reader.t("account-title"));
    let sessions = sessions(console, person, now).await?;
    let content = html! {
        (problem(wrong))
        dl {
            dt { (reader.t("login-email")) } dd { (person.email) }
            dt { (reader.t("account-role")) } dd { (reader.t(&format!("role-{}", person.role))) }
            @if let Some(tenant) = &person.tenant_name { dt { (reader.t("account-tenant")) } dd { (tenant) } }
        }
        form method="post" action="/logout" { (person.form_token) p { button type="submit" { (reader.t("account-logout")) } } }
        (settings_form(person))
        (password_form(person))
        (sessions)
    };
    Ok(Frame { reader, title: &title }.around(status, &content))
}

fn settings_form(person: &Person) -> Markup {
    let reader = &person.reader;
    let zone = reader.zone.iana_name().unwrap_or("UTC");
    html! {
        h2 { (reader.t("settings-title")) }
        form method="post" action="/account/settings" {
            (person.form_token)
            p {
                label for="language" { (reader.t("settings-language")) }
                select #language name="language" {
                    @for language in Language::ALL {
                        option value=(language.tag()) lang=(language.tag()) selected[language == reader.language] { (language.text("language-name")) }
                    }
                }
            }
            p {
                label for="zone" { (reader.t("settings-zone")) }
                select #zone name="zone" {
                    @for name in settings::zones() { option selected[name == zone] { (name) } }
                }
            }
            p { button type="submit" { (reader.t("settings-submit")) } }
        }
    }
}

fn password_form(person: &Person) -> Markup {
    let reader = &person.reader;
    html! {
        h2 { (reader.t("change-title")) }
        form method="post" action="/account/password" {
            (person.form_token)
            // For the browser's memory of passwords.
            input type="email" name="username" value=(person.email) autocomplete="username" hidden;
            p {
                label for="current" { (reader.t("change-current")) }
                input #current type="password" name="current" autocomplete="current-password" required maxlength="256";
            }
            p {
                label for="new" { (reader.t("choose-label")) }
                input #new type="password" name="new" autocomplete="new-password" required minlength="12" maxlength="256" aria-describedby="new-hint";
            }
            p #new-hint.hint { (reader.t("choose-hint")) " " (reader.t("change-hint")) }
            p { button type="submit" { (reader.t("choose-submit")) } }
        }
    }
}

/// Where the person is logged in, each with a button that ends it.
async fn sessions(console: &Console, person: &Person, now: OffsetDateTime) -> Result<Markup, ConsoleError> {
    let rows = sqlx::query(
        "SELECT id, created_at, seen_at, source, browser FROM broadcast.sessions
         WHERE user_id = $1 AND ends_at > $2 AND seen_at > $3 ORDER BY seen_at DESC, id",
    )
    .bind(person.id)
    .bind(now)
    .bind(now - IDLE_MAX)
    .fetch_all(console.store.pool())
    .await?;
    let reader = &person.reader;
    Ok(html! {
        h2 #sessions { (reader.t("sessions-title")) }
        table {
            thead { tr {
                @for head in ["browser", "source", "begun", "seen", "end"] { th scope="col" { (reader.t(&format!("sessions-{head}"))) } }
            } }
            tbody { @for row in &rows {
                @let (id, browser): (i64, String) = (row.get("id"), row.get("browser"));
                tr {
                    th scope="row" { (browser) }
                    td { (row.get::<Option<String>, _>("source").unwrap_or_default()) }
                    td { (moment(reader, row.get("created_at"))) }
                    td { (moment(reader, row.get("seen_at"))) }
                    td {
                        @if id == person.session { (reader.t("sessions-this")) }
                        @else {
                            form method="post" action="/account/sessions/end" {
                                (person.form_token)
                                input type="hidden" name="session" value=(id);
                                @let values = [("browser", FluentValue::from(browser.as_str()))];
                                button.quiet type="submit" aria-label=(reader.t_with("sessions-end-one", &values)) { (reader.t("sessions-end")) }
                            }
                        }
                    }
                }
            } }
        }
    })
}

/// A moment in the reader's zone, to the minute.
fn moment(reader: &Reader, at: OffsetDateTime) -> Markup {
    let Ok(at) = Timestamp::from_second(at.unix_timestamp()) else { return html! {} };
    html! { time datetime=(at) { (at.to_zoned_datetime(reader.zone.clone()).strftime("%Y-%m-%d %H:%M")) } }
}
