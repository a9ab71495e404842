//! A tenant's keys: those that we make, whose secrets go to Secrets Manager, and those that the customer hands in.

use access::{ApiKey, NewApiKey};
use openpgp::PublicKey;
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{Admin, AdminError, KeyPurpose, audit, secret, tenant::Tenant};

/// The tenant's own OpenPGP key pair. Its secret is stored before its row: a crash between leaves a secret that nobody ever encrypted to.
pub(crate) async fn ensure_openpgp(
    admin: &Admin,
    db: &mut PgConnection,
    tenant: &Tenant,
    now: OffsetDateTime,
) -> Result<(), AdminError> {
    let exists: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM broadcast.pgp_keys WHERE tenant_id = $1 AND purpose = 'own' AND retired_at IS NULL)",
    )
    .bind(tenant.id().0)
    .fetch_one(&mut *db)
    .await?;
    if exists {
        return Ok(());
    }
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
    audit::note(db, tenant.id(), "make_openpgp_key", Some(&pair.fingerprint)).await
}

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

/// Registers a customer's OpenPGP certificate, after a look at whether it can do now what it is for.
pub(crate) async fn add_pgp(
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
