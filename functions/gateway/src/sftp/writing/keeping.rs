//! What is kept of an upload that is not complete: its row, and the tail beside its parts.

use contract::Folder;
use exchange::Upload;

use super::{Row, Writing};
use crate::{
    partial::{Begun, Kept},
    sftp::refusal::Refusal,
};

impl Writing {
    /// Keeps the row beside what S3 has.
    pub(super) async fn note(&mut self) -> Result<(), Refusal> {
        let upload = self.upload.as_ref().ok_or(Refusal::BROKEN)?;
        let (stored, has_upload_id) = (upload.stored(), upload.upload_id().is_some());
        match &self.row {
            None if has_upload_id && self.keeps => self.make_row(stored, 0).await,
            Some(row) if stored > row.size => self.record(stored, 0).await,
            Some(row) if has_upload_id && !row.has_upload_id => self.record(row.size, row.tail_bytes).await,
            _ => Ok(()),
        }
    }

    async fn make_row(&mut self, size: u64, tail_bytes: u64) -> Result<(), Refusal> {
        let upload_id = self.upload.as_ref().and_then(Upload::upload_id);
        let kept = Kept { begun_as: &self.begun_as, upload_id, size, tail_bytes };
        match self.partials.begin(&self.name, self.begun_at, kept).await? {
            Begun::Held(hold) => {
                self.row = Some(Row { hold, size, tail_bytes, has_upload_id: upload_id.is_some() });
            }
            Begun::Full => self.keeps = false,
            Begun::Taken => return Err(Refusal::TAKEN_OVER),
        }
        Ok(())
    }

    pub(super) async fn record(&mut self, size: u64, tail_bytes: u64) -> Result<(), Refusal> {
        let Some(row) = self.row.as_mut() else { return Ok(()) };
        let upload_id = self.upload.as_ref().and_then(Upload::upload_id);
        let kept = Kept { begun_as: &self.begun_as, upload_id, size, tail_bytes };
        if !self.partials.record(row.hold, kept, false).await? {
            return Err(Refusal::TAKEN_OVER);
        }
        (row.size, row.tail_bytes, row.has_upload_id) = (size, tail_bytes, upload_id.is_some());
        Ok(())
    }

    /// Makes everything durable that was written without a gap, for whoever goes on with it after a crash.
    pub async fn sync(&mut self) -> Result<(), Refusal> {
        if let Some(refusal) = self.failed {
            return Err(refusal);
        }
        let result = self.try_sync().await;
        self.failed = result.err().filter(|refusal| *refusal != Refusal::TOO_MANY_UNFINISHED);
        result
    }

    async fn try_sync(&mut self) -> Result<(), Refusal> {
        let upload = self.upload.as_mut().ok_or(Refusal::BROKEN)?;
        upload.flush().await?;
        let (stored, tail_bytes) = (upload.stored(), upload.tail().len() as u64);
        // The row never says more than what stands there, so it lets go of an older tail first.
        if self.row.is_none() {
            self.make_row(stored, 0).await?;
        } else {
            self.record(stored, 0).await?;
        }
        let Some(row) = &self.row else { return Err(Refusal::TOO_MANY_UNFINISHED) };
        if tail_bytes > 0 {
            let tail = self.upload.as_ref().map(Upload::tail).unwrap_or_default();
            self.partials.put_tail(row.hold.id, tail).await?;
            self.record(stored + tail_bytes, tail_bytes).await?;
        }
        Ok(())
    }

    /// Says that it will be put aside: whoever asks for the name waits for that.
    pub fn leave(&mut self) {
        self.writer.leave();
    }

    /// The session ends, or the upload failed: keeps what can be gone on with. Bytes that are kept, `None` for nothing.
    pub async fn put_aside(&mut self) -> Option<u64> {
        self.writer.leave();
        let mut upload = self.upload.take()?;
        let kept = Box::pin(self.keep(&mut upload)).await;
        if let Err(error) = kept
            && error != Refusal::TAKEN_OVER
        {
            tracing::warn!(words = error.words, "an unfinished upload could not be put aside whole");
        }
        match (kept, &self.row) {
            (Ok(Some(bytes)), _) => {
                upload.leave();
                Some(bytes)
            }
            // Whoever has taken it over goes on with its parts.
            (Err(Refusal::TAKEN_OVER), _) => {
                upload.leave();
                None
            }
            (Err(_), Some(row)) => {
                upload.leave();
                Some(row.size)
            }
            (Ok(None), _) | (Err(_), None) => {
                self.upload = Some(upload);
                self.drop_all().await;
                None
            }
        }
    }

    async fn keep(&mut self, upload: &mut Upload) -> Result<Option<u64>, Refusal> {
        if self.failed == Some(Refusal::TAKEN_OVER) {
            return Err(Refusal::TAKEN_OVER);
        }
        // After a failure here, what is stored is all there is.
        let _ = upload.flush().await;
        let size = upload.written();
        if size == 0 || !self.is_wanted().await? {
            return Ok(None);
        }
        let (stored, tail) = (upload.stored(), upload.tail());
        let mut kept =
            Kept { begun_as: &self.begun_as, upload_id: upload.upload_id(), size: stored, tail_bytes: 0 };
        let hold = match &self.row {
            Some(row) => row.hold,
            None => match self.partials.begin(&self.name, self.begun_at, kept).await? {
                Begun::Held(hold) => hold,
                Begun::Full => return Ok(None),
                Begun::Taken => return Err(Refusal::TAKEN_OVER),
            },
        };
        if !tail.is_empty() {
            // The row lets go of an older tail before that is written over.
            let tail_stands = self.row.as_ref().is_some_and(|row| row.tail_bytes > 0);
            if tail_stands && !self.partials.record(hold, kept, false).await? {
                return Err(Refusal::TAKEN_OVER);
            }
            match self.partials.put_tail(hold.id, tail).await {
                Ok(()) => (kept.size, kept.tail_bytes) = (size, tail.len() as u64),
                Err(error) => tracing::warn!(%error, "the tail of an unfinished upload is lost"),
            }
        }
        if !self.partials.record(hold, kept, true).await? {
            return Err(Refusal::TAKEN_OVER);
        }
        if kept.size == 0 {
            self.partials.end(hold.id).await?;
            return Ok(None);
        }
        Ok(Some(kept.size))
    }

    /// Whether somebody may go on with what this handle has written: nobody when the name was opened again, or got another file, since.
    async fn is_wanted(&self) -> Result<bool, Refusal> {
        if self.row.is_some() {
            return Ok(true);
        }
        if !self.keeps || !self.writer.is_latest() {
            return Ok(false);
        }
        let stands = self.partials.files().head(Folder::Incoming, &self.name).await?;
        Ok(stands.map(|meta| meta.etag) == self.opened.standing.as_ref().map(|meta| meta.etag.clone()))
    }

    /// Nothing of it stays, unless another has taken it over.
    pub(super) async fn drop_all(&mut self) {
        let held = match &self.row {
            Some(row) => self.partials.name_of(row.hold).await.is_ok_and(|name| name.is_some()),
            None => true,
        };
        match self.upload.take() {
            Some(upload) if held => upload.abort().await,
            Some(upload) => upload.leave(),
            None => {}
        }
        if let Some(row) = self.row.take_if(|_| held)
            && let Err(error) = self.partials.end(row.hold.id).await
        {
            tracing::warn!(%error, "the row of an upload that was given up stays");
        }
    }
}
