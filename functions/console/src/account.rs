//! One's own page: how one reads, where one is logged in, and the password.

mod app;
mod passkeys;
mod password;
mod phone;
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
use maud::{Markup, html};
use sqlx::{Row, postgres::PgRow};
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError, gate::At, login::problem, page::Page, person::Person, session::IDLE_MAX,
    words::Language,
};

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/account", get(show))
        .route("/account/settings", post(settings::change))
        .route("/account/password", post(password::change))
        .route("/account/sessions/end", post(settings::end_session))
        .route("/account/phone", get(phone::ask).post(phone::change))
        .route("/account/phone/code", post(phone::check))
        .route("/account/app", get(app::offer).post(app::set_up))
        .route("/account/app/end", post(app::end))
        .route("/account/recovery", post(app::recovery))
        .merge(passkeys::routes())
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
    let (factors, sessions) = (Factors::of(console, person).await?, sessions(console, person, now).await?);
    let passkeys = passkeys::link(console, person).await?;
    let content = html! {
        (problem(wrong))
        dl {
            dt { (reader.t("login-email")) } dd { (person.email) }
            dt { (reader.t("account-role")) } dd { (reader.t(&format!("role-{}", person.role))) }
            @if let Some(tenant) = &person.tenant_name { dt { (reader.t("account-tenant")) } dd { (tenant) } }
        }
        (settings_form(person))
        (password_form(person))
        (factors.forms(person))
        (passkeys)
        (sessions)
    };
    Ok(Page::new(person, None, &title).status(status).show(&content))
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

/// What the person proves to be who they are by, beside the password.
struct Factors {
    phone_ends: Option<String>,
    has_app: bool,
    is_app_allowed: bool,
    recovery_codes: i64,
}

impl Factors {
    async fn of(console: &Console, person: &Person) -> Result<Self, ConsoleError> {
        let row = sqlx::query(
            "SELECT u.phone_ends, u.totp_sealed IS NOT NULL AS has_app, u.tenant_id IS NULL OR t.totp_allowed AS is_app_allowed,
                    (SELECT count(*) FROM broadcast.recovery_codes r WHERE r.user_id = u.id) AS recovery_codes
             FROM broadcast.users u LEFT JOIN broadcast.tenants t ON t.id = u.tenant_id WHERE u.id = $1",
        )
        .bind(person.id)
        .fetch_one(console.store.pool())
        .await?;
        Ok(Self {
            phone_ends: row.get("phone_ends"),
            has_app: row.get("has_app"),
            is_app_allowed: row.get("is_app_allowed"),
            recovery_codes: row.get("recovery_codes"),
        })
    }

    const fn has_phone(&self) -> bool {
        self.phone_ends.is_some()
    }

    /// An app comes behind a phone, which still gets a text when the app is lost.
    const fn may_set_up_app(&self) -> bool {
        self.is_app_allowed && self.has_phone() && !self.has_app
    }

    fn forms(&self, person: &Person) -> Markup {
        let reader = &person.reader;
        let current = |id: &str| {
            html! {
                p {
                    label for=(id) { (reader.t("change-current")) }
                    input id=(id) type="password" name="current" autocomplete="current-password" required maxlength="256";
                }
            }
        };
        html! {
            h2 { (reader.t("factors-title")) }
            @match &self.phone_ends {
                Some(ends) => { p { (reader.t_with("factors-phone", &[("ends", ends.as_str().into())])) } }
                None => { p { (reader.t("factors-no-phone")) } }
            }
            form method="post" action="/account/phone" {
                (person.form_token)
                (current("phone-current"))
                p {
                    label for="phone" { (reader.t("factors-new-phone")) }
                    input #phone type="tel" name="phone" autocomplete="tel" inputmode="tel" required maxlength="40" aria-describedby="phone-hint";
                }
                p #phone-hint.hint { (reader.t("phone-hint")) }
                p { button type="submit" { (reader.t("phone-submit")) } }
            }
            @if self.has_app {
                h3 { (reader.t("app-title")) }
                p { (reader.t("app-is-there")) }
                form method="post" action="/account/app/end" {
                    (person.form_token) (current("app-current"))
                    p { button type="submit" { (reader.t("app-end")) } }
                }
            }
            @if self.may_set_up_app() { p { a href="/account/app" { (reader.t("app-title")) } } }
            @if self.has_phone() {
                h3 { (reader.t("recovery-make-title")) }
                p { (reader.t_with("recovery-left", &[("count", self.recovery_codes.into())])) }
                form method="post" action="/account/recovery" {
                    (person.form_token) (current("recovery-current"))
                    p { button type="submit" { (reader.t("recovery-make")) } }
                }
            }
        }
    }
}

/// Where the person is logged in, and a form that ends any of it, or all but this.
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
    let is_other = |row: &PgRow| row.get::<i64, _>("id") != person.session;
    Ok(html! {
        h2 #sessions { (reader.t("sessions-title")) }
        form method="post" action="/account/sessions/end" {
            (person.form_token)
            table {
                thead { tr {
                    @for head in ["browser", "source", "begun", "seen", "end"] { th scope="col" { (reader.t(&format!("sessions-{head}"))) } }
                } }
                tbody { @for row in &rows {
                    @let (id, browser): (i64, String) = (row.get("id"), row.get("browser"));
                    tr {
                        th scope="row" { (browser) }
                        td { (row.get::<Option<String>, _>("source").unwrap_or_default()) }
                        td { (reader.time(row.get("created_at"))) }
                        td { (reader.time(row.get("seen_at"))) }
                        td {
                            @if is_other(row) {
                                @let values = [("browser", FluentValue::from(browser.as_str()))];
                                input type="radio" name="session" value=(id) required aria-label=(reader.t_with("sessions-end-one", &values));
                            } @else { (reader.t("sessions-this")) }
                        }
                    }
                } }
            }
            @if rows.iter().any(is_other) {
                p { label { input type="radio" name="session" value=(settings::ALL_OTHERS) required; " " (reader.t("sessions-all-others")) } }
                p {
                    label for="sessions-current" { (reader.t("change-current")) }
                    input #sessions-current type="password" name="current" autocomplete="current-password" required maxlength="256";
                }
                p { button type="submit" { (reader.t("sessions-end")) } }
            }
        }
    })
}
