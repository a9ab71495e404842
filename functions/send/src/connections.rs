//! Connections to the relay, kept from one slice to the next.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use runtime::Relay;
use tokio::time::Instant;

use crate::dialogue::{Connection, Unreachable};

/// How long a connection waits for the next slice. A relay has a process for each, and needs them for others; while a launch runs, the next slice
/// comes within a second.
const IDLE_MAX: Duration = Duration::from_secs(3);

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

    /// Keeps one that can take another mail, for a while.
    pub(crate) fn put(self: &Arc<Self>, connection: Connection) {
        self.idle().push((Instant::now(), connection));
        // A function that is frozen meanwhile leaves the end to the relay.
        let connections = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(IDLE_MAX).await;
            if let Some(connections) = connections.upgrade() {
                connections.end_idle().await;
            }
        });
    }

    async fn end_idle(&self) {
        let ended: Vec<_> = self.idle().extract_if(.., |(since, _)| since.elapsed() >= IDLE_MAX).collect();
        for (_, connection) in ended {
            connection.quit().await;
        }
    }

    fn pop(&self) -> Option<(Instant, Connection)> {
        self.idle().pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, Connection)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
