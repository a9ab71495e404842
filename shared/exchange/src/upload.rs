//! A file that is written in parts: it appears whole when it is completed, or never.

use std::{collections::VecDeque, fmt, sync::Arc};

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use time::OffsetDateTime;
use tokio::runtime::Handle;

use crate::{
    BlockingWrite, Error, Stored, TenantFiles,
    buffer::Buffers,
    error::from_sdk,
    files::{taken, unquoted},
    mark::{BEGUN, etag, etag_of_parts, mark},
    part::{PART_BYTES_MIN, PARTS_MAX, Sending, UPLOAD_BYTES_MAX, part_bytes, parts_under_way_max},
};

/// What S3 answers when a part is not the one that was sent.
const OTHER_PART: &str = "InvalidPart";
/// What it answers when another request changed what a condition is about.
const CONFLICT: &str = "ConditionalRequestConflict";

/// A file under way: one part is filled while those before it are sent, at most 24 MiB in all, and 32 MiB above 18 GB. Dropped unfinished it is
/// aborted, as far as that is possible; what even a crash leaves is found as [`unfinished`](TenantFiles::unfinished_uploads). One that was
/// [left](Self::leave) can be [resumed](TenantFiles::resume).
pub struct Upload {
    files: TenantFiles,
    key: String,
    mark: String,
    if_absent: bool,
    buffers: Arc<Buffers>,
    buffer: BytesMut,
    written: u64,
    begun: i32,
    stored: u64,
    parts: Vec<CompletedPart>,
    /// In the order of their numbers. Settled in that order, too, so that what is stored has no gap.
    under_way: VecDeque<Sending>,
    id: Option<String>,
    ended: bool,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("written", &self.written).finish_non_exhaustive()
    }
}

impl Upload {
    /// The largest file, in bytes.
    pub const BYTES_MAX: u64 = UPLOAD_BYTES_MAX;

    pub(crate) fn new(files: TenantFiles, key: String) -> Self {
        Self {
            buffers: files.buffers(),
            files,
            key,
            mark: mark(OffsetDateTime::now_utc()),
            if_absent: false,
            buffer: BytesMut::new(),
            written: 0,
            begun: 0,
            stored: 0,
            parts: Vec::new(),
            under_way: VecDeque::new(),
            id: None,
            ended: false,
        }
    }

    /// Goes on after these parts of `stored` bytes.
    pub(crate) fn with_parts(mut self, upload_id: String, parts: Vec<CompletedPart>, stored: u64) -> Self {
        self.begun = i32::try_from(parts.len()).unwrap_or(PARTS_MAX);
        (self.id, self.parts, self.stored, self.written) = (Some(upload_id), parts, stored, stored);
        self
    }

    pub(crate) fn with_tail(mut self, tail: &[u8]) -> Self {
        self.buffers.append(&mut self.buffer, tail);
        self.written += tail.len() as u64;
        self
    }

    /// Completing fails with [`Error::Exists`] when the name is taken by then.
    #[must_use]
    pub fn if_absent(mut self) -> Self {
        self.if_absent = true;
        self
    }

    /// When it was begun, as its mark: of one tenant's uploads no two have the same. One that is resumed is told what it was begun with.
    #[must_use]
    pub fn begun_at(mut self, time: OffsetDateTime) -> Self {
        self.mark = mark(time);
        self
    }

    /// Bytes written so far. After a part failed: those that are stored.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Bytes in parts that S3 has: from the file's start, without a gap.
    pub fn stored(&self) -> u64 {
        self.stored
    }

    /// S3's name of the upload, once its first part was begun.
    pub fn upload_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The bytes that are in no part yet: the file's last ones, as far as it is written.
    pub fn tail(&self) -> &[u8] {
        &self.buffer
    }

    /// Bytes that it holds in memory, of 24 MiB at most; 32 MiB above 18 GB.
    pub fn held(&self) -> usize {
        self.buffer.len() + self.under_way.iter().map(|part| part.bytes).sum::<usize>()
    }

    /// Appends. After [`Error::TooLarge`] everything is as before. After another error of a part the upload has ended: what is
    /// [stored](Self::stored) can be resumed.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.is_open()?;
        if self.written.saturating_add(bytes.len() as u64) > UPLOAD_BYTES_MAX {
            return Err(Error::TooLarge { max: UPLOAD_BYTES_MAX });
        }
        while self.under_way.front().is_some_and(|part| part.task.is_finished()) {
            self.settle_one().await?;
        }
        while !bytes.is_empty() {
            let size = part_bytes(self.begun + 1);
            if self.buffer.len() >= size {
                self.send_part().await?;
                continue;
            }
            while self.buffer.is_empty() && self.under_way.len() > parts_under_way_max(size) {
                self.settle_one().await?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(size - self.buffer.len()));
            self.buffers.append(&mut self.buffer, now);
            self.written += now.len() as u64;
            bytes = later;
        }
        if self.buffer.len() >= part_bytes(self.begun + 1) {
            self.send_part().await?;
        }
        Ok(())
    }

    /// Writes over bytes that are still in the [tail](Self::tail). `false`: they are not all there, and nothing was changed.
    pub fn rewrite(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let from = self.written - self.buffer.len() as u64;
        let place = offset.checked_sub(from).and_then(|start| {
            let start = usize::try_from(start).ok()?;
            self.buffer.get_mut(start..start.checked_add(bytes.len())?)
        });
        place.map(|place| place.copy_from_slice(bytes)).is_some()
    }

    /// Waits until all parts are stored; the [tail](Self::tail) becomes one, when it has S3's 5 MiB for a part.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.is_open()?;
        if self.buffer.len() >= PART_BYTES_MIN {
            self.send_part().await?;
        }
        self.settle_all().await
    }

    fn is_open(&self) -> Result<(), Error> {
        if self.ended { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Sends what is in the buffer, whatever its size. Returns it as well, for whoever may have to take it back.
    async fn send_part(&mut self) -> Result<Bytes, Error> {
        if self.begun >= PARTS_MAX {
            return Err(Error::TooLarge { max: self.written });
        }
        let upload_id = match &self.id {
            Some(id) => id.clone(),
            None => self.begin().await?,
        };
        // Not split off: what remains would hold the memory, too.
        let body = std::mem::take(&mut self.buffer).freeze();
        self.begun += 1;
        let (files, key, number, sent) = (self.files.clone(), self.key.clone(), self.begun, body.clone());
        let buffers = Arc::clone(&self.buffers);
        let task = tokio::spawn(async move {
            let result = files.send_part(key, upload_id, number, sent.clone()).await;
            buffers.give_back(sent);
            result
        });
        self.under_way.push_back(Sending { bytes: body.len(), task });
        Ok(body)
    }

    async fn begin(&mut self) -> Result<String, Error> {
        let request = self.files.client().create_multipart_upload();
        let answer = request
            .bucket(self.files.bucket())
            .key(&self.key)
            .metadata(BEGUN, &self.mark)
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

    /// Waits for the oldest part under way, which frees its memory. `false`: there is none.
    pub async fn settle_oldest(&mut self) -> Result<bool, Error> {
        self.is_open()?;
        let any = !self.under_way.is_empty();
        self.settle_one().await?;
        self.buffers.clear();
        Ok(any)
    }

    async fn settle_one(&mut self) -> Result<(), Error> {
        let Some(first) = self.under_way.front_mut() else { return Ok(()) };
        let bytes = first.bytes as u64;
        // Taken out only when it has ended: whoever stops waiting here has lost nothing.
        let result = (&mut first.task).await.unwrap_or(Err(Error::Interrupted));
        self.under_way.pop_front();
        match result {
            Ok(part) => {
                self.parts.push(part);
                self.stored += bytes;
                Ok(())
            }
            Err(error) => {
                self.give_up_unstored();
                Err(error)
            }
        }
    }

    async fn settle_all(&mut self) -> Result<(), Error> {
        while !self.under_way.is_empty() {
            self.settle_one().await?;
        }
        Ok(())
    }

    /// Bytes are missing behind what is stored: all that follows is worth nothing.
    fn give_up_unstored(&mut self) {
        for part in self.under_way.drain(..) {
            part.task.abort();
        }
        self.ended = true;
        self.buffer = BytesMut::new();
        self.written = self.stored;
    }

    /// The file appears, whole, with everything that was written. An empty file is one, too. After an error it may be left or resumed as after
    /// one of [`write`](Self::write); [`Error::Changed`] alone says that the parts in S3 are not those that were sent, because somebody
    /// else has sent parts of the same upload: it can only be aborted.
    pub async fn finish(&mut self) -> Result<Stored, Error> {
        self.is_open()?;
        if self.begun == 0 {
            let last = std::mem::take(&mut self.buffer).freeze();
            let put = self.put(last.clone()).await;
            match &put {
                Ok(_) => self.ended = true,
                Err(_) => self.take_back(last),
            }
            return put;
        }
        let last = if self.buffer.is_empty() { Bytes::new() } else { self.send_part().await? };
        self.settle_all().await?;
        let completed = self.complete_parts().await;
        match &completed {
            Ok(_) => (self.id, self.ended) = (None, true),
            // Nothing can follow a part that is too small: it becomes the tail again.
            Err(_) if !last.is_empty() && last.len() < PART_BYTES_MIN => {
                self.parts.pop();
                self.begun -= 1;
                self.stored -= last.len() as u64;
                self.take_back(last);
            }
            Err(_) => {}
        }
        completed
    }

    fn take_back(&mut self, last: Bytes) {
        self.buffer = last.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
    }

    async fn put(&self, bytes: Bytes) -> Result<Stored, Error> {
        match self.files.put_key(&self.key, bytes.clone(), self.if_absent, Some(&self.mark)).await {
            Ok(stored) => Ok(stored),
            Err(error) => {
                let made = Stored { etag: etag(&bytes), size: self.written };
                self.files.made_in_spite_of(error, &self.key, &self.mark, made).await
            }
        }
    }

    async fn complete_parts(&self) -> Result<Stored, Error> {
        match self.try_complete().await {
            Ok(stored) => Ok(stored),
            Err(error) => {
                let made = Stored { etag: etag_of_parts(&self.parts), size: self.written };
                self.files.made_in_spite_of(error, &self.key, &self.mark, made).await
            }
        }
    }

    async fn try_complete(&self) -> Result<Stored, Error> {
        match self.complete_if(self.if_absent).await {
            // The name was taken and given up again while this upload went on: S3 then never takes the condition for this one.
            Err(Error::Unavailable { reason, .. }) if self.if_absent && reason.ends_with(CONFLICT) => {
                if self.files.head_key(&self.key).await?.is_some() {
                    return Err(Error::Exists);
                }
                self.complete_if(false).await
            }
            answer => answer,
        }
    }

    async fn complete_if(&self, if_absent: bool) -> Result<Stored, Error> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.parts.clone()));
        let answer = self
            .files
            .client()
            .complete_multipart_upload()
            .bucket(self.files.bucket())
            .key(&self.key)
            .set_upload_id(self.id.clone())
            .set_if_none_match(if_absent.then(|| "*".to_owned()))
            .multipart_upload(parts.build())
            .send()
            .await;
        self.files.changed();
        let answer = answer
            .map_err(from_sdk("CompleteMultipartUpload"))
            .map_err(|error| taken(error, if_absent))
            .map_err(|error| match error {
                Error::Refused { ref code, .. } if code == OTHER_PART => Error::Changed,
                error => error,
            })?;
        Ok(Stored { etag: unquoted(answer.e_tag()), size: self.written })
    }

    /// [Finishes](Self::finish), or leaves nothing.
    pub async fn complete(mut self) -> Result<Stored, Error> {
        let result = self.finish().await;
        self.abort().await;
        result
    }

    /// Goes away without an end: what is [stored](Self::stored) stays in S3, and whoever knows the [id](Self::upload_id) goes on with it.
    pub fn leave(mut self) {
        self.give_up_unstored();
        self.id = None;
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
        let (files, key) = (self.files.clone(), std::mem::take(&mut self.key));
        let under_way = std::mem::take(&mut self.under_way);
        Some(async move {
            // A part that arrives after the abort would stay: it ends first.
            for part in under_way {
                part.task.abort();
                let _ = part.task.await;
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

#[cfg(test)]
impl Upload {
    /// As if so much had been written: a test has no time for the largest file.
    pub(crate) fn pretend(&mut self, written: u64) {
        self.written = written;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(end), Ok(runtime)) = (self.end(), Handle::try_current()) {
            runtime.spawn(end);
        }
    }
}
