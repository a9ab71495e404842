//! The dialogue against a scripted relay on the loopback interface.

use bytes::Bytes;
use contract::MailId;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;

/// What the relay does at one point of the script.
#[derive(Clone)]
enum Act {
    /// Reads a line that begins so and answers.
    Line(&'static str, &'static str),
    /// Answers a line that was read before: pipelined commands come together.
    Say(&'static str),
    /// Reads to the final dot and answers.
    Content(&'static str),
    /// Reads to the final dot and closes without an answer.
    ContentThenClose,
    /// Reads a line that begins so and closes.
    LineThenClose(&'static str),
    /// Keeps the connection and says nothing more.
    Stall,
}
use Act::{Content, ContentThenClose, Line, LineThenClose, Say, Stall};

const PLAIN: &str = "250 relay.example\r\n";
const PIPELINING: &str = "250-relay.example\r\n250-SIZE 1000\r\n250 PIPELINING\r\n";

/// A relay that greets, and then follows the script; returns what it received as content.
async fn relay(extensions: &'static str, script: Vec<Act>) -> (Relay, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut content = Vec::new();
        stream.write_all(b"220 relay.example ESMTP\r\n").await.unwrap();
        let greeting = [Line("EHLO b.example", extensions), Line("EHLO b.example", extensions)];
        for act in greeting.into_iter().chain(script) {
            let (expected, answer) = match act {
                Line(expected, answer) => (expected, Some(answer)),
                LineThenClose(expected) => (expected, None),
                Say(answer) => ("", Some(answer)),
                Content(answer) => (".", Some(answer)),
                ContentThenClose => (".", None),
                Stall => {
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                    break;
                }
            };
            while !expected.is_empty() {
                let mut line = Vec::new();
                stream.read_until(b'\n', &mut line).await.unwrap();
                if expected != "." {
                    let line = String::from_utf8(line).unwrap();
                    assert!(
                        line.starts_with(expected) && line.ends_with("\r\n"),
                        "{line:?} is not {expected}"
                    );
                    break;
                }
                content.extend_from_slice(&line);
                if line == b".\r\n" {
                    break;
                }
            }
            let Some(answer) = answer else { break };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        content
    });
    (Relay::parse(&format!("smtp://127.0.0.1:{port}"), "b.example", None).unwrap(), task)
}

fn mail(message: &'static [u8]) -> Spooled {
    Spooled {
        mail: MailId(1),
        from: "b-x@b.example".to_owned(),
        to: "anna@example.org".to_owned(),
        message: Bytes::from_static(message),
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// One mail through a scripted relay.
async fn heard(extensions: &'static str, script: Vec<Act>) -> (Phase, Result<u16, &'static str>, bool) {
    let (relay, task) = relay(extensions, script).await;
    let mut connection = Connection::open(&relay, soon()).await.unwrap();
    let heard = connection.deliver(&mail(b"Subject: x\r\n\r\nbody"), None, soon()).await;
    drop(connection);
    task.await.unwrap();
    let answer = match heard.answer {
        Answer::Reply { code, .. } => Ok(code),
        Answer::Silence(what) => Err(what),
    };
    (heard.phase, answer, heard.reusable)
}

const BEFORE: Result<u16, &str> = Err("the connection was lost before the mail was handed over");
const AFTER: Result<u16, &str> = Err("the connection was lost after the mail was handed over");
const OK: &str = "250 2.0.0 ok\r\n";
const GO: &str = "354 go\r\n";

#[tokio::test]
async fn every_step_of_the_plain_dialogue() {
    let mail_from = || Line("MAIL FROM:<b-x@b.example>", OK);
    let rcpt = || Line("RCPT TO:<anna@example.org>", OK);
    let data = || Line("DATA", GO);
    let reset = || Line("RSET", OK);
    let table = vec![
        (vec![mail_from(), rcpt(), data(), Content(OK)], (Phase::Content, Ok(250), true)),
        (vec![mail_from(), rcpt(), data(), Content("451 later\r\n")], (Phase::Content, Ok(451), true)),
        (vec![mail_from(), rcpt(), data(), Content("554 spam\r\n")], (Phase::Content, Ok(554), true)),
        (vec![mail_from(), rcpt(), data(), Content("421 bye\r\n")], (Phase::Content, Ok(421), false)),
        (vec![mail_from(), rcpt(), data(), ContentThenClose], (Phase::Content, AFTER, false)),
        (vec![mail_from(), rcpt(), LineThenClose("DATA")], (Phase::Data, BEFORE, false)),
        (vec![mail_from(), LineThenClose("RCPT")], (Phase::Rcpt, BEFORE, false)),
        (vec![LineThenClose("MAIL")], (Phase::Mail, BEFORE, false)),
        (vec![Line("MAIL", "452 full\r\n"), reset()], (Phase::Mail, Ok(452), true)),
        (vec![mail_from(), Line("RCPT", "550 unknown\r\n"), reset()], (Phase::Rcpt, Ok(550), true)),
        (vec![mail_from(), rcpt(), Line("DATA", "451 no\r\n"), reset()], (Phase::Data, Ok(451), true)),
        (
            vec![mail_from(), Line("RCPT", "550 unknown\r\n"), LineThenClose("RSET")],
            (Phase::Rcpt, Ok(550), false),
        ),
        (vec![Line("MAIL", "421 bye\r\n")], (Phase::Mail, Ok(421), false)),
        (vec![mail_from(), rcpt(), data(), Content("nonsense\r\n")], (Phase::Content, AFTER, false)),
    ];
    for (number, (script, expected)) in table.into_iter().enumerate() {
        assert_eq!(heard(PLAIN, script).await, expected, "script {number}");
    }
}

#[tokio::test]
async fn every_step_of_the_pipelined_dialogue() {
    // The three commands come together: the first line is read, the two others too, and then all replies are given.
    let group = |from, to, data| {
        vec![Line("MAIL", ""), Line("RCPT", ""), Line("DATA", ""), Say(from), Say(to), Say(data)]
    };
    let with = |mut script: Vec<Act>, more: Vec<Act>| {
        script.extend(more);
        script
    };
    let reset = || Line("RSET", OK);
    let no = "503 no\r\n";
    let table = vec![
        (with(group(OK, OK, GO), vec![Content(OK)]), (Phase::Content, Ok(250), true)),
        (with(group(OK, OK, GO), vec![ContentThenClose]), (Phase::Content, AFTER, false)),
        (with(group(OK, "550 unknown\r\n", "554 none\r\n"), vec![reset()]), (Phase::Rcpt, Ok(550), true)),
        (with(group("451 later\r\n", no, no), vec![reset()]), (Phase::Mail, Ok(451), true)),
        (with(group(OK, OK, "452 full\r\n"), vec![reset()]), (Phase::Data, Ok(452), true)),
        // RFC 2920, 3.1: content is asked for although there is no recipient.
        (
            with(group(OK, "550 unknown\r\n", GO), vec![Content("554 none\r\n"), reset()]),
            (Phase::Rcpt, Ok(550), true),
        ),
        (vec![Line("MAIL", OK), LineThenClose("RCPT")], (Phase::Rcpt, BEFORE, false)),
        (
            vec![Line("MAIL", ""), Line("RCPT", "550 bye\r\n"), LineThenClose("DATA")],
            (Phase::Mail, Ok(550), false),
        ),
        (with(group("421 bye\r\n", "", ""), vec![]), (Phase::Mail, Ok(421), false)),
        (with(group(OK, "421 bye\r\n", ""), vec![]), (Phase::Rcpt, Ok(421), false)),
        (with(group(OK, OK, "421 bye\r\n"), vec![]), (Phase::Data, Ok(421), false)),
    ];
    for (number, (script, expected)) in table.into_iter().enumerate() {
        assert_eq!(heard(PIPELINING, script).await, expected, "script {number}");
    }
}

const BEYOND: &str = "250-relay.example\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n";

#[tokio::test]
async fn an_address_beyond_ascii_is_offered_where_the_relay_takes_it() {
    let mails =
        [mail(b"x"), Spooled { to: "mü.ller@example.org".to_owned(), ..mail("To: ü\r\n\r\nx".as_bytes()) }];
    for extensions in [PLAIN, PIPELINING] {
        let (relay, task) = relay(extensions, vec![]).await;
        let connection = Connection::open(&relay, soon()).await.unwrap();
        assert_eq!([true, false], [0, 1].map(|at: usize| connection.can_offer(&mails[at])));
        drop(connection);
        task.await.unwrap();
    }
    let script = vec![
        Line("MAIL FROM:<b-x@b.example>\r\n", OK),
        Line("RCPT TO:<anna@example.org>", OK),
        Line("DATA", GO),
        Content(OK),
        Line("MAIL FROM:<b-x@b.example> BODY=8BITMIME SMTPUTF8\r\n", OK),
        Line("RCPT TO:<mü.ller@example.org>", OK),
        Line("DATA", GO),
        Content(OK),
    ];
    let (relay, task) = relay(BEYOND, script).await;
    let mut connection = Connection::open(&relay, soon()).await.unwrap();
    for mail in &mails {
        assert!(connection.can_offer(mail));
        let heard = connection.deliver(mail, None, soon()).await;
        assert!(matches!(heard.answer, Answer::Reply { code: 250, .. }), "{heard:?}");
    }
    drop(connection);
    assert_eq!(String::from_utf8(task.await.unwrap()).unwrap(), "x\r\n.\r\nTo: ü\r\n\r\nx\r\n.\r\n");
}

#[tokio::test]
async fn a_connection_carries_many_mails_and_their_content_unchanged() {
    let round = || [Line("MAIL", OK), Line("RCPT", OK), Line("DATA", GO), Content(OK)];
    let script = (0..4).flat_map(|_| round()).chain([Line("RSET", OK)]).collect();
    let (relay, task) = relay(PLAIN, script).await;
    let mut connection = Connection::open(&relay, soon()).await.unwrap();
    let messages =
        [&b"a: b\r\n\r\n.\r\n..x\r\nend"[..], b"c: d\r\n\r\nwith end\r\n", b"", b".e\r\nbare\n.lf"];
    for message in messages {
        assert!(connection.deliver(&mail(message), None, soon()).await.reusable);
    }
    assert!(connection.is_alive().await && !connection.is_bound());
    drop(connection);
    let expected = "a: b\r\n\r\n..\r\n...x\r\nend\r\n.\r\nc: d\r\n\r\nwith end\r\n.\r\n\r\n.\r\n..e\r\nbare\n.lf\r\n.\r\n";
    assert_eq!(String::from_utf8(task.await.unwrap()).unwrap(), expected);
}

#[tokio::test]
async fn the_next_mail_is_offered_with_the_content_of_the_one_before() {
    let first = || [Line("MAIL", ""), Line("RCPT", ""), Line("DATA", ""), Say("250 a\r\n250 b\r\n354 c\r\n")];
    // The relay answers the offer of the second mail before anybody asks for the second's own delivery.
    let offer =
        || [Line("MAIL", "250 a\r\n"), Line("RCPT TO:<bert@example.org>", "250 b\r\n"), Line("DATA", GO)];
    let refused = [
        Line("MAIL", "250 a\r\n"),
        Line("RCPT", "550 5.1.1 unknown\r\n"),
        Line("DATA", "503 no\r\n"),
        Line("RSET", OK),
    ];
    let second = Spooled { mail: MailId(2), to: "bert@example.org".to_owned(), ..mail(b"second") };
    for (answer, rest, expected) in [
        (OK, offer().into_iter().chain([Content(OK)]).collect::<Vec<_>>(), (Phase::Content, Some(250), true)),
        // A refusal of the one is none of the other.
        (
            "554 spam\r\n",
            offer().into_iter().chain([Content(OK)]).collect(),
            (Phase::Content, Some(250), true),
        ),
        (OK, refused.to_vec(), (Phase::Rcpt, Some(550), true)),
        (OK, vec![LineThenClose("MAIL")], (Phase::Mail, None, false)),
        (OK, offer().into_iter().chain([ContentThenClose]).collect(), (Phase::Content, None, false)),
    ] {
        let script = first().into_iter().chain([Content(answer)]).chain(rest).collect();
        let (relay, task) = relay(PIPELINING, script).await;
        let mut connection = Connection::open(&relay, soon()).await.unwrap();
        let heard = connection.deliver(&mail(b"first"), Some(&second), soon()).await;
        assert!(heard.reusable && connection.is_bound(), "{heard:?}");
        let heard = connection.deliver(&second, None, soon()).await;
        assert!(!connection.is_bound());
        let code = match heard.answer {
            Answer::Reply { code, .. } => Some(code),
            Answer::Silence(_) => None,
        };
        assert_eq!((heard.phase, code, heard.reusable), expected);
        drop(connection);
        task.await.unwrap();
    }
}

#[tokio::test]
async fn without_pipelining_nothing_is_offered_ahead() {
    let script = vec![Line("MAIL", OK), Line("RCPT", OK), Line("DATA", GO), Content(OK)];
    let (relay, task) = relay(PLAIN, script).await;
    let mut connection = Connection::open(&relay, soon()).await.unwrap();
    let heard = connection.deliver(&mail(b"first"), Some(&mail(b"second")), soon()).await;
    assert!(heard.reusable && !connection.is_bound(), "{heard:?}");
    drop(connection);
    assert_eq!(task.await.unwrap(), b"first\r\n.\r\n");
}

#[tokio::test]
async fn a_relay_that_says_nothing_is_not_waited_for() {
    'scripts: for (script, phase) in [
        (vec![Line("MAIL", OK), Stall], Phase::Data),
        (vec![Line("MAIL", OK), Line("RCPT", OK), Line("DATA", GO), Stall], Phase::Content),
    ] {
        // A machine that is too slow to come so far in the time gets more of it.
        for patience in [300, 3_000, 30_000].map(Duration::from_millis) {
            let (relay, task) = relay(PLAIN, script.clone()).await;
            let mut connection = Connection::open(&relay, soon()).await.unwrap();
            let heard = connection.deliver(&mail(b"x"), None, Instant::now() + patience).await;
            assert!(matches!(heard.answer, Answer::Silence(_)) && !heard.reusable);
            drop(connection);
            if heard.phase == phase {
                task.await.unwrap();
                continue 'scripts;
            }
            // It waits for a line that does not come.
            task.abort();
        }
        panic!("the dialogue did not come so far");
    }
}

#[tokio::test]
async fn a_relay_that_is_away_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let relay = Relay::parse(&format!("smtp://127.0.0.1:{port}"), "b.example", None).unwrap();
    let error = Connection::open(&relay, soon()).await.err().unwrap();
    assert_eq!(error.to_string(), "not connected: connection refused");
}
