//! The policy of a tenant's session, on a server that evaluates it: the tenant's files and its part of the spool, and nothing else.

use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{
        BucketLifecycleConfiguration, BucketVersioningStatus, CompletedMultipartUpload, CompletedPart,
        NotificationConfiguration, ObjectCannedAcl, VersioningConfiguration,
    },
};
use contract::{Folder, TenantId};
use exchange::{Exchange, Scope, policy};
use testkit::moto::{Moto, assumed};

const OWN: &str = "broadcast-own";
const OTHER: &str = "broadcast-other";
const SPOOL: &str = "broadcast-spool";
/// Of the session; the other one's id begins with it.
const TENANT: TenantId = TenantId(7);
const OTHER_TENANT: TenantId = TenantId(70);

fn denied<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug, R: std::fmt::Debug>(
    what: &str,
    result: Result<T, SdkError<E, R>>,
) {
    let error = result.expect_err(what);
    let code = error.code();
    assert_eq!(code, Some("AccessDenied"), "{what}: {error:?}");
}

struct Clouds {
    _moto: Moto,
    own: Client,
    other: Client,
    exchange: Exchange,
}

/// Two tenants with a file and a message in the spool each.
async fn clouds() -> Clouds {
    let moto = Moto::start().await;
    let s3 = moto.s3().await;
    for bucket in [OWN, OTHER, SPOOL] {
        s3.create_bucket().bucket(bucket).send().await.unwrap();
    }
    let mut roles = Vec::new();
    for (tenant, bucket) in [(TENANT, OWN), (OTHER_TENANT, OTHER)] {
        for (bucket, key) in [(bucket, "Exports/a.csv".to_owned()), (SPOOL, format!("{tenant}/1/1/1"))] {
            s3.put_object().bucket(bucket).key(key).body(b"content".to_vec().into()).send().await.unwrap();
        }
        let document = policy(&Scope { tenant, bucket, spool_bucket: SPOOL, partition: "aws" });
        roles.push(moto.role(&format!("tenant-{tenant}"), &document).await);
    }
    let user = moto.user().await;
    moto.enforce().await;
    let exchange = Exchange::new(&user, &roles[0], SPOOL);
    let (own, other) = (assumed(&user, &roles[0]).await, assumed(&user, &roles[1]).await);
    Clouds { _moto: moto, own, other, exchange }
}

async fn read(s3: &Client, bucket: &str, key: &str) -> Vec<u8> {
    let answer = s3.get_object().bucket(bucket).key(key).send().await.unwrap();
    answer.body.collect().await.unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tenant_needs_is_allowed() {
    let Clouds { _moto, own: s3, other, exchange } = clouds().await;
    // As the gateway does it: the role is assumed by the code that it uses.
    let files = exchange.tenant(TENANT, OWN).await.unwrap();
    files.put(Folder::Incoming, "x.csv", b"by the exchange".as_slice()).await.unwrap();
    assert_eq!(files.head(Folder::Incoming, "x.csv").await.unwrap().unwrap().size, 15);
    let page = files.list_level(Folder::Incoming, "").next().await.unwrap().unwrap();
    assert_eq!(page.files[0].name, "x.csv");
    let mut upload = files.upload(Folder::Incoming, "large.csv");
    upload.write(&vec![b'l'; 9_000_000]).await.unwrap();
    upload.complete().await.unwrap();
    assert!(files.delete(Folder::Incoming, "large.csv", None).await.unwrap());

    // Request by request.
    s3.put_object().bucket(OWN).key("Incoming/y").body(b"y".to_vec().into()).send().await.unwrap();
    assert_eq!(read(&s3, OWN, "Incoming/y").await, b"y");
    s3.head_object().bucket(OWN).key("Incoming/y").send().await.unwrap();
    s3.copy_object()
        .bucket(OWN)
        .key("Finished/y")
        .copy_source(format!("{OWN}/Incoming/y"))
        .send()
        .await
        .unwrap();
    s3.list_objects_v2().bucket(OWN).send().await.unwrap();
    s3.delete_object().bucket(OWN).key("Incoming/y").send().await.unwrap();
    let multipart = |key: &str| s3.create_multipart_upload().bucket(OWN).key(key);
    let begun = multipart("Incoming/z").send().await.unwrap();
    let id = begun.upload_id().unwrap();
    let part = s3.upload_part().bucket(OWN).key("Incoming/z").upload_id(id).part_number(1);
    let part = part.body(b"part".to_vec().into()).send().await.unwrap();
    // moto calls this answer by another name than S3 does, so that it cannot be read; it is given.
    let parts = s3.list_parts().bucket(OWN).key("Incoming/z").upload_id(id).send().await;
    let given = parts.err().and_then(|error| Some(error.raw_response()?.status().as_u16()));
    assert_eq!(given.unwrap_or(200), 200);
    s3.list_multipart_uploads().bucket(OWN).send().await.unwrap();
    let parts = CompletedPart::builder().part_number(1).set_e_tag(part.e_tag).build();
    let parts = CompletedMultipartUpload::builder().parts(parts).build();
    let complete = s3.complete_multipart_upload().bucket(OWN).key("Incoming/z").upload_id(id);
    complete.multipart_upload(parts).send().await.unwrap();
    let begun = multipart("Incoming/given-up").send().await.unwrap();
    let id = begun.upload_id().unwrap();
    s3.abort_multipart_upload().bucket(OWN).key("Incoming/given-up").upload_id(id).send().await.unwrap();

    // The spool, below the tenant's own prefix.
    s3.put_object().bucket(SPOOL).key("7/uploads/1").body(b"tail".to_vec().into()).send().await.unwrap();
    assert_eq!(read(&s3, SPOOL, "7/uploads/1").await, b"tail");
    let listed = s3.list_objects_v2().bucket(SPOOL).prefix("7/uploads/").send().await.unwrap();
    assert_eq!(listed.contents().len(), 1);
    s3.delete_object().bucket(SPOOL).key("7/uploads/1").send().await.unwrap();
    // The other tenant's role is one like this.
    assert_eq!(read(&other, OTHER, "Exports/a.csv").await, b"content");
    assert_eq!(read(&other, SPOOL, "70/1/1/1").await, b"content");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_data_is_denied() {
    let Clouds { _moto, own: s3, other, exchange } = clouds().await;
    for (bucket, key) in
        [(OTHER, "Exports/a.csv"), (SPOOL, "70/1/1/1"), (SPOOL, "8/1/1/1"), (SPOOL, "7"), (SPOOL, "")]
    {
        let key = if key.is_empty() { "index" } else { key };
        denied("read", s3.get_object().bucket(bucket).key(key).send().await);
        denied("write", s3.put_object().bucket(bucket).key(key).body(b"x".to_vec().into()).send().await);
        denied("delete", s3.delete_object().bucket(bucket).key(key).send().await);
        denied("begin", s3.create_multipart_upload().bucket(bucket).key(key).send().await);
        denied("parts", s3.list_parts().bucket(bucket).key(key).upload_id("guessed").send().await);
        denied(
            "abort",
            s3.abort_multipart_upload().bucket(bucket).key(key).upload_id("guessed").send().await,
        );
        let head = s3.head_object().bucket(bucket).key(key).send().await.expect_err("a look");
        assert_eq!(head.raw_response().map(|answer| answer.status().as_u16()), Some(403));
    }
    denied("list", s3.list_objects_v2().bucket(OTHER).send().await);
    denied("list", s3.list_objects_v2().bucket(OTHER).prefix("Incoming/").send().await);
    denied("uploads", s3.list_multipart_uploads().bucket(OTHER).send().await);
    denied("the whole spool", s3.list_objects_v2().bucket(SPOOL).send().await);
    denied("uploads in the spool", s3.list_multipart_uploads().bucket(SPOOL).send().await);
    for prefix in ["", "7", "70/", "8/", "70", "/", "../7/"] {
        denied(prefix, s3.list_objects_v2().bucket(SPOOL).prefix(prefix).send().await);
    }
    // The exchange, told a wrong bucket by a mistake of ours.
    let wrong = exchange.tenant(TENANT, OTHER).await.unwrap();
    assert!(wrong.head(Folder::Exports, "a.csv").await.is_err());
    assert!(wrong.put(Folder::Incoming, "x.csv", b"x".as_slice()).await.is_err());
    assert!(wrong.list_level(Folder::Incoming, "").next().await.is_err());
    assert_eq!(read(&other, OTHER, "Exports/a.csv").await, b"content");
    let standing = other.list_objects_v2().bucket(OTHER).send().await.unwrap();
    assert_eq!(standing.contents().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_denied_even_on_its_own_bucket() {
    let Clouds { _moto, own: s3, .. } = clouds().await;
    denied("all buckets", s3.list_buckets().send().await);
    denied("a new bucket", s3.create_bucket().bucket("broadcast-mine").send().await);
    for bucket in [OWN, OTHER, SPOOL] {
        denied("delete it", s3.delete_bucket().bucket(bucket).send().await);
        denied("its policy", s3.get_bucket_policy().bucket(bucket).send().await);
        denied("another policy", s3.put_bucket_policy().bucket(bucket).policy("{}").send().await);
        denied("no policy", s3.delete_bucket_policy().bucket(bucket).send().await);
        denied("its lifecycle", s3.get_bucket_lifecycle_configuration().bucket(bucket).send().await);
        let none = BucketLifecycleConfiguration::builder().set_rules(Some(Vec::new())).build().unwrap();
        let put = s3.put_bucket_lifecycle_configuration().bucket(bucket).lifecycle_configuration(none);
        denied("another lifecycle", put.send().await);
        denied("no lifecycle", s3.delete_bucket_lifecycle().bucket(bucket).send().await);
        let silent = NotificationConfiguration::builder().build();
        let put =
            s3.put_bucket_notification_configuration().bucket(bucket).notification_configuration(silent);
        denied("no events", put.send().await);
        let versions = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        denied(
            "versions",
            s3.put_bucket_versioning().bucket(bucket).versioning_configuration(versions).send().await,
        );
        denied("old versions", s3.list_object_versions().bucket(bucket).send().await);
        denied("its rights", s3.get_bucket_acl().bucket(bucket).send().await);
        let open = s3.put_object_acl().bucket(bucket).key("Exports/a.csv").acl(ObjectCannedAcl::PublicRead);
        denied("a public file", open.send().await);
    }
}
