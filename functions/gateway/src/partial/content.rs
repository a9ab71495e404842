//! What stands in S3 of an unfinished upload: parts, and a sealed tail.

use access::Purpose;
use bytes::Bytes;
use contract::{Folder, UploadId, upload_tail_key};
use exchange::{Error as S3Error, Meta, Upload};

use super::{Partial, TenantPartials};
use crate::Error;

/// What a sealed tail begins with.
const TAIL_HEADER: &[u8; access::HEADER_BYTES] = b"BCUT\x01";
/// The number of the key that seals now.
const KEY_ID: u8 = 0;

impl TenantPartials {
    fn key(&self, id: u8) -> [u8; access::KEY_BYTES] {
        self.master.derive(self.files.tenant(), Purpose::Spool, id)
    }

    /// Keeps the tail of an upload, over an earlier one.
    pub async fn put_tail(&self, id: UploadId, tail: &[u8]) -> Result<(), Error> {
        let name = upload_tail_key(self.files.tenant(), id);
        let sealed = access::seal(TAIL_HEADER, &self.key(KEY_ID), KEY_ID, &name, tail.to_vec())?;
        Ok(self.files.put_upload_tail(id, sealed).await?)
    }

    async fn tail(&self, partial: &Partial) -> Result<Option<Bytes>, Error> {
        let Ok(bytes) = usize::try_from(partial.tail_bytes) else { return Ok(None) };
        if bytes == 0 {
            return Ok(Some(Bytes::new()));
        }
        let mut object = match self.files.get_upload_tail(partial.id).await {
            Ok(object) => Vec::from(object),
            Err(S3Error::Missing) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let name = upload_tail_key(self.files.tenant(), partial.id);
        let opened = access::open(TAIL_HEADER, &mut object, &name, |id| self.key(id))?;
        // Longer when it was written, and the row was not: then its beginning is what the row means.
        Ok(opened.get(..bytes).map(Bytes::copy_from_slice))
    }

    /// The upload of a row, to go on with; `None` when what the row says is not (any more) in S3.
    pub async fn resume(&self, partial: &Partial) -> Result<Option<Upload>, Error> {
        let Some(tail) = self.tail(partial).await? else { return Ok(None) };
        let (name, upload_id) = (partial.key_name(), partial.upload_id.as_deref());
        let stored = partial.size - partial.tail_bytes;
        match self.files.resume(Folder::Incoming, name, upload_id, stored, tail).await {
            Ok(upload) => Ok(Some(upload.begun_at(partial.started_at))),
            Err(S3Error::Missing) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the file that stands under the row's name is what the row tells of: a crash came after its completion. Sweep ends such rows,
    /// too; who asks for the name does not wait for it.
    pub async fn is_complete(&self, partial: &Partial, stands: &Meta) -> Result<bool, Error> {
        Ok(may_be(partial, stands) && self.files.is_over(&partial.left()).await?)
    }

    /// Ends a row whose upload cannot be resumed: it was completed, and a crash came before the row went, or S3 has given it up.
    pub async fn heal(&self, partial: &Partial) -> Result<(), Error> {
        self.files.give_name(&partial.left()).await?;
        self.remove(partial).await
    }

    /// An upload that was renamed while it was under way is complete now, and gets its name.
    pub async fn give_name(&self, begun_as: &str, name: &str) -> Result<(), Error> {
        let (from, to) = ((Folder::Incoming, begun_as), (Folder::Incoming, name));
        self.files.rename(from, to, true).await?;
        Ok(())
    }

    /// Gives up the unfinished upload of a name, whoever writes it. `false`: there is none.
    pub async fn discard(&self, name: &str) -> Result<bool, Error> {
        let Some(partial) = self.claim(name).await? else { return Ok(false) };
        self.remove(&partial).await?;
        Ok(true)
    }

    /// Parts go before the row that tells of them.
    async fn remove(&self, partial: &Partial) -> Result<(), Error> {
        if let Some(id) = &partial.upload_id {
            self.files.abort_upload(Folder::Incoming, &partial.begun_as, id).await?;
        }
        self.end(partial.id).await
    }

    /// The upload of a row is complete, or given up. The row goes first: it would hide the file. A tail without a row is found by sweep.
    pub async fn end(&self, id: UploadId) -> Result<(), Error> {
        self.delete_row(id).await?;
        Ok(self.files.delete_upload_tail(id).await?)
    }
}

/// Whether an object is as long as what was kept, and not older than the upload. S3's times have no fractions of a second.
fn may_be(partial: &Partial, stands: &Meta) -> bool {
    stands.size >= partial.size && stands.modified.unix_timestamp() >= partial.started_at.unix_timestamp()
}
