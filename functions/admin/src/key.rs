//! What lets a tenant in: its API key and its password, whose secrets go to Secrets Manager.

use access::{ApiKey, NewApiKey};
use sqlx::PgConnection;

use crate::{Admin, AdminError, audit, secret, tenant::Tenant};

/// The tenant's first API key. A secret without its row, left by a crash, opens nothing and is written over.
pub(crate) async fn ensure_api_key(
    admin: &Admin,
    db: &mut PgConnection,
    tenant: &Tenant,
) -> Result<(), AdminError> {
    let name = secret::api_key(&admin.deployment, &tenant.slug);
    let kept = admin.clients.find_secret(&name).await?;
    if let Some(key) = kept.as_deref().and_then(ApiKey::parse) {
        let known: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM broadcast.api_keys WHERE tenant_id = $1 AND prefix = $2)",
        )
        .bind(tenant.id().0)
        .bind(key.prefix())
        .fetch_one(&mut *db)
        .await?;
        if known {
            return Ok(());
        }
    }
    let key = NewApiKey::generate()?;
    secret::put(&admin.clients, &name, &key.text).await?;
    sqlx::query("INSERT INTO broadcast.api_keys (tenant_id, prefix, secret_hash) VALUES ($1, $2, $3)")
        .bind(tenant.id().0)
        .bind(&key.prefix)
        .bind(key.hash.as_slice())
        .execute(&mut *db)
        .await?;
    audit::note(db, tenant.id(), "make_api_key", Some(&key.prefix)).await
}
