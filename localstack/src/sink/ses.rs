//! What Amazon SES does to a mail, and what it tells of it, as far as its documentation says: Message-ID, Date and return path are its own,
//! its settings in `X-SES-` headers are taken out, and events come as JSON, one a line, as Firehose writes them into a bucket.

use std::fmt::Write as _;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use super::behaviour::{self, Act};

/// Headers that SES makes itself.
const REPLACED: [&str; 3] = ["message-id", "date", "return-path"];

/// What becomes of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    /// With the receiving server's words.
    Bounced(&'static str),
    /// Delivered and called spam.
    Complained,
    /// Taken and not sent: SES found something in it.
    Rejected,
}

impl Fate {
    pub(super) fn arrives(self) -> bool {
        matches!(self, Self::Delivered | Self::Complained)
    }
}

/// Chosen by the local part: what a server would refuse comes back.
pub(super) fn fate(recipient: &str) -> Fate {
    let refused = behaviour::of(recipient).and_then(|behaviour| match behaviour.act {
        Act::Answer(answer) => Some(Fate::Bounced(answer)),
        _ => None,
    });
    let named = || match recipient {
        name if name.starts_with("complaint") => Fate::Complained,
        name if name.starts_with("rejected") => Fate::Rejected,
        _ => Fate::Delivered,
    };
    refused.unwrap_or_else(named)
}

/// A mail that SES has taken.
pub(super) struct Sending {
    pub(super) id: String,
    /// As SES passes it on.
    pub(super) message: Vec<u8>,
    source: String,
    tags: Value,
    at: String,
}

impl Sending {
    pub(super) fn of(from: &str, message: &[u8]) -> Self {
        let now = OffsetDateTime::now_utc();
        let millis = now.unix_timestamp_nanos() / 1_000_000;
        let id = format!("0100{millis:012x}-{}-000000", uuid::Uuid::new_v4());
        let (headers, body) = split(message);
        let (mut kept, mut tags) = (Vec::new(), json!({}));
        for header in headers {
            let text = String::from_utf8_lossy(header);
            let (name, value) = text.split_once(':').unwrap_or((&text, ""));
            let name = name.trim().to_ascii_lowercase();
            if name.starts_with("x-ses-") {
                read_setting(&name, value, &mut tags);
            } else if !REPLACED.contains(&name.as_str()) {
                kept.extend_from_slice(header);
            }
        }
        let date = now.format(&Rfc2822).unwrap_or_default();
        let mut own = String::new();
        let _ = write!(
            own,
            "Message-ID: <{id}@email.amazonses.com>\r\nDate: {date}\r\nFeedback-ID: ::1.us-east-1.local:AmazonSES\r\n"
        );
        let message = [kept.as_slice(), own.as_bytes(), b"\r\n", body].concat();
        Self { id, message, source: from.to_owned(), tags, at: now.format(&Rfc3339).unwrap_or_default() }
    }

    pub(super) fn return_path(&self) -> String {
        format!("{}@amazonses.com", self.id)
    }

    /// The event of its acceptance, and those of its end, each a line.
    pub(super) fn events(&self, recipient: &str, fate: Fate) -> Vec<String> {
        let at = &self.at;
        let send = ("Send", "send", json!({}));
        let delivery = (
            "Delivery",
            "delivery",
            json!({"timestamp": at, "processingTimeMillis": 431, "recipients": [recipient],
                   "smtpResponse": "250 2.0.0 Ok: queued", "reportingMTA": "a8-1.smtp-out.amazonses.com"}),
        );
        let rest = match fate {
            Fate::Delivered => vec![delivery],
            Fate::Bounced(answer) => vec![("Bounce", "bounce", bounce(recipient, answer, at))],
            Fate::Complained => vec![
                delivery,
                (
                    "Complaint",
                    "complaint",
                    json!({"complainedRecipients": [{"emailAddress": recipient}], "timestamp": at, "feedbackId": self.id,
                           "userAgent": "Local/1.0", "complaintFeedbackType": "abuse", "arrivalDate": at}),
                ),
            ],
            Fate::Rejected => vec![("Reject", "reject", json!({"reason": "Bad content"}))],
        };
        let events = std::iter::once(send).chain(rest).map(|(kind, name, details)| {
            let event = json!({"eventType": kind, name: details, "mail": self.mail(recipient)});
            format!("{event}\n")
        });
        events.collect()
    }

    fn mail(&self, recipient: &str) -> Value {
        json!({"timestamp": self.at, "source": self.source, "sendingAccountId": "000000000000", "messageId": self.id,
               "destination": [recipient], "headersTruncated": false, "tags": self.tags})
    }
}

fn bounce(recipient: &str, answer: &str, at: &str) -> Value {
    let status = answer.split(' ').nth(1).unwrap_or_default();
    let (kind, detail) = match status {
        "5.2.2" => ("Transient", "MailboxFull"),
        _ if answer.starts_with('4') => ("Transient", "General"),
        _ => ("Permanent", "General"),
    };
    let bounced = json!({"emailAddress": recipient, "action": "failed", "status": status,
                         "diagnosticCode": format!("smtp; {answer} <{recipient}>")});
    json!({"bounceType": kind, "bounceSubType": detail, "bouncedRecipients": [bounced], "timestamp": at,
           "feedbackId": "0100-local", "reportingMTA": "dns; a8-1.smtp-out.amazonses.com"})
}

/// Tags of the message; the configuration set becomes one.
fn read_setting(name: &str, value: &str, tags: &mut Value) {
    let pairs = match name {
        "x-ses-message-tags" => value.split(',').filter_map(|pair| pair.split_once('=')).collect(),
        "x-ses-configuration-set" => vec![("ses:configuration-set", value)],
        _ => Vec::new(),
    };
    for (name, value) in pairs {
        tags[name.trim()] = json!([value.trim()]);
    }
}

/// The headers, each with its continuation and line ends, and the body.
fn split(message: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut headers: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        let end = at + line.len();
        if line == b"\r\n" {
            at = end;
            break;
        }
        match headers.last_mut() {
            Some(last) if line.starts_with(b" ") || line.starts_with(b"\t") => last.1 = end,
            _ => headers.push((at, end)),
        }
        at = end;
    }
    (headers.into_iter().map(|(from, to)| &message[from..to]).collect(), &message[at..])
}
