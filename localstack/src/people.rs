//! Who uses the console of a local stack: its first operator, and the codes that go to phones.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use std::collections::BTreeMap;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::commands::say;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::stack::Stack;
use crate::{aws, http};

/// Nobody's mailbox but the sink's.
const OPERATOR: &str = "operator@operators.example";
/// Postfix and the sink take a moment.
const MAIL: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(10);
/// Of a token in a link.
const TOKEN_CHARACTERS: usize = 64;

/// Makes an operator, as `admin` does, and says by which link the person chooses a password.
pub async fn operator(stack: &Stack) -> Result<String> {
    let command = format!(r#"{{"command":"create_user","email":"{OPERATOR}"}}"#);
    must(stack, "admin", &command).await?;
    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    // Its schedule comes within a minute.
    must(stack, "notify", &format!(r#"{{"time":"{now}"}}"#)).await?;
    let (_, domain) = OPERATOR.split_once('@').unwrap_or_default();
    let mails = stack.sink_dir.join(domain);
    let begun = Instant::now();
    loop {
        if let Some(token) = newest_token(&mails) {
            return Ok(format!(
                "operator {OPERATOR}, who chooses a password: {}/password/{token}\n\
                 codes    cargo local code --instance {}",
                stack.console_url, stack.instance
            ));
        }
        if begun.elapsed() > MAIL {
            return Err(Error::failed(
                "the operator's invitation did not arrive",
                "See `cargo local logs notify` and `cargo local logs postfix`.",
            ));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn must(stack: &Stack, function: &str, payload: &str) -> Result<()> {
    let answer = aws::invoke(stack, function, payload).await?;
    if answer.failed {
        return Err(Error::failed(format!("{function} failed: {}", answer.payload), "See its log."));
    }
    Ok(())
}

/// The token in the only mail that is there.
fn newest_token(mails: &Path) -> Option<String> {
    let mail = std::fs::read_dir(mails).ok()?.flatten().map(|entry| entry.path()).max()?;
    token(&std::fs::read_to_string(mail).ok()?)
}

/// Lines of quoted-printable are put together first.
fn token(mail: &str) -> Option<String> {
    let text = mail.replace("=\r\n", "").replace("=\n", "");
    let (_, rest) = text.split_once("/password/")?;
    let token = rest.get(..TOKEN_CHARACTERS)?;
    token.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| token.to_owned())
}

#[derive(Deserialize)]
struct Texts {
    sms_messages: BTreeMap<String, Vec<Text>>,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "Message")]
    message: String,
}

/// Prints the newest code of a phone; without one, of each phone with its number.
pub async fn code(instance: &Instance, phone: Option<&str>) -> Result<()> {
    let stack = instance.stack()?;
    let path = format!("/_aws/sns/sms-messages?region={}", stack.region);
    let answer = http::get(stack.authority(), &path, PATIENCE).await;
    let answer =
        answer.map_err(|error| Error::failed(format!("LocalStack does not tell its texts: {error}"), ""))?;
    // There is no such address before the first text of all.
    let texts = if answer.status == 200 {
        let texts: Texts = serde_json::from_slice(&answer.body)
            .map_err(|source| Error::Json { what: "the texts are not readable".to_owned(), source })?;
        texts.sms_messages
    } else {
        BTreeMap::new()
    };
    let newest = texts.iter().filter_map(|(number, texts)| Some((number, digits(&texts.last()?.message)?)));
    let lines: Vec<String> = match phone {
        Some(phone) => newest.filter(|(number, _)| *number == phone).map(|(_, code)| code).collect(),
        None => newest.map(|(number, code)| format!("{number}  {code}")).collect(),
    };
    if lines.is_empty() {
        return Err(Error::failed("no code was sent yet", "A code goes to a phone at each login."));
    }
    say(&lines.join("\n"));
    Ok(())
}

/// A text's code: the first number of six digits.
fn digits(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_codes_are_found() {
        let hex = "0123456789abcdef".repeat(4);
        let folded = format!("http://localhost:8280/password/{}=\r\n{}\r\n", &hex[..20], &hex[20..]);
        assert_eq!(token(&folded), Some(hex.clone()));
        assert_eq!(token(&format!("http://localhost:8280/password/{hex}\n")), Some(hex));
        assert_eq!(token("no link"), None);
        assert_eq!(
            digits("012345 is your code. It is valid for 5 minutes.\n\n@localhost #012345").as_deref(),
            Some("012345")
        );
        assert_eq!(digits("nothing"), None);
    }
}
