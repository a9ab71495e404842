//! The statement of receipts, as a file to keep.

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use maud::html;
use serde::Deserialize;

use crate::{
    Console, ConsoleError,
    look::{Button, Section, link_button},
    member::Member,
    operate::Asked,
    page::Page,
    person::Reader,
};

/// Which days, and of their receipts which.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wish {
    from: String,
    to: String,
    /// Those behind this one.
    after: i64,
    /// Whether a part alone is meant, though others follow.
    part: bool,
}

impl Wish {
    /// Of the operation. Whole days of the reader's: the last one ends with the next one's begin.
    fn query(&self, reader: &Reader) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, day, later) in [("from", &self.from, 0), ("to", &self.to, 1)] {
            if let Some(time) = reader.begin_of(day, later) {
                query.append_pair(name, &time);
            }
        }
        query.append_pair("after", &self.after.to_string()).finish()
    }

    /// The address of this page.
    fn address(&self, after: i64, part: bool) -> String {
        let mut query = url::form_urlencoded::Serializer::new("/retention/statement?".to_owned());
        query.append_pair("from", &self.from).append_pair("to", &self.to);
        query.append_pair("after", &after.to_string()).append_pair("part", &part.to_string()).finish()
    }
}

/// `GET /retention/statement`: as the operation writes it. Where it comes in parts, a page says so, for nobody takes the first one for all.
pub(super) async fn download(
    State(console): State<Arc<Console>>,
    member: Member,
    Query(wish): Query<Wish>,
) -> Result<Response, ConsoleError> {
    let reader = &member.person.reader;
    let path = format!("/v1/receipts/statement?{}", wish.query(reader));
    let answer = console.operations.ask(Asked::get(&member.identity, path)).await?;
    if let Some(last) = goes_on_behind(&answer.headers).filter(|_| !wish.part) {
        return Ok(part(&member, &wish, last));
    }
    let mut response = answer.body.into_response();
    for name in [header::CONTENT_TYPE, header::CONTENT_DISPOSITION] {
        if let Some(value) = answer.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    Ok(response)
}

/// The last receipt of a part, if others follow.
fn goes_on_behind(headers: &HeaderMap) -> Option<i64> {
    let (_, query) = headers.get(header::LINK)?.to_str().ok()?.split_once('?')?;
    let (query, _) = query.split_once('>')?;
    let (_, after) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "after")?;
    after.parse().ok()
}

fn part(member: &Member, wish: &Wish, last: i64) -> Response {
    let reader = &member.person.reader;
    let number = u64::try_from(last).unwrap_or(0);
    let up_to = reader.t_with("statement-part", &[("last", reader.number(number).into())]);
    let next = reader.t("statement-next");
    let content = html! {
        section.card {
            p { (reader.t("statement-parts-text")) }
            div.row {
                (link_button(&wish.address(wish.after, true), &up_to, Button::Main))
                (link_button(&wish.address(last, false), &next, Button::Plain))
            }
        }
    };
    let title = reader.t("statement-parts");
    Page::new(&member.person, Section::Retention, &title).under(Section::Retention).show(&content)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_part_says_where_it_goes_on() {
        for (link, expected) in [
            (
                Some("</v1/receipts/statement?after=10000&from=2026-01-01T00:00:00Z>; rel=\"next\""),
                Some(10_000),
            ),
            (Some("</v1/receipts/statement>; rel=\"next\""), None),
            (None, None),
        ] {
            let headers = link.map(|link| (header::LINK, HeaderValue::from_static(link)));
            assert_eq!(goes_on_behind(&headers.into_iter().collect()), expected, "{link:?}");
        }
    }
}
