//! S3 event notifications, as they arrive in a queue's message body.

use serde::Deserialize;

/// One object that came into being. Its key may be a customer's file name: never log it.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectEvent {
    /// The bucket; for a tenant's bucket, the only thing that tells the tenant.
    pub bucket: String,
    /// The key, decoded.
    pub key: String,
    /// The `ETag` without quotes, where the event has one.
    pub etag: Option<String>,
    /// Bytes, where the event tells.
    pub size: Option<i64>,
}

impl std::fmt::Debug for ObjectEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectEvent").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
    #[serde(rename = "Event")]
    event: Option<String>,
}

#[derive(Deserialize)]
struct Record {
    s3: S3,
}

#[derive(Deserialize)]
struct S3 {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    #[serde(rename = "eTag")]
    etag: Option<String>,
    size: Option<i64>,
}

/// The objects that a notification names; `None` when the body is no S3 notification. `s3:TestEvent` names none.
pub fn parse_object_events(body: &str) -> Option<Vec<ObjectEvent>> {
    let notification: Notification = serde_json::from_str(body).ok()?;
    if notification.event.as_deref() == Some("s3:TestEvent") {
        return Some(Vec::new());
    }
    let events = notification.records?.into_iter().map(|record| ObjectEvent {
        bucket: record.s3.bucket.name,
        key: decode(&record.s3.object.key),
        etag: record.s3.object.etag.map(|etag| etag.trim_matches('"').to_owned()),
        size: record.s3.object.size,
    });
    Some(events.collect())
}

/// S3 writes keys into events as `application/x-www-form-urlencoded`.
fn decode(key: &str) -> String {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' if tail.len() >= 2 => {
                let hex =
                    std::str::from_utf8(&tail[..2]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
                if let Some(byte) = hex {
                    bytes.push(byte);
                    rest = &tail[2..];
                } else {
                    bytes.push(b'%');
                }
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_names_its_objects() {
        let body = r#"{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},
            "object":{"key":"Incoming/a+b%C3%BC%2B.csv.ctl","eTag":"\"abc\"","size":3}}}]}"#;
        let events = parse_object_events(body).unwrap();
        assert_eq!(events[0].key, "Incoming/a bü+.csv.ctl");
        assert_eq!((events[0].etag.as_deref(), events[0].size), (Some("abc"), Some(3)));
        assert!(!format!("{events:?}").contains("csv"));
    }

    #[test]
    fn a_test_event_names_none_and_other_bodies_are_none() {
        assert_eq!(
            parse_object_events(r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#),
            Some(Vec::new())
        );
        assert_eq!(parse_object_events(r#"{"type":"import"}"#), None);
        assert_eq!(parse_object_events("not json"), None);
    }
}
