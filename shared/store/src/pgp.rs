//! The rows of a tenant's OpenPGP keys: certificates, and for the tenant's own the names of their secrets.

use contract::TenantId;
use sqlx::PgConnection;

use crate::StoreError;

/// One key in use.
#[derive(Debug, sqlx::FromRow)]
pub struct PgpKey {
    /// `own`, `signer` or `recipient`.
    pub purpose: String,
    /// The certificate, in ASCII armor.
    pub public_key: String,
    /// Of an own key: its private half in Secrets Manager.
    pub secret_name: Option<String>,
}

/// The keys in use for these purposes, the newest first.
pub async fn pgp_keys(
    tx: &mut PgConnection,
    tenant: TenantId,
    purposes: &[&str],
) -> Result<Vec<PgpKey>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT purpose, public_key, secret_name FROM broadcast.pgp_keys
         WHERE tenant_id = $1 AND purpose = ANY($2) AND retired_at IS NULL ORDER BY id DESC",
    )
    .bind(tenant.0)
    .bind(purposes)
    .fetch_all(tx)
    .await?)
}
