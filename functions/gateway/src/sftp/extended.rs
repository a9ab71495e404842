//! What OpenSSH's extensions do here.

use russh_sftp::protocol::{File, Name, Packet};

use super::{
    copying::Copying,
    extension::{CopyData, Extension, expanded, file_system, parse},
    handles::Open,
    packet::{done, limits},
    refusal::Refusal,
    session::{Answer, Session},
};
use crate::path::{canonical, resolve};

impl Session {
    pub(super) async fn extended(&mut self, id: u32, request: &str, data: Vec<u8>) -> Answer {
        match parse(request, data)? {
            Extension::PosixRename { old, new } => self.rename(id, &old, &new, true).await,
            Extension::StatVfs { path } => {
                resolve(&path)?;
                Ok(file_system(id))
            }
            Extension::FStatVfs { handle } if self.open.contains_key(&handle) => Ok(file_system(id)),
            Extension::FStatVfs { .. } => Err(Refusal::BAD_HANDLE),
            Extension::FSync { handle } => self.fsync(id, &handle).await,
            // There are no links, so nothing differs from what a link would lead to.
            Extension::LSetStat { path, attrs } => self.setstat(id, &path, &attrs).await,
            Extension::Limits => Ok(limits(id)),
            Extension::ExpandPath { path } => Ok(named(id, canonical(expanded(&path)?)?)),
            Extension::HomeDirectory => Ok(named(id, "/".to_owned())),
            Extension::CopyData(copy) => self.copy_data(id, &copy),
            Extension::HardLink => Err(Refusal::LINKS),
        }
    }

    /// There is none to read.
    pub(super) async fn readlink(&mut self, path: &str) -> Answer {
        self.stat(0, path).await.and(Err(Refusal::NO_LINK))
    }

    /// What was written is then there for whoever goes on with the upload, also after a crash of ours.
    async fn fsync(&mut self, id: u32, handle: &str) -> Answer {
        match self.open.get_mut(handle) {
            Some(Open::Writing(writing)) => writing.sync().await?,
            Some(Open::Reading(_) | Open::Text(_) | Open::Copying(_)) => {}
            Some(Open::Entries(_)) | None => return Err(Refusal::BAD_HANDLE),
        }
        Ok(done(id))
    }

    /// A whole file into a new one: S3 does it when that is closed. No bytes of it come through here.
    fn copy_data(&mut self, id: u32, copy: &CopyData) -> Answer {
        let Some(Open::Reading(reading)) = self.open.get_mut(&copy.from) else {
            return Err(if self.open.contains_key(&copy.from) {
                Refusal::COPY_PART
            } else {
                Refusal::BAD_HANDLE
            });
        };
        let whole = copy.from_offset == 0 && (copy.length == 0 || copy.length >= reading.meta().size);
        let source = reading.source();
        reading.copied = true;
        match self.open.remove(&copy.to) {
            Some(Open::Writing(writing)) if whole && copy.to_offset == 0 && writing.is_untouched() => {
                self.open.insert(copy.to.clone(), Open::Copying(Copying::new(source, writing)));
                Ok(done(id))
            }
            Some(other) => {
                self.open.insert(copy.to.clone(), other);
                Err(Refusal::COPY_PART)
            }
            None => Err(Refusal::BAD_HANDLE),
        }
    }
}

fn named(id: u32, path: String) -> Packet {
    Name { id, files: vec![File::dummy(path)] }.into()
}
