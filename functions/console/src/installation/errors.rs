//! What functions logged as errors. Our own lines are JSON without personal data; the platform's, of a function that ran out of time or died, are
//! its words.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::{Client, operation::filter_log_events::FilterLogEventsError};
use axum::{extract::State, response::Response};
use futures_util::future::try_join_all;
use maud::{Markup, html};
use runtime::{AwsError, Config};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::{
    Console, ConsoleError,
    gate::At,
    look::{Column, Section, Table, empty},
    page::Page,
    person::{Person, Reader},
};

/// How far back the page looks.
const LOOKED_BACK: Duration = Duration::hours(24);
/// Lines of one function, and of the page.
const LINES_OF_FUNCTION: i32 = 50;
const LINES_SHOWN: usize = 200;
/// Of a line that is not ours, in characters.
const LINE_CHARS_MAX: usize = 300;
/// Any of these: our own errors, and the ends that only the platform sees.
const PATTERN: &str = "?ERROR ?\"timed out\" ?\"Runtime exited\"";
/// By their short names; the gateway is a container with a log of its own.
const FUNCTIONS: [&str; 12] = [
    "import", "generate", "send", "collect", "track", "export", "sweep", "notify", "count", "api", "console",
    "admin",
];

/// The logs of the installation's functions.
pub(crate) struct Logs {
    client: Client,
    deployment: String,
}

impl Logs {
    pub(crate) fn new(config: &Config, sdk: &SdkConfig) -> Self {
        Self { client: Client::new(sdk), deployment: config.deployment().to_owned() }
    }

    async fn of(&self, function: &'static str, since: OffsetDateTime) -> Result<Vec<Line>, ConsoleError> {
        let found = self
            .client
            .filter_log_events()
            .log_group_name(format!("/aws/lambda/{}-{function}", self.deployment))
            .start_time(since.unix_timestamp() * 1000)
            .filter_pattern(PATTERN)
            .limit(LINES_OF_FUNCTION)
            .send()
            .await;
        let events = match found {
            Ok(found) => found.events.unwrap_or_default(),
            // It has logged nothing yet.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(FilterLogEventsError::is_resource_not_found_exception) =>
            {
                Vec::new()
            }
            Err(error) => return Err(AwsError::of("FilterLogEvents", &error).into()),
        };
        let line = |event: aws_sdk_cloudwatchlogs::types::FilteredLogEvent| {
            let at = OffsetDateTime::from_unix_timestamp(event.timestamp? / 1000).ok()?;
            let (what, ids) = read(event.message.as_deref()?)?;
            Some(Line { function, at, what, ids })
        };
        Ok(events.into_iter().filter_map(line).collect())
    }
}

#[derive(Clone)]
struct Line {
    function: &'static str,
    at: OffsetDateTime,
    what: String,
    ids: String,
}

/// What a line says happened, and about which ids. `None`: it is no error.
fn read(message: &str) -> Option<(String, String)> {
    let Ok(Value::Object(line)) = serde_json::from_str::<Value>(message) else {
        return Some((message.trim().chars().take(LINE_CHARS_MAX).collect(), String::new()));
    };
    let text = |name: &str| line.get(name).and_then(Value::as_str);
    // How a function ends that the platform had to end.
    if let Some(ended) = text("errorMessage") {
        return Some((ended.to_owned(), String::new()));
    }
    if text("level") != Some("ERROR") {
        return None;
    }
    let what: Vec<&str> = ["message", "reason", "error"].into_iter().filter_map(text).collect();
    let value = |name: &str| {
        let value = line.get(name).or_else(|| line.get("span")?.get(name))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let ids = ["tenant", "campaign", "launch", "import", "queue", "requestId"];
    let ids = ids.into_iter().filter_map(|name| Some(format!("{name} {}", value(name)?)));
    Some((what.join(": "), ids.collect::<Vec<_>>().join(" · ")))
}

/// `GET /errors`.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    person: Person,
    At(now): At,
) -> Result<Response, ConsoleError> {
    let each = FUNCTIONS.map(|function| console.logs.of(function, now - LOOKED_BACK));
    let mut lines = try_join_all(each).await?.concat();
    lines.sort_by_key(|line| std::cmp::Reverse(line.at));
    let reader = &person.reader;
    let title = reader.t("section-errors");
    let content = html! {
        p.lead { (reader.t("errors-text")) }
        @if lines.is_empty() {
            (empty(&reader.t("errors-none-title"), &reader.t("errors-none-text"), &html! {}))
        } @else {
            (table(reader, &title, &lines[..lines.len().min(LINES_SHOWN)], now))
            @if lines.len() > LINES_SHOWN { p.quiet { (reader.t("errors-more")) } }
        }
    };
    Ok(Page::new(&person, Section::Errors, &title).show(&content))
}

fn table(reader: &Reader, caption: &str, lines: &[Line], now: OffsetDateTime) -> Markup {
    let heads = ["errors-function", "errors-at", "errors-what", "errors-ids"].map(|key| reader.t(key));
    let columns = [
        Column::short(&heads[0]),
        Column::short(&heads[1]),
        Column::text(&heads[2]),
        Column::text(&heads[3]),
    ];
    let row = |line: &Line| {
        vec![
            html! { (line.function) },
            reader.relative(line.at, now),
            html! { span.break { (line.what) } },
            html! { span.break { code { (line.ids) } } },
        ]
    };
    Table {
        caption,
        caption_hidden: true,
        columns: &columns,
        rows: lines.iter().map(row).collect(),
        total: None,
    }
    .render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_happened_and_about_what() {
        let error = r#"{"level":"ERROR","message":"request failed","error":"no connection","tenant":7,"span":{"requestId":"r"}}"#;
        for (message, expected) in [
            (error, Some(("request failed: no connection", "tenant 7 · requestId r"))),
            (r#"{"level":"WARN","message":"ERROR in a name"}"#, None),
            (
                r#"{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 5.00 seconds"}"#,
                Some(("Task timed out after 5.00 seconds", "")),
            ),
            (
                "2026-12-01T08:00:00Z r Task timed out after 5.00 seconds\n",
                Some(("2026-12-01T08:00:00Z r Task timed out after 5.00 seconds", "")),
            ),
        ] {
            let expected = expected.map(|(what, ids)| (what.to_owned(), ids.to_owned()));
            assert_eq!(read(message), expected, "{message}");
        }
    }
}
