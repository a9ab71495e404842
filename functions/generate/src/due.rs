//! The schedule: whatever waits and whose message may be lost.

use std::sync::Arc;

use contract::{CampaignId, GenerateMessage, LaunchId, TenantId};
use runtime::Tick;
use sqlx::FromRow;
use store::StoreError;
use time::{Duration, OffsetDateTime};

use crate::{Error, Generate, NUDGE, Place};

/// A launch that is still preparing after this has lost its message, or is large; a second start of one that is being prepared does nothing.
const PREPARING_MAX: Duration = Duration::minutes(1);
/// Of one launch in one minute. What is more comes with the next.
const ROWS_MAX: i64 = 100_000;

#[derive(FromRow)]
struct Open {
    tenant_id: i64,
    campaign_id: i64,
    id: i64,
    state: String,
    created_at: OffsetDateTime,
}

/// Looks at every launch that is not over. One that fails does not hold up the others.
pub async fn tick(generate: Arc<Generate>, tick: Tick) -> Result<(), Error> {
    let launches: Vec<Open> = sqlx::query_as(
        "SELECT tenant_id, campaign_id, id, state, created_at FROM broadcast.launches
         WHERE state IN ('preparing', 'running') ORDER BY id",
    )
    .fetch_all(generate.store.pool())
    .await?;
    let mut first = Ok(());
    for open in launches {
        let done = nudge(&generate, &open, tick.now).await;
        if !matches!(done, Err(Error::Store(StoreError::NoCampaign))) {
            first = first.and(done);
        }
    }
    first
}

async fn nudge(generate: &Generate, open: &Open, now: OffsetDateTime) -> Result<(), Error> {
    let place = Place {
        tenant: TenantId(open.tenant_id),
        campaign: CampaignId(open.campaign_id),
        launch: LaunchId(open.id),
    };
    let Place { tenant, campaign, launch } = place;
    let messages = if open.state == "preparing" {
        if open.created_at + PREPARING_MAX > now {
            return Ok(());
        }
        vec![GenerateMessage::Launch { tenant, campaign, launch }]
    } else {
        overdue(generate, place, now).await?.into_iter().map(|slice| place.slice(slice)).collect()
    };
    Ok(generate.clients.send_batch(&generate.queue, tenant, &messages).await?)
}

/// Slices with pending rows that have waited too long. Their next nudge is put off first: a message that is then lost comes again with it.
async fn overdue(generate: &Generate, place: Place, now: OffsetDateTime) -> Result<Vec<i32>, Error> {
    let mut tx = generate.store.campaign(place.tenant, place.campaign).await?;
    let slices = sqlx::query_scalar(
        "WITH due AS (SELECT id FROM ledger WHERE due_at <= $2 AND launch_id = $1 AND state = 'pending'
                      ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED),
              moved AS (UPDATE ledger SET due_at = $3 WHERE id IN (SELECT id FROM due) RETURNING slice)
         SELECT DISTINCT slice FROM moved ORDER BY slice",
    )
    .bind(place.launch.0)
    .bind(now)
    .bind(now + NUDGE)
    .bind(ROWS_MAX)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(slices)
}
