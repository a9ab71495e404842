//! The mail sink: an SMTP server that stands for the world's mailboxes.
//!
//! What it answers is chosen by the recipient's local part ([`behaviour`]). What it accepts becomes a file
//! `<dir>/<recipient domain>/<n>.eml`; mail to the bounce domain becomes an object of the reports bucket, as the
//! mail server of a real bounce domain would put it there.

pub mod behaviour;
mod keep;
mod session;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

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
}

/// What all connections share.
pub(crate) struct Sink {
    pub settings: Settings,
    written: AtomicU64,
    met: Mutex<HashSet<String>>,
}

impl Sink {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, written: AtomicU64::new(0), met: Mutex::new(HashSet::new()) }
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
            let _ = session::run(stream, &sink).await;
        });
    }
}
