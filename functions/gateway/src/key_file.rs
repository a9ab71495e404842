//! The tenant's public OpenPGP key, which stands in the root as a file that can only be read: uploads are encrypted to it.

use bytes::Bytes;
use contract::TenantId;
use store::Store;
use time::OffsetDateTime;

use crate::Error;

/// The file.
pub struct KeyFile {
    /// ASCII armour (RFC 9580, 6).
    pub text: Bytes,
    pub made_at: OffsetDateTime,
}

/// The newest key of the tenant's own that is not retired; `None` when it has none.
pub async fn read(store: &Store, tenant: TenantId) -> Result<Option<KeyFile>, Error> {
    let mut tx = store.tenant(tenant).await?;
    let key: Option<(String, OffsetDateTime)> = sqlx::query_as(
        "SELECT public_key, created_at FROM broadcast.pgp_keys
         WHERE tenant_id = $1 AND purpose = 'own' AND retired_at IS NULL ORDER BY id DESC LIMIT 1",
    )
    .bind(tenant.0)
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(key.map(|(text, made_at)| KeyFile { text: text.into(), made_at }))
}
