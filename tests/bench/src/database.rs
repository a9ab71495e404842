//! A database of the benchmark's own in the stack's Postgres, which is durable as a real one.

use contract::TenantId;
use localstack::Stack;
use sqlx::{AssertSqlSafe, PgPool};
use store::{CampaignTx, Store};

/// A migrated database with one tenant and one campaign.
pub struct Database {
    owner: PgPool,
    name: String,
    pub store: Store,
    pub tenant: TenantId,
}

impl Database {
    pub async fn create(stack: &Stack, bench: &str) -> Self {
        let name = format!("bench_{bench}_{}", std::process::id());
        let owner = PgPool::connect(&stack.admin_database_url).await.unwrap();
        execute(&owner, format!("CREATE DATABASE {name}")).await;
        let migrated = PgPool::connect(&other(&stack.admin_database_url, &name)).await.unwrap();
        store::migrate(&migrated).await.unwrap();
        let tenant = sqlx::query_scalar(
            "INSERT INTO broadcast.tenants (slug, name, bucket) VALUES ('bench', 'Bench', 'bench') RETURNING id",
        )
        .fetch_one(&migrated)
        .await
        .unwrap();
        let tenant = TenantId(tenant);
        store::roles::create(&mut migrated.acquire().await.unwrap(), tenant).await.unwrap();
        migrated.close().await;
        let store = Store::connect(&other(&stack.database_url, &name)).unwrap();
        Self { owner, name, store, tenant }
    }

    /// A campaign, in a transaction that goes on in its schema.
    pub async fn campaign(&self) -> CampaignTx {
        self.store.tenant(self.tenant).await.unwrap().create_campaign("bench").await.unwrap()
    }

    pub async fn drop(self) {
        self.store.pool().close().await;
        execute(&self.owner, format!("DROP DATABASE {}", self.name)).await;
    }
}

/// The URL of another database of the same server.
fn other(url: &str, name: &str) -> String {
    format!("{}/{name}", url.rsplit_once('/').unwrap().0)
}

async fn execute(pool: &PgPool, statement: String) {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(pool).await.unwrap();
}
