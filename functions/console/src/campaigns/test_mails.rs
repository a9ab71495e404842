//! Mails to those who work on a template, before anybody else gets it.

use std::sync::Arc;

use axum::{
    Form,
    extract::{Path, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;

use super::{
    data::TestMail,
    one::{self, View},
};
use crate::{
    Console, ConsoleError,
    gate::At,
    look::{Button, Column, Field, Kind, Notice, Problems, Submit, Table, form, live, notice},
    member::Member,
    operate::{Asked, Listing},
    person::Reader,
};

/// To whom.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    addresses: String,
    line: String,
    once: String,
}

/// `GET /campaigns/{id}/test-mails`.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
    Path(id): Path<i64>,
) -> Result<Response, ConsoleError> {
    let wanted = Wanted { addresses: member.person.email.clone(), ..Wanted::default() };
    page(&console, &member, id, &wanted, &Problems::default(), now).await
}

async fn page(
    console: &Console,
    member: &Member,
    id: i64,
    wanted: &Wanted,
    problems: &Problems<'_>,
    now: OffsetDateTime,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let campaign = one::load(console, member, id).await?;
    let mails: Listing<TestMail> =
        console.operations.look(&member.identity, format!("/v1/campaigns/{id}/test-mails?limit=20")).await?;
    let [to, to_hint, line, line_hint] =
        ["test-mails-to", "test-mails-to-hint", "test-mails-line", "test-mails-line-hint"]
            .map(|key| reader.t(key));
    let to =
        Field { value: &wanted.addresses, hint: Some(&to_hint), ..Field::new("addresses", &to, Kind::Area) };
    let line = Field {
        value: &wanted.line,
        hint: Some(&line_hint),
        required: false,
        ..Field::new("line", &line, Kind::Number { min: 1, max: u64::MAX >> 1 })
    };
    let content = html! {
        (problems.render(reader))
        @if member.may(access::Scope::LaunchesWrite) {
            (form(&format!("/campaigns/{id}/test-mails"), &member.person.form_token, &html! {
                (member.once())
                (to.render(problems))
                @if member.may(access::Scope::RecipientsRead) { (line.render(problems)) }
                (Submit { text: &reader.t("test-mails-send"), weight: Button::Main }.render())
            }))
        } @else {
            (notice(Notice::Info, &html! { p { (reader.t("role-may-not")) } }))
        }
        (live("live", &format!("/campaigns/{id}/test-mails"), mails.items.is_empty(), &sent(reader, &mails.items, now)))
    };
    let mut response = one::page(member, &campaign, View::TestMails, html! {}, &content);
    if !problems.0.is_empty() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// What became of those that were sent lately. Their addresses are kept nowhere.
fn sent(reader: &Reader, mails: &[TestMail], now: OffsetDateTime) -> Markup {
    if mails.is_empty() {
        return html! {};
    }
    let heads = ["created", "version", "state", "test-mails-reply"].map(|key| reader.t(key));
    let row = |mail: &TestMail| {
        vec![
            reader.relative(mail.created_at, now),
            html! { (mail.template_version) },
            html! { (reader.t(&format!("mail-{}", mail.state))) },
            html! { (mail.reply.as_deref().unwrap_or("–")) },
        ]
    };
    let columns = [
        Column::short(&heads[0]),
        Column::number(&heads[1]),
        Column::short(&heads[2]),
        Column::text(&heads[3]),
    ];
    let caption = reader.t("test-mails-sent");
    Table {
        caption: &caption,
        caption_hidden: false,
        columns: &columns,
        rows: mails.iter().map(row).collect(),
        total: None,
    }
    .render()
}

/// `POST /campaigns/{id}/test-mails`.
pub(super) async fn send(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
    Path(id): Path<i64>,
    Form(wanted): Form<Wanted>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let addresses: Vec<&str> = wanted
        .addresses
        .split([',', ';', '\n', '\r', ' '])
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect();
    let mut document = json!({"addresses": addresses});
    if !wanted.line.trim().is_empty() {
        let Ok(line) = wanted.line.trim().parse::<i64>() else {
            let problems = Problems::one("line", reader.t("test-mails-line-wrong"));
            return page(&console, &member, id, &wanted, &problems, now).await;
        };
        document["line"] = json!(line);
    }
    let asked = Asked::to(Method::POST, &member.identity, format!("/v1/campaigns/{id}/test-mails"));
    match console.operations.ask(asked.with(document).once(&wanted.once)).await {
        Ok(_) => Ok(Redirect::to(&format!("/campaigns/{id}/test-mails")).into_response()),
        Err(ConsoleError::Refused(refusal)) if refusal.is_of_the_form() => {
            let field = if refusal.code == "row_missing" { "line" } else { "addresses" };
            page(&console, &member, id, &wanted, &Problems::one(field, refusal.words(reader)), now).await
        }
        Err(error) => Err(error),
    }
}
