//! The SMTP dialogue (RFC 5321) of one connection, with PIPELINING (RFC 2920) where the relay has it: a mail's content goes with the offer of
//! the next one, so that a mail takes one round trip.

use std::{error::Error as _, fmt, time::Duration};

use contract::MailId;
use lettre::transport::smtp::{
    Error as SmtpError,
    client::AsyncSmtpConnection,
    commands::{Ehlo, Quit},
};
use mail::Spooled;
use memchr::memmem;
use runtime::{ConnectError, Relay};
use tokio::time::{Instant, timeout, timeout_at};

use crate::outcome::{Answer, Phase};

/// From the first packet to the end of EHLO (and TLS, and login). A relay that takes longer is down or overloaded.
const CONNECT_SECONDS_MAX: u64 = 10;
/// A courtesy (RFC 5321, 4.1.1.10), not worth waiting for.
const QUIT_SECONDS_MAX: u64 = 1;
/// A relay that is there answers RSET at once; one that takes longer costs less as a new connection.
const RESET_SECONDS_MAX: u64 = 2;

/// Room for the commands that offer the next mail beside a mail's content; longer ones only cost a copy.
const OFFER_BYTES: usize = 512;

/// After it the relay closes.
const CLOSING: u16 = 421;

/// An open connection, greeted, encrypted and logged in as the relay's URL says.
pub(crate) struct Connection {
    smtp: AsyncSmtpConnection,
    pipelining: bool,
    smtputf8: bool,
    /// A mail whose offer went with the content of the one before; its replies are still to be read.
    offered: Option<MailId>,
    /// It has carried a mail.
    used: bool,
}

/// What came out of one mail's dialogue.
#[derive(Debug)]
pub(crate) struct Heard {
    pub phase: Phase,
    pub answer: Answer,
    /// Whether the connection can take another mail.
    pub reusable: bool,
}

/// Why there is no connection. For the log: nothing of a mail was said yet.
#[derive(Debug)]
pub(crate) struct Unreachable(pub String);

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Connection {
    /// Connects, at the latest by `until`.
    pub async fn open(relay: &Relay, until: Instant) -> Result<Self, Unreachable> {
        let until = until.min(Instant::now() + Duration::from_secs(CONNECT_SECONDS_MAX));
        match timeout_at(until, Self::greet(relay)).await {
            Ok(result) => result,
            Err(_) => Err(Unreachable("no greeting in time".to_owned())),
        }
    }

    async fn greet(relay: &Relay) -> Result<Self, Unreachable> {
        let smtp = |error: SmtpError| Unreachable(words(&error));
        let mut connection = relay.connect().await.map_err(|error| match error {
            ConnectError::Socket(error) => Unreachable(format!("not connected: {}", error.kind())),
            ConnectError::Smtp(error) => smtp(error),
        })?;
        // The library keeps the extensions that it uses; these are not among them.
        let extensions = connection.command(Ehlo::new(relay.hello().clone())).await.map_err(smtp)?;
        let has = |name| extensions.message().any(|line| line.trim().eq_ignore_ascii_case(name));
        let (pipelining, smtputf8) = (has("PIPELINING"), has("SMTPUTF8"));
        Ok(Self { smtp: connection, pipelining, smtputf8, offered: None, used: false })
    }

    /// Whether the relay can be offered this mail: one to an address beyond ASCII takes SMTPUTF8 (RFC 6531).
    pub fn can_offer(&self, mail: &Spooled) -> bool {
        self.smtputf8 || mail.to.is_ascii()
    }

    /// Whether it has carried a mail: relays end a connection after some hundred of them, or after a while.
    pub fn was_used(&self) -> bool {
        self.used
    }

    /// Whether another mail than this one is offered already: then the connection can do nothing else any more.
    pub fn is_bound(&self) -> bool {
        self.offered.is_some()
    }

    /// Hands over one mail, whose row is taken; the connection must not be bound to another one. Where it pays, `next` is offered with its content:
    /// the connection is then bound to it, whose row may be taken meanwhile. Waits for the relay until `until`, and no longer.
    pub async fn deliver(&mut self, mail: &Spooled, next: Option<&Spooled>, until: Instant) -> Heard {
        match timeout_at(until, self.offer(mail)).await {
            Ok(Ok(())) => {}
            Ok(Err((phase, error))) => {
                let answer = answer(&error, "the connection was lost before the mail was handed over");
                let reusable = stays_open(&answer) && self.reset(until).await;
                return Heard { phase, answer, reusable };
            }
            Err(_) => {
                let answer = Answer::Silence("the relay did not answer before the mail was handed over");
                return Heard { phase: Phase::Data, answer, reusable: false };
            }
        }
        self.used = true;
        let next = next.filter(|_| self.pipelining);
        let answer = match timeout_at(until, self.content(&mail.message, next)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => answer(&error, "the connection was lost after the mail was handed over"),
            Err(_) => Answer::Silence("the relay did not answer after the mail was handed over"),
        };
        Heard { phase: Phase::Content, reusable: stays_open(&answer), answer }
    }

    /// MAIL, RCPT, DATA, unless they were said before, and their replies; an error with what it answers, and of several the first.
    async fn offer(&mut self, mail: &Spooled) -> Result<(), (Phase, SmtpError)> {
        let commands = offer_of(mail);
        let at = |phase| move |error| (phase, error);
        if !self.pipelining {
            for (command, phase) in commands.into_iter().zip([Phase::Mail, Phase::Rcpt, Phase::Data]) {
                self.smtp.command(command).await.map_err(at(phase))?;
            }
            return Ok(());
        }
        let from = match self.offered.take() {
            Some(_) => self.smtp.read_response().await,
            None => self.smtp.command(commands.concat()).await,
        };
        let from = from.map(drop).map_err(at(Phase::Mail));
        if ends_connection(&from) {
            return from;
        }
        // Each command has its reply, whatever the one before was.
        let to = self.smtp.read_response().await.map(drop).map_err(at(Phase::Rcpt));
        if ends_connection(&to) {
            return from.and(to);
        }
        let data = self.smtp.read_response().await.map(drop).map_err(at(Phase::Data));
        let refused = from.and(to);
        if refused.is_err() && data.is_ok() {
            // RFC 2920, 3.1: a relay that wants content without a recipient gets none.
            let _ = self.smtp.command(".\r\n").await;
        }
        refused.and(data)
    }

    /// The content and the final dot in one piece, with the offer of the next mail (RFC 2920, 3.1), then the content's reply.
    async fn content(&mut self, message: &[u8], next: Option<&Spooled>) -> Result<Answer, SmtpError> {
        let mut content = stuffed(message);
        if let Some(next) = next {
            self.offered = Some(next.mail);
            content.extend(offer_of(next).iter().flat_map(|command| command.bytes()));
        }
        let reply = if let Ok(content) = String::from_utf8(content) {
            self.smtp.command(content).await?
        } else {
            // Not our own messages.
            self.offered = None;
            self.smtp.message(message).await?
        };
        let text = reply.message().collect::<Vec<_>>().join(" ");
        Ok(Answer::Reply { code: u16::from(reply.code()), text })
    }

    /// Whether the relay is still there, for a connection that nobody used for a while.
    pub async fn is_alive(&mut self) -> bool {
        self.reset(Instant::now() + Duration::from_secs(RESET_SECONDS_MAX)).await
    }

    /// Says goodbye.
    pub async fn quit(mut self) {
        let _ = timeout(Duration::from_secs(QUIT_SECONDS_MAX), self.smtp.command(Quit)).await;
    }

    /// Ends a transaction that was refused half way.
    async fn reset(&mut self, until: Instant) -> bool {
        matches!(timeout_at(until, self.smtp.command("RSET\r\n")).await, Ok(Ok(_)))
    }
}

/// MAIL, RCPT, DATA. The addresses have no character that ends a line or a bracket: the spool refuses those.
fn offer_of(mail: &Spooled) -> [String; 3] {
    // RFC 6531, 3.4 and 3.6: said of the mails that need it alone. Their header has the address, in eight bits.
    let extensions = if mail.to.is_ascii() { "" } else { " BODY=8BITMIME SMTPUTF8" };
    let from = format!("MAIL FROM:<{}>{extensions}\r\n", mail.from);
    [from, format!("RCPT TO:<{}>\r\n", mail.to), "DATA\r\n".to_owned()]
}

/// RFC 5321, 4.5.2: a dot before each line that begins with one, and the end of the content. A bare LF does not begin a line.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(message.len() + OFFER_BYTES);
    if message.starts_with(b".") {
        content.push(b'.');
    }
    let mut copied = 0;
    for line_end in memmem::find_iter(message, b"\r\n.") {
        let line = line_end + 2;
        content.extend_from_slice(&message[copied..line]);
        content.push(b'.');
        copied = line;
    }
    content.extend_from_slice(&message[copied..]);
    if !content.ends_with(b"\r\n") {
        content.extend_from_slice(b"\r\n");
    }
    content.extend_from_slice(b".\r\n");
    content
}

/// Whether there is no further reply to read: the relay said nothing, or that it closes.
fn ends_connection(reply: &Result<(), (Phase, SmtpError)>) -> bool {
    let code = |error: &SmtpError| error.status().map(u16::from);
    reply.as_ref().is_err_and(|(_, error)| matches!(code(error), None | Some(CLOSING)))
}

/// A negative reply, or the silence that `lost` describes.
fn answer(error: &SmtpError, lost: &'static str) -> Answer {
    match error.status() {
        Some(code) => {
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            Answer::Reply { code: u16::from(code), text }
        }
        None => Answer::Silence(lost),
    }
}

/// After 421 the relay closes (RFC 5321, 3.8); after silence nobody knows what the next reply would answer.
fn stays_open(answer: &Answer) -> bool {
    matches!(answer, Answer::Reply { code, .. } if *code != CLOSING)
}

/// A greeting's or a login's refusal for the log; the texts of I/O and TLS errors name no recipient.
fn words(error: &SmtpError) -> String {
    mail::redact(&error.to_string(), &[])
}

#[cfg(test)]
mod tests;
