//! Soft bounces of an address, counted over all campaigns of a tenant.

use contract::TenantId;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::StoreError;

/// A mail that came back and may be taken another time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftBounce {
    /// The digest of its address.
    pub address_key: [u8; 16],
    /// The response's id: however often it is told, it counts once.
    pub event: Uuid,
    /// When it came back.
    pub at: OffsetDateTime,
}

/// Counts them, and suppresses the addresses that have too many now, by the tenant's own settings; says how many those are.
pub async fn note_soft_bounces(
    tx: &mut PgConnection,
    tenant: TenantId,
    bounces: &[SoftBounce],
    now: OffsetDateTime,
) -> Result<i64, StoreError> {
    if bounces.is_empty() {
        return Ok(0);
    }
    let keys: Vec<&[u8]> = bounces.iter().map(|bounce| bounce.address_key.as_slice()).collect();
    sqlx::query(
        "INSERT INTO broadcast.soft_bounces (tenant_id, address_key, event_id, at)
         SELECT $1, * FROM unnest($2::bytea[], $3::uuid[], $4::timestamptz[]) AS told (address_key, event_id, at) ORDER BY 2, 3
         ON CONFLICT DO NOTHING",
    )
    .bind(tenant.0)
    .bind(&keys)
    .bind(bounces.iter().map(|bounce| bounce.event).collect::<Vec<_>>())
    .bind(bounces.iter().map(|bounce| bounce.at).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    let suppressed = sqlx::query(
        "INSERT INTO broadcast.suppressions (tenant_id, address_key, reason, created_at)
         SELECT t.id, s.address_key, 'bounced', $3
         FROM broadcast.tenants t JOIN broadcast.soft_bounces s ON s.tenant_id = t.id
         WHERE t.id = $1 AND t.soft_bounces_max > 0 AND s.address_key = ANY($2) AND s.at > $3 - make_interval(days => t.soft_bounce_days)
         GROUP BY t.id, s.address_key HAVING count(*) >= t.soft_bounces_max ORDER BY s.address_key
         ON CONFLICT (tenant_id, address_key) DO NOTHING",
    )
    .bind(tenant.0)
    .bind(&keys)
    .bind(now)
    .execute(&mut *tx)
    .await?
    .rows_affected();
    Ok(i64::try_from(suppressed).unwrap_or(i64::MAX))
}
