//! A campaign from its creation to the end of its schema.

use contract::{CampaignId, TenantId};
use sqlx::{AssertSqlSafe, PgConnection, Row, migrate::Migrator};

use crate::{CampaignTx, StoreError, TenantTx};

static MIGRATIONS: Migrator = sqlx::migrate!("./campaign_migrations");

/// How long the end of a campaign waits for each table's lock. What still holds it then is let finish; sweep comes again in five minutes.
const DROP_LOCK_TIMEOUT: &str = "2s";

/// Where a campaign stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CampaignState {
    /// It takes imports and launches.
    Open,
    /// Its data is being deleted.
    Deleting,
    /// Its data is gone; counts stay.
    Deleted,
}

/// Why a campaign could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateCampaignError {
    /// The tenant has one of this name that is not deleted.
    #[error("a campaign of this name exists")]
    Exists,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TenantTx {
    /// Makes a campaign: its row, its schema, its tables.
    pub async fn create_campaign(&mut self, name: &str) -> Result<CampaignId, CreateCampaignError> {
        let inserted = sqlx::query_scalar(
            "INSERT INTO broadcast.campaigns (tenant_id, name) VALUES ($1, $2) RETURNING id",
        )
        .bind(self.tenant().0)
        .bind(name)
        .fetch_one(&mut **self)
        .await
        .map_err(StoreError::from);
        let id: i64 = match inserted {
            Err(error) if error.constraint() == Some("campaigns_name_key") => {
                return Err(CreateCampaignError::Exists);
            }
            other => other?,
        };
        sqlx::query("SELECT broadcast.open_campaign_schema($1)")
            .bind(id)
            .execute(&mut **self)
            .await
            .map_err(StoreError::from)?;
        self.look_into(CampaignId(id)).await?;
        migrate(self).await?;
        self.look_out().await?;
        Ok(CampaignId(id))
    }

    /// The campaign of a name that is not deleted.
    pub async fn find_campaign(
        &mut self,
        name: &str,
    ) -> Result<Option<(CampaignId, CampaignState)>, StoreError> {
        let row = sqlx::query("SELECT id, state FROM broadcast.campaigns WHERE tenant_id = $1 AND name = $2 AND state <> 'deleted'")
            .bind(self.tenant().0)
            .bind(name)
            .fetch_optional(&mut **self)
            .await?;
        Ok(row.map(|row| {
            let state = if row.get::<&str, _>("state") == "open" {
                CampaignState::Open
            } else {
                CampaignState::Deleting
            };
            (CampaignId(row.get("id")), state)
        }))
    }
}

impl CampaignTx {
    /// Brings this campaign's schema up to date.
    pub async fn migrate(&mut self) -> Result<(), StoreError> {
        migrate(self).await
    }

    /// The campaign's tables that are still there, in the order in which they are dropped: those with people first. With many campaigns this reads
    /// some milliseconds of the catalogue.
    pub async fn tables(&mut self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT relname::text FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind = 'r'
             ORDER BY relname LIKE '%recipients%' DESC, relname = 'responses' DESC, relname",
        )
        .bind(self.campaign().schema())
        .fetch_all(&mut **self)
        .await?)
    }

    /// Drops one of [`tables`](Self::tables). The caller commits after each, so that no transaction holds many locks.
    pub async fn drop_table(&mut self, table: &str) -> Result<(), StoreError> {
        // The name was read from the catalog of this campaign's own schema; quote_ident of our own table names changes nothing.
        let statement = format!(
            "SET LOCAL lock_timeout = '{DROP_LOCK_TIMEOUT}'; DROP TABLE {}.\"{table}\"",
            self.campaign().schema()
        );
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut **self).await?;
        Ok(())
    }

    /// Drops the empty schema.
    pub async fn drop_schema(&mut self) -> Result<(), StoreError> {
        let statement = format!("DROP SCHEMA {}", self.campaign().schema());
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut **self).await?;
        Ok(())
    }
}

/// Brings the schema of the search path up to date. Which steps were taken is recorded in the schema itself.
async fn migrate(db: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS migrations (version bigint PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())")
        .execute(&mut *db)
        .await?;
    for step in MIGRATIONS.iter() {
        let new = sqlx::query("INSERT INTO migrations (version) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(step.version)
            .execute(&mut *db)
            .await?;
        if new.rows_affected() == 1 {
            sqlx::raw_sql(AssertSqlSafe(step.sql.as_str().to_owned())).execute(&mut *db).await?;
        }
    }
    Ok(())
}

/// Whether a campaign's schema is still there.
pub async fn schema_exists(tx: &mut TenantTx, campaign: CampaignId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
        .bind(campaign.schema())
        .fetch_one(&mut **tx)
        .await?)
}

/// A tenant's bucket, for a function that has only its id.
pub async fn bucket_of(tx: &mut PgConnection, tenant: TenantId) -> Result<String, StoreError> {
    Ok(sqlx::query_scalar("SELECT bucket FROM broadcast.tenants WHERE id = $1")
        .bind(tenant.0)
        .fetch_one(&mut *tx)
        .await?)
}
