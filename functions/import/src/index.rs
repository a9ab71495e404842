//! `broadcast.files`: what the File Exchange holds, as far as imports change it.

use contract::{Folder, TenantId};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::Error;

/// A file that arrived, or was overwritten: another content is a new file, without the old one's lease.
pub async fn arrived(
    tx: &mut PgConnection,
    tenant: TenantId,
    folder: Folder,
    name: &str,
    meta: &exchange::Meta,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO broadcast.files AS f (tenant_id, folder, name, etag, size, arrived_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id, folder, name) DO UPDATE
             SET etag = excluded.etag, size = excluded.size, arrived_at = excluded.arrived_at,
                 leased_until = CASE WHEN f.etag = excluded.etag THEN f.leased_until END",
    )
    .bind(tenant.0)
    .bind(folder.name())
    .bind(name)
    .bind(&meta.etag)
    .bind(i64::try_from(meta.size).unwrap_or(i64::MAX))
    .bind(meta.modified)
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps sweep away from a file that is being imported.
pub async fn lease(
    tx: &mut PgConnection,
    tenant: TenantId,
    name: &str,
    etag: &str,
    until: Option<OffsetDateTime>,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE broadcast.files SET leased_until = $4
         WHERE tenant_id = $1 AND folder = 'Incoming' AND name = $2 AND etag = $3",
    )
    .bind(tenant.0)
    .bind(name)
    .bind(etag)
    .bind(until)
    .execute(tx)
    .await?;
    Ok(())
}

/// A file that is no longer in Incoming.
pub async fn gone(tx: &mut PgConnection, tenant: TenantId, name: &str, etag: &str) -> Result<(), Error> {
    sqlx::query(
        "DELETE FROM broadcast.files WHERE tenant_id = $1 AND folder = 'Incoming' AND name = $2 AND etag = $3",
    )
    .bind(tenant.0)
    .bind(name)
    .bind(etag)
    .execute(tx)
    .await?;
    Ok(())
}
