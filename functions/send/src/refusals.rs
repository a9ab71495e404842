//! What the relay refused at once is told as what came back later is: as a response, so that reports and exports show it.

use store::{CampaignTx, SoftBounce, StoreError, note_soft_bounces};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Place;

/// Writes the responses of a slice's refused mails that have none yet. Its message comes until this was done, also when an invocation died.
pub(crate) async fn record(
    tx: &mut CampaignTx,
    place: Place,
    slice: i32,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    // Seldom any: the lock of those who write responses is taken for them alone.
    let some: Option<i32> = sqlx::query_scalar(
        "SELECT 1 FROM ledger WHERE launch_id = $1 AND slice = $2 AND class IS NOT NULL AND NOT proof LIMIT 1",
    )
    .bind(place.launch.0)
    .bind(slice)
    .fetch_optional(&mut **tx)
    .await?;
    if some.is_none() {
        return Ok(());
    }
    tx.share_responses().await?;
    // One for each mail, whoever comes twice: the id is the mail's. A campaign that is being closed takes none any more.
    let soft: Vec<(Uuid, OffsetDateTime, Vec<u8>)> = sqlx::query_as(
        "WITH stored AS (
             INSERT INTO responses (event_id, at, kind, class, mail_id, diagnostic, actor, stored_at)
             SELECT md5('refused/' || $3 || '/' || id)::uuid, changed_at, 'bounced', class, id, reply, 'system', $4
             FROM ledger WHERE launch_id = $1 AND slice = $2 AND class IS NOT NULL AND NOT proof
                   AND EXISTS (SELECT FROM broadcast.campaigns WHERE id = $5 AND state = 'open')
             ORDER BY id
             ON CONFLICT (event_id) DO NOTHING RETURNING event_id, at, class, mail_id)
         SELECT event_id, at, address_key FROM stored JOIN ledger ON ledger.id = mail_id WHERE stored.class = 'soft'",
    )
    .bind(place.launch.0)
    .bind(slice)
    .bind(place.campaign.0.to_string())
    .bind(now)
    .bind(place.campaign.0)
    .fetch_all(&mut **tx)
    .await?;
    let soft = soft
        .into_iter()
        .filter_map(|(event, at, key)| Some(SoftBounce { address_key: key.try_into().ok()?, event, at }));
    note_soft_bounces(tx, place.tenant, &soft.collect::<Vec<_>>(), now).await?;
    Ok(())
}
