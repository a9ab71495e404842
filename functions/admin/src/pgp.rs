//! A tenant's OpenPGP keys: its own Broadcast keys, whose secrets go to Secrets Manager, and the certificates that the customer hands in.

use contract::TenantId;
use openpgp::PublicKey;
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{Admin, AdminError, KeyPurpose, audit, secret, tenant::Tenant};

/// The tenant's first key.
pub(crate) async fn ensure(
    admin: &Admin,
    db: &mut PgConnection,
    tenant: &Tenant,
    now: OffsetDateTime,
) -> Result<(), AdminError> {
    if newest(db, tenant.id()).await?.is_none() {
        make(admin, db, tenant, now).await?;
    }
    Ok(())
}

/// A new key, to which files are encrypted from now on, and by which exports are signed. The older ones go on decrypting.
pub(crate) async fn rotate(admin: &Admin, slug: &str, now: OffsetDateTime) -> Result<Value, AdminError> {
    let mut db = admin.store.pool().acquire().await?;
    let tenant = Tenant::load(&mut db, slug).await?;
    let pair = make(admin, &mut db, &tenant, now).await?;
    Ok(json!({"fingerprint": pair.fingerprint, "public_key": pair.public_armored}))
}

/// Its secret is stored before its row: a crash between leaves a secret that nobody ever encrypted to.
async fn make(
    admin: &Admin,
    db: &mut PgConnection,
    tenant: &Tenant,
    now: OffsetDateTime,
) -> Result<openpgp::KeyPair, AdminError> {
    let user_id = format!("Broadcast {}", tenant.slug);
    let pair = tokio::task::spawn_blocking(move || openpgp::generate(&user_id, now))
        .await
        .map_err(|_| AdminError::Cut)??;
    let name = secret::openpgp(&admin.deployment, &tenant.slug, &pair.fingerprint);
    secret::put(&admin.clients, &name, &pair.secret_armored).await?;
    sqlx::query(
        "INSERT INTO broadcast.pgp_keys (tenant_id, purpose, fingerprint, public_key, secret_name)
         VALUES ($1, 'own', $2, $3, $4)",
    )
    .bind(tenant.id().0)
    .bind(&pair.fingerprint)
    .bind(&pair.public_armored)
    .bind(&name)
    .execute(&mut *db)
    .await?;
    audit::note(db, tenant.id(), "make_openpgp_key", Some(&pair.fingerprint)).await?;
    Ok(pair)
}

async fn newest(db: &mut PgConnection, tenant: TenantId) -> Result<Option<String>, AdminError> {
    let fingerprint = sqlx::query_scalar(
        "SELECT fingerprint FROM broadcast.pgp_keys
         WHERE tenant_id = $1 AND purpose = 'own' AND retired_at IS NULL ORDER BY id DESC LIMIT 1",
    );
    Ok(fingerprint.bind(tenant.0).fetch_optional(db).await?)
}

/// Ends one of the tenant's own keys: files encrypted to it are refused, and its secret is deleted for good. The row goes first, so that
/// nobody looks for a secret that is gone; given again, the command deletes what a crash left.
pub(crate) async fn retire(admin: &Admin, slug: &str, fingerprint: &str) -> Result<Value, AdminError> {
    let mut tx = admin.store.pool().begin().await?;
    let tenant = Tenant::load(&mut tx, slug).await?;
    if newest(&mut tx, tenant.id()).await?.as_deref() == Some(fingerprint) {
        return Err(AdminError::KeyInUse);
    }
    let name: Option<String> = sqlx::query_scalar(
        "UPDATE broadcast.pgp_keys SET retired_at = coalesce(retired_at, now())
         WHERE tenant_id = $1 AND purpose = 'own' AND fingerprint = $2 RETURNING secret_name",
    )
    .bind(tenant.id().0)
    .bind(fingerprint)
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(AdminError::UnknownKey)?;
    audit::note(&mut tx, tenant.id(), "retire_openpgp_key", Some(fingerprint)).await?;
    tx.commit().await?;
    if let Some(name) = name {
        secret::delete(&admin.clients, &name).await?;
    }
    Ok(json!({"fingerprint": fingerprint, "retired": true}))
}

/// Registers a customer's certificate, after a look at whether it can do now what it is for.
pub(crate) async fn add(
    admin: &Admin,
    slug: &str,
    purpose: KeyPurpose,
    armored: &str,
    now: OffsetDateTime,
) -> Result<Value, AdminError> {
    let key = PublicKey::parse(armored.as_bytes())?;
    match purpose {
        KeyPurpose::Recipient => key.check_encryption(now)?,
        KeyPurpose::Signer => key.check_signing(now)?,
    }
    let fingerprint = key.fingerprint();
    let mut tx = admin.store.pool().begin().await?;
    let tenant = Tenant::load(&mut tx, slug).await?;
    // Handed in again, it is the newer form of the same key: with a later expiry, say.
    sqlx::query(
        "INSERT INTO broadcast.pgp_keys (tenant_id, purpose, fingerprint, public_key) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id, purpose, fingerprint) DO UPDATE SET public_key = excluded.public_key, retired_at = NULL",
    )
    .bind(tenant.id().0)
    .bind(purpose.name())
    .bind(&fingerprint)
    .bind(key.armored()?)
    .execute(&mut *tx)
    .await?;
    audit::note(&mut tx, tenant.id(), "add_pgp_key", Some(&fingerprint)).await?;
    tx.commit().await?;
    Ok(json!({"fingerprint": fingerprint, "purpose": purpose.name()}))
}

/// Forgets a customer's certificate. Its user id names people, so the row goes; the audit keeps the fingerprint.
pub(crate) async fn remove(
    admin: &Admin,
    slug: &str,
    purpose: KeyPurpose,
    fingerprint: &str,
) -> Result<Value, AdminError> {
    let mut tx = admin.store.pool().begin().await?;
    let tenant = Tenant::load(&mut tx, slug).await?;
    let removed = sqlx::query(
        "DELETE FROM broadcast.pgp_keys WHERE tenant_id = $1 AND purpose = $2 AND fingerprint = $3",
    )
    .bind(tenant.id().0)
    .bind(purpose.name())
    .bind(fingerprint)
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if removed > 0 {
        audit::note(&mut tx, tenant.id(), "remove_pgp_key", Some(fingerprint)).await?;
    }
    tx.commit().await?;
    Ok(json!({"fingerprint": fingerprint, "purpose": purpose.name(), "removed": removed > 0}))
}
