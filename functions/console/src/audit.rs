//! The audit: who did what, and what became of it.

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    response::Response,
};
use maud::{Markup, html};
use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError,
    look::{Button, Column, Field, Kind, Pages, Problems, Section, Submit, Table, Tone, badge},
    member::Member,
    operate::Listing,
    page::Page,
    person::Reader,
};

/// Lines of one page.
const PAGE_ITEMS: usize = 100;

/// Which lines.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    actor: String,
    action: String,
    after: Option<i64>,
}

impl Wanted {
    /// As the query of a page, or of the operation behind it.
    fn query(&self, after: Option<i64>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("actor", self.actor.trim()), ("action", self.action.trim())] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        if let Some(after) = after {
            query.append_pair("after", &after.to_string());
        }
        query.finish()
    }
}

#[derive(Deserialize)]
struct Line {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    actor: String,
    person: Option<String>,
    action: String,
    subject: Option<String>,
    source: Option<String>,
    bytes: Option<u64>,
    result: String,
}

/// `GET /audit`.
pub(crate) async fn show(
    State(console): State<Arc<Console>>,
    member: Member,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let query = format!("/v1/audit?limit={PAGE_ITEMS}&{}", wanted.query(wanted.after));
    let lines: Listing<Line> = console.operations.look(&member.identity, query).await?;
    let newer = wanted.after.map(|_| format!("/audit?{}", wanted.query(None)));
    let older = lines.next.map(|after| format!("/audit?{}", wanted.query(Some(after))));
    let content = html! {
        (filter(reader, &wanted))
        @if lines.items.is_empty() { p role="status" { (reader.t("audit-none")) } } @else { (table(reader, &lines.items)) }
        (Pages { newer: newer.as_deref(), older: older.as_deref() }.render(reader))
    };
    Ok(Page::new(&member.person, Section::Audit, &reader.t("section-audit")).show(&content))
}

fn filter(reader: &Reader, wanted: &Wanted) -> Markup {
    let texts = ["audit-actor", "audit-action", "audit-filter"].map(|key| reader.t(key));
    let [actor, action, filter] = &texts;
    let fine = Problems::default();
    let actor = Field { value: &wanted.actor, required: false, ..Field::new("actor", actor, Kind::Text) };
    let action = Field { value: &wanted.action, required: false, ..Field::new("action", action, Kind::Text) };
    html! {
        form.filter role="search" method="get" action="/audit" {
            (actor.render(&fine))
            (action.render(&fine))
            (Submit { text: filter, weight: Button::Plain }.render())
        }
    }
}

fn table(reader: &Reader, lines: &[Line]) -> Markup {
    let heads = ["when", "audit-actor", "audit-action", "audit-subject", "audit-source", "audit-result"]
        .map(|key| reader.t(key));
    let [when, actor, action, subject, source, result] = &heads;
    let columns = [
        Column::short(when),
        Column::text(actor),
        Column::text(action),
        Column::text(subject),
        Column::short(source),
        Column::short(result),
    ];
    let rows = lines.iter().map(|line| {
        vec![
            reader.second(line.at),
            actor_of(line),
            html! { code { (line.action) } },
            html! {
                span.code { (line.subject.as_deref().unwrap_or("–")) }
                @if let Some(bytes) = line.bytes { " " span.quiet { (reader.bytes(bytes)) } }
            },
            html! { (line.source.as_deref().unwrap_or("–")) },
            // Codes are the same in every language: whoever is asked about one finds it.
            if line.result == "done" {
                badge(Tone::Good, &reader.t("audit-done"))
            } else {
                badge(Tone::Warn, &line.result)
            },
        ]
    });
    let caption = reader.t("section-audit");
    Table { caption: &caption, caption_hidden: true, columns: &columns, rows: rows.collect(), total: None }
        .render()
}

/// With all that the same one did.
fn actor_of(line: &Line) -> Markup {
    let all = Wanted { actor: line.actor.clone(), ..Wanted::default() };
    html! {
        a href={ "/audit?" (all.query(None)) } { (line.person.as_deref().unwrap_or(&line.actor)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_stays_wanted_on_the_next_page() {
        let wanted = Wanted { actor: " user 7 ".to_owned(), action: String::new(), after: Some(9) };
        assert_eq!(wanted.query(Some(3)), "actor=user+7&after=3");
        assert_eq!(wanted.query(None), "actor=user+7");
        assert_eq!(Wanted::default().query(None), "");
    }
}
