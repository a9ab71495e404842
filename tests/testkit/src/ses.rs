//! The SMTP endpoint of Amazon SES on a loopback port: STARTTLS and a login first, and then the sink, as SES does things.

use std::sync::{Arc, Mutex, OnceLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use localstack::{
    Stack,
    sink::{Greeting, Login, Settings, Sink},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::certificate;

const USER: &str = "AKIALOCAL";
const PASSWORD: &str = "se/cret+";

/// By which authority, and for which name, the server's certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// As the client expects it.
    Right,
    /// By itself.
    OfAnotherAuthority,
    /// By the stack's root.
    ForAnotherName,
}

struct Shared {
    acceptor: Mutex<TlsAcceptor>,
    /// What was heard before TLS, and how many connections came so far as to speak behind it.
    heard: Mutex<(Vec<String>, usize)>,
    sink: OnceLock<Sink>,
}

/// A server that runs until it is dropped.
pub struct Ses {
    stack: Stack,
    port: u16,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Ses {
    pub async fn start(stack: &Stack, certificate: Certificate) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            acceptor: Mutex::new(acceptor(stack, certificate)),
            heard: Mutex::default(),
            sink: OnceLock::new(),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { stack: stack.clone(), port, shared, serving }
    }

    /// Says to whose deployment the events go. Due before a client has TLS.
    pub fn report_to(&self, stack: &Stack) {
        let encoded = |text: &str| STANDARD.encode(text);
        let login = Login {
            plain: encoded(&format!("\0{USER}\0{PASSWORD}")),
            user: encoded(USER),
            password: encoded(PASSWORD),
        };
        let settings = Settings {
            dir: stack.sink_dir.clone(),
            reports_url: format!("{}/{}/", stack.endpoint, stack.deployment.buckets["reports"]),
            bounce_domain: stack.bounce_domain.clone(),
            login: Some(login),
            as_ses: true,
        };
        assert!(self.shared.sink.set(Sink::new(settings)).is_ok(), "said twice");
    }

    /// As an operator writes it.
    pub fn url(&self) -> String {
        format!("smtp+starttls://{USER}:{}@localhost:{}", PASSWORD.replace('/', "%2F"), self.port)
    }

    /// The same with a password that is none.
    pub fn wrong_url(&self) -> String {
        self.url().replace("se%2F", "no%2F")
    }

    /// Shows another certificate from now on.
    pub fn show(&self, certificate: Certificate) {
        *self.shared.acceptor.lock().unwrap() = acceptor(&self.stack, certificate);
        *self.shared.heard.lock().unwrap() = Default::default();
    }

    /// The verbs that were heard in the clear since then, and how many connections had TLS.
    pub fn heard(&self) -> (Vec<String>, usize) {
        self.shared.heard.lock().unwrap().clone()
    }
}

impl Drop for Ses {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn acceptor(stack: &Stack, certificate: Certificate) -> TlsAcceptor {
    match certificate {
        Certificate::Right => certificate::acceptor(Some(&stack.webhook_root), "DNS:localhost"),
        Certificate::OfAnotherAuthority => certificate::acceptor(None, "DNS:localhost"),
        Certificate::ForAnotherName => certificate::acceptor(Some(&stack.webhook_root), "DNS:relay.example"),
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(converse(stream, Arc::clone(&shared)));
    }
}

/// A client that breaks off is the test's to see.
async fn converse(stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 email-smtp.localhost ESMTP SimpleEmailService\r\n").await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.split([' ', '\r']).next().unwrap_or_default().to_ascii_uppercase();
        shared.heard.lock().unwrap().0.push(verb.clone());
        match verb.as_str() {
            "EHLO" => {
                stream.write_all(b"250-email-smtp.localhost\r\n250-8BITMIME\r\n250 STARTTLS\r\n").await?;
            }
            "STARTTLS" => break,
            _ => stream.write_all(b"530 Must issue a STARTTLS command first\r\n").await?,
        }
    }
    stream.write_all(b"220 Ready to start TLS\r\n").await?;
    let acceptor = shared.acceptor.lock().unwrap().clone();
    let stream = acceptor.accept(stream).await?;
    shared.heard.lock().unwrap().1 += 1;
    shared.sink.get().expect("where events go").converse(stream, Greeting::Omitted).await
}
