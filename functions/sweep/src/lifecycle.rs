//! S3's own rules, the backstop behind what functions delete: kept as the settings say, on the tenant's bucket and on those of all.

use aws_sdk_s3::{
    Client,
    error::ProvideErrorMetadata,
    types::{
        AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRule,
        NoncurrentVersionExpiration,
    },
};
use contract::TenantId;
use runtime::AwsError;
use sqlx::PgConnection;
use store::StoreError;
use time::{Duration, OffsetDateTime};

use crate::{Error, Job, Sweep};

/// A report that nobody could use names a person all the same.
const REPORTS_DAYS: i32 = 7;
/// A backup is 35 days old at most, what it starts from a day more: nobody needs what the journal said before.
const JOURNAL_DAYS: i32 = 37;

/// A quarter of a year: so long operators see what had drifted.
const NOTED: Duration = Duration::days(90);

/// What S3 answers for a bucket without any rules.
const NO_RULES: &str = "NoSuchLifecycleConfiguration";

/// The tenant's bucket.
pub async fn restore(job: &Job<'_>) -> Result<(), Error> {
    let rules = exchange::lifecycle(&job.settings.retention);
    if restore_rules(&job.sweep.clients.s3, &job.bucket, &rules).await? {
        tracing::warn!(tenant = %job.tenant, "the bucket's lifecycle rules had drifted");
        let mut tx = job.tx().await?;
        note(&mut tx, Some(job.tenant), &job.bucket, job.real_now).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Buckets of all tenants. A message in the spool lives as long as its campaign may, the end of an unfinished upload as long as that.
pub async fn restore_shared(sweep: &Sweep, now: OffsetDateTime) -> Result<(), Error> {
    let hours: Option<i32> =
        sqlx::query_scalar("SELECT max(greatest(campaign_hours_max, incoming_hours)) FROM broadcast.tenants")
            .fetch_one(sweep.store.pool())
            .await?;
    // Sweep's own day comes first.
    let spool_days = hours.map_or(1, |hours| exchange::whole_days(hours) + 1);
    for (bucket, days) in [
        (&sweep.spool_bucket, spool_days),
        (&sweep.reports_bucket, REPORTS_DAYS),
        (&sweep.journal_bucket, JOURNAL_DAYS),
    ] {
        if restore_rules(&sweep.clients.s3, bucket, &[exchange::backstop(days)]).await? {
            tracing::warn!(bucket, days, "lifecycle rules were not as the settings ask for");
            note(&mut *sweep.store.pool().acquire().await?, None, bucket, now).await?;
        }
    }
    sqlx::query("DELETE FROM broadcast.drifts WHERE at <= $1")
        .bind(now - NOTED)
        .execute(sweep.store.pool())
        .await?;
    Ok(())
}

/// Notes it for operators.
async fn note(
    db: &mut PgConnection,
    tenant: Option<TenantId>,
    bucket: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO broadcast.drifts (at, tenant_id, bucket) VALUES ($1, $2, $3)")
        .bind(now)
        .bind(tenant.map(|tenant| tenant.0))
        .bind(bucket)
        .execute(db)
        .await?;
    Ok(())
}

/// Puts the rules when they are not as they must be; says whether they were not: somebody changed the bucket behind our back, or a setting.
async fn restore_rules(s3: &Client, bucket: &str, rules: &[exchange::LifecycleRule]) -> Result<bool, Error> {
    let wanted = exchange::lifecycle_configuration(rules)?;
    let found = match s3.get_bucket_lifecycle_configuration().bucket(bucket).send().await {
        Ok(answer) => answer.rules.unwrap_or_default(),
        Err(error) if error.code() == Some(NO_RULES) => Vec::new(),
        Err(error) => return Err(AwsError::of("GetBucketLifecycleConfiguration", &error).into()),
    };
    if same(&found, wanted.rules()) {
        return Ok(false);
    }
    s3.put_bucket_lifecycle_configuration()
        .bucket(bucket)
        .lifecycle_configuration(wanted)
        .send()
        .await
        .map_err(|error| AwsError::of("PutBucketLifecycleConfiguration", &error))?;
    Ok(true)
}

/// Whether the rules do the same, in whatever order and with whatever names S3 lists them.
fn same(found: &[LifecycleRule], wanted: &[LifecycleRule]) -> bool {
    sorted_effects(found) == sorted_effects(wanted)
}

/// Status, prefix, days to the expiry, to the end of an unfinished upload, of an old version.
type Effect<'a> = (bool, &'a str, Option<i32>, Option<i32>, Option<i32>);

fn sorted_effects(rules: &[LifecycleRule]) -> Vec<Effect<'_>> {
    let mut effects: Vec<_> = rules.iter().map(effect).collect();
    effects.sort_unstable();
    effects
}

fn effect(rule: &LifecycleRule) -> Effect<'_> {
    let prefix = rule.filter().and_then(|filter| filter.prefix()).unwrap_or_default();
    (
        *rule.status() == ExpirationStatus::Enabled,
        prefix,
        rule.expiration().and_then(LifecycleExpiration::days),
        rule.abort_incomplete_multipart_upload()
            .and_then(AbortIncompleteMultipartUpload::days_after_initiation),
        rule.noncurrent_version_expiration().and_then(NoncurrentVersionExpiration::noncurrent_days),
    )
}

#[cfg(test)]
mod tests {
    use exchange::{Retention, lifecycle, lifecycle_configuration};

    use super::*;

    fn rules(incoming_hours: i32) -> Vec<LifecycleRule> {
        let retention =
            Retention { incoming_hours, finished_hours: 24, invalids_hours: 168, exports_hours: 336 };
        lifecycle_configuration(&lifecycle(&retention)).unwrap().rules().to_vec()
    }

    #[test]
    fn drift_is_seen_and_order_is_none() {
        let wanted = rules(48);
        let mut turned = rules(48);
        turned.reverse();
        assert!(same(&turned, &wanted));
        assert!(!same(&rules(49), &wanted));
        assert!(!same(&wanted[1..], &wanted));
        assert!(!same(&[], &wanted));
        let mut disabled = rules(48);
        disabled[0].status = ExpirationStatus::Disabled;
        assert!(!same(&disabled, &wanted));
    }
}
