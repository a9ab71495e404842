//! What the two sides of a connection share: the protocol, which sees what the client does, and the watch, which decides when it is over.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use russh::{Channel, ChannelId, server::Msg};
use tokio::{sync::watch, time::Instant};

/// One client's connection.
pub struct Client {
    since: Instant,
    /// When the client last did something, in milliseconds from the beginning.
    seen: AtomicU64,
    sessions: watch::Sender<usize>,
    /// Opened and not yet used for SFTP or SCP. What a client sends on one of them waits in it, and with it the whole connection.
    waiting: Mutex<HashMap<ChannelId, Channel<Msg>>>,
}

/// A session under way, until it is dropped.
pub struct Running(Arc<Client>);

impl Client {
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
            seen: AtomicU64::new(0),
            sessions: watch::Sender::new(0),
            waiting: Mutex::default(),
        }
    }

    /// The client does something. Keepalives are nothing.
    pub fn seen(&self) {
        let elapsed = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.seen.store(elapsed, Ordering::Relaxed);
    }

    /// Ends when the client has done nothing for so long.
    pub async fn idle(&self, time_max: Duration) {
        loop {
            let until = self.since + Duration::from_millis(self.seen.load(Ordering::Relaxed)) + time_max;
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// One more session.
    pub fn running(self: &Arc<Self>) -> Running {
        self.sessions.send_modify(|sessions| *sessions += 1);
        Running(Arc::clone(self))
    }

    /// Ends when no session is under way.
    pub async fn unused(&self) {
        // The sender is ours, so the wait has no other end.
        let _ = self.sessions.subscribe().wait_for(|sessions| *sessions == 0).await;
    }

    /// Channels that are open, in use or not.
    pub fn channels(&self) -> usize {
        *self.sessions.borrow() + self.waiting().len()
    }

    /// Those not in use.
    pub fn waiting(&self) -> MutexGuard<'_, HashMap<ChannelId, Channel<Msg>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.seen();
        self.0.sessions.send_modify(|sessions| *sessions -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_client_is_idle_when_it_has_done_nothing() {
        let client = Client::new();
        client.idle(Duration::ZERO).await;
        client.seen();
        assert!(client.idle(Duration::from_hours(1)).now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_client_is_unused_between_its_sessions() {
        let client = Arc::new(Client::new());
        client.unused().await;
        let (first, second) = (client.running(), client.running());
        assert_eq!(client.channels(), 2);
        drop(first);
        assert!(client.unused().now_or_never().is_none());
        drop(second);
        client.unused().await;
    }
}
