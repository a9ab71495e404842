//! One's own passkeys, where the tenant allows them: each takes the place of a text, behind a phone that is registered.

use std::sync::Arc;

use axum::{
    Form, Router,
    extract::{Path, State},
    response::Response,
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;
use sqlx::{Row, postgres::PgRow};
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError, cookie, error,
    gate::At,
    login::redirect,
    look::{Button, Column, Field, Kind, Notice, Problems, Table, empty, link_button, notice as say},
    notice,
    page::{Asking, Page},
    passkey::{self, Added, NAME_CHARS_MAX, PASSKEYS_MAX, Question},
    person::Person,
    record, session,
    visitor::Visitor,
};

use super::{
    current_password,
    password::{confirm, unconfirmed},
};

const HERE: &str = "/account/passkeys";
const NEW: &str = "/account/passkeys/new";
/// Where the answer of the authenticator goes.
const REGISTER: &str = "/account/passkeys/register";

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route(HERE, get(list))
        .route(NEW, get(offer).post(begin))
        .route(REGISTER, post(register))
        .route("/account/passkeys/{id}/remove", get(ask_remove).post(remove))
}

struct Kept {
    id: i64,
    name: String,
    created_at: OffsetDateTime,
    last_used_at: Option<OffsetDateTime>,
}

/// What somebody has, and whether more may be added.
struct Standing {
    may_add: bool,
    passkeys: Vec<Kept>,
}

/// A passkey comes behind a phone, which still gets a text when the passkey is lost.
const fn may_add(is_allowed: bool, has_phone: bool, count: usize) -> bool {
    is_allowed && has_phone && count < PASSKEYS_MAX
}

impl Standing {
    async fn of(console: &Console, person: &Person) -> Result<Self, ConsoleError> {
        let rows = sqlx::query(
            "SELECT id, name, created_at, last_used_at FROM broadcast.passkeys WHERE user_id = $1 ORDER BY id",
        )
        .bind(person.id)
        .fetch_all(console.store.pool())
        .await?;
        let kept = |row: PgRow| Kept {
            id: row.get("id"),
            name: row.get("name"),
            created_at: row.get("created_at"),
            last_used_at: row.get("last_used_at"),
        };
        let passkeys: Vec<Kept> = rows.into_iter().map(kept).collect();
        let user = sqlx::query(
            "SELECT u.phone_sealed IS NOT NULL AS has_phone, u.tenant_id IS NULL OR t.passkeys_allowed AS is_allowed
             FROM broadcast.users u LEFT JOIN broadcast.tenants t ON t.id = u.tenant_id WHERE u.id = $1",
        )
        .bind(person.id)
        .fetch_one(console.store.pool())
        .await?;
        let is_allowed = user.get("is_allowed") && passkey::relying_party(console).is_some();
        Ok(Self { may_add: may_add(is_allowed, user.get("has_phone"), passkeys.len()), passkeys })
    }

    fn find(self, id: i64) -> Result<Kept, ConsoleError> {
        self.passkeys.into_iter().find(|passkey| passkey.id == id).ok_or(ConsoleError::NotFound)
    }
}

/// The way there, for whom there is something.
pub(super) async fn card(console: &Console, person: &Person) -> Result<Markup, ConsoleError> {
    let Standing { may_add, passkeys } = Standing::of(console, person).await?;
    let is_there = may_add || !passkeys.is_empty();
    let [title, what] = ["passkeys-title", "passkeys-what"].map(|key| person.reader.t(key));
    Ok(html! {
        @if is_there {
            section.card {
                h2 { (title) }
                p { (what) }
                div.row { (link_button(HERE, &title, Button::Plain)) }
            }
        }
    })
}

fn page<'a>(person: &'a Person, title: &'a str) -> Page<'a> {
    Page::new(person, None, title).below(&person.reader.t("account-title"), "/account".to_owned())
}

/// A page that changes any of them.
fn below_list<'a>(person: &'a Person, title: &'a str) -> Page<'a> {
    page(person, title).below(&person.reader.t("passkeys-title"), HERE.to_owned())
}

/// `GET /account/passkeys`.
async fn list(State(console): State<Arc<Console>>, person: Person) -> Result<Response, ConsoleError> {
    let Standing { may_add, passkeys } = Standing::of(&console, &person).await?;
    let reader = &person.reader;
    let add = html! { @if may_add { (link_button(NEW, &reader.t("passkeys-add"), Button::Main)) } };
    if passkeys.is_empty() && !may_add {
        return Ok(error::forbidden(reader));
    }
    let title = reader.t("passkeys-title");
    let content = if passkeys.is_empty() {
        empty(&reader.t("passkeys-none"), &reader.t("passkeys-what"), &add)
    } else {
        html! {
            p { (reader.t("passkeys-what")) }
            @if passkeys.len() >= PASSKEYS_MAX { (say(Notice::Info, &html! { p { (reader.t("passkeys-full")) } })) }
            (table(&person, &passkeys, &title))
            div.row { (add) }
        }
    };
    Ok(page(&person, &title).show(&content))
}

fn table(person: &Person, passkeys: &[Kept], title: &str) -> Markup {
    let reader = &person.reader;
    let [name, created, used, remove] =
        ["passkeys-name", "passkeys-created", "passkeys-used", "remove"].map(|key| reader.t(key));
    let columns =
        [Column::text(&name), Column::short(&created), Column::short(&used), Column::actions(&remove)];
    let row = |passkey: &Kept| {
        let path = format!("{HERE}/{}/remove", passkey.id);
        let label = reader.t_with("passkeys-remove-one", &[("name", passkey.name.as_str().into())]);
        vec![
            html! { (passkey.name) },
            html! { (reader.time(passkey.created_at)) },
            html! { @match passkey.last_used_at { Some(at) => { (reader.time(at)) }, None => { (reader.t("passkeys-never")) } } },
            html! { a.button.slim href=(path) aria-label=(label) { (remove) } },
        ]
    };
    let rows = passkeys.iter().map(row).collect();
    Table { caption: title, caption_hidden: true, columns: &columns, rows, total: None }.render()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    name: String,
    current: String,
}

/// `GET /account/passkeys/new`.
async fn offer(
    State(console): State<Arc<Console>>,
    person: Person,
    visitor: Visitor,
) -> Result<Response, ConsoleError> {
    if !Standing::of(&console, &person).await?.may_add {
        return Ok(error::forbidden(&person.reader));
    }
    // The machine that the person sits at is what they most likely add.
    Ok(show(&person, &visitor.browser, &Problems::default()))
}

fn show(person: &Person, typed: &str, problems: &Problems<'_>) -> Response {
    let reader = &person.reader;
    let [title, name, current, hint] =
        ["passkeys-add", "passkeys-name", "change-current", "passkeys-name-hint"].map(|key| reader.t(key));
    let name = Field { value: typed, hint: Some(&hint), ..Field::new("name", &name, Kind::Text) };
    let fields = html! {
        noscript { (say(Notice::Warning, &html! { p { (reader.t("passkey-needs-script")) } })) }
        p { (reader.t("passkeys-what")) }
        (name.render(problems))
        (current_password("current", &current).render(problems))
    };
    let asking = Asking { action: NEW, fields: &fields, submit: &reader.t("passkeys-go-on"), back: HERE };
    below_list(person, &title).ask(&asking, problems)
}

/// `POST /account/passkeys/new`: for whoever knows the password, the page that asks the authenticator.
async fn begin(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    Form(wanted): Form<Wanted>,
) -> Result<Response, ConsoleError> {
    let reader = &person.reader;
    if !Standing::of(&console, &person).await?.may_add {
        return Ok(error::forbidden(reader));
    }
    if !confirm(&console, &person, wanted.current, now).await? {
        return Ok(show(&person, &wanted.name, &unconfirmed(&person, "current")));
    }
    let Some(name) = passkey::name(&wanted.name) else {
        return Ok(show(&person, &wanted.name, &misnamed(&person)));
    };
    let mut db = console.store.pool().acquire().await?;
    let who = (person.session, person.id, person.email.as_str());
    let Some(options) = passkey::ask_new(&console, &mut db, who, now).await? else {
        return Ok(error::forbidden(reader));
    };
    let (title, back) = (reader.t("passkeys-add"), reader.t("cancel"));
    let question = Question {
        action: REGISTER,
        method: "create",
        options: &options,
        hidden: html! { input type="hidden" name="name" value=(name); },
        back: (HERE, &back),
    };
    let content = html! { section.card { (question.render(reader, &person.form_token)?) } };
    Ok(below_list(&person, &title).show(&content))
}

fn misnamed(person: &Person) -> Problems<'static> {
    let most = i64::try_from(NAME_CHARS_MAX).unwrap_or(i64::MAX);
    Problems::one("name", person.reader.t_with("passkeys-misnamed", &[("most", most.into())]))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answered {
    name: String,
    answer: String,
}

/// `POST /account/passkeys/register`: what the authenticator answered. The password was asked for before the question.
async fn register(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Form(form): Form<Answered>,
) -> Result<Response, ConsoleError> {
    let reader = &person.reader;
    if !Standing::of(&console, &person).await?.may_add {
        return Ok(error::forbidden(reader));
    }
    let Some(name) = passkey::name(&form.name) else {
        return Ok(show(&person, &form.name, &misnamed(&person)));
    };
    let mut tx = console.store.pool().begin().await?;
    let who = (person.session, person.id);
    let added = passkey::add(&console, &mut tx, who, (name, &form.answer), now).await?;
    let Added::Done(id) = added else {
        // What was asked is used up, whatever came of it.
        tx.commit().await?;
        let words = if added == Added::Over { "passkey-over" } else { "passkeys-not-added" };
        return Ok(show(&person, name, &Problems::one("current", reader.t(words))));
    };
    let token = session::renew(&mut tx, &person, &visitor, now).await?;
    notice::write(&mut tx, person.id, "new_passkey", Some(&visitor), now).await?;
    record::of_person(&mut tx, &person, &visitor, "add_passkey", Some(&id.to_string()), now).await?;
    tx.commit().await?;
    let mut response = redirect(HERE, None);
    cookie::SESSION.set(&mut response, &token);
    Ok(response)
}

/// `GET /account/passkeys/{id}/remove`.
async fn ask_remove(
    State(console): State<Arc<Console>>,
    person: Person,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    let passkey = Standing::of(&console, &person).await?.find(id)?;
    Ok(show_remove(&person, &passkey, &Problems::default()))
}

fn show_remove(person: &Person, passkey: &Kept, problems: &Problems<'_>) -> Response {
    let reader = &person.reader;
    let [title, current, remove] =
        ["passkeys-remove-title", "change-current", "remove"].map(|key| reader.t(key));
    let fields = html! {
        p { strong { (passkey.name) } }
        p { (reader.t("passkeys-remove-text")) }
        (current_password("current", &current).render(problems))
    };
    let action = format!("{HERE}/{}/remove", passkey.id);
    let asking = Asking { action: &action, fields: &fields, submit: &remove, back: HERE };
    below_list(person, &title).ask(&asking, problems)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Confirmed {
    current: String,
}

/// `POST /account/passkeys/{id}/remove`. A trigger ends all sessions with it; this browser gets a new one.
async fn remove(
    State(console): State<Arc<Console>>,
    At(now): At,
    person: Person,
    visitor: Visitor,
    Path(id): Path<i64>,
    Form(form): Form<Confirmed>,
) -> Result<Response, ConsoleError> {
    if !confirm(&console, &person, form.current, now).await? {
        let passkey = Standing::of(&console, &person).await?.find(id)?;
        return Ok(show_remove(&person, &passkey, &unconfirmed(&person, "current")));
    }
    let mut tx = console.store.pool().begin().await?;
    let removed = sqlx::query("DELETE FROM broadcast.passkeys WHERE id = $1 AND user_id = $2")
        .bind(id)
        .bind(person.id)
        .execute(&mut *tx)
        .await?;
    if removed.rows_affected() == 0 {
        return Err(ConsoleError::NotFound);
    }
    let token = session::renew(&mut tx, &person, &visitor, now).await?;
    notice::write(&mut tx, person.id, "passkey_removed", Some(&visitor), now).await?;
    record::of_person(&mut tx, &person, &visitor, "remove_passkey", Some(&id.to_string()), now).await?;
    tx.commit().await?;
    let mut response = redirect(HERE, None);
    cookie::SESSION.set(&mut response, &token);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_come_behind_a_phone_where_they_are_allowed() {
        for (is_allowed, has_phone, count, expected) in [
            (true, true, 0, true),
            (true, true, PASSKEYS_MAX - 1, true),
            (true, true, PASSKEYS_MAX, false),
            (true, false, 0, false),
            (false, true, 0, false),
            (false, false, 0, false),
        ] {
            assert_eq!(may_add(is_allowed, has_phone, count), expected, "{is_allowed} {has_phone} {count}");
        }
    }
}
