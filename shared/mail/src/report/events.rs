//! Events of relays as they are written into a bucket: JSON documents, one behind the other, with or without line ends between them.
//!
//! Amazon SES publishes events (`eventType`, with the mail's tags) and feedback notifications (`notificationType`, without; they may come
//! in the envelope of SNS); `KumoMTA` writes log records (see `kumo`).

use std::collections::HashMap;

use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Ignored, Report, Verdict, kumo, shortened};
use crate::{
    BounceClass, Unverified, peek_return_path, redact,
    relay::{SES_TAG, SES_TAGS_HEADER},
    status::{classify, is_status},
};

/// Of one object: above Firehose's own buffer of 5 MiB.
pub const EVENTS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The forms in which they come.
#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Ses(Event),
    Kumo(kumo::Record),
    Sns {
        #[serde(rename = "Message")]
        message: String,
    },
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "eventType", alias = "notificationType")]
    kind: String,
    mail: Mail,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
    delivery: Option<Delivery>,
}

#[derive(Deserialize)]
struct Mail {
    #[serde(default)]
    tags: HashMap<String, Vec<String>>,
    /// Of the mail as we handed it over, where the identity is set to tell them.
    #[serde(default)]
    headers: Vec<Header>,
    /// Of the envelope.
    #[serde(default)]
    source: String,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

impl Mail {
    fn token(&self) -> Option<Unverified> {
        let tag = self.tags.get(SES_TAG).and_then(|values| values.first()).map(String::as_str);
        let header = self.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(SES_TAGS_HEADER));
        let tags =
            header.flat_map(|header| header.value.split(',')).filter_map(|tag| tag.trim().split_once('='));
        let told = tags.filter(|(name, _)| *name == SES_TAG).map(|(_, token)| token);
        tag.into_iter()
            .chain(told)
            .chain([self.source.as_str()])
            .find_map(|token| peek_return_path(token).ok())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    #[serde(rename = "bounceType")]
    kind: String,
    #[serde(rename = "bounceSubType", default)]
    detail: String,
    #[serde(default)]
    bounced_recipients: Vec<Bounced>,
    timestamp: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Bounced {
    #[serde(default)]
    email_address: String,
    status: Option<String>,
    diagnostic_code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    complaint_feedback_type: Option<String>,
    timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Delivery {
    timestamp: Option<String>,
}

/// Whether an object of the reports bucket holds events. No mail begins so.
pub fn are_events(object: &[u8]) -> bool {
    object.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// Judges each event. What cannot be read ends as one that nobody made.
pub fn parse_events(object: &[u8]) -> Vec<Report> {
    // As any JSON first: one that has another form does not end the others.
    let documents = serde_json::Deserializer::from_slice(object).into_iter::<serde_json::Value>();
    let documents = documents.map(|document| document.and_then(serde_json::from_value::<Document>));
    documents.map(|document| document.map_or_else(|_| unreadable(), |document| judge(&document))).collect()
}

fn judge(document: &Document) -> Report {
    match document {
        Document::Ses(event) => report(event),
        Document::Kumo(record) => kumo::report(record),
        Document::Sns { message } => {
            serde_json::from_str(message).map_or_else(|_| unreadable(), |event| report(&event))
        }
    }
}

fn unreadable() -> Report {
    Report { token: None, verdict: Verdict::Ignored(Ignored::NotAReport), diagnostic: None, at: None }
}

fn report(event: &Event) -> Report {
    let token = event.mail.token();
    let ((verdict, diagnostic), at) = match (event.kind.as_str(), event) {
        ("Bounce", Event { bounce: Some(bounce), .. }) => (bounced(bounce), bounce.timestamp.as_deref()),
        ("Complaint", Event { complaint: Some(complaint), .. }) => {
            let verdict = match complaint.complaint_feedback_type.as_deref() {
                Some("not-spam") => Verdict::Ignored(Ignored::OtherReport),
                _ => Verdict::Complained,
            };
            ((verdict, None), complaint.timestamp.as_deref())
        }
        ("Delivery", Event { delivery: Some(delivery), .. }) => {
            ((Verdict::Delivered, None), delivery.timestamp.as_deref())
        }
        // It was taken and then not sent.
        ("Reject", _) => {
            let verdict = Verdict::Bounced { class: BounceClass::Block, status: None };
            ((verdict, Some("rejected by the relay for its content".to_owned())), None)
        }
        ("DeliveryDelay", _) => ((Verdict::Ignored(Ignored::Delayed), None), None),
        _ => ((Verdict::Ignored(Ignored::OtherReport), None), None),
    };
    let at = at.and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok());
    Report { token, verdict, diagnostic, at }
}

fn bounced(bounce: &Bounce) -> (Verdict, Option<String>) {
    let none = Bounced::default();
    let recipient = bounce.bounced_recipients.first().unwrap_or(&none);
    let status = recipient.status.as_deref().filter(|status| is_status(status));
    let words = recipient.diagnostic_code.as_deref();
    let words = words.map(|words| words.split_once(';').map_or(words, |(_, words)| words).trim());
    let class = class(bounce, status, words.unwrap_or_default());
    let diagnostic = words.map(|words| shortened(redact(words, &[&recipient.email_address])));
    (Verdict::Bounced { class, status: status.map(ToOwned::to_owned) }, diagnostic)
}

/// SES knows best what is for ever; whose fault it is, the server's words tell.
fn class(bounce: &Bounce, status: Option<&str>, words: &str) -> BounceClass {
    let told = (status.is_some() || !words.is_empty()).then(|| classify(status, words));
    match (bounce.kind.as_str(), bounce.detail.as_str(), told) {
        (_, "ContentRejected" | "AttachmentRejected", _) | (_, _, Some(BounceClass::Block)) => {
            BounceClass::Block
        }
        ("Permanent", _, told) => told.unwrap_or(BounceClass::Hard),
        _ => BounceClass::Soft,
    }
}

#[cfg(test)]
mod tests {
    use contract::{CampaignId, MailId, TenantId};

    use super::*;
    use crate::Links;

    const KEY: [u8; 32] = [7; 32];

    fn event(kind: &str, details: &str) -> String {
        let links =
            Links::new("https://m.example", "b.example", TenantId(1), CampaignId(2), 0, &KEY).unwrap();
        let path = links.return_path(MailId(3));
        let token = path.split('@').next().unwrap();
        format!(
            r#"{{"eventType":"{kind}",{details}"mail":{{"timestamp":"2026-11-23T18:00:00.000Z","source":"x@b.example",
               "destination":["anna@example.org"],"tags":{{"broadcast":["{token}"],"ses:configuration-set":["news"]}}}}}}"#
        )
    }

    fn bounce(kind: &str, detail: &str, recipient: &str) -> String {
        event(
            "Bounce",
            &format!(
                r#""bounce":{{"bounceType":"{kind}","bounceSubType":"{detail}","timestamp":"2026-11-23T18:00:07.123Z",
                   "bouncedRecipients":[{{"emailAddress":"anna.muster@example.org"{recipient}}}]}},"#
            ),
        )
    }

    #[test]
    fn events_are_judged_wherever_one_ends() {
        let unknown = r#","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 anna.muster@example.org... User unknown""#;
        let blocked = r#","status":"5.7.1","diagnosticCode":"smtp; 554 5.7.1 blocked""#;
        let full = r#","status":"5.2.2","diagnosticCode":"smtp; 552 5.2.2 full""#;
        let bounced =
            |class, status: Option<&str>| Verdict::Bounced { class, status: status.map(str::to_owned) };
        let table = [
            (event("Send", r#""send":{},"#), Verdict::Ignored(Ignored::OtherReport)),
            (
                event("Delivery", r#""delivery":{"timestamp":"2026-11-23T18:00:07.123Z"},"#),
                Verdict::Delivered,
            ),
            (bounce("Permanent", "General", unknown), bounced(BounceClass::Hard, Some("5.1.1"))),
            (bounce("Permanent", "Suppressed", ""), bounced(BounceClass::Hard, None)),
            (bounce("Permanent", "General", blocked), bounced(BounceClass::Block, Some("5.7.1"))),
            (bounce("Transient", "MailboxFull", full), bounced(BounceClass::Soft, Some("5.2.2"))),
            (bounce("Transient", "General", unknown), bounced(BounceClass::Soft, Some("5.1.1"))),
            (bounce("Transient", "ContentRejected", ""), bounced(BounceClass::Block, None)),
            (bounce("Undetermined", "Undetermined", ""), bounced(BounceClass::Soft, None)),
            (event("Reject", r#""reject":{"reason":"Bad content"},"#), bounced(BounceClass::Block, None)),
            (event("Complaint", r#""complaint":{"complaintFeedbackType":"abuse"},"#), Verdict::Complained),
            (event("Complaint", r#""complaint":{},"#), Verdict::Complained),
            (
                event("Complaint", r#""complaint":{"complaintFeedbackType":"not-spam"},"#),
                Verdict::Ignored(Ignored::OtherReport),
            ),
            (event("DeliveryDelay", ""), Verdict::Ignored(Ignored::Delayed)),
            (event("Open", ""), Verdict::Ignored(Ignored::OtherReport)),
        ];
        for separator in ["", "\n", "\r\n"] {
            let object: Vec<&str> = table.iter().map(|(event, _)| event.as_str()).collect();
            let object = object.join(separator);
            assert!(are_events(object.as_bytes()));
            let reports = parse_events(object.as_bytes());
            assert_eq!(reports.len(), table.len());
            for ((event, verdict), report) in table.iter().zip(reports) {
                assert_eq!(&report.verdict, verdict, "{event}");
                assert_eq!(report.token.unwrap().verify(&KEY).unwrap().mail, MailId(3));
                assert!(report.diagnostic.is_none_or(|words| !words.contains("muster")));
            }
        }
        let report = &parse_events(table[2].0.as_bytes())[0];
        assert_eq!(report.at.unwrap().to_string(), "2026-11-23 18:00:07.123 +00:00:00");
        assert_eq!(report.diagnostic.as_deref(), Some("550 5.1.1 <address>... User unknown"));
    }

    #[test]
    fn notifications_are_known_by_what_they_tell_of_the_mail() {
        let event = bounce("Permanent", "General", r#","status":"5.1.1""#);
        let token = event.split(r#""broadcast":[""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let tags = format!(r#""tags":{{"broadcast":["{token}"],"ses:configuration-set":["news"]}}"#);
        assert!(event.contains(&tags));
        let headers = format!(
            r#""headersTruncated":false,"headers":[{{"name":"From","value":"a@b.example"}},
               {{"name":"x-ses-message-tags","value":"other=1, broadcast={token}"}}]"#
        );
        let by_headers = event.replace("eventType", "notificationType").replace(&tags, &headers);
        let by_source = event
            .replace("eventType", "notificationType")
            .replace(&format!(",{tags}"), "")
            .replace("x@b.example", &format!("{token}@b.example"));
        let in_sns = format!(
            r#"{{"Type":"Notification","TopicArn":"arn","Message":{}}}"#,
            serde_json::json!(by_source)
        );
        for object in [&by_headers, &by_source, &in_sns] {
            let [report] = parse_events(object.as_bytes()).try_into().unwrap();
            assert_eq!(report.token.unwrap().verify(&KEY).unwrap().mail, MailId(3), "{object}");
            assert_eq!(
                report.verdict,
                Verdict::Bounced { class: BounceClass::Hard, status: Some("5.1.1".into()) }
            );
        }
        // Without any of them it is nobody's.
        let bare = event.replace(&format!(",{tags}"), "");
        assert!(parse_events(bare.as_bytes())[0].token.is_none());
    }

    #[test]
    fn records_of_kumomta_are_judged() {
        let links =
            Links::new("https://m.example", "b.example", TenantId(1), CampaignId(2), 0, &KEY).unwrap();
        let path = links.return_path(MailId(3));
        let record = |kind: &str, sender: &str, recipient: &str, more: &str| {
            format!(
                r#"{{"type":"{kind}","id":"1d98076abbbc11ed940250ebf67f93bd","sender":"{sender}","recipient":{recipient},
                   "queue":"example.org","size":1047,"timestamp":1763906407,"num_attempts":1{more}}}"#
            )
        };
        let response = |code: u16, status: &str, content: &str| {
            format!(
                r#","response":{{"code":{code},"enhanced_code":{status},"content":"{content}","command":"RCPT TO"}}"#
            )
        };
        let status =
            |class, subject, detail| format!(r#"{{"class":{class},"subject":{subject},"detail":{detail}}}"#);
        let anna = r#""anna.muster@example.org""#;
        let ours = format!(r#"["{path}"]"#);
        let bounced =
            |class, status: Option<&str>| Verdict::Bounced { class, status: status.map(str::to_owned) };
        let unknown = response(550, &status(5, 1, 1), "<anna.muster@example.org>: user unknown");
        let blocked = response(554, "null", "blocked using zen.spamhaus.org");
        let unreachable =
            response(400, "null", "KumoMTA internal: failed to connect to any candidate hosts: timed out");
        let expired = response(551, &status(5, 4, 7), "Next delivery time exceeds the expiration time");
        let feedback = |kind: &str| {
            format!(r#","feedback_report":{{"feedback_type":"{kind}","original_mail_from":"<{path}>"}}"#)
        };
        let table = [
            (record("Delivery", &path, anna, &response(250, &status(2, 0, 0), "OK")), Verdict::Delivered),
            (record("Bounce", &path, anna, &unknown), bounced(BounceClass::Hard, Some("5.1.1"))),
            (
                record("Bounce", &path, r#"["anna.muster@example.org"]"#, &unknown),
                bounced(BounceClass::Hard, Some("5.1.1")),
            ),
            (record("Bounce", &path, anna, &blocked), bounced(BounceClass::Block, None)),
            (record("Bounce", &path, anna, ""), bounced(BounceClass::Soft, None)),
            (record("Expiration", &path, anna, &expired), bounced(BounceClass::Soft, Some("5.4.7"))),
            (record("AdminBounce", &path, anna, &unknown), bounced(BounceClass::Soft, Some("5.1.1"))),
            (record("OOB", "", &ours, &unknown), bounced(BounceClass::Hard, Some("5.1.1"))),
            (record("TransientFailure", &path, anna, &unreachable), Verdict::Ignored(Ignored::Delayed)),
            (record("Feedback", "fbl@isp.example", anna, &feedback("abuse")), Verdict::Complained),
            (
                record("Feedback", "fbl@isp.example", anna, &feedback("not-spam")),
                Verdict::Ignored(Ignored::OtherReport),
            ),
            (record("Reception", &path, anna, ""), Verdict::Ignored(Ignored::OtherReport)),
        ];
        let object: Vec<&str> = table.iter().map(|(record, _)| record.as_str()).collect();
        let reports = parse_events(
            object
                .join(
                    "
",
                )
                .as_bytes(),
        );
        assert_eq!(reports.len(), table.len());
        for ((record, verdict), report) in table.iter().zip(&reports) {
            assert_eq!(&report.verdict, verdict, "{record}");
            assert_eq!(report.token.as_ref().unwrap().verify(&KEY).unwrap().mail, MailId(3), "{record}");
            assert!(report.diagnostic.as_ref().is_none_or(|words| !words.contains("muster")), "{report:?}");
        }
        assert_eq!(reports[1].at.unwrap().to_string(), "2025-11-23 14:00:07.0 +00:00:00");
        assert_eq!(reports[1].diagnostic.as_deref(), Some("550 5.1.1 <address>: user unknown"));
    }

    #[test]
    fn what_is_no_event_is_nobodys() {
        for object in ["{", "{}", r#"{"eventType":1}"#, "{\"eventType\":\"Send\",\"mail\":{}} nonsense"] {
            let reports = parse_events(object.as_bytes());
            assert!(reports.iter().all(|report| report.token.is_none()), "{object}");
            assert!(!reports.is_empty(), "{object}");
        }
        assert!(!are_events(b"X-Envelope-To: a\r\n") && !are_events(b""));
    }
}
