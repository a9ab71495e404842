//! A file's body, chunk by chunk.

use std::fmt;

use aws_sdk_s3::{operation::get_object::GetObjectOutput, primitives::ByteStream};
use bytes::{Bytes, BytesMut};

use crate::{BlockingRead, Error, Meta, error::broken_body, files::meta};

/// A body that is being read. Memory holds one chunk of it at a time.
pub struct Download {
    meta: Meta,
    length: u64,
    delivered: u64,
    body: ByteStream,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Download {
    pub(crate) fn new(answer: GetObjectOutput) -> Self {
        let mut meta = meta(answer.e_tag(), answer.content_length(), answer.last_modified());
        let length = meta.size;
        // "bytes 0-9/100": of a part, the whole file's size stands at the end.
        let whole = answer.content_range().and_then(|range| range.rsplit_once('/')?.1.parse().ok());
        meta.size = whole.unwrap_or(length);
        Self { meta, length, delivered: 0, body: answer.body }
    }

    /// The whole file's, also when only a part of it is read.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Bytes of this body.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The next chunk, `None` at the end; the end comes only after all of [`length`](Self::length).
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match self.body.try_next().await.map_err(|_| broken_body())? {
            Some(chunk) => {
                self.delivered += chunk.len() as u64;
                Ok(Some(chunk))
            }
            None if self.delivered == self.length => Ok(None),
            None => Err(broken_body()),
        }
    }

    /// The whole body, when it has at most `bytes_max`.
    pub async fn collect(mut self, bytes_max: usize) -> Result<Bytes, Error> {
        let too_large = || Error::TooLarge { max: bytes_max as u64 };
        let length = usize::try_from(self.length).ok().filter(|length| *length <= bytes_max);
        let mut whole = BytesMut::with_capacity(length.ok_or_else(too_large)?);
        while let Some(chunk) = self.next().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// The same for blocking code. Must be called within tokio, and read outside of it (`spawn_blocking`).
    pub fn into_blocking(self) -> BlockingRead {
        BlockingRead::new(self)
    }
}
