//! A file that is written in parts: it appears whole when it is completed, or never.

use std::fmt;

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart},
};
use bytes::{Bytes, BytesMut};
use tokio::{runtime::Handle, task::JoinHandle};

use crate::{
    BlockingWrite, Error, Stored, TenantFiles,
    error::from_sdk,
    files::{taken, unquoted},
};

const MIB: usize = 1024 * 1024;
/// The first parts are small: a file of a few megabytes needs one request, and memory stays low for many writers at once.
const PART_BYTES_FIRST: usize = 8 * MIB;
/// Parts grow so that S3's 10,000 of them hold the largest file.
const PART_BYTES_LAST: usize = 32 * MIB;
/// 8 MiB for the first 1,000 parts (8 GB), 16 MiB for the next 1,000, 32 MiB for the rest.
const PARTS_PER_STEP: i32 = 1000;
/// What 10,000 such parts hold is 273 GiB; 256 GiB is the round number below.
const UPLOAD_BYTES_MAX: u64 = 256 * 1024 * 1024 * 1024;

fn part_bytes(number: i32) -> usize {
    let step = (number - 1) / PARTS_PER_STEP;
    if step >= 2 { PART_BYTES_LAST } else { PART_BYTES_FIRST << step }
}

/// A file under way: one part is filled while the one before it is sent. Dropped unfinished it is aborted, as far as that is possible;
/// what even a crash leaves is found as [`unfinished`](TenantFiles::unfinished_uploads).
pub struct Upload {
    files: TenantFiles,
    key: String,
    if_absent: bool,
    buffer: BytesMut,
    written: u64,
    begun: i32,
    parts: Vec<CompletedPart>,
    under_way: Option<JoinHandle<Result<CompletedPart, Error>>>,
    id: Option<String>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("written", &self.written).finish_non_exhaustive()
    }
}

impl Upload {
    pub(crate) fn new(files: TenantFiles, key: String) -> Self {
        Self {
            files,
            key,
            if_absent: false,
            buffer: BytesMut::new(),
            written: 0,
            begun: 0,
            parts: Vec::new(),
            under_way: None,
            id: None,
        }
    }

    /// Completing fails with [`Error::Exists`] when the name is taken by then.
    #[must_use]
    pub fn if_absent(mut self) -> Self {
        self.if_absent = true;
        self
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Appends. After an error the upload cannot be completed any more.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.written += bytes.len() as u64;
        if self.written > UPLOAD_BYTES_MAX {
            return Err(Error::TooLarge { max: UPLOAD_BYTES_MAX });
        }
        while !bytes.is_empty() {
            let size = part_bytes(self.begun + 1);
            let (now, later) = bytes.split_at(bytes.len().min(size - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == size {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), Error> {
        let upload_id = match &self.id {
            Some(id) => id.clone(),
            None => self.begin().await?,
        };
        let body = self.buffer.split().freeze();
        self.begun += 1;
        self.settle().await?;
        let (files, key, number) = (self.files.clone(), self.key.clone(), self.begun);
        self.under_way =
            Some(tokio::spawn(async move { files.send_part(key, upload_id, number, body).await }));
        Ok(())
    }

    async fn begin(&mut self) -> Result<String, Error> {
        let request = self.files.client().create_multipart_upload();
        let answer = request
            .bucket(self.files.bucket())
            .key(&self.key)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            // Of the whole file, so that whoever reads it whole can verify it.
            .checksum_type(ChecksumType::FullObject)
            .send()
            .await
            .map_err(from_sdk("CreateMultipartUpload"))?;
        let id = answer.upload_id().unwrap_or_default().to_owned();
        self.id = Some(id.clone());
        Ok(id)
    }

    async fn settle(&mut self) -> Result<(), Error> {
        if let Some(part) = self.under_way.take() {
            self.parts.push(part.await.map_err(|_| Error::Interrupted)??);
        }
        Ok(())
    }

    /// The file appears, whole, with everything that was written. An empty file is one, too.
    pub async fn complete(mut self) -> Result<Stored, Error> {
        if self.begun == 0 {
            return self.files.put_key(&self.key, self.buffer.split().freeze(), self.if_absent).await;
        }
        if !self.buffer.is_empty() {
            self.send_part().await?;
        }
        self.settle().await?;
        if self.parts.len() != usize::try_from(self.begun).unwrap_or_default() {
            return Err(Error::Interrupted);
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.parts)));
        let answer = self
            .files
            .client()
            .complete_multipart_upload()
            .bucket(self.files.bucket())
            .key(&self.key)
            .set_upload_id(self.id.clone())
            .set_if_none_match(self.if_absent.then(|| "*".to_owned()))
            .multipart_upload(parts.build())
            .send()
            .await
            .map_err(from_sdk("CompleteMultipartUpload"))
            .map_err(|error| taken(error, self.if_absent))?;
        self.id = None;
        Ok(Stored { etag: unquoted(answer.e_tag()), size: self.written })
    }

    /// Gives up: nothing of it stays.
    pub async fn abort(mut self) {
        if let Some(end) = self.end() {
            end.await;
        }
    }

    /// What remains to be done for an upload that will not be completed.
    fn end(&mut self) -> Option<impl Future<Output = ()> + Send + 'static> {
        let id = self.id.take()?;
        let (files, key, part) = (self.files.clone(), std::mem::take(&mut self.key), self.under_way.take());
        Some(async move {
            // A part that arrives after the abort would stay: it ends first.
            if let Some(part) = part {
                part.abort();
                let _ = part.await;
            }
            if let Err(error) = files.abort_key(&key, &id).await {
                tracing::warn!(tenant = files.tenant().0, %error, "an unfinished upload stays until it is swept");
            }
        })
    }

    /// The same for blocking code. Must be called within tokio, and written to outside of it (`spawn_blocking`).
    pub fn into_blocking(self) -> BlockingWrite {
        BlockingWrite::new(self)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(end), Ok(runtime)) = (self.end(), Handle::try_current()) {
            runtime.spawn(end);
        }
    }
}

impl TenantFiles {
    async fn send_part(
        &self,
        key: String,
        upload_id: String,
        number: i32,
        body: Bytes,
    ) -> Result<CompletedPart, Error> {
        let answer = self
            .client()
            .upload_part()
            .bucket(self.bucket())
            .key(key)
            .upload_id(upload_id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(ByteStream::from(body))
            .send()
            .await
            .map_err(from_sdk("UploadPart"))?;
        // Said again at the end, so that S3 compares each part's with what it has.
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(answer.e_tag)
            .set_checksum_crc32(answer.checksum_crc32)
            .build())
    }

    pub(crate) async fn abort_key(&self, key: &str, upload_id: &str) -> Result<(), Error> {
        let request = self.client().abort_multipart_upload().bucket(self.bucket()).key(key);
        match request.upload_id(upload_id).send().await {
            Ok(_) => Ok(()),
            // Completed or aborted already.
            Err(error) if error.as_service_error().is_some_and(is_gone) => Ok(()),
            Err(error) => Err(from_sdk("AbortMultipartUpload")(error)),
        }
    }
}

fn is_gone(error: &aws_sdk_s3::operation::abort_multipart_upload::AbortMultipartUploadError) -> bool {
    error.is_no_such_upload()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_and_hold_the_largest_upload() {
        assert_eq!(part_bytes(1), 8 * MIB);
        assert_eq!(part_bytes(1000), 8 * MIB);
        assert_eq!(part_bytes(1001), 16 * MIB);
        assert_eq!(part_bytes(2001), 32 * MIB);
        assert_eq!(part_bytes(10_000), 32 * MIB);
        let whole: u64 = (1..=10_000).map(|number| part_bytes(number) as u64).sum();
        assert!(whole >= UPLOAD_BYTES_MAX);
    }
}
