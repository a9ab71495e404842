//! A file that is being uploaded: it appears when the client closes it, whole, or never.

use contract::Folder;
use exchange::{Stored, Upload};

use super::refusal::Refusal;
use crate::gateway::Transfer;

/// An open upload. Its first failure is its last word: closing it then stores nothing.
pub struct Writing {
    upload: Option<Upload>,
    written: u64,
    folder: Folder,
    name: String,
    _transfer: Transfer,
}

impl Writing {
    pub fn new(upload: Upload, folder: Folder, name: String, transfer: Transfer) -> Self {
        Self { upload: Some(upload), written: 0, folder, name, _transfer: transfer }
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    pub fn key(&self) -> String {
        self.folder.key(&self.name)
    }

    pub async fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Refusal> {
        let Some(upload) = self.upload.as_mut() else { return Err(Refusal::BROKEN) };
        let result = if offset == self.written {
            upload.write(bytes).await.map_err(Refusal::from)
        } else {
            Err(Refusal::ORDER)
        };
        match result {
            Ok(()) => self.written += bytes.len() as u64,
            Err(_) => self.abort().await,
        }
        result
    }

    /// The client may say a size only when it is the one that is there.
    pub fn accepts_size(&self, size: Option<u64>) -> bool {
        size.is_none_or(|size| size == self.written)
    }

    pub async fn close(&mut self) -> Result<Stored, Refusal> {
        let upload = self.upload.take().ok_or(Refusal::BROKEN)?;
        Ok(upload.complete().await?)
    }

    pub async fn abort(&mut self) {
        if let Some(upload) = self.upload.take() {
            upload.abort().await;
        }
    }
}
