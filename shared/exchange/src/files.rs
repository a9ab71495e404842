//! One tenant's files: what one request does.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_sdk_s3::{Client, primitives::ByteStream};
use bytes::Bytes;
use contract::{Folder, TenantId};
use time::OffsetDateTime;

use crate::{
    Download, Error, Upload,
    buffer::{Buffers, Shelf},
    error::from_sdk,
};

/// What S3 says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Which content, without quotes.
    pub etag: String,
    /// Bytes.
    pub size: u64,
    /// When the content was written.
    pub modified: OffsetDateTime,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Which content, without quotes.
    pub etag: String,
    /// Bytes.
    pub size: u64,
}

/// The File Exchange and the spool of one tenant, reached with credentials for nothing else. Clones are cheap.
#[derive(Clone)]
pub struct TenantFiles {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    tenant: TenantId,
    bucket: String,
    spool_bucket: String,
    conditional_delete: bool,
    shelf: Shelf,
    changes: AtomicU64,
}

impl fmt::Debug for TenantFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantFiles").field("tenant", &self.inner.tenant).finish_non_exhaustive()
    }
}

impl TenantFiles {
    /// `conditional_delete`: the server knows `If-Match` on a delete. AWS does; the servers that stand in for it refuse the header.
    pub(crate) fn new(
        client: Client,
        tenant: TenantId,
        bucket: &str,
        spool_bucket: &str,
        conditional_delete: bool,
    ) -> Self {
        let inner = Inner {
            client,
            tenant,
            bucket: bucket.to_owned(),
            spool_bucket: spool_bucket.to_owned(),
            conditional_delete,
            shelf: Shelf::default(),
            changes: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// For the parts of uploads.
    pub(crate) fn buffers(&self) -> Arc<Buffers> {
        self.inner.shelf.buffers()
    }

    /// How often this process has changed what stands under a name, or tried to. What was seen at the same number is still so, as far as it is
    /// up to this process.
    pub fn changes(&self) -> u64 {
        self.inner.changes.load(Ordering::SeqCst)
    }

    /// A request has ended that makes, replaces or deletes a file.
    pub(crate) fn changed(&self) {
        self.inner.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Whose files.
    pub fn tenant(&self) -> TenantId {
        self.inner.tenant
    }

    /// The tenant's bucket.
    pub fn bucket(&self) -> &str {
        &self.inner.bucket
    }

    pub(crate) fn spool_bucket(&self) -> &str {
        &self.inner.spool_bucket
    }

    pub(crate) fn client(&self) -> &Client {
        &self.inner.client
    }

    /// What stands under a name, `None` when nothing does.
    pub async fn head(&self, folder: Folder, name: &str) -> Result<Option<Meta>, Error> {
        Ok(self.head_with_source(folder, name).await?.map(|(meta, _)| meta))
    }

    /// The same, with the note that a moved copy carries.
    pub(crate) async fn head_with_source(
        &self,
        folder: Folder,
        name: &str,
    ) -> Result<Option<(Meta, Option<String>)>, Error> {
        self.head_key(&folder.key(name)).await
    }

    pub(crate) async fn head_key(&self, key: &str) -> Result<Option<(Meta, Option<String>)>, Error> {
        self.head_noted(key, crate::copy::SOURCE).await
    }

    /// With the note of this name from its metadata.
    pub(crate) async fn head_noted(
        &self,
        key: &str,
        note: &str,
    ) -> Result<Option<(Meta, Option<String>)>, Error> {
        let request = self.client().head_object().bucket(self.bucket()).key(key);
        let answer = match request.send().await.map_err(from_sdk("HeadObject")) {
            Ok(answer) => answer,
            Err(Error::Missing) => return Ok(None),
            Err(error) => return Err(error),
        };
        let meta = meta(answer.e_tag(), answer.content_length(), answer.last_modified());
        let note = answer.metadata().and_then(|metadata| metadata.get(note)).cloned();
        Ok(Some((meta, note)))
    }

    /// Reads a file from its start; with `etag` exactly that content, or [`Error::Changed`].
    pub async fn read(&self, folder: Folder, name: &str, etag: Option<&str>) -> Result<Download, Error> {
        self.get(folder, name, etag, None).await
    }

    /// Reads `length` bytes (at least one) from `from`, which must lie within the file; fewer when the file ends before.
    pub async fn read_range(
        &self,
        folder: Folder,
        name: &str,
        etag: Option<&str>,
        from: u64,
        length: u64,
    ) -> Result<Download, Error> {
        let last = from.saturating_add(length.max(1) - 1);
        self.get(folder, name, etag, Some(format!("bytes={from}-{last}"))).await
    }

    async fn get(
        &self,
        folder: Folder,
        name: &str,
        etag: Option<&str>,
        range: Option<String>,
    ) -> Result<Download, Error> {
        let answer = self
            .client()
            .get_object()
            .bucket(self.bucket())
            .key(folder.key(name))
            .set_if_match(etag.map(quoted))
            .set_range(range)
            .send()
            .await
            .map_err(from_sdk("GetObject"))?;
        Ok(Download::new(answer))
    }

    /// Writes a small file with one request, over whatever stands there.
    pub async fn put(&self, folder: Folder, name: &str, bytes: impl Into<Bytes>) -> Result<Stored, Error> {
        self.put_key(&folder.key(name), bytes.into(), false, None).await
    }

    pub(crate) async fn put_key(
        &self,
        key: &str,
        bytes: Bytes,
        if_absent: bool,
        mark: Option<&str>,
    ) -> Result<Stored, Error> {
        let size = bytes.len() as u64;
        let answer = self
            .client()
            .put_object()
            .bucket(self.bucket())
            .key(key)
            .set_if_none_match(if_absent.then(|| "*".to_owned()))
            .set_metadata(mark.map(|mark| [(crate::mark::BEGUN.to_owned(), mark.to_owned())].into()))
            .body(ByteStream::from(bytes))
            .send()
            .await;
        self.changed();
        let answer = answer.map_err(from_sdk("PutObject")).map_err(|error| taken(error, if_absent))?;
        Ok(Stored { etag: unquoted(answer.e_tag()), size })
    }

    /// A writer for a file of any size, over whatever stands there. No request is made before a part is full.
    pub fn upload(&self, folder: Folder, name: &str) -> Upload {
        Upload::new(self.clone(), folder.key(name))
    }

    /// Deletes a file; with `etag` exactly that content, or [`Error::Changed`]. `false`: it was not there (any more).
    pub async fn delete(&self, folder: Folder, name: &str, etag: Option<&str>) -> Result<bool, Error> {
        let Some(found) = self.head(folder, name).await? else { return Ok(false) };
        if etag.is_some_and(|etag| etag != found.etag) {
            return Err(Error::Changed);
        }
        let condition = etag.filter(|_| self.inner.conditional_delete).map(quoted);
        let request = self.client().delete_object().bucket(self.bucket()).key(folder.key(name));
        let answer = request.set_if_match(condition).send().await;
        self.changed();
        match answer.map_err(from_sdk("DeleteObject")) {
            Ok(_) => Ok(true),
            Err(Error::Missing) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What a failed precondition means where the condition was that nothing stands there.
pub(crate) fn taken(error: Error, if_absent: bool) -> Error {
    if if_absent && matches!(error, Error::Changed) { Error::Exists } else { error }
}

pub(crate) fn meta(
    etag: Option<&str>,
    size: Option<i64>,
    modified: Option<&aws_sdk_s3::primitives::DateTime>,
) -> Meta {
    Meta {
        etag: unquoted(etag),
        size: size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
        modified: modified.map_or(OffsetDateTime::UNIX_EPOCH, point_in_time),
    }
}

pub(crate) fn point_in_time(time: &aws_sdk_s3::primitives::DateTime) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(time.as_nanos()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

pub(crate) fn unquoted(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}
