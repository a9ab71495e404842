//! API keys: with what the customer's programs reach the API.

use std::sync::Arc;

use access::Scope;
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::Method,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError,
    files::listed,
    gate::At,
    look::{
        Button, Choice, Column, Field, Kind, Notice, Problems, Section, Submit, Table, Tone, ask, badge,
        choices, empty, link_button, notice, pairs, secret,
    },
    member::Member,
    operate::{Asked, Listing},
    page::{Asking, Page},
    person::Reader,
};

const HERE: &str = "/api-keys";
/// How long an old key may go on beside the new one, as the operation has it.
const OVERLAP_HOURS_MAX: u64 = 24 * 30;
/// For a deployment on the same day.
const OVERLAP_HOURS: &str = "24";

/// The area's routes; who reaches each stands in the gate.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/api-keys", get(show))
        .route("/api-keys/new", get(ask_new).post(make))
        .route("/api-keys/{id}/rotate", get(ask_rotation).post(rotate))
        .route("/api-keys/{id}/delete", get(ask_delete).post(delete))
}

#[derive(Deserialize)]
struct Key {
    id: i64,
    prefix: String,
    name: String,
    scopes: Vec<String>,
    sources: Vec<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
    replaced_by: Option<i64>,
}

#[derive(Deserialize)]
struct Made {
    key: String,
    prefix: String,
}

async fn keys(console: &Console, member: &Member) -> Result<Vec<Key>, ConsoleError> {
    let keys: Listing<Key> = console.operations.look(&member.identity, "/v1/keys").await?;
    Ok(keys.items)
}

async fn key(console: &Console, member: &Member, id: i64) -> Result<Key, ConsoleError> {
    keys(console, member).await?.into_iter().find(|key| key.id == id).ok_or(ConsoleError::NotFound)
}

fn page<'a>(member: &'a Member, title: &'a str) -> Page<'a> {
    Page::new(&member.person, Section::ApiKeys, title).under(Section::ApiKeys)
}

/// `GET /api-keys`.
async fn show(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let keys = keys(&console, &member).await?;
    let new = link_button("/api-keys/new", &reader.t("api-key-new"), Button::Main);
    let content = if keys.is_empty() {
        empty(&reader.t("api-keys-none-title"), &reader.t("api-keys-none-text"), &html! {})
    } else {
        table(reader, &keys, now)
    };
    Ok(Page::new(&member.person, Section::ApiKeys, &reader.t("section-api-keys")).actions(new).show(&content))
}

fn table(reader: &Reader, keys: &[Key], now: OffsetDateTime) -> Markup {
    let heads = ["name", "api-key-prefix", "api-key-scopes", "sources", "api-key-used", "expires", "actions"]
        .map(|key| reader.t(key));
    let [name, prefix, scopes, sources, used, expires, actions] = &heads;
    let columns = [
        Column::text(name),
        Column::short(prefix),
        Column::text(scopes),
        Column::text(sources),
        Column::short(used),
        Column::short(expires),
        Column::actions(actions),
    ];
    let rows = keys.iter().map(|key| {
        let deed = |deed: &str, weight: &str| {
            let label = reader.t_with(&format!("api-key-{deed}-of"), &[("key", key.prefix.as_str().into())]);
            let path = format!("{HERE}/{}/{deed}", key.id);
            html! { a class=(weight) href=(path) aria-label=(label) { (reader.t(&format!("api-key-{deed}"))) } }
        };
        let is_over = key.expires_at.is_some_and(|end| end <= now);
        vec![
            html! { @if key.name.is_empty() { "–" } @else { (key.name) } },
            html! { code { (key.prefix) } },
            html! { (key.scopes.join(", ")) },
            html! { @if key.sources.is_empty() { (reader.t("anywhere")) } @else { (key.sources.join(", ")) } },
            html! {
                @if let Some(used) = key.last_used_at { (reader.distance(used, now)) } @else { (reader.t("never")) }
            },
            match key.expires_at {
                None => html! { (reader.t("never")) },
                Some(_) if is_over => badge(Tone::Bad, &reader.t("expired")),
                Some(end) => reader.relative(end, now),
            },
            html! {
                div.row {
                    @if key.replaced_by.is_none() && !is_over { (deed("rotate", "button slim")) }
                    (deed("delete", "button slim danger"))
                }
            },
        ]
    });
    let caption = reader.t("section-api-keys");
    Table { caption: &caption, caption_hidden: true, columns: &columns, rows: rows.collect(), total: None }
        .render()
}

/// A key to be made. A form has a scope's name as often as scopes are chosen, which serde's forms do not read.
#[derive(Default)]
struct NewKey {
    name: String,
    scopes: Vec<String>,
    sources: String,
    expires_at: String,
    once: String,
}

impl NewKey {
    fn read(body: &[u8]) -> Self {
        let mut new = Self::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            let value = value.into_owned();
            match name.as_ref() {
                "name" => new.name = value,
                "scopes" => new.scopes.push(value),
                "sources" => new.sources = value,
                "expires_at" => new.expires_at = value,
                "once" => new.once = value,
                _ => {}
            }
        }
        new
    }
}

/// `GET /api-keys/new`.
async fn ask_new(member: Member) -> Response {
    new_key(&member, &NewKey::default(), &Problems::default())
}

fn new_key(member: &Member, wanted: &NewKey, problems: &Problems<'_>) -> Response {
    let reader = &member.person.reader;
    let texts = [
        "name",
        "api-key-name-hint",
        "api-key-scopes",
        "sources",
        "sources-hint",
        "expires",
        "expires-hint",
        "api-key-make",
    ]
    .map(|key| reader.t(key));
    let [name, name_hint, scopes_label, sources, sources_hint, expires, expires_hint, make] = &texts;
    let scopes: Vec<_> =
        Scope::ALL.iter().filter(|scope| member.may(**scope)).map(|scope| scope.name()).collect();
    let hints: Vec<_> =
        scopes.iter().map(|scope| reader.t(&format!("scope-{}", scope.replace(':', "-")))).collect();
    let scopes: Vec<_> = scopes
        .iter()
        .zip(&hints)
        .map(|(scope, hint)| Choice {
            value: scope,
            label: scope,
            hint: Some(hint),
            chosen: wanted.scopes.iter().any(|chosen| chosen == scope),
        })
        .collect();
    let name = Field { value: &wanted.name, hint: Some(name_hint), ..Field::new("name", name, Kind::Text) };
    let sources = Field {
        value: &wanted.sources,
        hint: Some(sources_hint),
        required: false,
        ..Field::new("sources", sources, Kind::Text)
    };
    let expires = Field {
        value: &wanted.expires_at,
        hint: Some(expires_hint),
        required: false,
        ..Field::new("expires_at", expires, Kind::Moment)
    };
    let fields = html! {
        (member.once())
        (name.render(problems))
        (choices("scopes", scopes_label, true, &scopes, problems))
        (sources.render(problems))
        (expires.render(problems))
    };
    let asking = Asking { action: "/api-keys/new", fields: &fields, submit: make, back: HERE };
    page(member, &reader.t("api-key-new")).ask(&asking, problems)
}

/// `POST /api-keys/new`.
async fn make(
    State(console): State<Arc<Console>>,
    member: Member,
    body: Bytes,
) -> Result<Response, ConsoleError> {
    let wanted = NewKey::read(&body);
    let reader = &member.person.reader;
    let mut document = Map::new();
    document.insert("name".to_owned(), json!(wanted.name.trim()));
    document.insert("scopes".to_owned(), json!(wanted.scopes));
    document.insert("sources".to_owned(), json!(listed(&wanted.sources)));
    if !wanted.expires_at.trim().is_empty() {
        let Some(end) = reader.moment(&wanted.expires_at) else {
            return Ok(new_key(&member, &wanted, &Problems::one("expires_at", reader.t("expires-wrong"))));
        };
        document.insert("expires_at".to_owned(), json!(end));
    }
    let asked = Asked::to(Method::POST, &member.identity, "/v1/keys");
    match console.operations.ask(asked.with(Value::Object(document)).once(&wanted.once)).await {
        Ok(answer) => Ok(made(&member, &answer.read()?)),
        Err(ConsoleError::Refused(refusal)) if refusal.is_of_the_form() => {
            let field = refusal.field_among(["scopes", "sources", "expires_at"]).unwrap_or("name");
            Ok(new_key(&member, &wanted, &Problems::one(field, refusal.words(reader))))
        }
        Err(error) => Err(error),
    }
}

/// The one page that shows a key whole. Sent again, the form shows the same one.
fn made(member: &Member, made: &Made) -> Response {
    let reader = &member.person.reader;
    let content = html! {
        (notice(Notice::Success, &html! { p { (reader.t("api-key-made-text")) } }))
        section.card {
            (pairs(&[(&reader.t("api-key-prefix"), html! { code { (made.prefix) } })]))
            (secret(reader, "api-key", &made.key))
            div.row { (link_button(HERE, &reader.t("secret-kept"), Button::Main)) }
        }
    };
    page(member, &reader.t("api-key-made-title")).show(&content)
}

/// `GET /api-keys/{id}/rotate`.
async fn ask_rotation(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    let key = key(&console, &member, id).await?;
    Ok(rotation(&member, &key, OVERLAP_HOURS, &Problems::default()))
}

fn rotation(member: &Member, key: &Key, hours: &str, problems: &Problems<'_>) -> Response {
    let reader = &member.person.reader;
    let texts = ["api-key-overlap", "api-key-overlap-hint", "api-key-rotate"].map(|key| reader.t(key));
    let [overlap, hint, rotate] = &texts;
    let overlap = Field {
        value: hours,
        hint: Some(hint),
        ..Field::new("overlap_hours", overlap, Kind::Number { min: 0, max: OVERLAP_HOURS_MAX })
    };
    let fields = html! {
        p { code { (key.prefix) } " " (key.name) }
        p { (reader.t("api-key-rotate-text")) }
        (member.once())
        (overlap.render(problems))
    };
    let action = format!("{HERE}/{}/rotate", key.id);
    let asking = Asking { action: &action, fields: &fields, submit: rotate, back: HERE };
    page(member, &reader.t("api-key-rotate-title")).ask(&asking, problems)
}

/// How a key is rotated.
#[derive(Deserialize)]
struct Rotation {
    overlap_hours: String,
    once: String,
}

/// `POST /api-keys/{id}/rotate`.
async fn rotate(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
    axum::Form(wanted): axum::Form<Rotation>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let Ok(hours) = wanted.overlap_hours.trim().parse::<i64>() else {
        let key = key(&console, &member, id).await?;
        let problems = Problems::one("overlap_hours", reader.t("api-key-overlap-wrong"));
        return Ok(rotation(&member, &key, &wanted.overlap_hours, &problems));
    };
    let asked = Asked::to(Method::POST, &member.identity, format!("/v1/keys/{id}/rotation"));
    match console.operations.ask(asked.with(json!({"overlap_hours": hours})).once(&wanted.once)).await {
        Ok(answer) => Ok(made(&member, &answer.read()?)),
        Err(ConsoleError::Refused(refusal)) if refusal.is_of_the_form() => {
            let key = key(&console, &member, id).await?;
            Ok(rotation(
                &member,
                &key,
                &wanted.overlap_hours,
                &Problems::one("overlap_hours", refusal.words(reader)),
            ))
        }
        Err(error) => Err(error),
    }
}

/// `GET /api-keys/{id}/delete`.
async fn ask_delete(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let key = key(&console, &member, id).await?;
    let what = html! { p { code { (key.prefix) } " " (key.name) } p { (reader.t("api-key-delete-text")) } };
    let yes = Submit { text: &reader.t("api-key-delete"), weight: Button::DangerMain };
    let content = ask(reader, &format!("{HERE}/{id}/delete"), &member.person.form_token, &what, yes, HERE);
    Ok(page(&member, &reader.t("api-key-delete-title")).show(&content))
}

/// `POST /api-keys/{id}/delete`.
async fn delete(
    State(console): State<Arc<Console>>,
    member: Member,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    console.operations.ask(Asked::to(Method::DELETE, &member.identity, format!("/v1/keys/{id}"))).await?;
    Ok(Redirect::to(HERE).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_that_is_chosen_is_read() {
        let new = NewKey::read(b"name=a+b&scopes=campaigns%3Aread&scopes=account%3Aread&once=1&form=x");
        assert_eq!((new.name.as_str(), new.once.as_str()), ("a b", "1"));
        assert_eq!(new.scopes, ["campaigns:read", "account:read"]);
        assert_eq!(NewKey::read(b"").scopes, [""; 0]);
    }
}
