//! Retention: how long what is kept, what goes next, and the proof of what went.

mod settings;
mod statement;

use std::sync::Arc;

use access::Scope;
use axum::{
    Router,
    extract::{Query, State},
    response::Response,
    routing::get,
};
use maud::{Markup, html};
use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError,
    gate::At,
    look::{Button, Column, Field, Kind, Pages, Problems, Section, Submit, Table, empty, link_button, pairs},
    member::Member,
    operate::Listing,
    page::Page,
    person::Reader,
};

/// Receipts of one page.
const PAGE_ITEMS: usize = 50;

/// The area's routes; who reaches each stands in the gate.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/retention", get(show))
        .route("/retention/settings", get(settings::ask).post(settings::change))
        .route("/retention/receipts", get(receipts))
        .route("/retention/statement", get(statement::download))
}

#[derive(Deserialize)]
struct Settings {
    incoming_hours: i64,
    finished_hours: i64,
    invalids_hours: i64,
    exports_hours: i64,
    campaign_hours: i64,
    campaign_hours_max: i64,
    cancelled_hours: i64,
}

#[derive(Deserialize)]
struct Deletion {
    what: String,
    id: i64,
    folder: Option<String>,
    name: String,
    #[serde(with = "time::serde::rfc3339")]
    due_at: OffsetDateTime,
}

#[derive(Deserialize)]
struct Receipt {
    number: i64,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    what: String,
    count: u64,
    rule: String,
    #[serde(with = "time::serde::rfc3339::option")]
    backups_until: Option<OffsetDateTime>,
    digest: String,
}

/// `GET /retention`.
async fn show(
    State(console): State<Arc<Console>>,
    member: Member,
    At(now): At,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let settings: Settings = console.operations.look(&member.identity, "/v1/retention").await?;
    let next: Listing<Deletion> =
        console.operations.look(&member.identity, "/v1/retention/deletions").await?;
    let content = html! {
        section.card {
            h2 { (reader.t("retention-settings")) }
            (kept(reader, &settings))
            @if member.may(Scope::RetentionWrite) {
                div.row { (link_button("/retention/settings", &reader.t("retention-change"), Button::Plain)) }
            }
        }
        section.stack {
            h2 { (reader.t("deletions-title")) }
            @if next.items.is_empty() {
                p { (reader.t("deletions-none")) }
            } @else {
                (deletions(reader, &next.items, now))
            }
        }
        section.card {
            h2 { (reader.t("receipts-title")) }
            p { (reader.t("receipts-text")) }
            p { a href="/retention/receipts" { (reader.t("receipts-see")) } }
            (span(reader))
        }
    };
    Ok(Page::new(&member.person, Section::Retention, &reader.t("section-retention")).show(&content))
}

fn kept(reader: &Reader, settings: &Settings) -> Markup {
    let lasts = |hours: i64| html! { (reader.duration(time::Duration::hours(hours))) };
    let Settings { incoming_hours, finished_hours, invalids_hours, exports_hours, .. } = *settings;
    let names =
        ["retention-campaign", "retention-campaign-max", "retention-cancelled"].map(|key| reader.t(key));
    let [campaign, campaign_max, cancelled] = &names;
    let cancelled_lasts = if settings.cancelled_hours == 0 {
        html! { (reader.t("retention-as-campaign")) }
    } else {
        lasts(settings.cancelled_hours)
    };
    pairs(&[
        ("Incoming", lasts(incoming_hours)),
        ("Finished", lasts(finished_hours)),
        ("Invalids", lasts(invalids_hours)),
        ("Exports", lasts(exports_hours)),
        (campaign, lasts(settings.campaign_hours)),
        (campaign_max, lasts(settings.campaign_hours_max)),
        (cancelled, cancelled_lasts),
    ])
}

fn deletions(reader: &Reader, next: &[Deletion], now: OffsetDateTime) -> Markup {
    let heads = ["what", "goes"].map(|key| reader.t(key));
    let [what, goes] = &heads;
    let columns = [Column::text(what), Column::short(goes)];
    let rows = next.iter().map(|deletion| {
        let name = html! {
            @if let Some(folder) = &deletion.folder {
                a href={ "/files?folder=" (folder) } { (folder) } "/" (deletion.name)
            } @else {
                (reader.t("campaign")) " " a href={ "/campaigns/" (deletion.id) } { (deletion.name) }
            }
        };
        vec![html! { span data-what=(deletion.what) { (name) } }, reader.relative(deletion.due_at, now)]
    });
    let caption = reader.t("deletions-title");
    Table { caption: &caption, caption_hidden: true, columns: &columns, rows: rows.collect(), total: None }
        .render()
}

/// Which receipts a statement is to have.
fn span(reader: &Reader) -> Markup {
    let texts =
        ["statement-from", "statement-to", "statement-hint", "statement-download"].map(|key| reader.t(key));
    let [from, to, hint, download] = &texts;
    let fine = Problems::default();
    let from = Field { required: false, ..Field::new("from", from, Kind::Date) };
    let to = Field { required: false, ..Field::new("to", to, Kind::Date) };
    html! {
        p.quiet { (hint) }
        form.filter method="get" action="/retention/statement" data-download {
            (from.render(&fine))
            (to.render(&fine))
            (Submit { text: download, weight: Button::Plain }.render())
        }
    }
}

/// Which part of the receipts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    before: Option<i64>,
}

/// `GET /retention/receipts`: the newest first.
async fn receipts(
    State(console): State<Arc<Console>>,
    member: Member,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let before = wanted.before.unwrap_or(i64::MAX);
    let query = format!("/v1/receipts?before={before}&limit={PAGE_ITEMS}");
    let listing: Listing<Receipt> = console.operations.look(&member.identity, query).await?;
    let older = listing.next.map(|before| format!("/retention/receipts?before={before}"));
    let newer = wanted.before.map(|_| "/retention/receipts");
    let content = html! {
        @if listing.items.is_empty() {
            (empty(&reader.t("receipts-none-title"), &reader.t("receipts-none-text"), &html! {}))
        } @else {
            (table(reader, &listing.items))
        }
        (Pages { newer, older: older.as_deref() }.render(reader))
    };
    let title = reader.t("receipts-title");
    Ok(Page::new(&member.person, Section::Retention, &title).under(Section::Retention).show(&content))
}

fn table(reader: &Reader, receipts: &[Receipt]) -> Markup {
    let heads = [
        "receipt-number",
        "when",
        "what",
        "receipt-count",
        "receipt-rule",
        "receipt-backups",
        "receipt-digest",
    ]
    .map(|key| reader.t(key));
    let [number, at, what, count, rule, backups, digest] = &heads;
    let columns = [
        Column::number(number),
        Column::short(at),
        Column::text(what),
        Column::number(count),
        Column::text(rule),
        Column::short(backups),
        Column::short(digest),
    ];
    let rows = receipts.iter().map(|receipt| {
        let Receipt { number, at, what, count, rule, backups_until, digest } = receipt;
        vec![
            html! { (number) },
            reader.time(*at),
            html! { (what) },
            html! { (reader.number(*count)) },
            html! { (rule) },
            html! { @if let Some(until) = backups_until { (reader.time(*until)) } @else { "–" } },
            // The whole digest is in the statement.
            html! { code { (digest.get(..12).unwrap_or(digest)) } },
        ]
    });
    let caption = reader.t("receipts-title");
    Table { caption: &caption, caption_hidden: true, columns: &columns, rows: rows.collect(), total: None }
        .render()
}
