//! Moves and renames: S3 has neither, so both are a copy and a delete of exactly what was copied.

use std::fmt;

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, MetadataDirective};
use contract::Folder;
use tokio::task::JoinSet;

use crate::{
    Error, Meta, Stored, TenantFiles,
    error::from_sdk,
    files::{quoted, taken, unquoted},
    name::{copy_source, numbered},
};

/// Metadata of a copy: `<etag>@<unix time>` of the file that it was made of. An attempt that comes after a crash knows it by that.
pub(crate) const SOURCE: &str = "broadcast-source";

/// S3 copies at most this much with one request.
const COPY_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// Parts of a larger copy: within one request's few seconds, and 10,000 of them are more than S3's largest object.
const COPY_PART_BYTES: u64 = 1024 * 1024 * 1024;
/// Parts copied at once.
const COPY_PARTS_AT_ONCE: usize = 4;
/// Numbered names that are tried. A name that comes back this often within its folder's few days is a mistake to look at.
const NAMES_MAX: u32 = 1000;

/// Where a file went.
#[derive(Clone, PartialEq, Eq)]
pub struct Moved {
    /// The name that it really got, below the new folder.
    pub name: String,
    /// The copy's `ETag`, which differs from the original's when that was written in parts.
    pub etag: String,
}

impl fmt::Debug for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moved").field("etag", &self.etag).finish_non_exhaustive()
    }
}

/// One copy: which content of which key goes where.
struct Copy<'a> {
    from: String,
    meta: &'a Meta,
    to: String,
    if_absent: bool,
}

impl Copy<'_> {
    fn note(&self) -> String {
        source_note(self.meta)
    }
}

fn source_note(meta: &Meta) -> String {
    format!("{}@{}", meta.etag, meta.modified.unix_timestamp())
}

impl TenantFiles {
    /// Moves exactly the content `etag` into another folder, never over another file: a taken name gets a number before its ending.
    ///
    /// Idempotent: a copy that an earlier attempt made is recognised, also when the original is gone or replaced since.
    /// [`Error::Missing`] and [`Error::Changed`] come only when there is no such copy.
    pub async fn move_file(&self, from: Folder, name: &str, etag: &str, to: Folder) -> Result<Moved, Error> {
        let found = self.head(from, name).await?;
        let Some(meta) = found.as_ref().filter(|meta| meta.etag == etag) else {
            let absent = if found.is_some() { Error::Changed } else { Error::Missing };
            return self.moved_earlier(name, etag, to).await?.ok_or(absent);
        };
        let moved = self.copy_beside(from, name, meta, to).await?;
        match self.delete(from, name, Some(etag)).await {
            // Overwritten meanwhile: the new content is a new file and stays.
            Ok(_) | Err(Error::Changed) => Ok(moved),
            Err(error) => Err(error),
        }
    }

    async fn copy_beside(&self, from: Folder, name: &str, meta: &Meta, to: Folder) -> Result<Moved, Error> {
        for number in 0..NAMES_MAX {
            let candidate = numbered(name, number);
            match self.head_with_source(to, &candidate).await? {
                Some((there, Some(source))) if source == source_note(meta) => {
                    return Ok(Moved { name: candidate, etag: there.etag });
                }
                Some(_) => continue,
                None => {}
            }
            let copy = Copy { from: from.key(name), meta, to: to.key(&candidate), if_absent: true };
            match self.copy(&copy).await {
                Ok(etag) => return Ok(Moved { name: candidate, etag }),
                Err(Error::Exists) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::NamesTaken)
    }

    async fn moved_earlier(&self, name: &str, etag: &str, to: Folder) -> Result<Option<Moved>, Error> {
        for number in 0..NAMES_MAX {
            let candidate = numbered(name, number);
            let Some((there, source)) = self.head_with_source(to, &candidate).await? else { return Ok(None) };
            if source.and_then(|source| Some(source.split_once('@')?.0 == etag)) == Some(true) {
                return Ok(Some(Moved { name: candidate, etag: there.etag }));
            }
        }
        Ok(None)
    }

    /// Gives a file another name. With `replace` over whatever stands there, without it [`Error::Exists`].
    pub async fn rename(
        &self,
        from: (Folder, &str),
        to: (Folder, &str),
        replace: bool,
    ) -> Result<Stored, Error> {
        let meta = self.head(from.0, from.1).await?.ok_or(Error::Missing)?;
        if from == to {
            return Ok(Stored { etag: meta.etag, size: meta.size });
        }
        let copied = self.copy_over(from, &meta, to, replace).await?;
        self.delete(from.0, from.1, Some(&meta.etag)).await?;
        Ok(copied)
    }

    /// Copies exactly the content `etag`, or [`Error::Changed`]. With `replace` over whatever stands there, without it [`Error::Exists`].
    pub async fn copy_file(
        &self,
        from: (Folder, &str),
        etag: &str,
        to: (Folder, &str),
        replace: bool,
    ) -> Result<Stored, Error> {
        let meta = self.head(from.0, from.1).await?.ok_or(Error::Missing)?;
        if meta.etag != etag {
            return Err(Error::Changed);
        }
        if from == to {
            return if replace {
                Ok(Stored { etag: meta.etag, size: meta.size })
            } else {
                Err(Error::Exists)
            };
        }
        self.copy_over(from, &meta, to, replace).await
    }

    async fn copy_over(
        &self,
        from: (Folder, &str),
        meta: &Meta,
        to: (Folder, &str),
        replace: bool,
    ) -> Result<Stored, Error> {
        // The copy has the condition, too; not every server that stands in for S3 keeps it.
        if !replace && self.head(to.0, to.1).await?.is_some() {
            return Err(Error::Exists);
        }
        let copy = Copy { from: from.0.key(from.1), meta, to: to.0.key(to.1), if_absent: !replace };
        Ok(Stored { etag: self.copy(&copy).await?, size: meta.size })
    }

    /// The copy's `ETag`.
    async fn copy(&self, copy: &Copy<'_>) -> Result<String, Error> {
        if copy.meta.size > COPY_BYTES_MAX {
            return self.copy_by_parts(copy, COPY_PART_BYTES).await;
        }
        let answer = self
            .client()
            .copy_object()
            .bucket(self.bucket())
            .key(&copy.to)
            .copy_source(copy_source(self.bucket(), &copy.from))
            .copy_source_if_match(quoted(&copy.meta.etag))
            .set_if_none_match(copy.if_absent.then(|| "*".to_owned()))
            .metadata_directive(MetadataDirective::Replace)
            .metadata(SOURCE, copy.note())
            .send()
            .await;
        self.changed();
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Err(self.which_condition(from_sdk("CopyObject")(error), copy).await),
        };
        Ok(unquoted(answer.copy_object_result().and_then(|result| result.e_tag())))
    }

    /// Both conditions of a copy fail with the same status: look which one it was.
    async fn which_condition(&self, error: Error, copy: &Copy<'_>) -> Error {
        if !matches!(error, Error::Changed) || !copy.if_absent {
            return error;
        }
        let request = self.client().head_object().bucket(self.bucket()).key(&copy.to).send().await;
        if request.is_ok() { Error::Exists } else { error }
    }

    async fn copy_by_parts(&self, copy: &Copy<'_>, part_bytes: u64) -> Result<String, Error> {
        let begun = self
            .client()
            .create_multipart_upload()
            .bucket(self.bucket())
            .key(&copy.to)
            .metadata(SOURCE, copy.note())
            .send()
            .await
            .map_err(from_sdk("CreateMultipartUpload"))?;
        let upload_id = begun.upload_id().unwrap_or_default();
        let result = self.copy_parts(copy, part_bytes, upload_id).await;
        if result.is_err() {
            // What cannot be aborted either is found and swept later; the first error is the one that tells.
            let _ = self.abort_key(&copy.to, upload_id).await;
        }
        result
    }

    async fn copy_parts(&self, copy: &Copy<'_>, part_bytes: u64, upload_id: &str) -> Result<String, Error> {
        let mut under_way = JoinSet::new();
        let mut parts = Vec::new();
        for (number, from) in (1..).zip((0..copy.meta.size).step_by(usize::try_from(part_bytes).unwrap_or(1)))
        {
            if under_way.len() >= COPY_PARTS_AT_ONCE {
                parts.extend(under_way.join_next().await.transpose().map_err(|_| Error::Interrupted)?);
            }
            let last = copy.meta.size.min(from + part_bytes) - 1;
            let request = self
                .client()
                .upload_part_copy()
                .bucket(self.bucket())
                .key(&copy.to)
                .upload_id(upload_id)
                .part_number(number)
                .copy_source(copy_source(self.bucket(), &copy.from))
                .copy_source_if_match(quoted(&copy.meta.etag))
                .copy_source_range(format!("bytes={from}-{last}"));
            under_way.spawn(async move {
                let answer = request.send().await.map_err(from_sdk("UploadPartCopy"))?;
                let result = answer.copy_part_result();
                Ok(CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(result.and_then(|result| result.e_tag.clone()))
                    .build())
            });
        }
        while let Some(part) = under_way.join_next().await {
            parts.push(part.map_err(|_| Error::Interrupted)?);
        }
        let mut parts = parts.into_iter().collect::<Result<Vec<CompletedPart>, Error>>()?;
        parts.sort_by_key(CompletedPart::part_number);
        let answer = self
            .client()
            .complete_multipart_upload()
            .bucket(self.bucket())
            .key(&copy.to)
            .upload_id(upload_id)
            .set_if_none_match(copy.if_absent.then(|| "*".to_owned()))
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .send()
            .await;
        self.changed();
        let answer = answer
            .map_err(from_sdk("CompleteMultipartUpload"))
            .map_err(|error| taken(error, copy.if_absent))?;
        Ok(unquoted(answer.e_tag()))
    }
}

#[cfg(test)]
impl TenantFiles {
    /// The copy of what is too large for one request, with parts of a size that a test has.
    pub(crate) async fn copy_for_test(
        &self,
        from: Folder,
        name: &str,
        meta: &Meta,
        to: Folder,
        part_bytes: u64,
    ) -> Result<String, Error> {
        let copy = Copy { from: from.key(name), meta, to: to.key(name), if_absent: true };
        self.copy_by_parts(&copy, part_bytes).await
    }
}
