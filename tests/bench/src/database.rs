//! A database of a benchmark's own in the stack's Postgres, which is durable as a real one.

use contract::{CampaignId, TenantId};
use localstack::Stack;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use store::Store;
use testkit::own::at_database;

use crate::Result;

/// A migrated database with one tenant and one campaign.
pub struct Database {
    owner: PgPool,
    name: String,
    pub store: Store,
    pub tenant: TenantId,
    pub campaign: CampaignId,
}

impl Database {
    pub async fn create(stack: &Stack, bench: &str) -> Result<Self> {
        let name = format!("bench_{bench}_{}", std::process::id());
        let owner = PgPool::connect(&stack.admin_database_url).await?;
        execute(&owner, format!("CREATE DATABASE {name}")).await?;
        let migrated = PgPool::connect(&at_database(&stack.admin_database_url, &name)).await?;
        store::migrate(&migrated).await?;
        let tenant = sqlx::query_scalar(
            "INSERT INTO broadcast.tenants (slug, name, bucket) VALUES ('bench', 'Bench', 'bench') RETURNING id",
        );
        let tenant = TenantId(tenant.fetch_one(&migrated).await?);
        store::roles::create(&mut *migrated.acquire().await?, tenant).await?;
        migrated.close().await;
        let store = Store::connect(&at_database(&stack.database_url, &name))?;
        let mut tx = store.tenant(tenant).await?;
        let campaign = tx.create_campaign("bench").await?;
        tx.commit().await?;
        Ok(Self { owner, name, store, tenant, campaign })
    }

    /// As the owner of everything in it.
    pub async fn as_owner(&self, stack: &Stack) -> Result<PgPool> {
        Ok(PgPool::connect(&at_database(&stack.admin_database_url, &self.name)).await?)
    }

    /// For a process that runs as a function.
    pub fn url(&self, stack: &Stack) -> String {
        at_database(&stack.database_url, &self.name)
    }

    /// For a process that sees everything.
    pub fn owner_url(&self, stack: &Stack) -> String {
        at_database(&stack.admin_database_url, &self.name)
    }

    pub async fn drop(self) -> Result<()> {
        self.store.pool().close().await;
        execute(&self.owner, format!("DROP DATABASE {}", self.name)).await
    }
}

/// What one side wrote is not the other side's to flush.
pub async fn checkpoint(stack: &Stack) -> Result<()> {
    let mut connection = PgConnection::connect(&stack.superuser_database_url).await?;
    sqlx::raw_sql("CHECKPOINT").execute(&mut connection).await?;
    Ok(())
}

async fn execute(pool: &PgPool, statement: String) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(pool).await?;
    Ok(())
}
