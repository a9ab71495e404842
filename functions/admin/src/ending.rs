//! The end of a tenant. The command is given again until it answers that the tenant is deleted; each call goes on from what it finds.
//!
//! 1. `deleting`: nobody logs in any more, and launches are paused. Sweep takes all of the tenant's data for over, and deletes it with receipts.
//! 2. Once nothing is left of it, `ending`: sweep stays away. The bucket goes with whatever stands in it, then the secrets, and at last, in one
//!    transaction, the role and every row but the receipts.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use contract::TenantId;
use runtime::{AwsError, Clients};
use serde_json::{Value, json};
use sqlx::{Acquire, PgConnection};
use store::receipts::{self, Entry};
use time::OffsetDateTime;

use crate::{Admin, AdminError, audit, secret, stopping, tenant::Tenant};

/// Takes the tenant as far towards its end as it goes now.
pub(crate) async fn delete(
    admin: &Admin,
    slug: &str,
    by: &str,
    now: OffsetDateTime,
) -> Result<Value, AdminError> {
    let by = audit::name_of(by)?;
    let mut db = admin.store.pool().acquire().await?;
    let tenant = match Tenant::load(&mut db, slug).await {
        Err(AdminError::UnknownTenant) => return deleted(&mut db, slug).await,
        tenant => tenant?,
    };
    begin(&mut db, &tenant, by).await?;
    stopping::stop_launches(admin, &mut db, tenant.id(), now).await?;
    if let Some(left) = left(&mut db, tenant.id()).await? {
        return Ok(json!({"slug": slug, "deleted": false, "left": left}));
    }
    delete_bucket(&admin.clients, &tenant.bucket).await?;
    for name in secrets(admin, &mut db, &tenant).await? {
        secret::delete(&admin.clients, &name).await?;
    }
    delete_rows(&mut db, &tenant, by, now).await?;
    deleted(&mut db, slug).await
}

/// Of one that is deleted already.
async fn deleted(db: &mut PgConnection, slug: &str) -> Result<Value, AdminError> {
    let answer: Option<Value> = sqlx::query_scalar(
        "SELECT jsonb_build_object('slug', slug, 'id', id, 'deleted', true, 'deleted_at', deleted_at, 'deleted_by', deleted_by)
         FROM broadcast.deleted_tenants WHERE slug = $1 ORDER BY deleted_at DESC LIMIT 1",
    )
    .bind(slug)
    .fetch_optional(db)
    .await?;
    answer.ok_or(AdminError::UnknownTenant)
}

/// Ends every right of the tenant, unless one of its campaigns is held.
async fn begin(db: &mut PgConnection, tenant: &Tenant, by: &str) -> Result<(), AdminError> {
    let mut tx = db.begin().await?;
    // Whoever makes a hold takes this row first.
    sqlx::query("SELECT FROM broadcast.tenants WHERE id = $1 FOR UPDATE")
        .bind(tenant.id().0)
        .execute(&mut *tx)
        .await?;
    let held: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM broadcast.holds WHERE tenant_id = $1 AND released_at IS NULL)",
    )
    .bind(tenant.id().0)
    .fetch_one(&mut *tx)
    .await?;
    if held {
        return Err(AdminError::Held);
    }
    let begun = sqlx::query(
        "UPDATE broadcast.tenants SET status = 'deleting' WHERE id = $1 AND status NOT IN ('deleting', 'ending')",
    )
    .bind(tenant.id().0)
    .execute(&mut *tx)
    .await?;
    if begun.rows_affected() == 1 {
        audit::note_by(&mut tx, tenant.id(), by, "delete_tenant", None).await?;
    }
    Ok(tx.commit().await?)
}

/// What sweep has yet to delete. `None`: nothing, and from now on it stays away.
async fn left(db: &mut PgConnection, tenant: TenantId) -> Result<Option<Value>, AdminError> {
    let ends = sqlx::query(
        "UPDATE broadcast.tenants SET status = 'ending' WHERE id = $1 AND status IN ('deleting', 'ending')
         AND NOT EXISTS (SELECT FROM broadcast.campaigns WHERE tenant_id = $1 AND state <> 'deleted')
         AND NOT EXISTS (SELECT FROM broadcast.files WHERE tenant_id = $1)
         AND NOT EXISTS (SELECT FROM broadcast.uploads WHERE tenant_id = $1)",
    )
    .bind(tenant.0)
    .execute(&mut *db)
    .await?;
    if ends.rows_affected() == 1 {
        return Ok(None);
    }
    let left = sqlx::query_scalar(
        "SELECT jsonb_build_object('campaigns', (SELECT count(*) FROM broadcast.campaigns WHERE tenant_id = $1 AND state <> 'deleted'),
                                   'files', (SELECT count(*) FROM broadcast.files WHERE tenant_id = $1),
                                   'unfinished_uploads', (SELECT count(*) FROM broadcast.uploads WHERE tenant_id = $1))",
    );
    Ok(Some(left.bind(tenant.0).fetch_one(db).await?))
}

/// Deletes whatever the index did not know of, with its versions, then the bucket. One that is gone is fine.
async fn delete_bucket(clients: &Clients, bucket: &str) -> Result<(), AdminError> {
    let answer = match empty_bucket(clients, bucket).await {
        Ok(()) => clients.s3.delete_bucket().bucket(bucket).send().await,
        Err(AdminError::Aws(error)) if error.code() == Some("NoSuchBucket") => return Ok(()),
        Err(error) => return Err(error),
    };
    match answer.map_err(|error| AwsError::of("DeleteBucket", &error)) {
        Err(error) if error.code() != Some("NoSuchBucket") => Err(error.into()),
        _ => Ok(()),
    }
}

async fn empty_bucket(clients: &Clients, bucket: &str) -> Result<(), AdminError> {
    loop {
        // What was listed is deleted before the next page, so that is always the first.
        let page = clients.s3.list_object_versions().bucket(bucket).send().await;
        let page = page.map_err(|error| AwsError::of("ListObjectVersions", &error))?;
        let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
        let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        let objects = versions.chain(markers).map(|(key, version)| {
            let object = ObjectIdentifier::builder().key(key.unwrap_or_default());
            object.set_version_id(version.map(str::to_owned)).build()
        });
        let objects: Vec<_> =
            objects.collect::<Result<_, _>>().map_err(|_| AdminError::Request("objects"))?;
        if objects.is_empty() {
            break;
        }
        let delete = Delete::builder().quiet(true).set_objects(Some(objects)).build();
        let delete = delete.map_err(|_| AdminError::Request("objects"))?;
        let answer = clients.s3.delete_objects().bucket(bucket).delete(delete).send().await;
        let answer = answer.map_err(|error| AwsError::of("DeleteObjects", &error))?;
        if !answer.errors().is_empty() {
            return Err(AdminError::NotEmptied);
        }
    }
    loop {
        let page = clients.s3.list_multipart_uploads().bucket(bucket).send().await;
        let page = page.map_err(|error| AwsError::of("ListMultipartUploads", &error))?;
        if page.uploads().is_empty() {
            return Ok(());
        }
        for upload in page.uploads() {
            let abort = clients.s3.abort_multipart_upload().bucket(bucket);
            let abort = abort.set_key(upload.key().map(str::to_owned));
            let aborted = abort.set_upload_id(upload.upload_id().map(str::to_owned)).send().await;
            aborted.map_err(|error| AwsError::of("AbortMultipartUpload", &error))?;
        }
    }
}

/// The names of all secrets that are the tenant's.
async fn secrets(admin: &Admin, db: &mut PgConnection, tenant: &Tenant) -> Result<Vec<String>, AdminError> {
    let mut names: Vec<String> = sqlx::query_scalar(
        "SELECT secret_name FROM broadcast.pgp_keys WHERE tenant_id = $1 AND secret_name IS NOT NULL
         UNION ALL SELECT secret_name FROM broadcast.sender_domains WHERE tenant_id = $1",
    )
    .bind(tenant.id().0)
    .fetch_all(&mut *db)
    .await?;
    let prefixes: Vec<String> =
        sqlx::query_scalar("SELECT prefix FROM broadcast.api_keys WHERE tenant_id = $1")
            .bind(tenant.id().0)
            .fetch_all(db)
            .await?;
    let deployment = &admin.deployment;
    names.extend(prefixes.iter().map(|prefix| secret::further_api_key(deployment, &tenant.slug, prefix)));
    names.push(secret::sftp_password(deployment, &tenant.slug));
    names.push(secret::api_key(deployment, &tenant.slug));
    Ok(names)
}

/// The last receipt, the role, and every row that hangs on the tenant's own.
async fn delete_rows(
    db: &mut PgConnection,
    tenant: &Tenant,
    by: &str,
    now: OffsetDateTime,
) -> Result<(), AdminError> {
    let id = tenant.id();
    let mut tx = db.begin().await?;
    let rule = "asked for by the operator".to_owned();
    let entry = Entry { what: "tenant", ids: vec![id.0], count: 1, rule };
    receipts::append(&mut tx, id, now, vec![entry]).await?;
    store::roles::drop(&mut tx, id).await?;
    sqlx::query(
        "INSERT INTO broadcast.deleted_tenants (id, slug, deleted_at, deleted_by) VALUES ($1, $2, $3, $4)",
    )
    .bind(id.0)
    .bind(&tenant.slug)
    .bind(now)
    .bind(by)
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM broadcast.tenants WHERE id = $1").bind(id.0).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}
