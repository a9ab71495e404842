//! Which names are being written by this process, so that two sessions of one customer do not get in each other's way: a client that was cut
//! off and comes back finds its upload put aside, and what the earlier session leaves does not hide what the later one has finished.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use contract::TenantId;
use tokio::{sync::Notify, time::timeout};

/// How long a newcomer waits for an upload that is being put aside: its last part has to reach S3. After that it finds the parts that did.
const LEAVING_TIME_MAX: Duration = Duration::from_secs(20);

type Key = (TenantId, String);

#[derive(Default)]
struct Entry {
    /// Of those that write the name, the one that came last.
    latest: u64,
    /// Those that are being put aside.
    leaving: usize,
}

#[derive(Default)]
struct Shared {
    entries: Mutex<HashMap<Key, Entry>>,
    count: AtomicU64,
    left: Notify,
}

/// One entry for each name that is being written.
#[derive(Clone, Default)]
pub struct Writers {
    shared: Arc<Shared>,
}

impl Shared {
    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writers {
    pub fn enter(&self, tenant: TenantId, name: &str) -> Writer {
        let number = self.shared.count.fetch_add(1, Ordering::Relaxed) + 1;
        let key = (tenant, name.to_owned());
        self.shared.entries().entry(key.clone()).or_default().latest = number;
        Writer { shared: Arc::clone(&self.shared), key, number, leaving: false }
    }

    /// Waits until nobody is putting the name aside.
    pub async fn settled(&self, tenant: TenantId, name: &str) {
        let key = (tenant, name.to_owned());
        let waited = timeout(LEAVING_TIME_MAX, async {
            loop {
                let left = self.shared.left.notified();
                tokio::pin!(left);
                // Listening begins before the look, so that no leave is missed in between.
                left.as_mut().enable();
                if self.shared.entries().get(&key).is_none_or(|entry| entry.leaving == 0) {
                    return;
                }
                left.await;
            }
        });
        let _ = waited.await;
    }
}

/// One that writes a name, as long as it lives.
pub struct Writer {
    shared: Arc<Shared>,
    key: Key,
    number: u64,
    leaving: bool,
}

impl Writer {
    /// Whether nobody of this process has opened the name since, for writing.
    pub fn is_latest(&self) -> bool {
        self.shared.entries().get(&self.key).is_some_and(|entry| entry.latest == self.number)
    }

    /// It is being put aside.
    pub fn leave(&mut self) {
        if !self.leaving {
            self.leaving = true;
            self.shared.entries().entry(self.key.clone()).or_default().leaving += 1;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut entries = self.shared.entries();
        if let Some(entry) = entries.get_mut(&self.key) {
            entry.leaving -= usize::from(self.leaving);
            if entry.latest == self.number {
                entry.latest = 0;
            }
            if entry.latest == 0 && entry.leaving == 0 {
                entries.remove(&self.key);
            }
        }
        drop(entries);
        self.shared.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId(1);

    #[test]
    fn the_last_one_that_came_is_the_latest() {
        let writers = Writers::default();
        let (first, other) = (writers.enter(TENANT, "x"), writers.enter(TenantId(2), "x"));
        assert!(first.is_latest() && other.is_latest());
        let second = writers.enter(TENANT, "x");
        assert!(!first.is_latest() && second.is_latest());
        drop(second);
        assert!(!first.is_latest(), "the second may have finished");
        drop((first, other));
        assert!(writers.shared.entries().is_empty());
    }

    #[tokio::test]
    async fn whoever_comes_back_waits_for_what_is_put_aside() {
        let writers = Writers::default();
        writers.settled(TENANT, "x").await;
        let mut writer = writers.enter(TENANT, "x");
        writers.settled(TENANT, "x").await;
        writer.leave();
        writers.settled(TENANT, "y").await;
        let waiting = tokio::spawn({
            let writers = writers.clone();
            async move { writers.settled(TENANT, "x").await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(writer);
        waiting.await.unwrap();
        assert!(writers.shared.entries().is_empty());
    }
}
