//! A tenant's bucket: closed to the public, encrypted, reached over TLS alone, with its lifecycle rules, telling the import queue what arrives.

use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, Event, FilterRule, FilterRuleName,
    NotificationConfiguration, NotificationConfigurationFilter, PublicAccessBlockConfiguration,
    QueueConfiguration, S3KeyFilter, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use contract::Folder;
use exchange::Retention;
use runtime::AwsError;
use serde_json::json;

use crate::{Admin, AdminError};

/// The one region that S3 wants left out of a bucket's creation.
const REGION_WITHOUT_CONSTRAINT: &str = "us-east-1";

/// Makes the bucket, or brings an existing one to these settings.
pub(crate) async fn put(admin: &Admin, bucket: &str, retention: &Retention) -> Result<(), AdminError> {
    create(admin, bucket).await?;
    close(admin, bucket).await?;
    encrypt(admin, bucket).await?;
    demand_tls(admin, bucket).await?;
    put_lifecycle(admin, bucket, retention).await?;
    notify(admin, bucket).await
}

async fn create(admin: &Admin, bucket: &str) -> Result<(), AdminError> {
    let region =
        admin.clients.sdk.region().map(AsRef::as_ref).filter(|region| *region != REGION_WITHOUT_CONSTRAINT);
    let place = region.map(|region| {
        CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(region))
            .build()
    });
    let created =
        admin.clients.s3.create_bucket().bucket(bucket).set_create_bucket_configuration(place).send().await;
    match created.map_err(|error| AwsError::of("CreateBucket", &error)) {
        Err(error) if error.code() != Some("BucketAlreadyOwnedByYou") => Err(error.into()),
        _ => Ok(()),
    }
}

async fn close(admin: &Admin, bucket: &str) -> Result<(), AdminError> {
    let closed = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    admin
        .clients
        .s3
        .put_public_access_block()
        .bucket(bucket)
        .public_access_block_configuration(closed)
        .send()
        .await
        .map_err(|error| AwsError::of("PutPublicAccessBlock", &error))?;
    Ok(())
}

async fn encrypt(admin: &Admin, bucket: &str) -> Result<(), AdminError> {
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::Aes256)
        .build()
        .map_err(|_| AdminError::Request("encryption"))?;
    let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default).build();
    let configuration = ServerSideEncryptionConfiguration::builder()
        .rules(rule)
        .build()
        .map_err(|_| AdminError::Request("encryption"))?;
    admin
        .clients
        .s3
        .put_bucket_encryption()
        .bucket(bucket)
        .server_side_encryption_configuration(configuration)
        .send()
        .await
        .map_err(|error| AwsError::of("PutBucketEncryption", &error))?;
    Ok(())
}

/// Nobody reaches it without TLS, whatever else they may do.
async fn demand_tls(admin: &Admin, bucket: &str) -> Result<(), AdminError> {
    // `aws`, or that of another partition.
    let partition = admin.import_queue_arn.split(':').nth(1).unwrap_or("aws");
    let arn = format!("arn:{partition}:s3:::{bucket}");
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, format!("{arn}/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }]});
    let put = admin.clients.s3.put_bucket_policy().bucket(bucket).policy(policy.to_string()).send().await;
    put.map_err(|error| AwsError::of("PutBucketPolicy", &error))?;
    Ok(())
}

/// Mirrors the tenant's settings, in S3's whole days: the backstop behind sweep.
pub(crate) async fn put_lifecycle(
    admin: &Admin,
    bucket: &str,
    retention: &Retention,
) -> Result<(), AdminError> {
    let rules = exchange::lifecycle_configuration(&exchange::lifecycle(retention))?;
    admin
        .clients
        .s3
        .put_bucket_lifecycle_configuration()
        .bucket(bucket)
        .lifecycle_configuration(rules)
        .send()
        .await
        .map_err(|error| AwsError::of("PutBucketLifecycleConfiguration", &error))?;
    Ok(())
}

/// Every new object below Incoming puts an event on the import queue, not only control files: the index of the File Exchange lives on it.
async fn notify(admin: &Admin, bucket: &str) -> Result<(), AdminError> {
    let prefix = FilterRule::builder().name(FilterRuleName::Prefix).value(Folder::Incoming.key("")).build();
    let key = S3KeyFilter::builder().filter_rules(prefix).build();
    let queue = QueueConfiguration::builder()
        .id("incoming")
        .queue_arn(&admin.import_queue_arn)
        .events(Event::S3ObjectCreated)
        .filter(NotificationConfigurationFilter::builder().key(key).build())
        .build()
        .map_err(|_| AdminError::Request("notification"))?;
    let configuration = NotificationConfiguration::builder().queue_configurations(queue).build();
    admin
        .clients
        .s3
        .put_bucket_notification_configuration()
        .bucket(bucket)
        .notification_configuration(configuration)
        .send()
        .await
        .map_err(|error| AwsError::of("PutBucketNotificationConfiguration", &error))?;
    Ok(())
}
