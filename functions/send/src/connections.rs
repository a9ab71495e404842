//! Connections to the relay, kept from one slice to the next.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    dialogue::{Connection, Unreachable},
    handover::CONNECTIONS,
    relay::Relay,
};

/// How long a connection waits for the next slice. Relays end idle ones themselves after some minutes; SES does after ten seconds or so.
const IDLE_MAX: Duration = Duration::from_secs(8);

/// A relay, and the connections to it that nobody uses at the moment.
pub struct Connections {
    relay: Relay,
    idle: Mutex<Vec<(Instant, Connection)>>,
}

impl Connections {
    /// None yet.
    pub fn new(relay: Relay) -> Self {
        Self { relay, idle: Mutex::default() }
    }

    /// One that is open and answers, at the latest by `until`.
    pub(crate) async fn take(&self, until: Instant) -> Result<Connection, Unreachable> {
        while let Some((since, mut connection)) = self.pop() {
            // A function that was frozen may have slept longer than it knows.
            if since.elapsed() < IDLE_MAX && connection.is_alive().await {
                return Ok(connection);
            }
        }
        self.open(until).await
    }

    /// A new one, at the latest by `until`.
    pub(crate) async fn open(&self, until: Instant) -> Result<Connection, Unreachable> {
        Connection::open(&self.relay, until).await
    }

    /// Keeps one that can take another mail.
    pub(crate) fn put(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < CONNECTIONS {
            idle.push((Instant::now(), connection));
        }
    }

    fn pop(&self) -> Option<(Instant, Connection)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}
