//! A small file that is in memory whole: the tenant's key.

use russh_sftp::protocol::{Attrs, FileAttributes, OpenFlags};

use super::{
    attributes,
    handles::Open,
    packet::HANDLES_MAX,
    reading::READ_BYTES_MAX,
    refusal::Refusal,
    session::{Answer, Session},
};
use crate::key_file::{self, KeyFile};

/// An open one.
pub struct Text(KeyFile);

impl Text {
    pub fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, Refusal> {
        let rest = usize::try_from(offset).ok().and_then(|from| self.0.text.get(from..));
        match rest {
            Some(rest) if !rest.is_empty() => {
                let length = rest.len().min(length.min(READ_BYTES_MAX) as usize);
                Ok(rest[..length].to_vec())
            }
            _ => Err(Refusal::END),
        }
    }

    pub fn attributes(&self) -> FileAttributes {
        attributes::of_key(&self.0)
    }
}

impl Session {
    pub(super) async fn key_file(&self) -> Result<Option<KeyFile>, Refusal> {
        Ok(key_file::read(self.gateway.store(), self.tenant.id).await?)
    }

    pub(super) async fn open_key(&mut self, id: u32, flags: OpenFlags) -> Answer {
        if flags.intersects(OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE | OpenFlags::APPEND) {
            return Err(Refusal::KEY);
        }
        if self.open.len() >= HANDLES_MAX {
            return Err(Refusal::TOO_MANY);
        }
        let key = self.key_file().await?.ok_or(Refusal::NO_FILE)?;
        Ok(self.keep(id, Open::Text(Text(key))))
    }

    pub(super) async fn stat_key(&self, id: u32) -> Answer {
        let key = self.key_file().await?.ok_or(Refusal::NO_FILE)?;
        Ok(Attrs { id, attrs: attributes::of_key(&key) }.into())
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn reads_end_at_its_end() {
        let text = Text(KeyFile { text: "key".into(), made_at: OffsetDateTime::UNIX_EPOCH });
        for (offset, length, expected) in [
            (0, 100, Ok(&b"key"[..])),
            (0, 2, Ok(b"ke")),
            (2, 2, Ok(b"y")),
            (3, 1, Err(Refusal::END)),
            (u64::MAX, 1, Err(Refusal::END)),
        ] {
            assert_eq!(text.read(offset, length), expected.map(<[u8]>::to_vec), "{offset} {length}");
        }
    }
}
