//! One's own page: how one reads, where one is logged in, and the password.

mod app;
mod passkeys;
mod password;
mod phone;
pub(crate) mod settings;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use maud::{Markup, html};
use sqlx::{Row, postgres::PgRow};
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError,
    gate::At,
    look::{
        Button, Choice, Column, Field, Kind, Problems, Submit, Table, choice, form, link_button, pairs,
        select,
    },
    page::Page,
    person::Person,
    session::IDLE_MAX,
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
    page(&console, &person, now, &Problems::default()).await
}

/// The whole page, with what is wrong with a form of it.
async fn page(
    console: &Console,
    person: &Person,
    now: OffsetDateTime,
    problems: &Problems<'_>,
) -> Result<Response, ConsoleError> {
    page_with(console, person, now, (problems, settings::ALL_OTHERS)).await
}

/// The same, with the session that was chosen to be ended.
async fn page_with(
    console: &Console,
    person: &Person,
    now: OffsetDateTime,
    (problems, chosen): (&Problems<'_>, i64),
) -> Result<Response, ConsoleError> {
    let (reader, title) = (&person.reader, person.reader.t("account-title"));
    let (factors, sessions) =
        (Factors::of(console, person).await?, sessions(console, person, now, (problems, chosen)).await?);
    let [email, role, tenant] = ["login-email", "account-role", "account-tenant"].map(|key| reader.t(key));
    let mut who = vec![
        (&*email, html! { (person.email) }),
        (&*role, html! { (reader.t(&format!("role-{}", person.role))) }),
    ];
    if let Some(name) = &person.tenant_name {
        who.push((&tenant, html! { (name) }));
    }
    let passkeys = passkeys::card(console, person).await?;
    let content = html! {
        (problems.render(reader))
        section.card {
            (pairs(&who))
            h2 { (reader.t("settings-title")) }
            (settings_form(person))
        }
        section.card {
            h2 { (reader.t("change-title")) }
            (password_form(person, problems))
        }
        (factors.cards(person, problems))
        (passkeys)
        section.stack #sessions {
            h2 { (reader.t("sessions-title")) }
            (sessions)
        }
    };
    Ok(Page::new(person, None, &title).status(problems.status()).show(&content))
}

fn settings_form(person: &Person) -> Markup {
    let reader = &person.reader;
    let zone = reader.zone.iana_name().unwrap_or("UTC");
    let zones: Vec<_> = settings::zones().iter().map(|name| (&**name, &**name)).collect();
    let fields = html! {
        (settings::languages(reader, reader.language))
        (select("zone", &reader.t("settings-zone"), None, &zones, zone, &Problems::default()))
        (Submit { text: &reader.t("settings-submit"), weight: Button::Plain }.render())
    };
    form("/account/settings", &person.form_token, &fields)
}

/// The field for the password that is in use: whoever changes something here proves to be who they are.
fn current_password<'a>(id: &'a str, label: &'a str) -> Field<'a> {
    Field { id: Some(id), autocomplete: "current-password", ..Field::new("current", label, Kind::Password) }
}

/// A form that asks for the password, too.
fn confirmed_form(
    person: &Person,
    (action, submit): (&str, &str),
    id: &str,
    fields: &Markup,
    problems: &Problems<'_>,
) -> Markup {
    let [current, submit] = ["change-current", submit].map(|key| person.reader.t(key));
    let content = html! {
        (current_password(id, &current).render(problems))
        (fields)
        (Submit { text: &submit, weight: Button::Plain }.render())
    };
    form(action, &person.form_token, &content)
}

fn password_form(person: &Person, problems: &Problems<'_>) -> Markup {
    let reader = &person.reader;
    let label = reader.t("choose-label");
    let hint = format!("{} {}", reader.t("choose-hint"), reader.t("change-hint"));
    let new = Field {
        hint: Some(&hint),
        autocomplete: "new-password",
        ..Field::new("new", &label, Kind::Password)
    };
    let fields = html! {
        // For the browser's memory of passwords.
        input type="email" name="username" value=(person.email) autocomplete="username" hidden;
        (new.render(problems))
    };
    confirmed_form(person, ("/account/password", "choose-submit"), "current", &fields, problems)
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

    fn cards(&self, person: &Person, problems: &Problems<'_>) -> Markup {
        let reader = &person.reader;
        let [label, hint] = ["factors-new-phone", "phone-hint"].map(|key| reader.t(key));
        let phone =
            Field { hint: Some(&hint), autocomplete: "tel", ..Field::new("phone", &label, Kind::Phone) };
        let confirmed = |action, submit, id, fields: &Markup| {
            confirmed_form(person, (action, submit), id, fields, problems)
        };
        html! {
            section.card {
                h2 { (reader.t("factors-title")) }
                @match &self.phone_ends {
                    Some(ends) => { p { (reader.t_with("factors-phone", &[("ends", ends.as_str().into())])) } }
                    None => { p { (reader.t("factors-no-phone")) } }
                }
                (confirmed("/account/phone", "phone-submit", "phone-current", &phone.render(problems)))
            }
            @if self.has_app {
                section.card {
                    h2 { (reader.t("app-title")) }
                    p { (reader.t("app-is-there")) }
                    (confirmed("/account/app/end", "app-end", "app-current", &html! {}))
                }
            } @else if self.may_set_up_app() {
                section.card {
                    h2 { (reader.t("app-title")) }
                    p { (reader.t("app-instead")) }
                    div.row { (link_button("/account/app", &reader.t("app-submit"), Button::Plain)) }
                }
            }
            @if self.has_phone() {
                section.card {
                    h2 { (reader.t("recovery-make-title")) }
                    p { (reader.t_with("recovery-left", &[("count", self.recovery_codes.into())])) }
                    (confirmed("/account/recovery", "recovery-make", "recovery-current", &html! {}))
                }
            }
        }
    }
}

/// Where the person is logged in, and a form that ends any of it, or all but this.
async fn sessions(
    console: &Console,
    person: &Person,
    now: OffsetDateTime,
    (problems, chosen): (&Problems<'_>, i64),
) -> Result<Markup, ConsoleError> {
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
    let heads =
        ["browser", "source", "begun", "seen", "end"].map(|head| reader.t(&format!("sessions-{head}")));
    let [browser, source, begun, seen, end] = &heads;
    let columns = [
        Column::text(browser),
        Column::short(source),
        Column::short(begun),
        Column::short(seen),
        Column::short(end),
    ];
    let cells = rows.iter().map(|row| {
        let (id, browser): (i64, String) = (row.get("id"), row.get("browser"));
        let end = if is_other(row) {
            let label = reader.t_with("sessions-end-one", &[("browser", browser.as_str().into())]);
            html! { input type="radio" name="session" value=(id) checked[id == chosen] aria-label=(label); }
        } else {
            html! { (reader.t("sessions-this")) }
        };
        vec![
            html! { (browser) },
            html! { (row.get::<Option<String>, _>("source").unwrap_or_default()) },
            html! { (reader.time(row.get("created_at"))) },
            html! { (reader.time(row.get("seen_at"))) },
            end,
        ]
    });
    let caption = reader.t("sessions-title");
    let table = Table {
        caption: &caption,
        caption_hidden: true,
        columns: &columns,
        rows: cells.collect(),
        total: None,
    }
    .render();
    if !rows.iter().any(is_other) {
        return Ok(table);
    }
    let [current, end] = ["change-current", "sessions-end"].map(|key| reader.t(key));
    let all_others = Choice {
        value: &settings::ALL_OTHERS.to_string(),
        label: &reader.t("sessions-all-others"),
        hint: None,
        chosen: chosen == settings::ALL_OTHERS,
    };
    let fields = html! {
        (table)
        (choice("session", false, &all_others))
        (current_password("sessions-current", &current).render(problems))
        (Submit { text: &end, weight: Button::Plain }.render())
    };
    Ok(form("/account/sessions/end", &person.form_token, &fields))
}
