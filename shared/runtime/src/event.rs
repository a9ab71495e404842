//! The shapes of the events that Lambda hands over, and which handler they are for.

use contract::{ObjectEvent, parse_object_events};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use time::OffsetDateTime;

/// What a queue message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<T> {
    /// One of our own messages.
    Message(T),
    /// An S3 notification; without objects when S3 merely tried the queue.
    Objects(Vec<ObjectEvent>),
}

impl<T: DeserializeOwned> Body<T> {
    /// The error has no part of the body.
    pub(crate) fn parse(body: &str) -> Result<Self, BadBody> {
        if let Some(objects) = parse_object_events(body) {
            return Ok(Self::Objects(objects));
        }
        serde_json::from_str(body).map(Self::Message).map_err(|error| BadBody {
            category: error.classify(),
            line: error.line(),
            column: error.column(),
        })
    }
}

/// Where a body stopped being a message.
#[derive(Debug)]
pub(crate) struct BadBody {
    pub(crate) category: serde_json::error::Category,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// One record of an SQS event. Its body is parsed by itself, so that a bad one does not take the batch with it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) message_id: String,
    pub(crate) body: String,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Attributes {
    #[serde(rename = "ApproximateReceiveCount", default)]
    receive_count: String,
}

impl Record {
    /// From 1. For the log alone: no decision is built on it.
    pub(crate) fn receive_count(&self) -> u32 {
        self.attributes.receive_count.parse().unwrap_or(1)
    }
}

/// What an event is.
#[derive(Debug)]
pub(crate) enum Event {
    /// Messages of a queue.
    Records(Vec<Record>),
    /// A schedule fired, at this time.
    Tick(OffsetDateTime),
    /// Neither.
    Unknown,
}

#[derive(Deserialize)]
struct SqsEvent {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct ScheduleEvent {
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
}

/// An event with `Records` is of a queue; one with a `time` is a schedule's, also when an operator made it by hand to move the clock.
pub(crate) fn route(event: Value) -> Event {
    if event.get("Records").is_some() {
        return serde_json::from_value::<SqsEvent>(event)
            .map_or(Event::Unknown, |event| Event::Records(event.records));
    }
    serde_json::from_value::<ScheduleEvent>(event).map_or(Event::Unknown, |event| Event::Tick(event.time))
}

#[cfg(test)]
mod tests {
    use contract::SendMessage;
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn events_find_their_handler() {
        let event: Value = serde_json::from_str(include_str!("../fixtures/sqs.json")).unwrap();
        let Event::Records(records) = route(event) else { panic!("not a queue's event") };
        assert_eq!(records.len(), 3);
        assert_eq!((records[0].message_id.as_str(), records[0].receive_count()), ("first", 1));
        assert_eq!(records[1].receive_count(), 2);

        let event: Value = serde_json::from_str(include_str!("../fixtures/schedule.json")).unwrap();
        assert!(matches!(route(event), Event::Tick(now) if now == datetime!(2026-11-23 12:00:00 UTC)));
        let made = json!({"time": "2027-01-01T00:00:00Z"});
        assert!(matches!(route(made), Event::Tick(now) if now == datetime!(2027-01-01 00:00:00 UTC)));

        for event in [json!({}), json!(null), json!({"time": "tomorrow"}), json!({"Records": [{"s3": {}}]})] {
            assert!(matches!(route(event.clone()), Event::Unknown), "{event}");
        }
    }

    #[test]
    fn a_body_is_a_message_or_a_notification_or_bad() {
        let message = r#"{"type":"slice.v1","tenant":1,"campaign":2,"launch":3,"slice":4}"#;
        assert!(matches!(Body::<SendMessage>::parse(message), Ok(Body::Message(_))));
        let notification = r#"{"Records":[{"s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#;
        assert!(
            matches!(Body::<SendMessage>::parse(notification), Ok(Body::Objects(objects)) if objects.len() == 1)
        );
        for bad in ["", "anna@example.org", r#"{"type":"anna@example.org"}"#, r#"{"type":"slice.v1"}"#] {
            let error = Body::<SendMessage>::parse(bad).unwrap_err();
            assert!(!format!("{error:?}").contains("anna"));
        }
    }
}
