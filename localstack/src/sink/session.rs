//! One SMTP connection (RFC 5321, with PIPELINING of RFC 2920, 8BITMIME of RFC 6152 and SMTPUTF8 of RFC 6531).

use std::time::Duration;

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter,
};

use super::behaviour::{self, Act, Step};
use super::keep::{self, Envelope};
use super::{Greeting, Login, Sink};

/// RFC 5321 gives a command line 512 octets and a text line 1000; return paths and parameters may be longer.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// As Postfix is told.
const MESSAGE_BYTES_MAX: usize = 50 * 1024 * 1024;
/// The most that RFC 5321 asks a server to take.
const RECIPIENTS_MAX: usize = 100;
/// Who greets with a name that begins so meets a server without SMTPUTF8, as relays of old are.
const ASCII_ONLY: &str = "ascii-only.";
/// How long `slow` thinks.
const SLOWNESS: Duration = Duration::from_secs(2);

/// What a command leads to.
enum Next {
    Reply(String),
    /// Ends the connection, perhaps with a reply.
    Close(Option<&'static str>),
    /// Says nothing more.
    Stall,
    Data,
    /// Asks for a name and then for a password.
    Login,
}

impl Next {
    fn reply(text: &str) -> Self {
        Self::Reply(text.to_owned())
    }
}

/// What the connection has come to.
#[derive(Default)]
struct State {
    hello: String,
    logged_in: bool,
    envelope: Option<Envelope>,
}

/// Speaks SMTP until the client leaves. Where TLS begins on this very connection, the greeting was said before.
pub(super) async fn run(
    stream: impl AsyncRead + AsyncWrite,
    sink: &Sink,
    greeting: Greeting,
) -> std::io::Result<()> {
    let (reading, writing) = tokio::io::split(stream);
    tokio::pin!(reading, writing);
    let mut reader = BufReader::with_capacity(64 * 1024, reading);
    let mut writer = BufWriter::new(writing);
    let mut state = State::default();
    if greeting == Greeting::Said {
        reply(&mut writer, "220 sink.localhost.example ESMTP").await?;
        writer.flush().await?;
    }
    while let Some(line) = read_line(&mut reader).await? {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let next = match command(&text, &mut state, sink) {
            Next::Data => {
                let envelope = state.envelope.take().unwrap_or_default();
                content(&mut reader, &mut writer, sink, &envelope).await?
            }
            other => other,
        };
        match next {
            Next::Reply(answer) => reply(&mut writer, &answer).await?,
            Next::Login => {
                let answer = log_in(&mut reader, &mut writer, sink, &mut state).await?;
                reply(&mut writer, answer).await?;
            }
            Next::Close(answer) => {
                if let Some(answer) = answer {
                    reply(&mut writer, answer).await?;
                }
                writer.flush().await?;
                return writer.shutdown().await;
            }
            Next::Data | Next::Stall => {
                writer.flush().await?;
                return tokio::io::copy(&mut reader, &mut tokio::io::sink()).await.map(drop);
            }
        }
        // A pipelining client waits for nothing: its answers go together once its commands are read.
        if reader.buffer().is_empty() {
            writer.flush().await?;
        }
    }
    Ok(())
}

async fn reply(writer: &mut (impl AsyncWrite + Unpin), text: &str) -> std::io::Result<()> {
    writer.write_all(format!("{text}\r\n").as_bytes()).await
}

fn command(line: &str, state: &mut State, sink: &Sink) -> Next {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let login = sink.settings.login.as_ref().filter(|_| !state.logged_in);
    let State { hello, logged_in, envelope } = state;
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => {
            (*hello, *envelope) = (rest.to_owned(), None);
            trouble(hello, Step::Ehlo, sink).unwrap_or_else(|| Next::Reply(extensions(rest, sink)))
        }
        "HELO" => {
            *envelope = None;
            Next::reply("250 sink.localhost.example")
        }
        "AUTH" => match (login, rest.split_once(' ').unwrap_or((rest, ""))) {
            (Some(login), ("PLAIN", told)) => {
                *logged_in = told == login.plain;
                Next::reply(logged(*logged_in))
            }
            (Some(_), ("LOGIN", "")) => Next::Login,
            _ => Next::reply("504 5.5.4 not known here"),
        },
        "MAIL" | "RCPT" | "DATA" if login.is_some() => Next::reply("530 5.7.0 authentication required"),
        "MAIL" => match path(rest, "FROM:") {
            Some(from) if envelope.is_none() => {
                if let Some(next) = trouble(hello, Step::Mail, sink) {
                    return next;
                }
                let beyond_ascii =
                    rest.split(' ').any(|parameter| parameter.eq_ignore_ascii_case("SMTPUTF8"));
                *envelope = Some(Envelope { from, recipients: Vec::new(), beyond_ascii });
                Next::reply("250 2.1.0 ok")
            }
            Some(_) => Next::reply("503 5.5.1 one at a time"),
            None => Next::reply("501 5.5.4 MAIL FROM:<address>"),
        },
        "RCPT" => match (path(rest, "TO:"), envelope.as_mut()) {
            (_, None) => Next::reply("503 5.5.1 MAIL first"),
            (Some(recipient), Some(envelope)) if !recipient.is_ascii() && !envelope.beyond_ascii => {
                Next::reply("553 5.6.7 SMTPUTF8 is missing")
            }
            (Some(recipient), Some(envelope)) if !recipient.is_empty() => add(envelope, recipient, sink),
            _ => Next::reply("501 5.5.4 RCPT TO:<address>"),
        },
        "DATA" => match envelope {
            Some(envelope) if !envelope.recipients.is_empty() => {
                envelope.trouble(Step::Data, sink).unwrap_or(Next::Data)
            }
            _ => Next::reply("554 5.5.1 no valid recipients"),
        },
        "RSET" => {
            *envelope = None;
            Next::reply("250 2.0.0 ok")
        }
        "NOOP" => Next::reply("250 2.0.0 ok"),
        "QUIT" => Next::Close(Some("221 2.0.0 bye")),
        _ => Next::reply("502 5.5.2 not known here"),
    }
}

fn extensions(hello: &str, sink: &Sink) -> String {
    let smtputf8 = if hello.starts_with(ASCII_ONLY) { "" } else { "250-SMTPUTF8\r\n" };
    let auth = if sink.settings.login.is_some() { "250-AUTH PLAIN LOGIN\r\n" } else { "" };
    format!(
        "250-sink.localhost.example\r\n250-PIPELINING\r\n250-SIZE {MESSAGE_BYTES_MAX}\r\n\
         250-ENHANCEDSTATUSCODES\r\n{auth}{smtputf8}250 8BITMIME"
    )
}

fn logged(in_: bool) -> &'static str {
    if in_ { "235 2.7.0 welcome" } else { "535 5.7.8 authentication credentials invalid" }
}

/// AUTH LOGIN: two questions, in base64 as everything of it.
async fn log_in(
    reader: &mut (impl AsyncBufRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    sink: &Sink,
    state: &mut State,
) -> std::io::Result<&'static str> {
    let mut told = Vec::new();
    for question in ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"] {
        reply(writer, question).await?;
        writer.flush().await?;
        let line = read_line(reader).await?.unwrap_or_default();
        told.push(String::from_utf8_lossy(&line).trim_end().to_owned());
    }
    let known = |Login { user, password, .. }: &Login| told == [user.as_str(), password.as_str()];
    state.logged_in = sink.settings.login.as_ref().is_some_and(known);
    Ok(logged(state.logged_in))
}

/// What a name asks for at a step, if it asks for something there.
fn trouble(name: &str, step: Step, sink: &Sink) -> Option<Next> {
    let behaviour = behaviour::of(name).filter(|behaviour| behaviour.step == step)?;
    if behaviour.once && !sink.first_time(name) {
        return None;
    }
    match behaviour.act {
        Act::Answer(answer) if answer.starts_with("421") => Some(Next::Close(Some(answer))),
        Act::Answer(answer) => Some(Next::reply(answer)),
        Act::Drop => Some(Next::Close(None)),
        Act::Stall => Some(Next::Stall),
        // Not instead of an answer: of what comes after it, see `take`.
        Act::Lose | Act::Slow => None,
    }
}

impl Envelope {
    fn trouble(&self, step: Step, sink: &Sink) -> Option<Next> {
        // SES takes everything and reports later what it could not deliver.
        let mut recipients = self.recipients.iter().filter(|_| !sink.settings.as_ses);
        recipients.find_map(|recipient| trouble(recipient, step, sink))
    }

    fn asks_for(&self, act: Act) -> bool {
        let asks = |name: &String| behaviour::of(name).is_some_and(|behaviour| behaviour.act == act);
        self.recipients.iter().any(asks)
    }
}

fn add(envelope: &mut Envelope, recipient: String, sink: &Sink) -> Next {
    if envelope.recipients.len() == RECIPIENTS_MAX {
        return Next::reply("452 4.5.3 too many recipients");
    }
    if !sink.settings.as_ses
        && let Some(next) = trouble(&recipient, Step::Rcpt, sink)
    {
        return next;
    }
    envelope.recipients.push(recipient);
    Next::reply("250 2.1.5 ok")
}

/// From 354 to what is said of the final dot.
async fn content(
    reader: &mut (impl AsyncBufRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    sink: &Sink,
    envelope: &Envelope,
) -> std::io::Result<Next> {
    reply(writer, "354 end with a dot").await?;
    writer.flush().await?;
    if let Some(next) = envelope.trouble(Step::Go, sink) {
        return Ok(next);
    }
    if let Some(next) = envelope.trouble(Step::Content, sink) {
        read_line(reader).await?;
        return Ok(next);
    }
    let Some(message) = read_message(reader).await? else { return Ok(Next::Close(None)) };
    if let Some(next) = envelope.trouble(Step::Dot, sink) {
        return Ok(next);
    }
    Ok(take(sink, envelope, &message).await)
}

async fn take(sink: &Sink, envelope: &Envelope, message: &[u8]) -> Next {
    if envelope.asks_for(Act::Slow) {
        tokio::time::sleep(SLOWNESS).await;
    }
    match keep::keep(sink, envelope, message).await {
        Ok(_) if envelope.asks_for(Act::Lose) => Next::Close(None),
        Ok(answer) => Next::Reply(answer),
        Err(problem) => {
            eprintln!("a mail could not be kept: {problem}");
            Next::reply("451 4.3.0 could not keep it")
        }
    }
}

/// The address of `FROM:<address> parameters`, with or without a space before it.
fn path(rest: &str, keyword: &str) -> Option<String> {
    let head = rest.get(..keyword.len())?;
    let tail = rest.get(keyword.len()..)?.trim_start();
    let (address, _) = tail.strip_prefix('<')?.split_once('>')?;
    head.eq_ignore_ascii_case(keyword).then(|| address.to_owned())
}

/// A line with its end; none at the end of the connection.
async fn read_line(reader: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = reader.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
    if read > 0 && !line.ends_with(b"\n") {
        return Ok(None);
    }
    Ok((read > 0).then_some(line))
}

/// The message up to the line with a single dot, its leading dots taken away; none when the client leaves before.
async fn read_message(reader: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    loop {
        let Some(line) = read_line(reader).await? else { return Ok(None) };
        if line == b".\r\n" {
            return Ok(Some(message));
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        if message.len() > MESSAGE_BYTES_MAX {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests;
