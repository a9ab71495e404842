//! Against the local stack's S3: what only a server shows.

mod lost_answers;
mod uploads;

use std::{
    io::{Read, Write},
    sync::atomic::{AtomicU32, Ordering},
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::{Client, config::Credentials};
use contract::{CampaignId, Folder, LaunchId, TenantId};

use crate::{Error, Exchange, TenantFiles, Written};

const SPOOL: &str = "exchange-test-spool";
const MIB: usize = 1024 * 1024;

/// The stack's S3 endpoint.
fn endpoint() -> String {
    let path =
        std::env::var("BROADCAST_STACK").expect("these tests need a local stack: run `cargo local test`");
    let stack: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    stack["endpoint"].as_str().unwrap().to_owned()
}

async fn config(endpoint: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await
}

/// A bucket and a tenant of the test's own.
async fn tenant() -> TenantFiles {
    tenant_at(&endpoint()).await
}

/// The same, with another way to S3.
async fn tenant_at(endpoint: &str) -> TenantFiles {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = i64::from(std::process::id()) * 1000 + i64::from(NUMBER.fetch_add(1, Ordering::Relaxed));
    let config = config(endpoint).await;
    let owner = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let owner = Client::from_conf(owner);
    let bucket = format!("exchange-test-{number}");
    for bucket in [&bucket, SPOOL] {
        owner.create_bucket().bucket(bucket).send().await.unwrap();
    }
    let exchange = Exchange::new(&config, "arn:aws:iam::000000000000:role/tenant", SPOOL);
    exchange.tenant(TenantId(number), &bucket).await.unwrap()
}

/// Bytes that show when a part is missing or stands in the wrong place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from((index / 251 + index) % 256).unwrap()).collect()
}

async fn names(files: &TenantFiles, folder: Folder) -> Vec<String> {
    let mut listing = files.list(folder);
    let mut names = Vec::new();
    while let Some(page) = listing.next().await.unwrap() {
        names.extend(page.files.into_iter().map(|entry| entry.name));
    }
    names
}

#[tokio::test]
async fn a_file_is_written_read_and_deleted_by_its_etag() {
    let files = tenant().await;
    let name = "Grüße & co+1 %.csv";
    assert_eq!(files.head(Folder::Incoming, name).await.unwrap(), None);
    let first = files.put(Folder::Incoming, name, "first").await.unwrap();
    let meta = files.head(Folder::Incoming, name).await.unwrap().unwrap();
    assert_eq!((meta.etag.as_str(), meta.size), (first.etag.as_str(), 5));

    let body = files.read(Folder::Incoming, name, Some(&first.etag)).await.unwrap();
    assert_eq!(body.collect(5).await.unwrap(), "first");
    let part = files.read_range(Folder::Incoming, name, Some(&first.etag), 1, 100).await.unwrap();
    assert_eq!((part.length(), part.meta().size), (4, 5));
    assert_eq!(part.collect(100).await.unwrap(), "irst");
    let body = files.read(Folder::Incoming, name, None).await.unwrap();
    assert!(matches!(body.collect(4).await, Err(Error::TooLarge { max: 4 })));

    files.put(Folder::Incoming, name, "second").await.unwrap();
    assert!(matches!(files.read(Folder::Incoming, name, Some(&first.etag)).await, Err(Error::Changed)));
    assert!(matches!(files.delete(Folder::Incoming, name, Some(&first.etag)).await, Err(Error::Changed)));
    assert!(files.delete(Folder::Incoming, name, None).await.unwrap());
    assert!(!files.delete(Folder::Incoming, name, None).await.unwrap());
    assert!(matches!(files.read(Folder::Incoming, name, None).await, Err(Error::Missing)));
}

#[tokio::test]
async fn an_upload_appears_when_it_is_complete() {
    let files = tenant().await;
    let bytes = pattern(17 * MIB + 3);
    let mut upload = files.upload(Folder::Incoming, "large.csv");
    for chunk in bytes.chunks(1_000_003) {
        upload.write(chunk).await.unwrap();
    }
    assert!(names(&files, Folder::Incoming).await.is_empty());
    assert_eq!(files.unfinished_uploads(10).await.unwrap().len(), 1);
    let stored = upload.complete().await.unwrap();
    assert_eq!(stored.size, bytes.len() as u64);
    let body = files.read(Folder::Incoming, "large.csv", Some(&stored.etag)).await.unwrap();
    assert!(body.collect(bytes.len()).await.unwrap() == bytes);
    assert!(files.unfinished_uploads(10).await.unwrap().is_empty());

    files.upload(Folder::Incoming, "empty").complete().await.unwrap();
    assert_eq!(files.head(Folder::Incoming, "empty").await.unwrap().unwrap().size, 0);
    let second = files.upload(Folder::Incoming, "empty").if_absent().complete().await;
    assert!(matches!(second, Err(Error::Exists)));
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let files = tenant().await;
    let mut upload = files.upload(Folder::Incoming, "half.csv");
    upload.write(&pattern(9 * MIB)).await.unwrap();
    upload.abort().await;
    assert!(files.unfinished_uploads(10).await.unwrap().is_empty());

    let mut dropped = files.upload(Folder::Incoming, "half.csv");
    dropped.write(&pattern(9 * MIB)).await.unwrap();
    drop(dropped);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_mins(2);
    while !files.unfinished_uploads(10).await.unwrap().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the dropped upload was not aborted");
        tokio::task::yield_now().await;
    }

    // What a crash leaves is found and ended later.
    let mut lost = files.upload(Folder::Incoming, "half.csv");
    lost.write(&pattern(9 * MIB)).await.unwrap();
    std::mem::forget(lost);
    let found = files.unfinished_uploads(10).await.unwrap();
    files.abort(&found[0]).await.unwrap();
    files.abort(&found[0]).await.unwrap();
    assert!(files.unfinished_uploads(10).await.unwrap().is_empty());
    assert!(names(&files, Folder::Incoming).await.is_empty());
}

#[tokio::test]
async fn a_move_never_overwrites_and_may_be_repeated() {
    let files = tenant().await;
    let put = async |text: &'static str| files.put(Folder::Incoming, "a b.csv.pgp", text).await.unwrap().etag;
    let first = put("first").await;
    let moved = files.move_file(Folder::Incoming, "a b.csv.pgp", &first, Folder::Finished).await.unwrap();
    assert_eq!(moved.name, "a b.csv.pgp");
    // A crash before it was recorded: the same call again.
    let again = files.move_file(Folder::Incoming, "a b.csv.pgp", &first, Folder::Finished).await.unwrap();
    assert_eq!(again, moved);

    let second = put("second").await;
    let stale = files.move_file(Folder::Incoming, "a b.csv.pgp", "other", Folder::Finished).await;
    assert!(matches!(stale, Err(Error::Changed)));
    let moved = files.move_file(Folder::Incoming, "a b.csv.pgp", &second, Folder::Finished).await.unwrap();
    assert_eq!(moved.name, "a b.1.csv.pgp");
    assert_eq!(names(&files, Folder::Finished).await, ["a b.1.csv.pgp", "a b.csv.pgp"]);
    assert!(names(&files, Folder::Incoming).await.is_empty());
    let gone = files.move_file(Folder::Incoming, "other", &second, Folder::Finished).await;
    assert!(matches!(gone, Err(Error::Missing)));
}

#[tokio::test]
async fn a_copy_by_parts_is_the_same_bytes() {
    let files = tenant().await;
    let bytes = pattern(11 * MIB);
    files.put(Folder::Incoming, "x", bytes.clone()).await.unwrap();
    let meta = files.head(Folder::Incoming, "x").await.unwrap().unwrap();
    files.copy_for_test(Folder::Incoming, "x", &meta, Folder::Finished, 5 * MIB as u64).await.unwrap();
    let body = files.read(Folder::Finished, "x", None).await.unwrap();
    assert!(body.collect(bytes.len()).await.unwrap() == bytes);
}

#[tokio::test]
async fn a_rename_replaces_only_when_told() {
    let files = tenant().await;
    files.put(Folder::Incoming, "x.filepart", "new").await.unwrap();
    files.put(Folder::Incoming, "x", "old").await.unwrap();
    let from = (Folder::Incoming, "x.filepart");
    assert!(matches!(files.rename(from, (Folder::Incoming, "x"), false).await, Err(Error::Exists)));
    files.rename(from, (Folder::Incoming, "x"), true).await.unwrap();
    let body = files.read(Folder::Incoming, "x", None).await.unwrap();
    assert_eq!(body.collect(10).await.unwrap(), "new");
    assert_eq!(names(&files, Folder::Incoming).await, ["x"]);
    assert!(matches!(files.rename(from, (Folder::Incoming, "y"), false).await, Err(Error::Missing)));
}

#[tokio::test]
async fn a_listing_shows_one_level_or_all() {
    let files = tenant().await;
    for name in ["a", "sub/b", "sub/deep/c", "empty/"] {
        files.put(Folder::Incoming, name, "x").await.unwrap();
    }
    assert_eq!(names(&files, Folder::Incoming).await, ["a", "empty/", "sub/b", "sub/deep/c"]);
    let level = async |path| files.list_level(Folder::Incoming, path).next().await.unwrap().unwrap();
    let top = level("").await;
    assert_eq!(top.files.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(top.folders, ["empty", "sub"]);
    assert_eq!(level("sub").await.folders, ["deep"]);
    assert!(level("empty").await.files.is_empty());
}

#[tokio::test]
async fn a_slice_is_spooled_once_and_goes_with_its_launch_and_its_campaign() {
    let files = tenant().await;
    let (campaign, launch) = (CampaignId(5), LaunchId(6));
    let put =
        async |slice, text: &'static str| files.put_spool_if_absent(campaign, launch, slice, text).await;
    assert_eq!(put(0, "first").await.unwrap(), Written::Created);
    assert_eq!(put(0, "second").await.unwrap(), Written::Existed);
    assert_eq!(files.get_spool(campaign, launch, 0).await.unwrap(), "first");
    put(1, "other").await.unwrap();
    files.put_spool_if_absent(CampaignId(55), launch, 0, "another campaign's").await.unwrap();
    files.put_spool_if_absent(campaign, LaunchId(66), 0, "another launch's").await.unwrap();
    assert_eq!(files.delete_spool_of_launch(campaign, launch).await.unwrap(), 2);
    assert_eq!(files.delete_spool_of_campaign(campaign).await.unwrap(), 1);
    assert_eq!(files.delete_spool_of_campaign(campaign).await.unwrap(), 0);
    assert!(matches!(files.get_spool(campaign, launch, 0).await, Err(Error::Missing)));
    files.get_spool(CampaignId(55), launch, 0).await.unwrap();
    files.delete_spool(CampaignId(55), launch, 0).await.unwrap();
}

#[tokio::test]
async fn blocking_code_reads_and_writes() {
    let files = tenant().await;
    let bytes = pattern(9 * MIB);
    let mut writer = files.upload(Folder::Exports, "x").into_blocking();
    let source = bytes.clone();
    let stored = tokio::task::spawn_blocking(move || {
        for chunk in source.chunks(70_001) {
            writer.write_all(chunk).unwrap();
        }
        writer.finish().unwrap()
    });
    let stored = stored.await.unwrap();
    assert_eq!(stored.size, bytes.len() as u64);

    let mut reader = files.read(Folder::Exports, "x", Some(&stored.etag)).await.unwrap().into_blocking();
    let read = tokio::task::spawn_blocking(move || {
        let mut whole = Vec::new();
        reader.read_to_end(&mut whole).map(|_| whole)
    });
    assert!(read.await.unwrap().unwrap() == bytes);

    let mut unfinished = files.upload(Folder::Exports, "y").into_blocking();
    tokio::task::spawn_blocking(move || unfinished.write_all(b"half").unwrap()).await.unwrap();
    assert_eq!(names(&files, Folder::Exports).await, ["x"]);
}

#[tokio::test]
async fn the_spool_bucket_is_nobodys_own() {
    let exchange = Exchange::new(&config(&endpoint()).await, "arn:aws:iam::000000000000:role/tenant", SPOOL);
    for bucket in [SPOOL, "broadcast-*", ""] {
        assert!(matches!(exchange.tenant(TenantId(1), bucket).await, Err(Error::BucketName)), "{bucket}");
    }
}
