//! The last bytes of an upload that broke off, too few for a part. They come sealed and stand in the spool.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use contract::{UploadId, upload_tail_key, upload_tail_prefix};
use time::OffsetDateTime;

use crate::{Download, Error, TenantFiles, error::from_sdk, files::point_in_time, part::PART_BYTES_LAST};

/// A tail is shorter than the smallest part, unless S3 took no part at all; sealing adds some bytes.
const TAIL_BYTES_MAX: usize = PART_BYTES_LAST + 1024;

impl TenantFiles {
    /// Writes the tail of an upload, over an earlier one.
    pub async fn put_upload_tail(&self, upload: UploadId, bytes: impl Into<Bytes>) -> Result<(), Error> {
        self.client()
            .put_object()
            .bucket(self.spool_bucket())
            .key(upload_tail_key(self.tenant(), upload))
            .body(ByteStream::from(bytes.into()))
            .send()
            .await
            .map_err(from_sdk("PutObject"))?;
        Ok(())
    }

    /// Reads it, or [`Error::Missing`].
    pub async fn get_upload_tail(&self, upload: UploadId) -> Result<Bytes, Error> {
        let request = self.client().get_object().bucket(self.spool_bucket());
        let request = request.key(upload_tail_key(self.tenant(), upload));
        let answer = request.send().await.map_err(from_sdk("GetObject"))?;
        Download::new(answer).collect(TAIL_BYTES_MAX).await
    }

    /// The tails that there are, and when they were written; at most about `limit` (whole pages of 1,000).
    pub async fn upload_tails(&self, limit: usize) -> Result<Vec<(UploadId, OffsetDateTime)>, Error> {
        let prefix = upload_tail_prefix(self.tenant());
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let request = self.client().list_objects_v2().bucket(self.spool_bucket()).prefix(&prefix);
            let page =
                request.set_continuation_token(token).send().await.map_err(from_sdk("ListObjectsV2"))?;
            found.extend(page.contents().iter().filter_map(|object| {
                let upload = object.key()?.strip_prefix(&prefix)?.parse().ok()?;
                Some((upload, object.last_modified().map_or(OffsetDateTime::UNIX_EPOCH, point_in_time)))
            }));
            token = page.next_continuation_token;
            if token.is_none() || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    /// Deletes it, there or not.
    pub async fn delete_upload_tail(&self, upload: UploadId) -> Result<(), Error> {
        let request = self.client().delete_object().bucket(self.spool_bucket());
        let request = request.key(upload_tail_key(self.tenant(), upload));
        match request.send().await.map_err(from_sdk("DeleteObject")) {
            Ok(_) | Err(Error::Missing) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
