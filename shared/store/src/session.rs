//! A connection that stays one tenant's role in one campaign's schema, for many short statements that each are a transaction.

use std::ops::{Deref, DerefMut};

use contract::{CampaignId, TenantId};
use sqlx::{AssertSqlSafe, PgConnection, Postgres, pool::PoolConnection};

use crate::{Store, StoreError};

/// What [`CampaignTx`](crate::CampaignTx) is for one transaction, for a whole session: each statement commits by itself, in one round trip.
/// A session that is dropped without [`end`](Self::end) is closed, so its role never comes back to the pool.
pub struct CampaignSession {
    connection: PoolConnection<Postgres>,
    ended: bool,
}

impl Store {
    /// Opens a session as the tenant's role, in the campaign's schema.
    pub async fn campaign_session(
        &self,
        tenant: TenantId,
        campaign: CampaignId,
    ) -> Result<CampaignSession, StoreError> {
        // Checks that the schema is there and open to the role.
        drop(self.campaign(tenant, campaign).await?);
        let mut session = CampaignSession { connection: self.pool().acquire().await?, ended: false };
        // Both names come from typed ids: digits alone.
        let statement =
            format!("SET ROLE {}; SET search_path = {}, pg_temp", tenant.role(), campaign.schema());
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *session).await?;
        Ok(session)
    }
}

impl CampaignSession {
    /// Puts the role down and gives the connection back to the pool.
    pub async fn end(mut self) -> Result<(), StoreError> {
        sqlx::raw_sql("RESET ROLE; RESET search_path").execute(&mut *self.connection).await?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for CampaignSession {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for CampaignSession {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for CampaignSession {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
