//! Transactions that have taken a tenant's role.

use std::ops::{Deref, DerefMut};

use contract::{CampaignId, TenantId};
use sqlx::{AssertSqlSafe, Database, PgConnection, PgPool, Postgres, SqlSafeStr, pool::PoolConnection};
use sqlx_core::transaction::TransactionManager;

use crate::StoreError;

type Manager = <Postgres as Database>::TransactionManager;

/// A transaction as one tenant's role. Dropped without [`commit`](Self::commit) it rolls back.
pub struct TenantTx {
    connection: PoolConnection<Postgres>,
    tenant: TenantId,
    begun: bool,
}

impl TenantTx {
    /// One round trip. The library's own transaction would take the connection back into the pool when only the first half of it succeeds:
    /// its next user would find a transaction that is open, or one that has failed.
    pub(crate) async fn begin(pool: &PgPool, tenant: TenantId) -> Result<Self, StoreError> {
        let mut tx = Self { connection: pool.acquire().await?, tenant, begun: false };
        // The name comes from a typed id: digits alone.
        let statement = AssertSqlSafe(format!("BEGIN; SET LOCAL ROLE {}", tenant.role()));
        Manager::begin(&mut tx.connection, Some(statement.into_sql_str())).await?;
        tx.begun = true;
        Ok(tx)
    }

    /// Whose role it is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Goes on in a campaign's schema. It is the role that guards: the schema of another tenant's campaign is closed to it.
    pub async fn enter(mut self, campaign: CampaignId) -> Result<CampaignTx, StoreError> {
        self.look_into(campaign).await?;
        Ok(CampaignTx { inner: self, campaign })
    }

    /// Makes a campaign's schema the search path.
    pub(crate) async fn look_into(&mut self, campaign: CampaignId) -> Result<(), StoreError> {
        let schema = campaign.schema();
        let open: Option<bool> = sqlx::query_scalar(
            "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = $1",
        )
        .bind(&schema)
        .fetch_optional(&mut *self.connection)
        .await?;
        if open != Some(true) {
            return Err(StoreError::NoCampaign);
        }
        sqlx::raw_sql(AssertSqlSafe(format!("SET LOCAL search_path = {schema}, pg_temp")))
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// Puts the search path back.
    pub(crate) async fn look_out(&mut self) -> Result<(), StoreError> {
        sqlx::raw_sql("SET LOCAL search_path TO DEFAULT").execute(&mut *self.connection).await?;
        Ok(())
    }

    /// Makes everything durable.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        Ok(Manager::commit(&mut self.connection).await?)
    }
}

impl Drop for TenantTx {
    fn drop(&mut self) {
        if self.begun {
            // Sent when the connection goes back to the pool. Nothing after a commit.
            Manager::start_rollback(&mut self.connection);
        } else {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for TenantTx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for TenantTx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// A transaction as one tenant's role with one campaign's schema as the search path: the only door to campaign data. Global tables are
/// named `broadcast.<table>` in it.
pub struct CampaignTx {
    inner: TenantTx,
    campaign: CampaignId,
}

impl CampaignTx {
    pub(crate) async fn begin(
        pool: &PgPool,
        tenant: TenantId,
        campaign: CampaignId,
    ) -> Result<Self, StoreError> {
        TenantTx::begin(pool, tenant).await?.enter(campaign).await
    }

    /// Whose role it is.
    pub fn tenant(&self) -> TenantId {
        self.inner.tenant
    }

    /// Whose schema it is.
    pub fn campaign(&self) -> CampaignId {
        self.campaign
    }

    /// Makes everything durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.inner.commit().await
    }

    /// Writers of responses hold this to the end of their transaction, any number at once.
    pub async fn share_responses(&mut self) -> Result<(), StoreError> {
        let key = self.campaign.0;
        sqlx::query("SELECT pg_advisory_xact_lock_shared($1)").bind(key).execute(&mut **self).await?;
        Ok(())
    }

    /// One change of the campaign's proofs at a time: what is counted of them, and who has no mail that is to be made, stays true to the end of
    /// the transaction.
    pub async fn lock_proofs(&mut self) -> Result<(), StoreError> {
        let key = self.campaign.0;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('proofs', $1))")
            .bind(key)
            .execute(&mut **self)
            .await?;
        Ok(())
    }

    /// Waits for the writers that are under way and keeps new ones out until this transaction ends: whatever number is the highest then
    /// stays above no later commit.
    pub async fn close_responses(&mut self) -> Result<(), StoreError> {
        let key = self.campaign.0;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(key).execute(&mut **self).await?;
        Ok(())
    }
}

impl Deref for CampaignTx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl DerefMut for CampaignTx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}
