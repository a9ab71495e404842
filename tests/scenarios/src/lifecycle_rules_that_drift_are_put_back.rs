//! S3's own rules are what the settings say, also when somebody changed them behind our back: of a tenant's bucket, and of those of all tenants.

use aws_sdk_s3::types::LifecycleRule;
use serde_json::json;
use testkit::{
    Stack, Tenant, own,
    tenant::{admin, invoke},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::everything_is_deleted_on_time::sweep;

/// Prefix and days of each rule that expires something.
async fn rules(tenant: &Tenant, bucket: &str) -> Vec<(String, i32)> {
    let found = tenant.aws.s3.get_bucket_lifecycle_configuration().bucket(bucket).send().await.unwrap();
    let rule = |rule: &LifecycleRule| {
        let prefix = rule.filter().and_then(|filter| filter.prefix()).unwrap_or_default().to_owned();
        Some((prefix, rule.expiration()?.days()?))
    };
    let mut rules: Vec<_> = found.rules().iter().filter_map(rule).collect();
    rules.sort();
    rules
}

fn expected(rules: &[(&str, i32)]) -> Vec<(String, i32)> {
    rules.iter().map(|(prefix, days)| ((*prefix).to_owned(), *days)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn within_a_sweep() {
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "drift", &["sweep"]).await;
    let tenant = Tenant::new(&stack, "drift").await;
    let buckets = &stack.deployment.buckets;
    for bucket in [&tenant.bucket, &buckets["spool"], &buckets["reports"], &buckets["journal"]] {
        tenant.aws.s3.delete_bucket_lifecycle().bucket(bucket).send().await.unwrap();
    }
    // Beyond the usual: 200 days and one of sweep's own.
    let settings = json!({"command": "set_tenant", "slug": tenant.slug, "campaign_hours_max": 4800, "finished_hours": 25});
    admin(&stack, settings).await;
    tenant.aws.s3.delete_bucket_lifecycle().bucket(&tenant.bucket).send().await.unwrap();

    sweep(&tenant, OffsetDateTime::now_utc()).await;
    let folders = [("Exports/", 14), ("Finished/", 2), ("Incoming/", 2), ("Invalids/", 7)];
    assert_eq!(rules(&tenant, &tenant.bucket).await, expected(&folders));
    let event = json!({"time": OffsetDateTime::now_utc().format(&Rfc3339).unwrap()});
    invoke(&stack, "sweep", &event).await;
    for (bucket, days) in [("spool", 201), ("reports", 7), ("journal", 37)] {
        assert_eq!(rules(&tenant, &buckets[bucket]).await, expected(&[("", days)]), "{bucket}");
    }
    own::undeploy(&stack).await;
}
