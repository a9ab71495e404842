//! S3's own lifecycle rules, the backstop behind sweep: whole days, rounded up.

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration,
    LifecycleRule as SdkRule, LifecycleRuleFilter, NoncurrentVersionExpiration,
};
use contract::Folder;

use crate::Error;

/// A tenant's settings for the folders of its bucket, in hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Incoming.
    pub incoming_hours: i32,
    /// Finished.
    pub finished_hours: i32,
    /// Invalids.
    pub invalids_hours: i32,
    /// Exports.
    pub exports_hours: i32,
}

/// One rule of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleRule {
    /// Its name in the bucket.
    pub id: String,
    /// The keys it is for.
    pub prefix: String,
    /// Objects go this many days after they were written.
    pub expire_days: Option<i32>,
    /// Unfinished multipart uploads go this many days after they were begun.
    pub abort_days: Option<i32>,
    /// Old versions, should the bucket have any, go this many days after they became old.
    pub old_version_days: Option<i32>,
}

/// The rules that mirror the settings: one per folder, and one for what no listing shows.
pub fn lifecycle(retention: &Retention) -> Vec<LifecycleRule> {
    let folder = |folder: Folder, hours: i32| LifecycleRule {
        id: folder.name().to_lowercase(),
        prefix: folder.key(""),
        expire_days: Some(whole_days(hours)),
        abort_days: Some(match folder {
            // Customers may go on with an upload as long as a file would stay, counted by sweep from its last bytes. S3 counts from the
            // first: twice that time.
            Folder::Incoming => 2 * whole_days(hours),
            // Begun by functions: a day is longer than any of those lasts.
            Folder::Finished | Folder::Invalids | Folder::Exports => 1,
        }),
        old_version_days: None,
    };
    vec![
        folder(Folder::Incoming, retention.incoming_hours),
        folder(Folder::Finished, retention.finished_hours),
        folder(Folder::Invalids, retention.invalids_hours),
        folder(Folder::Exports, retention.exports_hours),
        LifecycleRule {
            id: "old-versions".to_owned(),
            prefix: String::new(),
            expire_days: None,
            // Of overlapping rules the shortest time counts.
            abort_days: None,
            old_version_days: Some(1),
        },
    ]
}

/// The one rule of a bucket whose objects are deleted by functions, each by its own rule: what they forget goes after so many days.
pub fn backstop(days: i32) -> LifecycleRule {
    LifecycleRule {
        id: "retention".to_owned(),
        prefix: String::new(),
        expire_days: Some(days),
        abort_days: Some(days),
        old_version_days: None,
    }
}

/// Rounded up, one at least.
pub fn whole_days(hours: i32) -> i32 {
    ((hours + 23) / 24).max(1)
}

/// The rules as `PutBucketLifecycleConfiguration` takes them.
pub fn lifecycle_configuration(rules: &[LifecycleRule]) -> Result<BucketLifecycleConfiguration, Error> {
    let unbuilt = |_| Error::Refused {
        operation: "PutBucketLifecycleConfiguration",
        status: 0,
        code: "unbuilt".to_owned(),
    };
    let rules = rules.iter().map(|rule| {
        let abort = |days| AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build();
        let old = |days| NoncurrentVersionExpiration::builder().noncurrent_days(days).build();
        SdkRule::builder()
            .id(&rule.id)
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix(&rule.prefix).build())
            .set_expiration(rule.expire_days.map(|days| LifecycleExpiration::builder().days(days).build()))
            .set_abort_incomplete_multipart_upload(rule.abort_days.map(abort))
            .set_noncurrent_version_expiration(rule.old_version_days.map(old))
            .build()
    });
    let rules = rules.collect::<Result<Vec<_>, _>>().map_err(unbuilt)?;
    BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().map_err(unbuilt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_round_up_to_whole_days() {
        for (hours, days) in [(1, 1), (24, 1), (25, 2), (48, 2), (8760, 365)] {
            assert_eq!(whole_days(hours), days, "{hours}");
        }
    }

    #[test]
    fn every_folder_has_its_rule_and_unfinished_uploads_go() {
        let rules = lifecycle(&Retention {
            incoming_hours: 48,
            finished_hours: 24,
            invalids_hours: 168,
            exports_hours: 336,
        });
        let short: Vec<_> =
            rules.iter().map(|rule| (rule.prefix.as_str(), rule.expire_days, rule.abort_days)).collect();
        assert_eq!(
            short,
            [
                ("Incoming/", Some(2), Some(4)),
                ("Finished/", Some(1), Some(1)),
                ("Invalids/", Some(7), Some(1)),
                ("Exports/", Some(14), Some(1)),
                ("", None, None),
            ]
        );
        assert_eq!(lifecycle_configuration(&rules).unwrap().rules().len(), 5);
    }
}
