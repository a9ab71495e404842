//! Open files: what a client does by handle.

use contract::Folder;
use russh_sftp::protocol::{Attrs, FileAttributes, OpenFlags};

use super::{
    attributes,
    listing::Entries,
    names::file,
    packet::{HANDLES_MAX, done},
    reading::Reading,
    refusal::Refusal,
    session::{Answer, Session},
    writing::{Way, Writing},
};

/// What stands behind a handle.
pub enum Open {
    Reading(Reading),
    Writing(Writing),
    Entries(Entries),
}

impl Session {
    pub(super) async fn open(&mut self, id: u32, path: &str, flags: OpenFlags) -> Answer {
        let (folder, name) = file(path)?;
        if self.open.len() >= HANDLES_MAX {
            return Err(Refusal::TOO_MANY);
        }
        let transfer = self.gateway.transfer(self.tenant.id).ok_or(Refusal::TOO_MANY)?;
        if !flags.contains(OpenFlags::WRITE) {
            let Some(meta) = self.files.head(folder, &name).await? else {
                return Err(self.no_file(folder, &name).await?);
            };
            let reading = Reading::new(self.files.clone(), folder, name, meta, transfer);
            return Ok(self.keep(id, Open::Reading(reading)));
        }
        if folder != Folder::Incoming {
            return Err(Refusal::NOT_HERE);
        }
        let standing = self.files.head(folder, &name).await?;
        let way = Way::of(flags, standing.as_ref().map(|meta| meta.size))?;
        if self.is_folder(folder, &name).await? {
            return Err(Refusal::IS_FOLDER);
        }
        let upload = self.files.upload(folder, &name);
        let upload = if way == Way::New { upload.if_absent() } else { upload };
        Ok(self.keep(id, Open::Writing(Writing::new(upload, way, folder, name, transfer))))
    }

    pub(super) async fn close(&mut self, id: u32, handle: &str) -> Answer {
        match self.open.remove(handle).ok_or(Refusal::BAD_HANDLE)? {
            Open::Entries(_) => {}
            Open::Reading(reading) => self.downloaded(&reading).await,
            Open::Writing(mut writing) => {
                let result = writing.close().await;
                let words = result.map_or_else(|refusal| refusal.words, |closed| closed.words());
                self.audit("upload", &writing.key(), Some(writing.written()), words).await;
                result?;
            }
        }
        Ok(done(id))
    }

    pub(super) async fn downloaded(&self, reading: &Reading) {
        let (bytes, whole) = reading.delivered();
        self.audit("download", &reading.key(), Some(bytes), if whole { "done" } else { "in part" }).await;
    }

    pub(super) fn fstat(&mut self, id: u32, handle: &str) -> Answer {
        let attrs = match self.open.get(handle).ok_or(Refusal::BAD_HANDLE)? {
            Open::Reading(reading) => attributes::of_file(reading.meta()),
            Open::Writing(writing) => attributes::of_upload(writing.written()),
            Open::Entries(_) => attributes::of_folder(),
        };
        Ok(Attrs { id, attrs }.into())
    }

    pub(super) fn fsetstat(&mut self, id: u32, handle: &str, attrs: &FileAttributes) -> Answer {
        match (self.open.get_mut(handle).ok_or(Refusal::BAD_HANDLE)?, attrs.size) {
            (Open::Writing(writing), Some(size)) => writing.set_size(size)?,
            (_, Some(_)) => return Err(Refusal::SIZE),
            (_, None) => {}
        }
        Ok(done(id))
    }
}
