//! The mail sink: an SMTP server that stands for the world's mailboxes.
//!
//! What it answers is chosen by the recipient's local part ([`behaviour`]). What it accepts becomes a file
//! `<dir>/<recipient domain>/<n>.eml`; mail to the bounce domain becomes an object of the reports bucket, as the
//! mail server of a real bounce domain would put it there. Tests also run it as Amazon SES does things ([`ses`]).

pub mod behaviour;
mod keep;
mod ses;
mod session;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::error::{IoContext, Result};

/// What the sink is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where accepted mails go.
    pub dir: PathBuf,
    /// `http://host:port/<bucket>/`: where mail to the bounce domain goes.
    pub reports_url: String,
    /// The domain of return paths.
    pub bounce_domain: String,
    /// Who may send; without it everybody.
    pub login: Option<Login>,
    /// Mails are changed as Amazon SES changes them, and what becomes of them is told as events in the reports bucket.
    pub as_ses: bool,
}

/// What a client says to log in, each in base64 as it says it.
#[derive(Debug, Clone)]
pub struct Login {
    /// Of AUTH PLAIN.
    pub plain: String,
    /// Of AUTH LOGIN.
    pub user: String,
    /// Of AUTH LOGIN.
    pub password: String,
}

/// Whether the greeting is still to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// The sink says it.
    Said,
    /// It was said before TLS began.
    Omitted,
}

/// What all connections share.
pub struct Sink {
    settings: Settings,
    written: AtomicU64,
    met: Mutex<HashSet<String>>,
}

impl Sink {
    /// A sink that has met nobody.
    pub fn new(settings: Settings) -> Self {
        Self { settings, written: AtomicU64::new(0), met: Mutex::new(HashSet::new()) }
    }

    /// One connection, until the client leaves.
    pub async fn converse(
        &self,
        stream: impl AsyncRead + AsyncWrite,
        greeting: Greeting,
    ) -> std::io::Result<()> {
        session::run(stream, self, greeting).await
    }

    fn next_number(&self) -> u64 {
        self.written.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// True the first time that a recipient is met: what misbehaves once then behaves.
    fn first_time(&self, recipient: &str) -> bool {
        let mut met = self.met.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        met.insert(recipient.to_ascii_lowercase())
    }
}

/// Serves on a loopback port for ever.
pub async fn serve(port: u16, settings: Settings) -> Result<()> {
    std::fs::create_dir_all(&settings.dir).or_cannot(|| format!("make {}", settings.dir.display()))?;
    let listener =
        TcpListener::bind(("127.0.0.1", port)).await.or_cannot(|| format!("listen on port {port}"))?;
    let sink = std::sync::Arc::new(Sink::new(settings));
    loop {
        let (stream, _) = listener.accept().await.or_cannot(|| "accept a connection".to_owned())?;
        let sink = sink.clone();
        tokio::spawn(async move {
            // The other side may leave at any point; there is nobody to tell.
            let _ = stream.set_nodelay(true);
            let _ = sink.converse(stream, Greeting::Said).await;
        });
    }
}
