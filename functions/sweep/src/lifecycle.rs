//! S3's own rules on the tenant's bucket, the backstop behind sweep: kept as the settings say.

use aws_sdk_s3::{
    error::ProvideErrorMetadata,
    types::{
        AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRule,
        NoncurrentVersionExpiration,
    },
};
use runtime::AwsError;

use crate::{Error, Job};

/// What S3 answers for a bucket without any rules.
const NO_RULES: &str = "NoSuchLifecycleConfiguration";

/// Puts the rules when they are not as they must be, and says so: somebody changed the bucket behind our back.
pub async fn restore(job: &Job<'_>) -> Result<(), Error> {
    let wanted = exchange::lifecycle_configuration(&exchange::lifecycle(&job.settings.retention))?;
    let s3 = &job.sweep.clients.s3;
    let found = match s3.get_bucket_lifecycle_configuration().bucket(&job.bucket).send().await {
        Ok(answer) => answer.rules.unwrap_or_default(),
        Err(error) if error.code() == Some(NO_RULES) => Vec::new(),
        Err(error) => return Err(AwsError::of("GetBucketLifecycleConfiguration", &error).into()),
    };
    if same(&found, wanted.rules()) {
        return Ok(());
    }
    tracing::warn!(tenant = %job.tenant, rules = found.len(), "the bucket's lifecycle rules had drifted");
    s3.put_bucket_lifecycle_configuration()
        .bucket(&job.bucket)
        .lifecycle_configuration(wanted)
        .send()
        .await
        .map_err(|error| AwsError::of("PutBucketLifecycleConfiguration", &error))?;
    Ok(())
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
