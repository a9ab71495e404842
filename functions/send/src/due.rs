//! The schedule: retries whose time has come, slices whose message is lost, rows whose invocation died, launches that are over. Of a paused
//! launch nothing goes out and nothing expires; its rows whose invocation died are settled all the same. What has no mail left ends with its
//! slice's own message.

use std::sync::Arc;

use contract::{CampaignId, LaunchId, TenantId};
use runtime::Tick;
use store::{
    StoreError,
    slices::{self, Stage},
};
use time::OffsetDateTime;

use crate::{Error, Place, Send, ledger, watch};

/// Looks whether the database is the newest, then at every launch that may have mails on their way. One that fails does not hold up the others.
pub async fn tick(send: Arc<Send>, tick: Tick) -> Result<(), Error> {
    let mut first = watch::look(&send).await;
    let launches: Vec<(i64, i64, i64)> = sqlx::query_as(
        "SELECT tenant_id, campaign_id, id FROM broadcast.launches
         WHERE ended_at IS NULL AND state IN ('running', 'paused', 'cancelled') ORDER BY id",
    )
    .fetch_all(send.store.pool())
    .await?;
    for (tenant, campaign, launch) in launches {
        let place =
            Place { tenant: TenantId(tenant), campaign: CampaignId(campaign), launch: LaunchId(launch) };
        let done = look(&send, place, tick.now).await;
        if !matches!(done, Err(Error::Store(StoreError::NoCampaign))) {
            first = first.and(done);
        }
    }
    first
}

async fn look(send: &Send, place: Place, now: OffsetDateTime) -> Result<(), Error> {
    let mut tx = send.store.campaign(place.tenant, place.campaign).await?;
    let Some(launch) = ledger::launch(&mut tx, place).await? else { return Ok(()) };
    let lost = ledger::settle_lost(&mut tx, place, None, now).await?;
    let (mut expired, mut due) = (0, Vec::new());
    if launch.state == "running" {
        if now >= launch.expires_at() {
            expired = ledger::expire(&mut tx, place, now).await?;
        }
        due = slices::overdue(&mut tx, place.launch, Stage::Sending, now, now + ledger::NUDGE).await?;
        due.extend(ledger::wake(&mut tx, place, now, ledger::RETRIES_MAX).await?);
        due.sort_unstable();
        due.dedup();
    } else if launch.state == "cancelled" {
        store::cancel_mails(&mut tx, place.launch, now, ledger::CANCELLED_MAX).await?;
    }
    store::finish_launch(&mut tx, place.launch, now).await?;
    tx.commit().await?;
    if lost + expired > 0 {
        tracing::warn!(launch = place.launch.0, lost, expired, "mails were given up");
    }
    let messages: Vec<_> = due.into_iter().map(|slice| place.slice(slice)).collect();
    Ok(send.clients.send_batch(&send.queue, place.tenant, &messages).await?)
}
