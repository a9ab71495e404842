//! How much there may be at once, in all and for each, so that nobody keeps the others out.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use contract::TenantId;
use tokio::sync::watch;

/// Connections at once; an idle one costs some tens of kilobytes.
const CONNECTIONS_MAX: usize = 512;
/// Connections at once that have not logged in.
const STRANGERS_MAX: usize = 128;
/// The same of one address; some customers' jobs log in fifty times at once.
const STRANGERS_PER_ADDRESS_MAX: usize = 64;
/// Connections of one tenant that have logged in: its jobs and its people.
const LOGINS_PER_TENANT_MAX: usize = 64;
/// Sessions, that is channels with SFTP or SCP: as many as connections.
const SESSIONS_MAX: usize = 512;
/// Sessions of one tenant.
const SESSIONS_PER_TENANT_MAX: usize = 64;
/// Transfers at once: an upload holds two parts of 8 MiB, in the largest files 32 MiB in all.
const TRANSFERS_MAX: usize = 96;
/// Transfers of one tenant: clients use four to eight, and some have many sessions.
const TRANSFERS_PER_TENANT_MAX: usize = 64;

/// Everything that is counted.
pub struct Limits {
    /// By address.
    pub connections: Arc<Pool<IpAddr>>,
    /// By address: those that have not logged in.
    pub strangers: Arc<Pool<IpAddr>>,
    /// By tenant: connections that have.
    pub logins: Arc<Pool<TenantId>>,
    /// By tenant.
    pub sessions: Arc<Pool<TenantId>>,
    /// By tenant.
    pub transfers: Arc<Pool<TenantId>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: Pool::new(CONNECTIONS_MAX, CONNECTIONS_MAX),
            strangers: Pool::new(STRANGERS_MAX, STRANGERS_PER_ADDRESS_MAX),
            logins: Pool::new(CONNECTIONS_MAX, LOGINS_PER_TENANT_MAX),
            sessions: Pool::new(SESSIONS_MAX, SESSIONS_PER_TENANT_MAX),
            transfers: Pool::new(TRANSFERS_MAX, TRANSFERS_PER_TENANT_MAX),
        }
    }
}

/// So many of something, and so many for each.
pub struct Pool<K> {
    max: usize,
    each_max: usize,
    /// Those who have any.
    taken: Mutex<HashMap<K, usize>>,
    all: watch::Sender<usize>,
}

/// The right to one, as long as it is held.
pub struct Permit<K: Copy + Eq + Hash> {
    pool: Arc<Pool<K>>,
    holder: K,
}

impl<K: Copy + Eq + Hash> Pool<K> {
    fn new(max: usize, each_max: usize) -> Arc<Self> {
        Arc::new(Self { max, each_max, taken: Mutex::default(), all: watch::Sender::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, if there may be one.
    pub fn take(self: &Arc<Self>, holder: K) -> Option<Permit<K>> {
        let mut taken = self.lock();
        let own = taken.get(&holder).copied().unwrap_or_default();
        if own >= self.each_max || self.count() >= self.max {
            return None;
        }
        taken.insert(holder, own + 1);
        self.all.send_modify(|all| *all += 1);
        Some(Permit { pool: Arc::clone(self), holder })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        *self.all.borrow()
    }

    /// Ends when there is none.
    pub async fn none(&self) {
        // The sender is ours, so the wait has no other end.
        let _ = self.all.subscribe().wait_for(|all| *all == 0).await;
    }
}

impl<K: Copy + Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut taken = self.pool.lock();
        let own = taken.get(&self.holder).copied().unwrap_or_default();
        if own > 1 {
            taken.insert(self.holder, own - 1);
        } else {
            taken.remove(&self.holder);
        }
        self.pool.all.send_modify(|all| *all -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_pool_has_so_many_in_all_and_for_each() {
        let pool = Pool::new(3, 2);
        pool.none().await;
        let first = pool.take("a");
        let second = pool.take("a");
        assert!(first.is_some() && second.is_some() && pool.take("a").is_none());
        let third = pool.take("b");
        assert!(third.is_some() && pool.take("b").is_none() && pool.take("c").is_none());
        drop(first);
        let fourth = pool.take("c");
        assert!(fourth.is_some() && pool.take("a").is_none());
        assert!(pool.none().now_or_never().is_none());
        drop((second, third, fourth));
        pool.none().await;
        assert!(pool.lock().is_empty());
    }
}
