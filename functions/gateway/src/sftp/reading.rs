//! A file that is being downloaded: one streaming request to S3 serves reads that follow each other.

use bytes::{Buf, Bytes};
use contract::Folder;
use exchange::{Download, Meta, TenantFiles};

use super::refusal::Refusal;
use crate::gateway::Transfer;

/// What one read answers at most: a little below the packet that clients accept.
pub const READ_BYTES_MAX: u32 = 255 * 1024;
/// Attempts for one read: the first, and one more when S3 closed a body that the client had left alone for long.
const ATTEMPTS_MAX: u32 = 2;

/// Exactly one content of a file.
pub struct Source {
    pub folder: Folder,
    pub name: String,
    pub meta: Meta,
}

/// An open file. What it reads is the content that it was opened with, or nothing.
pub struct Reading {
    files: TenantFiles,
    folder: Folder,
    name: String,
    meta: Meta,
    body: Option<Download>,
    chunk: Bytes,
    position: u64,
    delivered: u64,
    /// Opened to be copied: that has a line of its own in the audit.
    pub copied: bool,
    _transfer: Transfer,
}

impl Reading {
    /// `body` from the file's start: most clients read that first, and small files whole.
    pub fn new(files: TenantFiles, folder: Folder, name: String, body: Download, transfer: Transfer) -> Self {
        Self {
            files,
            folder,
            name,
            meta: body.meta().clone(),
            body: Some(body),
            chunk: Bytes::new(),
            position: 0,
            delivered: 0,
            copied: false,
            _transfer: transfer,
        }
    }

    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    pub fn source(&self) -> Source {
        Source { folder: self.folder, name: self.name.clone(), meta: self.meta.clone() }
    }

    pub fn key(&self) -> String {
        self.folder.key(&self.name)
    }

    /// Bytes that went to the client, and whether that was as many as the file has.
    pub fn delivered(&self) -> (u64, bool) {
        (self.delivered, self.delivered >= self.meta.size)
    }

    pub async fn read(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, Refusal> {
        if offset >= self.meta.size {
            return Err(Refusal::END);
        }
        let mut attempt = 1;
        loop {
            match self.try_read(offset, length).await {
                Ok(bytes) => {
                    self.delivered += bytes.len() as u64;
                    return Ok(bytes);
                }
                Err(exchange::Error::Unavailable { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn try_read(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, exchange::Error> {
        let rest = self.meta.size - offset;
        let length = usize::try_from(rest.min(length.min(READ_BYTES_MAX).into())).unwrap_or_default();
        let mut body = match self.body.take() {
            Some(body) if offset == self.position => body,
            _ => self.open(offset, rest).await?,
        };
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            if self.chunk.is_empty() {
                // An end before the file's size is an error of the body itself.
                self.chunk = body.next().await?.ok_or(exchange::Error::Interrupted)?;
            }
            let now = self.chunk.len().min(length - bytes.len());
            bytes.extend_from_slice(&self.chunk[..now]);
            self.chunk.advance(now);
        }
        self.position = offset + bytes.len() as u64;
        // Put back only now: what failed on the way is asked for anew.
        self.body = Some(body);
        Ok(bytes)
    }

    async fn open(&mut self, offset: u64, length: u64) -> Result<Download, exchange::Error> {
        self.chunk = Bytes::new();
        let etag = Some(self.meta.etag.as_str());
        self.files.read_range(self.folder, &self.name, etag, offset, length).await
    }
}
