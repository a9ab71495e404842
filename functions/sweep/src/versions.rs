//! Old versions and delete markers: what no listing shows. Our buckets keep none; one where somebody switched that on is swept of them by the
//! same hours. With the function's own credentials: sessions of a tenant see no versions.

use aws_sdk_s3::{
    Client,
    primitives::DateTime,
    types::{Delete, ObjectIdentifier},
};
use contract::Folder;
use runtime::AwsError;
use store::receipts::{self, Entry};
use time::OffsetDateTime;

use crate::{Error, Job};

/// A key and its version.
type Version = (String, Option<String>);

/// Deletes what is past its folder's hours.
pub async fn expire(job: &Job<'_>) -> Result<(), Error> {
    let s3 = &job.sweep.clients.s3;
    let answer = s3.get_bucket_versioning().bucket(&job.bucket).send().await;
    let answer = answer.map_err(|error| AwsError::of("GetBucketVersioning", &error))?;
    // Suspended ones have those of before.
    let Some(status) = answer.status else { return Ok(()) };
    tracing::warn!(tenant = %job.tenant, %status, "the bucket keeps old versions: no setting of ours asks for that");
    for folder in Folder::ALL {
        if !job.has_time() {
            break;
        }
        let deleted =
            delete_old(s3, &job.bucket, folder, job.settings.folder_cutoff(folder, job.now)).await?;
        if deleted > 0 {
            let count = i64::try_from(deleted).unwrap_or(i64::MAX);
            let rule = job.settings.folder_rule(folder);
            let mut tx = job.tx().await?;
            let entry = Entry { what: "version", ids: Vec::new(), count, rule };
            receipts::append(&mut tx, job.tenant, job.now, vec![entry]).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

/// Deletes versions that others have replaced, and delete markers, as far as they came at the cutoff or before; says how many. What stands
/// there now is left alone. A marker is never older than the versions that it hides, so none of them comes back.
async fn delete_old(
    s3: &Client,
    bucket: &str,
    folder: Folder,
    cutoff: OffsetDateTime,
) -> Result<usize, AwsError> {
    let is_over = |at: Option<&DateTime>| at.is_some_and(|at| at.secs() <= cutoff.unix_timestamp());
    let named = |key: Option<&str>, version: Option<&str>| -> Version {
        (key.unwrap_or_default().to_owned(), version.map(str::to_owned))
    };
    let (mut count, mut after) = (0, None::<Version>);
    loop {
        let (key, version) = after.unzip();
        let request = s3.list_object_versions().bucket(bucket).prefix(folder.key(""));
        let request = request.set_key_marker(key).set_version_id_marker(version.flatten());
        let page = request.send().await.map_err(|error| AwsError::of("ListObjectVersions", &error))?;
        let old = page.versions().iter().filter(|one| one.is_latest() != Some(true));
        let old = old.filter(|one| is_over(one.last_modified()));
        let markers = page.delete_markers().iter().filter(|one| is_over(one.last_modified()));
        let over: Vec<Version> = old
            .map(|one| named(one.key(), one.version_id()))
            .chain(markers.map(|one| named(one.key(), one.version_id())))
            .collect();
        count += over.len();
        delete(s3, bucket, over).await?;
        after = page.next_key_marker.map(|key| (key, page.next_version_id_marker));
        if page.is_truncated != Some(true) || after.is_none() {
            return Ok(count);
        }
    }
}

async fn delete(s3: &Client, bucket: &str, versions: Vec<Version>) -> Result<(), AwsError> {
    if versions.is_empty() {
        return Ok(());
    }
    let failed = |code: &str| AwsError::Call { operation: "DeleteObjects", code: code.to_owned() };
    let unbuilt = |_| failed("unbuilt");
    let objects = versions
        .into_iter()
        .map(|(key, version)| ObjectIdentifier::builder().key(key).set_version_id(version).build());
    let objects = objects.collect::<Result<Vec<_>, _>>().map_err(unbuilt)?;
    let delete = Delete::builder().quiet(true).set_objects(Some(objects)).build().map_err(unbuilt)?;
    let answer = s3.delete_objects().bucket(bucket).delete(delete).send().await;
    let answer = answer.map_err(|error| AwsError::of("DeleteObjects", &error))?;
    match answer.errors().first() {
        None => Ok(()),
        Some(error) => Err(failed(error.code().unwrap_or("unknown"))),
    }
}
