//! Heads of the chain of receipts, kept where nobody can change them: in a bucket with Object Lock.
//!
//! Who may write to the database can make a whole chain anew; what was anchored before shows it (`verify_receipts` of `admin`). Receipts are
//! committed first and anchored then, so no anchor is of a receipt that was rolled back. What a crash leaves between the two is anchored by the
//! next run.

use aws_sdk_s3::{primitives::DateTime, types::ObjectLockMode};
use contract::anchor_key;
use runtime::AwsError;
use sqlx::Row;
use store::receipts::Head;
use time::{Duration, OffsetDateTime};

use crate::{Error, Job};

/// For so long nobody deletes or changes an anchor, the account's root neither. Deletions are audited once a year, and the day is for the audit that
/// comes late. Not longer: a lock cannot be taken back, whatever its reason was.
const LOCKED_FOR: Duration = Duration::days(366);
/// What S3 answers where the object is there.
const ANCHORED_ALREADY: &str = "PreconditionFailed";

/// What is to be done about a chain's head.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nothing: it is anchored, or there is none.
    Leave,
    /// It has moved since the last anchor.
    Anchor,
    /// The anchored one is not there any more: somebody took receipts away.
    Missing,
}

/// By the newest receipt's number and the last anchored one's.
fn step(newest: i64, anchored: i64) -> Step {
    match newest.cmp(&anchored) {
        std::cmp::Ordering::Less => Step::Missing,
        std::cmp::Ordering::Equal => Step::Leave,
        std::cmp::Ordering::Greater => Step::Anchor,
    }
}

/// Anchors the head where it has moved: one small object, however many receipts came.
pub async fn put(job: &Job<'_>) -> Result<(), Error> {
    let (anchored, newest) = load(job).await?;
    let number = newest.as_ref().map_or(0, |(head, _)| head.number);
    match (step(number, anchored), newest) {
        (Step::Anchor, Some((head, at))) => {
            put_object(job, &head, at).await?;
            record(job, head.number).await
        }
        (Step::Missing, _) => {
            tracing::error!(tenant = %job.tenant, number, anchored, "receipts that were anchored are not there: verify_receipts tells which");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The last anchored number; the newest receipt's head and time.
async fn load(job: &Job<'_>) -> Result<(i64, Option<(Head, OffsetDateTime)>), Error> {
    let mut tx = job.tx().await?;
    let row = sqlx::query(
        "SELECT t.anchored_receipt, r.number, r.digest, r.at
         FROM broadcast.tenants AS t LEFT JOIN LATERAL (
             SELECT number, digest, at FROM broadcast.receipts WHERE tenant_id = t.id ORDER BY number DESC LIMIT 1) AS r ON true
         WHERE t.id = $1",
    )
    .bind(job.tenant.0)
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    let number: Option<i64> = row.get("number");
    let newest = number.map(|number| (Head { number, digest: row.get("digest") }, row.get("at")));
    Ok((row.get("anchored_receipt"), newest))
}

async fn put_object(job: &Job<'_>, head: &Head, at: OffsetDateTime) -> Result<(), Error> {
    let anchor = serde_json::to_vec(&head.anchor(job.tenant, at)).map_err(|_| AwsError::Json)?;
    let until = DateTime::from_secs((job.real_now + LOCKED_FOR).unix_timestamp());
    let object = job.sweep.clients.s3.put_object().bucket(&job.sweep.anchors_bucket);
    let put = object
        .key(anchor_key(job.tenant, head.number))
        .content_type("application/json")
        .object_lock_mode(ObjectLockMode::Compliance)
        .object_lock_retain_until_date(until)
        .if_none_match("*")
        .body(anchor.into())
        .send()
        .await;
    match put.map_err(|error| AwsError::of("PutObject", &error)) {
        // A run before this one put it and could not record it. If it says something else, verify_receipts finds that.
        Err(error) if error.code() == Some(ANCHORED_ALREADY) => Ok(()),
        other => other.map(|_| ()).map_err(Error::from),
    }
}

async fn record(job: &Job<'_>, number: i64) -> Result<(), Error> {
    let mut tx = job.tx().await?;
    sqlx::query(
        "UPDATE broadcast.tenants SET anchored_receipt = greatest(anchored_receipt, $2) WHERE id = $1",
    )
    .bind(job.tenant.0)
    .bind(number)
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_anchored_once_when_it_moves() {
        for (newest, anchored, expected) in [
            (0, 0, Step::Leave),
            (1, 0, Step::Anchor),
            (9, 0, Step::Anchor),
            (9, 9, Step::Leave),
            (10, 9, Step::Anchor),
            (8, 9, Step::Missing),
            (0, 1, Step::Missing),
        ] {
            assert_eq!(step(newest, anchored), expected, "{newest} after {anchored}");
        }
    }
}
