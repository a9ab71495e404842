//! Postgres: the pool, the migrations, and the only doors to a tenant's and a campaign's data.
//!
//! Owns connections, roles and schemas. Never sees S3, a queue, a message or a key. SQL stands beside its use in the functions;
//! here is only what several of them share.
//!
//! A [`TenantTx`] has taken the tenant's role with `SET LOCAL ROLE`: global rows are then under row-level security, and the schemas of
//! other tenants are closed, whatever a statement names. A [`CampaignTx`] also has the campaign's schema as its search path, so that
//! statements over `ledger`, `responses`, `links` are constant text.
#![forbid(unsafe_code)]

mod accounting;
mod campaign;
mod error;
mod launch;
pub mod recipients;
pub mod roles;
mod session;
mod tx;

pub use accounting::Accounting;
pub use campaign::{CampaignState, CreateCampaignError, bucket_of, schema_exists};
pub use error::StoreError;
pub use launch::finish_launch;
pub use session::CampaignSession;
pub use tx::{CampaignTx, TenantTx};

use std::time::Duration;

use contract::{CampaignId, TenantId};
use sqlx::{PgPool, migrate::Migrator, postgres::PgPoolOptions};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Connections of one function instance. A function works on one message at a time and needs few; Postgres has a few hundred for all.
const CONNECTIONS_MAX: u32 = 4;
/// How long to wait for a connection before the message goes back to its queue.
const ACQUIRE_SECONDS_MAX: u64 = 10;

/// The database, as the login role of the functions.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// A lazy pool: the first statement connects.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(url, CONNECTIONS_MAX)
    }

    /// The same with another number of connections.
    pub fn connect_with(url: &str, connections_max: u32) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(Duration::from_secs(ACQUIRE_SECONDS_MAX))
            .connect_lazy(url)?;
        Ok(Self { pool })
    }

    /// The login role itself, for the few reads over all tenants that the migrations grant to it.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Begins a transaction as the tenant's role.
    pub async fn tenant(&self, tenant: TenantId) -> Result<TenantTx, StoreError> {
        TenantTx::begin(&self.pool, tenant).await
    }

    /// Begins a transaction as the tenant's role, in the campaign's schema.
    pub async fn campaign(&self, tenant: TenantId, campaign: CampaignId) -> Result<CampaignTx, StoreError> {
        CampaignTx::begin(&self.pool, tenant, campaign).await
    }
}

/// Brings the global schema up to date. Runs as `broadcast_owner`.
pub async fn migrate(owner: &PgPool) -> Result<(), StoreError> {
    MIGRATIONS.run(owner).await.map_err(StoreError::Migrate)
}
