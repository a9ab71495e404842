//! API keys, whose secrets go to Secrets Manager.

use access::{ApiKey, NewApiKey};
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{Admin, AdminError, ApiKeySpec, audit, secret, tenant::Tenant};

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
    let spec = ApiKeySpec { name: "first".to_owned(), ..ApiKeySpec::default() };
    insert(admin, db, tenant, &spec, &NewApiKey::generate()?, &name).await
}

/// A further key of a tenant. Its secret is stored before its row: a crash between leaves a secret that opens nothing.
pub(crate) async fn create(
    admin: &Admin,
    slug: &str,
    spec: &ApiKeySpec,
    now: OffsetDateTime,
) -> Result<Value, AdminError> {
    spec.check(now)?;
    let mut db = admin.store.pool().acquire().await?;
    let tenant = Tenant::load(&mut db, slug).await?;
    let key = NewApiKey::generate()?;
    let name = secret::further_api_key(&admin.deployment, slug, &key.prefix);
    insert(admin, &mut db, &tenant, spec, &key, &name).await?;
    Ok(json!({"prefix": key.prefix, "secret": name}))
}

async fn insert(
    admin: &Admin,
    db: &mut PgConnection,
    tenant: &Tenant,
    spec: &ApiKeySpec,
    key: &NewApiKey,
    secret_name: &str,
) -> Result<(), AdminError> {
    secret::put(&admin.clients, secret_name, &key.text).await?;
    sqlx::query(
        "INSERT INTO broadcast.api_keys (tenant_id, prefix, secret_hash, name, scopes, sources, expires_at, requests_per_minute)
         VALUES ($1, $2, $3, $4, $5, nullif($6::text[]::cidr[], '{}'), $7, coalesce($8, 3000))",
    )
    .bind(tenant.id().0)
    .bind(&key.prefix)
    .bind(key.hash.as_slice())
    .bind(&spec.name)
    .bind(spec.scope_names())
    .bind(&spec.sources)
    .bind(spec.expires_at)
    .bind(spec.requests_per_minute)
    .execute(&mut *db)
    .await?;
    audit::note(db, tenant.id(), "make_api_key", Some(&key.prefix)).await
}

/// All keys of a tenant, without their secrets.
pub(crate) async fn list(admin: &Admin, slug: &str) -> Result<Value, AdminError> {
    let mut db = admin.store.pool().acquire().await?;
    let tenant = Tenant::load(&mut db, slug).await?;
    Ok(sqlx::query_scalar(
        "SELECT jsonb_build_object('api_keys', coalesce(jsonb_agg(jsonb_build_object('prefix', prefix, 'name', name, 'scopes', scopes,
             'sources', coalesce(sources::text[], '{}'), 'requests_per_minute', requests_per_minute, 'created_at', created_at,
             'expires_at', expires_at, 'last_used_at', last_used_at) ORDER BY id), '[]'))
         FROM broadcast.api_keys WHERE tenant_id = $1",
    )
    .bind(tenant.id().0)
    .fetch_one(&mut *db)
    .await?)
}

/// Ends a key, whoever made it. Its row goes before its secret: from then on it opens nothing.
pub(crate) async fn delete(admin: &Admin, slug: &str, prefix: &str) -> Result<Value, AdminError> {
    let mut db = admin.store.pool().acquire().await?;
    let tenant = Tenant::load(&mut db, slug).await?;
    let deleted = sqlx::query("DELETE FROM broadcast.api_keys WHERE tenant_id = $1 AND prefix = $2")
        .bind(tenant.id().0)
        .bind(prefix)
        .execute(&mut *db)
        .await?;
    secret::delete(&admin.clients, &secret::further_api_key(&admin.deployment, slug, prefix)).await?;
    let deleted = deleted.rows_affected() == 1;
    if deleted {
        audit::note(&mut db, tenant.id(), "delete_api_key", Some(prefix)).await?;
    }
    Ok(json!({"prefix": prefix, "deleted": deleted}))
}
