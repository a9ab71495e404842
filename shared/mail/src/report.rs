//! What comes back to a return path: delivery status notifications (RFC 3464), complaints (RFC 5965), and everything that is neither. And what
//! comes to an address that unsubscribes (RFC 2369).

mod events;
mod kumo;

pub use events::{EVENTS_BYTES_MAX, are_events, parse_events};

use std::borrow::Cow;

use mail_parser::{HeaderName, Message, MessageParser, MimeHeaders, PartType};
use time::OffsetDateTime;

use crate::{
    BounceClass, Unverified, peek_return_path, redact,
    status::{classify, is_status},
    token::peek_unsubscribe_address,
};

/// Of one inbound message. The reports themselves stand at the beginning; what is behind is the mail that came back.
pub const REPORT_BYTES_MAX: usize = 1024 * 1024;
/// Of a stored diagnostic: longer than what any server says in a few lines.
const DIAGNOSTIC_BYTES_MAX: usize = 500;

/// Where the address that a report was sent to stands, best first. Our own transport writes the first two at the very top, so the topmost
/// one counts. The token in it is authentic or worthless, wherever it stands.
const RECIPIENT_HEADERS: [&str; 5] = ["X-Envelope-To", "X-Original-To", "Delivered-To", "Envelope-To", "To"];

/// An inbound message, judged.
#[derive(Debug)]
pub struct Report {
    /// Whose mail it is about. Verify it before anything else is believed.
    pub token: Option<Unverified>,
    /// What it says.
    pub verdict: Verdict,
    /// The server's words without any address, where it has some.
    pub diagnostic: Option<String>,
    /// When it happened, where the report has a time that we take.
    pub at: Option<OffsetDateTime>,
}

/// What a report says of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It came back.
    Bounced {
        /// How.
        class: BounceClass,
        /// RFC 3463, such as `5.1.1`, where the report has one.
        status: Option<String>,
    },
    /// The receiving side took it.
    Delivered,
    /// Its recipient marked it as spam.
    Complained,
    /// Its recipient wrote to the address that unsubscribes. The token's, and nobody else: it says nothing of who wrote.
    Unsubscribed,
    /// Nothing that counts.
    Ignored(Ignored),
}

/// Why a message does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// A server still tries.
    Delayed,
    /// An absence note or the like.
    AutoReply,
    /// A report of a kind that says nothing of a delivery, such as `not-spam`.
    OtherReport,
    /// A letter, or nothing that we understand.
    NotAReport,
}

/// Judges one message as it came in over SMTP, with any line ends. What is longer than [`REPORT_BYTES_MAX`] is cut off.
pub fn parse_report(raw: &[u8]) -> Report {
    let raw = line_ends(&raw[..raw.len().min(REPORT_BYTES_MAX)]);
    let Some(message) = MessageParser::new().parse(raw.as_ref()) else {
        return Report {
            token: None,
            verdict: Verdict::Ignored(Ignored::NotAReport),
            diagnostic: None,
            at: None,
        };
    };
    let recipients = RECIPIENT_HEADERS.iter().filter_map(|name| topmost(&message, name)).map(first_address);
    let token = recipients.clone().find_map(|address| peek_return_path(address).ok());
    if token.is_none()
        && let Some(token) = recipients.clone().find_map(|address| peek_unsubscribe_address(address).ok())
    {
        return Report { token: Some(token), verdict: unsubscribed(&message), diagnostic: None, at: None };
    }
    if let Some(body) = part(&message, &["delivery-status", "global-delivery-status"]) {
        let (verdict, diagnostic) = delivery_status(&body);
        // Some send it to the author of the mail, or through somebody who changes recipients: then the quoted mail tells.
        let token = token.or_else(|| original_token(&message));
        return Report { token, verdict, diagnostic, at: None };
    }
    if let Some(body) = part(&message, &["feedback-report"]) {
        let feedback = Fields::groups(&body).into_iter().next().unwrap_or_default();
        // A feedback loop reports to one registered address, so the token stands with the mail that it is about.
        let token = token.or_else(|| peek_return_path(feedback.get("original-mail-from")?).ok());
        let token = token.or_else(|| original_token(&message));
        let verdict = match feedback.get("feedback-type").map(str::to_ascii_lowercase).as_deref() {
            Some("abuse" | "fraud" | "virus" | "other" | "opt-out" | "opt-out-list") => Verdict::Complained,
            _ => Verdict::Ignored(Ignored::OtherReport),
        };
        return Report { token, verdict, diagnostic: None, at: None };
    }
    let ignored = if is_auto_reply(&message) { Ignored::AutoReply } else { Ignored::NotAReport };
    Report { token, verdict: Verdict::Ignored(ignored), diagnostic: None, at: None }
}

/// A person's mail, or that of the program that a person pressed a button of. Nobody mails from this address, so what reports or answers is
/// about something else.
fn unsubscribed(message: &Message<'_>) -> Verdict {
    let is_answer = message
        .header_raw("Auto-Submitted")
        .is_some_and(|value| value.trim().to_ascii_lowercase().starts_with("auto-replied"));
    if message.content_type().is_some_and(|kind| kind.subtype() == Some("report")) {
        Verdict::Ignored(Ignored::OtherReport)
    } else if is_answer {
        Verdict::Ignored(Ignored::AutoReply)
    } else {
        Verdict::Unsubscribed
    }
}

/// Bare CR line ends, as some transports make them.
fn line_ends(raw: &[u8]) -> Cow<'_, [u8]> {
    if raw.contains(&b'\n') {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(raw.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte }).collect())
}

/// The library's own look-up takes the last one.
fn topmost<'m>(message: &'m Message<'_>, name: &str) -> Option<&'m str> {
    message.headers_raw().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn first_address(header: &str) -> &str {
    let header = header.trim();
    let inner =
        header.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(header, |(inner, _)| inner);
    inner.split([',', ' ', '\r', '\n']).next().unwrap_or_default()
}

fn part(message: &Message<'_>, subtypes: &[&str]) -> Option<String> {
    let part = message.parts.iter().find(|part| {
        part.content_type().is_some_and(|kind| {
            let subtype = kind.subtype().unwrap_or_default().to_ascii_lowercase();
            kind.ctype().eq_ignore_ascii_case("message") && subtypes.contains(&subtype.as_str())
        })
    })?;
    Some(String::from_utf8_lossy(part.contents()).into_owned())
}

/// The token of the mail that came back, from its headers: where it was delivered it has a return path, and everywhere the address that
/// unsubscribes.
fn original_token(message: &Message<'_>) -> Option<Unverified> {
    message.parts.iter().find_map(|part| {
        let header = |name: HeaderName<'static>| match &part.body {
            PartType::Message(original) => original.header_raw(name).map(ToOwned::to_owned),
            // Headers alone: text/rfc822-headers, or message/global-headers (RFC 6533) of a mail beyond ASCII.
            _ if matches!(
                part.content_type().and_then(|kind| kind.subtype()),
                Some("rfc822-headers" | "global-headers")
            ) =>
            {
                let headers = String::from_utf8_lossy(part.contents()).into_owned();
                let name = name.as_str().to_ascii_lowercase();
                Fields::groups(&headers).first().and_then(|fields| fields.get(&name).map(ToOwned::to_owned))
            }
            _ => None,
        };
        let returned = header(HeaderName::ReturnPath);
        let returned = returned.and_then(|path| peek_return_path(first_address(&path)).ok());
        returned.or_else(|| {
            let listed = header(HeaderName::ListUnsubscribe)?;
            let (_, address) = listed.split_once("<mailto:")?;
            peek_unsubscribe_address(address.split(['?', '>']).next()?.trim()).ok()
        })
    })
}

/// RFC 3834, and what programs did before it.
fn is_auto_reply(message: &Message<'_>) -> bool {
    let header = |name: &'static str| message.header_raw(name).map(|value| value.trim().to_ascii_lowercase());
    header("Auto-Submitted").is_some_and(|value| value != "no")
        || header("X-Autoreply").is_some()
        || header("X-Autorespond").is_some()
        || header("X-Auto-Response-Suppress").is_some()
        || header("Precedence").is_some_and(|value| matches!(value.as_str(), "auto_reply" | "bulk" | "junk"))
}

/// The worst that the notification says of any recipient: our mails have one each.
fn delivery_status(body: &str) -> (Verdict, Option<String>) {
    let groups = Fields::groups(body);
    let recipients = groups.iter().filter(|group| group.get("action").is_some());
    let action = |group: &Fields| group.get("action").map(str::to_ascii_lowercase).unwrap_or_default();
    let worst = recipients.max_by_key(|group| match action(group).as_str() {
        "failed" => 3,
        "delivered" | "relayed" => 2,
        "delayed" => 1,
        _ => 0,
    });
    let Some(group) = worst else { return (Verdict::Ignored(Ignored::OtherReport), None) };
    let named: Vec<&str> = ["final-recipient", "original-recipient"]
        .iter()
        .filter_map(|name| {
            group.get(name).map(|value| value.split_once(';').map_or(value, |(_, address)| address).trim())
        })
        .collect();
    let words = group
        .get("diagnostic-code")
        .map(|value| value.split_once(';').map_or(value, |(_, words)| words).trim());
    let status = group
        .get("status")
        .and_then(|value| value.split_ascii_whitespace().next())
        .filter(|status| is_status(status));
    let diagnostic = words.map(|words| shortened(redact(words, &named)));
    let verdict = match action(group).as_str() {
        "failed" => Verdict::Bounced {
            class: classify(status, words.unwrap_or_default()),
            status: status.map(ToOwned::to_owned),
        },
        "delivered" | "relayed" => Verdict::Delivered,
        "delayed" => Verdict::Ignored(Ignored::Delayed),
        _ => Verdict::Ignored(Ignored::OtherReport),
    };
    (verdict, diagnostic)
}

fn shortened(mut text: String) -> String {
    if text.len() > DIAGNOSTIC_BYTES_MAX {
        let end = (0..=DIAGNOSTIC_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
    }
    text
}

/// A group of fields as RFC 3464, 2.1 has them: names in lower case, continued lines joined.
#[derive(Default)]
struct Fields(Vec<(String, String)>);

impl Fields {
    fn groups(body: &str) -> Vec<Self> {
        let mut groups = Vec::new();
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in body.lines() {
            if line.trim().is_empty() {
                groups.push(Self(std::mem::take(&mut fields)));
            } else if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = fields.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if let Some((name, value)) = line.split_once(':') {
                fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        groups.push(Self(fields));
        groups.retain(|group| !group.0.is_empty());
        groups
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests;
