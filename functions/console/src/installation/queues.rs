//! The queues, and their dead letters: looked at and sent back. Messages hold ids; what S3 says of an upload names a file, so of that the bucket
//! alone is shown.

use std::{collections::HashMap, sync::Arc};

use aws_sdk_sqs::{
    Client,
    types::{MessageSystemAttributeName, QueueAttributeName},
};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use futures_util::future::try_join_all;
use maud::{Markup, html};
use runtime::{AwsError, Config, ConfigError};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError,
    gate::At,
    look::{Button, Column, Section, Submit, Table, Tone, ask as confirm, badge, empty, link_button, live},
    page::Page,
    person::Person,
    record,
    visitor::Visitor,
};

/// Dead letters that one look shows: what SQS hands out at once.
const SHOWN: i32 = 10;

/// The queues of the installation, by their short names.
pub(crate) struct Queues(Vec<(&'static str, String)>);

impl Queues {
    /// From the environment.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let urls = [
            ("import", config.import_queue_url()?),
            ("generate", config.generate_queue_url()?),
            ("send", config.send_queue_url()?),
            ("track", config.track_queue_url()?),
            ("export", config.export_queue_url()?),
            ("sweep", config.sweep_queue_url()?),
            ("notify", config.notify_queue_url()?),
            ("count", config.count_queue_url()?),
        ];
        Ok(Self(urls.map(|(name, url)| (name, url.to_owned())).into()))
    }

    fn url(&self, name: &str) -> Result<&str, ConsoleError> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, url)| url.as_str()).ok_or(ConsoleError::NotFound)
    }
}

/// How much is on a queue and among its dead letters.
struct Depth {
    name: &'static str,
    waiting: u64,
    in_work: u64,
    dead: u64,
}

/// Where a queue's dead letters go.
struct DeadLetters {
    url: String,
    arn: String,
}

type Attributes = HashMap<QueueAttributeName, String>;

async fn attributes(sqs: &Client, url: &str) -> Result<Attributes, ConsoleError> {
    let answer =
        sqs.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All).send().await;
    let answer = answer.map_err(|error| AwsError::of("GetQueueAttributes", &error))?;
    Ok(answer.attributes.unwrap_or_default())
}

fn number(attributes: &Attributes, name: &QueueAttributeName) -> u64 {
    attributes.get(name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// From what the queue says of itself.
async fn dead_letters(sqs: &Client, attributes: &Attributes) -> Result<DeadLetters, ConsoleError> {
    let policy = attributes.get(&QueueAttributeName::RedrivePolicy).map_or("", String::as_str);
    let policy: Value = serde_json::from_str(policy).map_err(|_| ConsoleError::Document)?;
    let arn = policy["deadLetterTargetArn"].as_str().ok_or(ConsoleError::Document)?;
    let name = arn.rsplit(':').next().unwrap_or_default();
    let found = sqs.get_queue_url().queue_name(name).send().await;
    let url = found
        .map_err(|error| AwsError::of("GetQueueUrl", &error))?
        .queue_url
        .ok_or(ConsoleError::Document)?;
    Ok(DeadLetters { url, arn: arn.to_owned() })
}

async fn depth(sqs: &Client, name: &'static str, url: &str) -> Result<Depth, ConsoleError> {
    let own = attributes(sqs, url).await?;
    let dead = attributes(sqs, &dead_letters(sqs, &own).await?.url).await?;
    Ok(Depth {
        name,
        waiting: number(&own, &QueueAttributeName::ApproximateNumberOfMessages),
        in_work: number(&own, &QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
        dead: number(&dead, &QueueAttributeName::ApproximateNumberOfMessages),
    })
}

/// `GET /queues`.
pub(super) async fn list(
    State(console): State<Arc<Console>>,
    person: Person,
) -> Result<Response, ConsoleError> {
    let reader = &person.reader;
    let sqs = &console.clients.sqs;
    let depths = try_join_all(console.queues.0.iter().map(|(name, url)| depth(sqs, name, url))).await?;
    let heads = ["queue", "queue-waiting", "queue-in-work", "queue-dead", "state"].map(|key| reader.t(key));
    let columns = [
        Column::short(&heads[0]),
        Column::number(&heads[1]),
        Column::number(&heads[2]),
        Column::number(&heads[3]),
        Column::short(&heads[4]),
    ];
    let row = |depth: &Depth| {
        let (tone, words) =
            if depth.dead > 0 { (Tone::Bad, "queue-has-dead") } else { (Tone::Good, "queue-well") };
        vec![
            html! { a href={ "/queues/" (depth.name) } { (depth.name) } },
            html! { (reader.number(depth.waiting)) },
            html! { (reader.number(depth.in_work)) },
            html! { (reader.number(depth.dead)) },
            badge(tone, &reader.t(words)),
        ]
    };
    let title = reader.t("section-queues");
    let rows = depths.iter().map(row).collect();
    let table = Table { caption: &title, caption_hidden: true, columns: &columns, rows, total: None };
    Ok(Page::new(&person, Section::Queues, &title).show(&live("live", "/queues", false, &table.render())))
}

/// `GET /queues/{name}`.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    person: Person,
    At(now): At,
    Path(name): Path<String>,
) -> Result<Response, ConsoleError> {
    let reader = &person.reader;
    let sqs = &console.clients.sqs;
    let dead = dead_letters(sqs, &attributes(sqs, console.queues.url(&name)?).await?).await?;
    // They are there for the next look at once.
    let received = sqs
        .receive_message()
        .queue_url(&dead.url)
        .max_number_of_messages(SHOWN)
        .visibility_timeout(0)
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .send()
        .await
        .map_err(|error| AwsError::of("ReceiveMessage", &error))?;
    let letters = received.messages.unwrap_or_default();
    let heads = ["letter-what", "letter-sent"].map(|key| reader.t(key));
    let columns = [Column::text(&heads[0]), Column::short(&heads[1])];
    let row = |letter: &aws_sdk_sqs::types::Message| {
        let sent =
            letter.attributes.as_ref().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp));
        let sent =
            sent.and_then(|ms| OffsetDateTime::from_unix_timestamp(ms.parse::<i64>().ok()? / 1000).ok());
        vec![
            html! { code { (what(letter.body.as_deref().unwrap_or_default())) } },
            sent.map_or_else(|| html! { "–" }, |at| reader.relative(at, now)),
        ]
    };
    let caption = reader.t("letters");
    let rows: Vec<_> = letters.iter().map(row).collect();
    let content = if rows.is_empty() {
        empty(&reader.t("letters-none-title"), &reader.t("letters-none-text"), &html! {})
    } else {
        html! {
            (Table { caption: &caption, caption_hidden: false, columns: &columns, rows, total: None }.render())
            p.quiet { (reader.t("letters-some")) }
        }
    };
    let actions = html! {
        @if !letters.is_empty() {
            (link_button(&format!("/queues/{name}/redrive"), &reader.t("redrive"), Button::Main))
        }
    };
    Ok(Page::new(&person, Section::Queues, &name).under(Section::Queues).actions(actions).show(&content))
}

/// What a message is about: its kind and its ids. Of anything else nothing but that it is something else.
fn what(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(bucket) = body.pointer("/Records/0/s3/bucket/name").and_then(Value::as_str) {
        return format!("s3 {bucket}");
    }
    let Some(kind) = body["type"].as_str() else { return "?".to_owned() };
    let ids = ["tenant", "campaign", "launch", "slice", "import", "mail"];
    let ids = ids.iter().filter_map(|name| Some(format!("{name} {}", body[*name].as_i64()?)));
    std::iter::once(kind.to_owned()).chain(ids).collect::<Vec<_>>().join(" · ")
}

/// `GET /queues/{name}/redrive`.
pub(super) async fn ask(
    State(console): State<Arc<Console>>,
    person: Person,
    Path(name): Path<String>,
) -> Result<Response, ConsoleError> {
    console.queues.url(&name)?;
    let reader = &person.reader;
    let text: Markup = html! { p { (reader.t("redrive-text")) } };
    let yes = Submit { text: &reader.t("redrive"), weight: Button::Main };
    let back = format!("/queues/{name}");
    let content = confirm(reader, &format!("{back}/redrive"), &person.form_token, &text, yes, &back);
    let title = reader.t("redrive-title");
    Ok(Page::new(&person, Section::Queues, &title).under(Section::Queues).below(&name, back).show(&content))
}

/// `POST /queues/{name}/redrive`. SQS moves all of them, at its own pace; asked for while it does so, it refuses.
pub(super) async fn redrive(
    State(console): State<Arc<Console>>,
    person: Person,
    visitor: Visitor,
    At(now): At,
    Path(name): Path<String>,
) -> Result<Response, ConsoleError> {
    let sqs = &console.clients.sqs;
    let dead = dead_letters(sqs, &attributes(sqs, console.queues.url(&name)?).await?).await?;
    let moved = sqs.start_message_move_task().source_arn(dead.arn).send().await;
    moved.map_err(|error| AwsError::of("StartMessageMoveTask", &error))?;
    let mut db = console.store.pool().acquire().await.map_err(store::StoreError::from)?;
    record::of_person(&mut db, &person, &visitor, "redrive", Some(&name), now).await?;
    Ok(Redirect::to(&format!("/queues/{name}")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_its_kind_and_ids_and_no_name() {
        for (body, expected) in [
            (
                r#"{"type":"slice.v1","tenant":1,"campaign":2,"launch":3,"slice":4}"#,
                "slice.v1 · tenant 1 · campaign 2 · launch 3 · slice 4",
            ),
            (
                r#"{"Records":[{"s3":{"bucket":{"name":"b"},"object":{"key":"Incoming/ann@example.org.csv"}}}]}"#,
                "s3 b",
            ),
            (r#"{"type":"response.v1","tenant":1,"address_key":"aa"}"#, "response.v1 · tenant 1"),
            ("no json", "?"),
            ("", "?"),
        ] {
            assert_eq!(what(body), expected);
        }
    }
}
