//! Legal holds: a campaign that is kept beyond its lifetime, for a reason that stays on the record.

use contract::CampaignId;
use serde_json::Value;
use sqlx::PgConnection;
use store::receipts::{self, Entry};
use time::OffsetDateTime;

use crate::{Admin, AdminError, audit, tenant::Tenant};

/// Keeps the campaign until the hold is released. One that is held already stays so, by its first reason.
pub(crate) async fn hold(
    admin: &Admin,
    slug: &str,
    campaign: CampaignId,
    (reason, by): (&str, &str),
    now: OffsetDateTime,
) -> Result<Value, AdminError> {
    let by = audit::name_of(by)?;
    let mut db = admin.store.pool().acquire().await?;
    let tenant = Tenant::load(&mut db, slug).await?;
    let mut tx = sqlx::Connection::begin(&mut *db).await?;
    // Whoever begins the tenant's end changes this row first.
    let ends: bool = sqlx::query_scalar(
        "SELECT status IN ('deleting', 'ending') FROM broadcast.tenants WHERE id = $1 FOR NO KEY UPDATE",
    )
    .bind(tenant.id().0)
    .fetch_one(&mut *tx)
    .await?;
    if ends {
        return Err(AdminError::TenantEnds);
    }
    // Whoever closes a campaign changes this row first: it is closed, or it is held, never both.
    let state: Option<String> = sqlx::query_scalar(
        "SELECT state FROM broadcast.campaigns WHERE tenant_id = $1 AND id = $2 FOR UPDATE",
    )
    .bind(tenant.id().0)
    .bind(campaign.0)
    .fetch_optional(&mut *tx)
    .await?;
    match state.as_deref() {
        None => return Err(AdminError::UnknownCampaign),
        Some("open") => {}
        Some(_) => return Err(AdminError::CampaignEnded),
    }
    let made = sqlx::query(
        "INSERT INTO broadcast.holds (tenant_id, campaign_id, reason, held_at, held_by) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (campaign_id) WHERE released_at IS NULL DO NOTHING",
    )
    .bind(tenant.id().0)
    .bind(campaign.0)
    .bind(reason.trim())
    .bind(now)
    .bind(by)
    .execute(&mut *tx)
    .await?;
    if made.rows_affected() == 1 {
        note(&mut tx, &tenant, by, ("hold_campaign", "hold"), campaign, now).await?;
    }
    tx.commit().await?;
    holds(&mut db, &tenant).await
}

/// Ends the hold: a campaign whose lifetime is over is deleted by the next sweep.
pub(crate) async fn release(
    admin: &Admin,
    slug: &str,
    campaign: CampaignId,
    by: &str,
    now: OffsetDateTime,
) -> Result<Value, AdminError> {
    let by = audit::name_of(by)?;
    let mut db = admin.store.pool().acquire().await?;
    let tenant = Tenant::load(&mut db, slug).await?;
    let mut tx = sqlx::Connection::begin(&mut *db).await?;
    let released = sqlx::query(
        "UPDATE broadcast.holds SET released_at = $3, released_by = $4 WHERE tenant_id = $1 AND campaign_id = $2 AND released_at IS NULL",
    )
    .bind(tenant.id().0)
    .bind(campaign.0)
    .bind(now)
    .bind(by)
    .execute(&mut *tx)
    .await?;
    if released.rows_affected() == 1 {
        note(&mut tx, &tenant, by, ("release_campaign", "release"), campaign, now).await?;
    }
    tx.commit().await?;
    holds(&mut db, &tenant).await
}

/// All holds of a tenant, also those that were released.
pub(crate) async fn show(admin: &Admin, slug: &str) -> Result<Value, AdminError> {
    let mut db = admin.store.pool().acquire().await?;
    let tenant = Tenant::load(&mut db, slug).await?;
    holds(&mut db, &tenant).await
}

async fn holds(db: &mut PgConnection, tenant: &Tenant) -> Result<Value, AdminError> {
    let holds = sqlx::query_scalar(
        "SELECT jsonb_build_object('holds', coalesce(jsonb_agg(jsonb_build_object(
                    'campaign', h.campaign_id, 'name', c.name, 'reason', reason, 'held_at', held_at, 'held_by', held_by,
                    'released_at', released_at, 'released_by', released_by) ORDER BY h.id), '[]'))
         FROM broadcast.holds h JOIN broadcast.campaigns c ON c.id = h.campaign_id WHERE h.tenant_id = $1",
    );
    Ok(holds.bind(tenant.id().0).fetch_one(db).await?)
}

async fn note(
    db: &mut PgConnection,
    tenant: &Tenant,
    by: &str,
    (action, what): (&str, &'static str),
    campaign: CampaignId,
    now: OffsetDateTime,
) -> Result<(), AdminError> {
    audit::note_by(db, tenant.id(), by, action, Some(&campaign.to_string())).await?;
    // In the chain, too: nobody can take a hold out of the record later.
    let entry = Entry { what, ids: vec![campaign.0], count: 1, rule: "legal hold".to_owned() };
    Ok(receipts::append(db, tenant.id(), now, vec![entry]).await?)
}
