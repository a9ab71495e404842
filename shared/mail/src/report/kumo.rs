//! Log records of `KumoMTA` as its log hooks write them (its reference, "Log Record"): JSON documents, one behind the other.

use serde::Deserialize;
use time::OffsetDateTime;

use super::{Ignored, Report, Verdict, shortened};
use crate::{
    BounceClass, peek_return_path, redact,
    status::{classify, is_status},
};

#[derive(Deserialize)]
pub(super) struct Record {
    #[serde(rename = "type")]
    kind: String,
    /// Of the envelope.
    sender: String,
    #[serde(default)]
    recipient: Recipients,
    response: Option<Response>,
    feedback_report: Option<Feedback>,
    /// Seconds since 1970.
    timestamp: Option<serde_json::Value>,
}

/// One, or since a mail may have several, a list.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Recipients {
    #[default]
    None,
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Response {
    code: u16,
    enhanced_code: Option<Status>,
    #[serde(default)]
    content: String,
}

/// RFC 3463.
#[derive(Deserialize)]
struct Status {
    class: u16,
    subject: u16,
    detail: u16,
}

#[derive(Deserialize)]
struct Feedback {
    #[serde(default)]
    feedback_type: String,
    original_mail_from: Option<String>,
}

impl Recipients {
    fn all(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(address) => std::slice::from_ref(address),
            Self::Several(addresses) => addresses,
        }
    }
}

pub(super) fn report(record: &Record) -> Report {
    let recipients = record.recipient.all();
    // A mail of ours has its token in its sender, what came in about one in its recipient.
    let feedback = record.feedback_report.as_ref();
    let named = feedback.and_then(|feedback| feedback.original_mail_from.as_ref());
    let mut addresses = named.into_iter().chain([&record.sender]).chain(recipients);
    let token = addresses.find_map(|address| peek_return_path(address).ok());
    let (verdict, diagnostic) = match record.kind.as_str() {
        "Delivery" => (Verdict::Delivered, None),
        "Bounce" | "OOB" => bounced(record.response.as_ref(), recipients),
        "Expiration" | "AdminBounce" => given_up(record.response.as_ref(), recipients),
        "TransientFailure" => (Verdict::Ignored(Ignored::Delayed), None),
        "Feedback"
            if feedback.is_some_and(|feedback| !feedback.feedback_type.eq_ignore_ascii_case("not-spam")) =>
        {
            (Verdict::Complained, None)
        }
        _ => (Verdict::Ignored(Ignored::OtherReport), None),
    };
    let at = record
        .timestamp
        .as_ref()
        .and_then(serde_json::Value::as_i64)
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    Report { token, verdict, diagnostic, at }
}

fn bounced(response: Option<&Response>, recipients: &[String]) -> (Verdict, Option<String>) {
    let Some(Response { code, enhanced_code, content }) = response else {
        return (Verdict::Bounced { class: BounceClass::Soft, status: None }, None);
    };
    let status =
        enhanced_code.as_ref().map(|Status { class, subject, detail }| format!("{class}.{subject}.{detail}"));
    let status = status.filter(|status| is_status(status));
    let words = match &status {
        Some(status) => format!("{code} {status} {content}"),
        None => format!("{code} {content}"),
    };
    let named: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let class = classify(status.as_deref(), &words);
    (Verdict::Bounced { class, status }, Some(shortened(redact(&words, &named))))
}

/// The relay does not try any more: whatever hindered it may pass.
fn given_up(response: Option<&Response>, recipients: &[String]) -> (Verdict, Option<String>) {
    let (verdict, diagnostic) = bounced(response, recipients);
    let status = if let Verdict::Bounced { status, .. } = verdict { status } else { None };
    (Verdict::Bounced { class: BounceClass::Soft, status }, diagnostic)
}
