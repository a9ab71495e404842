//! One SMTP connection (RFC 5321, with PIPELINING of RFC 2920, 8BITMIME of RFC 6152 and SMTPUTF8 of RFC 6531).

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};

use super::Sink;
use super::behaviour::{self, Behaviour};
use super::keep::{self, Envelope};

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
    Data,
    Quit,
}

/// Speaks SMTP until the client leaves.
pub(super) async fn run(stream: impl AsyncRead + AsyncWrite, sink: &Sink) -> std::io::Result<()> {
    let (reading, writing) = tokio::io::split(stream);
    tokio::pin!(reading, writing);
    let mut reader = BufReader::with_capacity(64 * 1024, reading);
    let mut writer = BufWriter::new(writing);
    let mut envelope = None;
    reply(&mut writer, "220 sink.localhost.example ESMTP").await?;
    writer.flush().await?;
    while let Some(line) = read_line(&mut reader).await? {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        match command(&text, &mut envelope, sink) {
            Next::Reply(answer) => reply(&mut writer, &answer).await?,
            Next::Quit => {
                reply(&mut writer, "221 2.0.0 bye").await?;
                return writer.flush().await;
            }
            Next::Data => {
                reply(&mut writer, "354 end with a dot").await?;
                writer.flush().await?;
                let Some(message) = read_message(&mut reader).await? else { return Ok(()) };
                let Some(answer) = take(sink, envelope.take().unwrap_or_default(), &message).await else {
                    return Ok(());
                };
                reply(&mut writer, &answer).await?;
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

fn command(line: &str, envelope: &mut Option<Envelope>, sink: &Sink) -> Next {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let answer = match verb.to_ascii_uppercase().as_str() {
        "EHLO" => {
            *envelope = None;
            let smtputf8 = if rest.starts_with(ASCII_ONLY) { "" } else { "250-SMTPUTF8\r\n" };
            format!(
                "250-sink.localhost.example\r\n250-PIPELINING\r\n250-SIZE {MESSAGE_BYTES_MAX}\r\n\
                 250-ENHANCEDSTATUSCODES\r\n{smtputf8}250 8BITMIME"
            )
        }
        "HELO" => {
            *envelope = None;
            "250 sink.localhost.example".to_owned()
        }
        "MAIL" => match path(rest, "FROM:") {
            Some(from) if envelope.is_none() => {
                let beyond_ascii =
                    rest.split(' ').any(|parameter| parameter.eq_ignore_ascii_case("SMTPUTF8"));
                *envelope = Some(Envelope { from, recipients: Vec::new(), beyond_ascii });
                "250 2.1.0 ok".to_owned()
            }
            Some(_) => "503 5.5.1 one at a time".to_owned(),
            None => "501 5.5.4 MAIL FROM:<address>".to_owned(),
        },
        "RCPT" => match (path(rest, "TO:"), envelope.as_mut()) {
            (_, None) => "503 5.5.1 MAIL first".to_owned(),
            (Some(recipient), Some(envelope)) if !recipient.is_ascii() && !envelope.beyond_ascii => {
                "553 5.6.7 SMTPUTF8 is missing".to_owned()
            }
            (Some(recipient), Some(envelope)) if !recipient.is_empty() => add(envelope, recipient, sink),
            _ => "501 5.5.4 RCPT TO:<address>".to_owned(),
        },
        "DATA" => match envelope {
            Some(envelope) if !envelope.recipients.is_empty() => return Next::Data,
            _ => "554 5.5.1 no valid recipients".to_owned(),
        },
        "RSET" => {
            *envelope = None;
            "250 2.0.0 ok".to_owned()
        }
        "NOOP" => "250 2.0.0 ok".to_owned(),
        "QUIT" => return Next::Quit,
        _ => "502 5.5.2 not known here".to_owned(),
    };
    Next::Reply(answer)
}

fn add(envelope: &mut Envelope, recipient: String, sink: &Sink) -> String {
    match behaviour::of(&recipient) {
        Behaviour::Refuse(answer) => return answer.to_owned(),
        Behaviour::RefuseOnce(answer) if sink.first_time(&recipient) => return answer.to_owned(),
        _ if envelope.recipients.len() == RECIPIENTS_MAX => {
            return "452 4.5.3 too many recipients".to_owned();
        }
        _ => envelope.recipients.push(recipient),
    }
    "250 2.1.5 ok".to_owned()
}

/// The answer to the final dot; none when the connection shall just end.
async fn take(sink: &Sink, envelope: Envelope, message: &[u8]) -> Option<String> {
    let behaviours: Vec<(&String, Behaviour)> =
        envelope.recipients.iter().map(|recipient| (recipient, behaviour::of(recipient))).collect();
    let mut lost = false;
    for (recipient, behaviour) in behaviours {
        match behaviour {
            Behaviour::RefuseData(answer) => return Some(answer.to_owned()),
            Behaviour::DisconnectOnce if sink.first_time(recipient) => return None,
            Behaviour::LoseAnswer => lost = true,
            Behaviour::Slow => tokio::time::sleep(SLOWNESS).await,
            _ => {}
        }
    }
    match keep::keep(sink, &envelope, message).await {
        Ok(()) if lost => None,
        Ok(()) => Some("250 2.0.0 kept".to_owned()),
        Err(problem) => {
            eprintln!("a mail could not be kept: {problem}");
            Some("451 4.3.0 could not keep it".to_owned())
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
