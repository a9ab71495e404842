//! The dialogue over a real socket.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::sink::Settings;

struct Running {
    port: u16,
    dir: PathBuf,
}

async fn start(name: &str, reports_url: &str) -> Running {
    let dir = std::env::temp_dir().join(format!("broadcast-sink-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let settings = Settings {
        dir: dir.clone(),
        reports_url: reports_url.to_owned(),
        bounce_domain: "bounces.localhost.example".to_owned(),
        login: None,
        as_ses: false,
    };
    serve(settings).await
}

async fn serve(settings: Settings) -> Running {
    let dir = settings.dir.clone();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sink = Arc::new(Sink::new(settings));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let sink = sink.clone();
            tokio::spawn(async move { run(stream, &sink, Greeting::Said).await });
        }
    });
    Running { port, dir }
}

impl Running {
    /// Sends all at once, as a pipelining client does, and returns everything until the connection ends.
    async fn talk(&self, commands: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(commands.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn mails(&self, domain: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.dir.join(domain)) else { return Vec::new() };
        let mut names: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

fn mail(to: &str, body: &str) -> String {
    format!("MAIL FROM:<bounce+1@b.example> BODY=8BITMIME\r\nRCPT TO:<{to}>\r\nDATA\r\n{body}\r\n.\r\n")
}

fn codes(answer: &str) -> Vec<&str> {
    answer.lines().map(|line| &line[..3]).collect()
}

#[tokio::test]
async fn a_mail_is_kept_with_its_envelope_and_without_stuffed_dots() {
    let sink = start("kept", "").await;
    let answer = sink
        .talk(&format!("EHLO me\r\n{}QUIT\r\n", mail("anna@Mail.example", "Subject: x\r\n\r\n..dot\r\nend")))
        .await;
    assert!(answer.contains("250-PIPELINING") && answer.contains("8BITMIME"), "{answer}");
    assert!(answer.ends_with("250 2.0.0 kept\r\n221 2.0.0 bye\r\n"), "{answer}");
    let expected = "X-Envelope-From: <bounce+1@b.example>\r\nX-Envelope-To: <anna@Mail.example>\r\n\
                    Subject: x\r\n\r\n.dot\r\nend\r\n";
    assert_eq!(sink.mails("mail.example"), [expected]);
}

#[tokio::test]
async fn several_mails_on_one_connection_and_a_reset_between() {
    let sink = start("several", "").await;
    let commands = format!(
        "EHLO me\r\n{}MAIL FROM:<>\r\nRSET\r\nNOOP\r\n{}QUIT\r\n",
        mail("a@m.example", "one"),
        mail("b@m.example", "two")
    );
    let answer = sink.talk(&commands).await;
    assert!(answer.ends_with("221 2.0.0 bye\r\n"), "{answer}");
    assert_eq!(sink.mails("m.example").len(), 2);
}

#[tokio::test]
async fn refusals_name_their_code_and_keep_nothing() {
    let sink = start("refused", "").await;
    for (to, code) in [("unknown-user1", "550"), ("mailbox-full", "552"), ("blocked-x", "554")] {
        let answer =
            sink.talk(&format!("EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<{to}@m.example>\r\nQUIT\r\n")).await;
        assert!(codes(&answer).contains(&code), "{answer}");
    }
    let answer = sink.talk(&format!("{}QUIT\r\n", mail("refused-after-data@m.example", "x"))).await;
    assert!(codes(&answer).contains(&"554"), "{answer}");
    assert!(sink.mails("m.example").is_empty());
}

#[tokio::test]
async fn tempfail_refuses_once() {
    let sink = start("tempfail", "").await;
    let commands = "MAIL FROM:<a@b>\r\nRCPT TO:<tempfail1@m.example>\r\nRSET\r\nQUIT\r\n";
    assert!(sink.talk(commands).await.contains("451 4.3.0"));
    assert!(!sink.talk(commands).await.contains("451 4.3.0"));
}

#[tokio::test]
async fn disconnect_in_data_keeps_nothing_once_and_lost_answer_keeps_it() {
    let sink = start("disconnect", "").await;
    let first = sink.talk(&mail("disconnect-in-data@m.example", "x")).await;
    assert!(first.ends_with("354 end with a dot\r\n"), "{first}");
    assert!(sink.mails("m.example").is_empty());
    let second = sink.talk(&format!("{}QUIT\r\n", mail("disconnect-in-data@m.example", "x"))).await;
    assert!(second.contains("250 2.0.0 kept"), "{second}");

    let lost = sink.talk(&mail("lost-answer@l.example", "x")).await;
    assert!(lost.ends_with("354 end with a dot\r\n"), "{lost}");
    assert_eq!(sink.mails("l.example").len(), 1);
}

#[tokio::test]
async fn the_connection_ends_where_it_shall() {
    let sink = start("drops", "").await;
    let talk = async |local: &str| {
        let mail = mail(&format!("{local}@d.example"), "a\r\nb");
        last_lines(&sink.talk(&format!("EHLO me\r\n{mail}NOOP\r\n")).await)
    };
    for (local, replies) in [
        ("rcpt-421", "220 250 250 421"),
        ("drop-at-rcpt", "220 250 250"),
        ("data-421", "220 250 250 250 421"),
        ("drop-at-data", "220 250 250 250"),
        ("drop-at-354", "220 250 250 250 354"),
        ("drop-at-content", "220 250 250 250 354"),
        ("dot-421", "220 250 250 250 354 421"),
        ("drop-at-dot", "220 250 250 250 354"),
    ] {
        assert_eq!(talk(local).await, replies, "{local}");
    }
    assert!(sink.mails("d.example").is_empty());
    assert_eq!(talk("lose-at-dot").await, "220 250 250 250 354");
    assert_eq!(sink.mails("d.example").len(), 1);
    for (hello, replies) in [
        ("drop-at-ehlo.c", "220"),
        ("ehlo-554.c", "220 554 250 221"),
        ("drop-at-mail.c", "220 250"),
        ("mail-450.c", "220 250 450 221"),
    ] {
        let answer = sink.talk(&format!("EHLO {hello}\r\nMAIL FROM:<a@b>\r\nQUIT\r\n")).await;
        assert_eq!(last_lines(&answer), replies, "{hello}: {answer}");
    }
}

/// The codes of the replies, each once.
fn last_lines(answer: &str) -> String {
    let replies = answer.lines().filter(|line| line.as_bytes()[3] == b' ').map(|line| &line[..3]);
    replies.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn ses_wants_a_login_and_changes_what_it_takes() {
    let dir = std::env::temp_dir().join(format!("broadcast-sink-ses-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let login = Login { plain: "AHUAcA==".to_owned(), user: "dQ==".to_owned(), password: "cA==".to_owned() };
    let settings = Settings {
        dir,
        reports_url: "http://127.0.0.1:9/none/".to_owned(),
        bounce_domain: String::new(),
        login: Some(login),
        as_ses: true,
    };
    let sink = serve(settings).await;
    let told = mail(
        "anna@s.example",
        "Message-ID: <m1@a>\r\nDate: x\r\nX-SES-MESSAGE-TAGS: broadcast=b-x\r\nTo: a\r\n\r\nbody",
    );
    for (auth, code) in [("", "530"), ("AUTH PLAIN AHUAcQ==\r\n", "530")] {
        let answer = sink.talk(&format!("EHLO me\r\n{auth}{told}QUIT\r\n")).await;
        assert!(codes(&answer).contains(&code) && answer.contains("AUTH PLAIN LOGIN"), "{answer}");
    }
    for auth in ["AUTH PLAIN AHUAcA==\r\n", "AUTH LOGIN\r\ndQ==\r\ncA==\r\n"] {
        // There is no bucket for its events.
        let answer = sink.talk(&format!("EHLO me\r\n{auth}{told}QUIT\r\n")).await;
        assert!(answer.contains("235 2.7.0") && answer.contains("451 4.3.0"), "{answer}");
    }
    let kept = &sink.mails("s.example")[0];
    assert!(
        kept.starts_with("X-Envelope-From: <0100") && kept.contains("To: a\r\nMessage-ID: <0100"),
        "{kept}"
    );
    assert!(
        !kept.contains("X-SES-MESSAGE-TAGS") && !kept.contains("m1@a") && kept.ends_with("\r\n\r\nbody\r\n"),
        "{kept}"
    );
}

#[tokio::test]
async fn a_bounce_is_put_before_it_is_confirmed() {
    let bucket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/b-reports/", bucket.local_addr().unwrap());
    let put = tokio::spawn(async move {
        let (mut stream, _) = bucket.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let mut length = 0;
        while !request[..length].ends_with(b"a report\r\n") {
            length += stream.read(&mut request[length..]).await.unwrap();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(request[..length].to_vec()).unwrap()
    });
    let sink = start("bounce", &url).await;
    let answer = sink.talk(&format!("{}QUIT\r\n", mail("b+x@bounces.localhost.example", "a report"))).await;
    assert!(answer.contains("250 2.0.0 kept"), "{answer}");
    let request = put.await.unwrap();
    assert!(request.starts_with("PUT /b-reports/") && request.contains(".eml HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\n\r\nX-Envelope-From: <bounce+1@b.example>\r\nX-Envelope-To: <b+x@bounces"));
}

#[tokio::test]
async fn a_bounce_that_cannot_be_put_is_deferred() {
    let sink = start("unput", "http://127.0.0.1:9/b-reports/").await;
    let answer = sink.talk(&format!("{}QUIT\r\n", mail("b+x@bounces.localhost.example", "x"))).await;
    assert!(answer.contains("451 4.3.0"), "{answer}");
}

#[tokio::test]
async fn addresses_beyond_ascii_are_taken_from_who_says_so() {
    let sink = start("beyond", "").await;
    let mail = |hello: &str, extension: &str| {
        format!(
            "EHLO {hello}\r\nMAIL FROM:<a@b.example>{extension}\r\nRCPT TO:<mü.ller@utf8.example>\r\nDATA\r\n\
             To: ü\r\n\r\nx\r\n.\r\nQUIT\r\n"
        )
    };
    let answer = sink.talk(&mail("c.example", " BODY=8BITMIME SMTPUTF8")).await;
    assert!(answer.contains("250-SMTPUTF8\r\n") && answer.contains("250 2.0.0 kept"), "{answer}");
    assert!(sink.mails("utf8.example")[0].contains("X-Envelope-To: <mü.ller@utf8.example>"));
    let answer = sink.talk("EHLO ascii-only.c.example\r\nQUIT\r\n").await;
    assert!(!answer.contains("SMTPUTF8") && answer.contains("250 8BITMIME"), "{answer}");
    let without = "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<mü.ller@utf8.example>\r\nQUIT\r\n";
    assert!(sink.talk(without).await.contains("553 5.6.7"));
}
