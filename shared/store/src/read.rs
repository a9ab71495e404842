//! Connections that stay a tenant's for looking at its rows.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use contract::TenantId;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, pool::PoolConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{CONNECTIONS_MAX, Store, StoreError, TRUSTED_TIME};

/// Reads as tenants' roles, one statement after the other. A transaction would be two round trips more for each, and the plan of a
/// statement is a role's; these connections keep their role, and with it their plans, until another tenant needs one.
///
/// They are read-only, and nobody else has them: whoever gets one sets its role first.
pub struct Readers {
    store: Store,
    idle: Mutex<Vec<Idle>>,
    free: Semaphore,
}

struct Idle {
    connection: PoolConnection<Postgres>,
    tenant: TenantId,
    since: Instant,
}

/// One tenant's connection, as long as it is looked through.
pub struct Reading<'r> {
    readers: &'r Readers,
    connection: PoolConnection<Postgres>,
    tenant: TenantId,
    _permit: SemaphorePermit<'r>,
}

impl Readers {
    /// With connections of their own, of which the first statement makes the first.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        let free = Semaphore::new(usize::try_from(CONNECTIONS_MAX).unwrap_or(1));
        Ok(Self { store: Store::connect_awake(url, CONNECTIONS_MAX)?, idle: Mutex::default(), free })
    }

    /// A connection that sees the tenant's rows.
    pub async fn of(&self, tenant: TenantId) -> Result<Reading<'_>, StoreError> {
        // The semaphore is never closed.
        let permit = self.free.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let mut kept = self.take(tenant);
        // As the pool does it: a database that fails over takes longer than that.
        if let Some(idle) = &mut kept
            && idle.since.elapsed() > TRUSTED_TIME
            && idle.connection.ping().await.is_err()
        {
            idle.connection.close_on_drop();
            kept = None;
        }
        let (mut connection, role) = match kept {
            Some(Idle { connection, tenant, .. }) => (connection, Some(tenant)),
            None => (self.store.pool().acquire().await?, None),
        };
        if role != Some(tenant) {
            // The name comes from a typed id: digits alone.
            let statement = format!("SET default_transaction_read_only = on; SET ROLE {}", tenant.role());
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await?;
        }
        Ok(Reading { readers: self, connection, tenant, _permit: permit })
    }

    /// One that is the tenant's already; or, when all are open, the one that was used longest ago.
    fn take(&self, tenant: TenantId) -> Option<Idle> {
        let mut idle = self.idle();
        if let Some(place) = idle.iter().rposition(|idle| idle.tenant == tenant) {
            return Some(idle.remove(place));
        }
        // Each permit stands for one connection, the caller's for the one that it is about to get.
        let most = usize::try_from(CONNECTIONS_MAX).unwrap_or(1);
        let in_use = most - self.free.available_permits();
        (idle.len() + in_use > most && !idle.is_empty()).then(|| idle.remove(0))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading<'_> {
    /// Keeps the connection for the next one. Without this it goes back to the pool, from which it is taken as one without a role.
    pub fn done(self) {
        let Self { readers, connection, tenant, .. } = self;
        readers.idle().push(Idle { connection, tenant, since: Instant::now() });
    }
}

impl Deref for Reading<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Reading<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
