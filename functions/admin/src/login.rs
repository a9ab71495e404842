//! With what a tenant logs in to the File Exchange: SSH keys that the customer hands in, and a password that we make.

use access::{Network, SshKey};
use contract::TenantId;
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{Admin, AdminError, audit, secret, tenant::Tenant};

/// Adds an SSH key by command, or gives a known one another end and other sources.
pub(crate) async fn add_key(
    admin: &Admin,
    slug: &str,
    line: &str,
    expires_at: Option<OffsetDateTime>,
    sources: &[String],
) -> Result<Value, AdminError> {
    let key = SshKey::parse(line)?;
    let sources: Vec<Network> = sources.iter().map(|source| source.parse()).collect::<Result<_, _>>()?;
    let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
    let fingerprint = key.fingerprint();
    let mut tx = admin.store.pool().begin().await?;
    let tenant = Tenant::load(&mut tx, slug).await?;
    sqlx::query(
        "INSERT INTO broadcast.ssh_keys (tenant_id, fingerprint, public_key, expires_at, sources)
         VALUES ($1, $2, $3, $4, nullif($5::text[], '{}')::cidr[])
         ON CONFLICT (tenant_id, fingerprint) DO UPDATE SET expires_at = excluded.expires_at, sources = excluded.sources",
    )
    .bind(tenant.id().0)
    .bind(&fingerprint)
    .bind(key.openssh())
    .bind(expires_at)
    .bind(&sources)
    .execute(&mut *tx)
    .await?;
    audit::note(&mut tx, tenant.id(), "add_ssh_key", Some(&fingerprint)).await?;
    tx.commit().await?;
    Ok(json!({"fingerprint": fingerprint, "algorithm": key.algorithm(), "sources": sources}))
}

/// Adds an SSH key of a tenant's description. A known one keeps its end and its sources.
pub(crate) async fn insert_key(
    db: &mut PgConnection,
    tenant: TenantId,
    line: &str,
) -> Result<(), AdminError> {
    let key = SshKey::parse(line)?;
    let fingerprint = key.fingerprint();
    let added = sqlx::query(
        "INSERT INTO broadcast.ssh_keys (tenant_id, fingerprint, public_key) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, fingerprint) DO NOTHING",
    )
    .bind(tenant.0)
    .bind(&fingerprint)
    .bind(key.openssh())
    .execute(&mut *db)
    .await?;
    if added.rows_affected() == 0 {
        return Ok(());
    }
    audit::note(db, tenant, "add_ssh_key", Some(&fingerprint)).await
}

/// Removes an SSH key.
pub(crate) async fn remove_key(admin: &Admin, slug: &str, fingerprint: &str) -> Result<Value, AdminError> {
    let mut tx = admin.store.pool().begin().await?;
    let tenant = Tenant::load(&mut tx, slug).await?;
    let removed = sqlx::query("DELETE FROM broadcast.ssh_keys WHERE tenant_id = $1 AND fingerprint = $2")
        .bind(tenant.id().0)
        .bind(fingerprint)
        .execute(&mut *tx)
        .await?;
    let removed = removed.rows_affected() > 0;
    if removed {
        audit::note(&mut tx, tenant.id(), "remove_ssh_key", Some(fingerprint)).await?;
    }
    tx.commit().await?;
    Ok(json!({"fingerprint": fingerprint, "removed": removed}))
}

/// The tenant's first password.
pub(crate) async fn ensure_password(
    admin: &Admin,
    db: &mut PgConnection,
    tenant: &Tenant,
) -> Result<(), AdminError> {
    if tenant.has_password { Ok(()) } else { make_password(admin, db, tenant).await }
}

/// Makes another password by command.
pub(crate) async fn reset_password(admin: &Admin, slug: &str) -> Result<Value, AdminError> {
    let mut db = admin.store.pool().acquire().await?;
    let tenant = Tenant::load(&mut db, slug).await?;
    make_password(admin, &mut db, &tenant).await?;
    Ok(json!({"sftp_password_secret": secret::sftp_password(&admin.deployment, slug)}))
}

/// The database has its hash alone. After a crash between the two, the secret is one that opens nothing, until the command is given again.
async fn make_password(admin: &Admin, db: &mut PgConnection, tenant: &Tenant) -> Result<(), AdminError> {
    let password = access::password::generate()?;
    secret::put(&admin.clients, &secret::sftp_password(&admin.deployment, &tenant.slug), &password).await?;
    let hash = tokio::task::spawn_blocking(move || access::password::hash(&password))
        .await
        .map_err(|_| AdminError::Cut)??;
    let mut tx = sqlx::Connection::begin(&mut *db).await?;
    sqlx::query("UPDATE broadcast.tenants SET sftp_password_hash = $2 WHERE id = $1")
        .bind(tenant.id().0)
        .bind(&hash)
        .execute(&mut *tx)
        .await?;
    audit::note(&mut tx, tenant.id(), "make_sftp_password", None).await?;
    tx.commit().await?;
    Ok(())
}
