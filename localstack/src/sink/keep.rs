//! Where an accepted mail goes: a file per recipient, or an object of the reports bucket.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use super::{Sink, ses};
use crate::{aws, http};

/// The local stack's S3 takes milliseconds; the mail server that waits gives minutes.
const PUT: Duration = Duration::from_secs(30);

/// An envelope: who sends to whom, without angle brackets.
#[derive(Debug, Default, Clone)]
pub(super) struct Envelope {
    pub from: String,
    pub recipients: Vec<String>,
    /// The client said SMTPUTF8.
    pub beyond_ascii: bool,
}

/// Keeps the mail for every recipient and says so; an error in words when one could not be kept.
pub(super) async fn keep(sink: &Sink, envelope: &Envelope, message: &[u8]) -> Result<String, String> {
    if sink.settings.as_ses {
        return keep_as_ses(sink, envelope, message).await;
    }
    for recipient in &envelope.recipients {
        let content = [head(&envelope.from, recipient).as_bytes(), message].concat();
        let domain = domain_of(recipient);
        if domain == sink.settings.bounce_domain {
            put(&sink.settings.reports_url, "eml", content).await?;
        } else {
            write(sink, &domain, content).await?;
        }
    }
    Ok("250 2.0.0 kept".to_owned())
}

/// What SES would deliver is kept; of every mail it is told what became of it.
async fn keep_as_ses(sink: &Sink, envelope: &Envelope, message: &[u8]) -> Result<String, String> {
    let sending = ses::Sending::of(&envelope.from, message);
    let mut events = Vec::new();
    for recipient in &envelope.recipients {
        let fate = ses::fate(recipient);
        if fate.arrives() {
            let content = [head(&sending.return_path(), recipient).as_bytes(), &sending.message].concat();
            write(sink, &domain_of(recipient), content).await?;
        }
        events.extend(sending.events(recipient, fate));
    }
    put(&sink.settings.reports_url, "json", events.concat().into_bytes()).await?;
    Ok(format!("250 Ok {}", sending.id))
}

fn head(from: &str, to: &str) -> String {
    format!("X-Envelope-From: <{from}>\r\nX-Envelope-To: <{to}>\r\n")
}

fn domain_of(recipient: &str) -> String {
    recipient.rsplit_once('@').map_or("", |(_, domain)| domain).to_ascii_lowercase()
}

/// An object of its own for every mail: the key says nothing about it.
async fn put(reports_url: &str, kind: &str, content: Vec<u8>) -> Result<(), String> {
    let rest = reports_url.strip_prefix("http://").ok_or("the reports URL is not http")?;
    let (authority, bucket) = rest.split_once('/').ok_or("the reports URL names no bucket")?;
    let path = format!("/{}/{}.{kind}", bucket.trim_end_matches('/'), uuid::Uuid::new_v4());
    let headers = [("authorization", aws::authorization("s3"))];
    let answer = http::put(authority, &path, &headers, Bytes::from(content), PUT).await?;
    if answer.status == 200 { Ok(()) } else { Err(format!("the reports bucket answered {}", answer.status)) }
}

async fn write(sink: &Sink, domain: &str, content: Vec<u8>) -> Result<(), String> {
    let folder = sink.settings.dir.join(folder_name(domain));
    write_to(&folder, sink.next_number(), content).await.map_err(|error| error.to_string())
}

/// Under a second name first: who reads `*.eml` finds whole mails only.
async fn write_to(folder: &Path, number: u64, content: Vec<u8>) -> std::io::Result<()> {
    let draft = folder.join(format!("{number:08}.tmp"));
    if let Err(error) = tokio::fs::write(&draft, &content).await {
        if error.kind() != std::io::ErrorKind::NotFound {
            return Err(error);
        }
        tokio::fs::create_dir_all(folder).await?;
        tokio::fs::write(&draft, &content).await?;
    }
    tokio::fs::rename(&draft, folder.join(format!("{number:08}.eml"))).await
}

/// A domain as a folder's name: whatever a recipient says, it stays in the sink's folder.
fn folder_name(domain: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' };
    let name: String = domain.chars().take(128).map(safe).collect();
    if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_cannot_leave_the_folder() {
        assert_eq!(folder_name("mail.example.org"), "mail.example.org");
        assert_eq!(folder_name("../../etc"), "_.._.._etc");
        assert_eq!(folder_name(""), "_");
    }
}
