//! Events of Amazon SES as Firehose writes them into a bucket: JSON documents, one behind the other.

use std::collections::HashMap;

use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Ignored, Report, Verdict, shortened};
use crate::{
    BounceClass, peek_return_path, redact,
    relay::SES_TAG,
    status::{classify, is_status},
};

/// Of one object: above Firehose's own buffer of 5 MiB.
pub const EVENTS_BYTES_MAX: usize = 8 * 1024 * 1024;

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "eventType")]
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
    let events = documents.map(|document| document.and_then(serde_json::from_value::<Event>));
    events.map(|event| event.map_or_else(|_| unreadable(), |event| report(&event))).collect()
}

fn unreadable() -> Report {
    Report { token: None, verdict: Verdict::Ignored(Ignored::NotAReport), diagnostic: None, at: None }
}

fn report(event: &Event) -> Report {
    let tag = event.mail.tags.get(SES_TAG).and_then(|values| values.first());
    let token = tag.and_then(|token| peek_return_path(token).ok());
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
    fn what_is_no_event_is_nobodys() {
        for object in ["{", "{}", r#"{"eventType":1}"#, "{\"eventType\":\"Send\",\"mail\":{}} nonsense"] {
            let reports = parse_events(object.as_bytes());
            assert!(reports.iter().all(|report| report.token.is_none()), "{object}");
            assert!(!reports.is_empty(), "{object}");
        }
        assert!(!are_events(b"X-Envelope-To: a\r\n") && !are_events(b""));
    }
}
