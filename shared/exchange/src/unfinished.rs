//! Multipart uploads that were begun and never ended: invisible in listings, paid for, and full of somebody's data.

use std::fmt;

use aws_sdk_s3::operation::abort_multipart_upload::AbortMultipartUploadError;
use contract::Folder;
use time::OffsetDateTime;

use crate::{Error, TenantFiles, error::from_sdk, files::point_in_time};

/// An upload that is not complete.
#[derive(Clone)]
pub struct Unfinished {
    /// When it was begun.
    pub started: OffsetDateTime,
    key: String,
    upload_id: String,
}

impl fmt::Debug for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unfinished").field("started", &self.started).finish_non_exhaustive()
    }
}

impl Unfinished {
    /// S3's name of it.
    pub fn upload_id(&self) -> &str {
        &self.upload_id
    }
}

impl TenantFiles {
    /// Unfinished uploads in the tenant's bucket, at most about `limit` (whole pages of 1,000).
    pub async fn unfinished_uploads(&self, limit: usize) -> Result<Vec<Unfinished>, Error> {
        let mut found = Vec::new();
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let page = self
                .client()
                .list_multipart_uploads()
                .bucket(self.bucket())
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker)
                .send()
                .await
                .map_err(from_sdk("ListMultipartUploads"))?;
            found.extend(page.uploads().iter().filter_map(|upload| {
                Some(Unfinished {
                    started: upload.initiated().map_or(OffsetDateTime::UNIX_EPOCH, point_in_time),
                    key: upload.key()?.to_owned(),
                    upload_id: upload.upload_id()?.to_owned(),
                })
            }));
            if page.is_truncated() != Some(true) || found.len() >= limit {
                return Ok(found);
            }
            key_marker = page.next_key_marker;
            id_marker = page.next_upload_id_marker;
        }
    }

    /// Ends an unfinished upload and frees its parts. One that has ended meanwhile is no error.
    pub async fn abort(&self, upload: &Unfinished) -> Result<(), Error> {
        self.abort_key(&upload.key, &upload.upload_id).await
    }

    /// The same for one that was begun under this name.
    pub async fn abort_upload(&self, folder: Folder, begun_as: &str, upload_id: &str) -> Result<(), Error> {
        self.abort_key(&folder.key(begun_as), upload_id).await
    }

    pub(crate) async fn abort_key(&self, key: &str, upload_id: &str) -> Result<(), Error> {
        let request = self.client().abort_multipart_upload().bucket(self.bucket()).key(key);
        match request.upload_id(upload_id).send().await {
            Ok(_) => Ok(()),
            // Completed or aborted already.
            Err(error)
                if error.as_service_error().is_some_and(AbortMultipartUploadError::is_no_such_upload) =>
            {
                Ok(())
            }
            Err(error) => Err(from_sdk("AbortMultipartUpload")(error)),
        }
    }
}
