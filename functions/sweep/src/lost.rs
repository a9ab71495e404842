//! Work that stands still because a message or an event was lost, or because the one who did it died. Each nudge may be one too many:
//! who gets it looks at what is there.

use contract::{CampaignId, Folder, ImportId, ImportMessage, LaunchId, control_file_of};
use serde_json::{Value, json};
use sqlx::Row;
use store::StoreError;
use time::Duration;

use crate::{Error, Job};

/// An event that did not come within this time is lost; an import or launch that stood still so long needs a nudge.
const LOST_AFTER: Duration = Duration::minutes(10);
/// Of each kind in one run; the next run has the others.
const NUDGES_MAX: i64 = 100;

/// Nudges control files without an import, imports that nobody runs, launches that nobody ended.
pub async fn nudge(job: &Job<'_>) -> Result<(), Error> {
    control_files(job).await?;
    imports(job).await?;
    launches(job).await
}

/// A control file and its file stand in Incoming, and no import is under way: the event is sent once more, as S3 would.
async fn control_files(job: &Job<'_>) -> Result<(), Error> {
    let mut tx = job.tx().await?;
    let rows = sqlx::query(
        "SELECT control.name, control.etag, control.size
         FROM broadcast.files AS control JOIN broadcast.files AS data
           ON data.tenant_id = control.tenant_id AND data.folder = control.folder AND control.name = data.name || $3
         WHERE control.tenant_id = $1 AND control.folder = $2 AND greatest(control.arrived_at, data.arrived_at) <= $4
           AND NOT EXISTS (SELECT FROM broadcast.imports AS i WHERE i.tenant_id = $1 AND i.file_name = data.name AND i.etag = data.etag
                           AND i.state NOT IN ('finished', 'refused'))
         ORDER BY control.arrived_at LIMIT $5",
    )
    .bind(job.tenant.0)
    .bind(Folder::Incoming.name())
    .bind(control_file_of(""))
    .bind(job.now - LOST_AFTER)
    .bind(NUDGES_MAX)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    for row in &rows {
        let key = Folder::Incoming.key(row.get("name"));
        let event = notification(&job.bucket, &key, row.get("etag"), row.get("size"));
        job.sweep.clients.send_json(&job.sweep.import_queue_url, job.tenant, &event).await?;
    }
    if !rows.is_empty() {
        tracing::warn!(tenant = %job.tenant, count = rows.len(), "control files without an import: their events were sent again");
    }
    Ok(())
}

/// An S3 notification of one object.
fn notification(bucket: &str, key: &str, etag: &str, size: i64) -> Value {
    json!({"Records": [{
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": form_encoded(key), "eTag": etag, "size": size}},
    }]})
}

/// As S3 writes keys into notifications.
fn form_encoded(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' | b'/' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            _ => {
                encoded.push('%');
                for nibble in [byte >> 4, byte & 15] {
                    encoded
                        .push(char::from_digit(nibble.into(), 16).unwrap_or_default().to_ascii_uppercase());
                }
            }
        }
    }
    encoded
}

/// Imports that are not at their end, with nobody's lease on them.
async fn imports(job: &Job<'_>) -> Result<(), Error> {
    let mut tx = job.tx().await?;
    let imports: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM broadcast.imports
         WHERE tenant_id = $1 AND state NOT IN ('finished', 'refused') AND coalesce(lease_until, created_at) <= $2 ORDER BY id LIMIT $3",
    )
    .bind(job.tenant.0)
    .bind(job.now - LOST_AFTER)
    .bind(NUDGES_MAX)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    for import in imports.into_iter().map(ImportId) {
        let message = ImportMessage::Import { tenant: job.tenant, import };
        job.sweep.clients.send_json(&job.sweep.import_queue_url, job.tenant, &message).await?;
        tracing::warn!(tenant = %job.tenant, %import, "an import stood still");
    }
    Ok(())
}

/// Launches all of whose mails are settled, for instance by evidence in place of their sender. A paused one is left to whoever resumes it.
async fn launches(job: &Job<'_>) -> Result<(), Error> {
    let mut tx = job.tx().await?;
    let running: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT campaign_id, id FROM broadcast.launches
         WHERE tenant_id = $1 AND ended_at IS NULL AND state IN ('running', 'cancelled') ORDER BY id",
    )
    .bind(job.tenant.0)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    for (campaign, launch) in
        running.into_iter().map(|(campaign, launch)| (CampaignId(campaign), LaunchId(launch)))
    {
        let mut tx = match job.sweep.store.campaign(job.tenant, campaign).await {
            Ok(tx) => tx,
            Err(StoreError::NoCampaign) => continue,
            Err(error) => return Err(error.into()),
        };
        // A lifetime starts at the real end, whatever time retention is measured against.
        if store::finish_launch(&mut tx, launch, job.real_now).await? {
            tx.commit().await?;
            tracing::info!(tenant = %job.tenant, %campaign, %launch, "a launch had ended");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_reads_as_one_of_s3() {
        let key = "Incoming/Größe +1 & 100%/a.csv.ctl";
        let body = notification("bucket", key, "abc", 3).to_string();
        let events = contract::parse_object_events(&body).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].bucket.as_str(), events[0].key.as_str()), ("bucket", key));
        assert_eq!((events[0].etag.as_deref(), events[0].size), (Some("abc"), Some(3)));
    }
}
