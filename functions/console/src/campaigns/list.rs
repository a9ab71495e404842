//! All campaigns, and how one is made.

use std::sync::Arc;

use axum::{
    Form,
    extract::{Query, State},
    http::Method,
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use super::{
    data::{Campaign, Overview},
    standing,
};
use crate::{
    Console, ConsoleError,
    gate::At,
    look::{Button, Column, Field, Kind, Pages, Problems, Section, Table, empty, link_button},
    member::Member,
    operate::{Asked, Listing},
    page::{Asking, Page},
    person::Reader,
};

/// Campaigns of one page.
const PAGE_ITEMS: usize = 25;

/// Which part of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    name: String,
    after: Option<i64>,
}

/// `GET /campaigns`.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let after = wanted.after.map(|after| format!("&after={after}")).unwrap_or_default();
    let name =
        if wanted.name.is_empty() { String::new() } else { format!("&name={}", encoded(&wanted.name)) };
    let query = format!("/v1/overview?limit={PAGE_ITEMS}{after}{name}");
    let listing: Listing<Overview> = console.operations.look(&member.identity, query).await?;
    let new = html! {
        @if member.may(access::Scope::CampaignsWrite) {
            (link_button("/campaigns/new", &reader.t("campaigns-new"), Button::Main))
        }
    };
    let content = if listing.items.is_empty() && wanted.name.is_empty() && wanted.after.is_none() {
        empty(&reader.t("campaigns-none-title"), &reader.t("campaigns-none-text"), &html! {})
    } else {
        html! {
            (search(reader, &wanted))
            (table(reader, &listing, now))
            (pages(reader, &wanted, listing.next))
        }
    };
    let title = reader.t("section-campaigns");
    Ok(Page::new(&member.person, Section::Campaigns, &title).actions(new).show(&content))
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn search(reader: &Reader, wanted: &Wanted) -> Markup {
    html! {
        form.row role="search" method="get" action="/campaigns" {
            label for="name" { (reader.t("campaigns-search")) }
            input #name type="search" name="name" value=(wanted.name) maxlength="100";
            button.button type="submit" { (reader.t("search")) }
        }
    }
}

fn table(reader: &Reader, listing: &Listing<Overview>, now: time::OffsetDateTime) -> Markup {
    let heads = [
        "campaign",
        "state",
        "figure-addresses",
        "figure-sent",
        "figure-delivered",
        "figure-opened",
        "figure-clicked",
        "figure-bounced",
        "created",
    ]
    .map(|key| reader.t(key));
    let [name, state, numbers @ .., created] = &heads;
    let mut columns = vec![Column::text(name), Column::short(state)];
    columns.extend(numbers.iter().map(|head| Column::number(head)));
    columns.push(Column::short(created));
    let row = |campaign: &Overview| {
        let count = |of: fn(&super::data::ListedFigures) -> u64| {
            html! {
                @if let Some(figures) = &campaign.figures { (reader.number(of(figures))) }
                @else { span.quiet title=(reader.t("not-counted")) { "–" } }
            }
        };
        vec![
            html! { a href={ "/campaigns/" (campaign.id) } { (campaign.name) } },
            standing::campaign(reader, &campaign.standing),
            count(|f| f.addresses),
            count(|f| f.responses.sent),
            count(|f| f.responses.delivered),
            count(|f| f.responses.opened_by_people),
            count(|f| f.responses.clicked_by_people),
            count(|f| f.responses.bounced),
            reader.relative(campaign.created_at, now),
        ]
    };
    let rows: Vec<_> = listing.items.iter().map(row).collect();
    if rows.is_empty() {
        return html! { p role="status" { (reader.t("campaigns-no-such")) } };
    }
    Table {
        caption: &reader.t("section-campaigns"),
        caption_hidden: true,
        columns: &columns,
        rows,
        total: None,
    }
    .render()
}

fn pages(reader: &Reader, wanted: &Wanted, next: Option<i64>) -> Markup {
    let name =
        if wanted.name.is_empty() { String::new() } else { format!("&name={}", encoded(&wanted.name)) };
    let newer = wanted.after.map(|_| format!("/campaigns?{}", name.trim_start_matches('&')));
    let older = next.map(|after| format!("/campaigns?after={after}{name}"));
    Pages { newer: newer.as_deref(), older: older.as_deref() }.render(reader)
}

/// `GET /campaigns/new`.
pub(super) async fn ask(member: Member) -> Response {
    new(&member, "", &Problems::default())
}

fn new(member: &Member, name: &str, problems: &Problems<'_>) -> Response {
    let reader = &member.person.reader;
    let label = reader.t("campaign-name");
    let hint = reader.t("campaign-name-hint");
    let field = Field { value: name, hint: Some(&hint), ..Field::new("name", &label, Kind::Text) };
    let fields = html! { (member.once()) (field.render(problems)) };
    let [title, make] = ["campaigns-new", "campaigns-make"].map(|key| reader.t(key));
    let asking = Asking { action: "/campaigns/new", fields: &fields, submit: &make, back: "/campaigns" };
    Page::new(&member.person, Section::Campaigns, &title).under(Section::Campaigns).ask(&asking, problems)
}

/// A campaign to be made.
#[derive(Deserialize)]
pub(super) struct NewCampaign {
    name: String,
    once: String,
}

/// `POST /campaigns/new`.
pub(super) async fn make(
    State(console): State<Arc<Console>>,
    member: Member,
    Form(wanted): Form<NewCampaign>,
) -> Result<Response, ConsoleError> {
    let name = wanted.name.trim();
    let asked = Asked::to(Method::POST, &member.identity, "/v1/campaigns");
    match console.operations.ask(asked.with(json!({"name": name})).once(&wanted.once)).await {
        Ok(answer) => {
            let made: Campaign = answer.read()?;
            Ok(Redirect::to(&format!("/campaigns/{}", made.id)).into_response())
        }
        Err(ConsoleError::Refused(refusal)) if refusal.is_of_the_form() => {
            Ok(new(&member, name, &Problems::one("name", refusal.words(&member.person.reader))))
        }
        Err(error) => Err(error),
    }
}
