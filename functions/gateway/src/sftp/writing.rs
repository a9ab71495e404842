//! A file that is being uploaded: it appears when the client closes it, whole. What breaks off before that is kept, as a row of
//! `broadcast.uploads` with its parts and its tail, for whoever goes on with it.

use contract::Folder;
use exchange::{Error as S3Error, Meta, TenantFiles, Upload};
use time::OffsetDateTime;

use super::{
    refusal::Refusal,
    way::{Closed, Way},
    window::Window,
};
use crate::{
    gateway::Transfer,
    partial::{Begun, Hold, Kept, Partial, TenantPartials, Writer},
};

/// What one upload holds in memory: parts under way, the one that is being filled, and the window.
const MEMORY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The row of this upload, and what it says.
struct Row {
    hold: Hold,
    size: u64,
    tail_bytes: u64,
    has_upload_id: bool,
}

/// How an upload was opened.
pub struct Opened {
    pub way: Way,
    /// The client wants its bytes at the end, wherever it says that they go.
    pub append: bool,
    /// What stood under the name.
    pub standing: Option<Meta>,
}

/// An open upload. Its first failure is its last word: closing it then keeps what can be gone on with, and makes no file of it.
pub struct Writing {
    upload: Option<Upload>,
    partials: TenantPartials,
    writer: Writer,
    opened: Opened,
    opened_at: OffsetDateTime,
    /// Below Incoming; the row's counts, where there is one.
    name: String,
    /// The name that the upload was begun with.
    begun_as: String,
    window: Window,
    row: Option<Row>,
    /// Whether it can be kept: not when the tenant has too many unfinished ones.
    keeps: bool,
    /// What offset zero means: more than that for a client that appends and counts its own bytes alone.
    base: u64,
    resumed: bool,
    touched: bool,
    cut: bool,
    failed: Option<Refusal>,
    _transfer: Transfer,
}

impl Writing {
    /// An upload from nothing.
    pub fn begin(partials: TenantPartials, name: String, opened: Opened, transfer: Transfer) -> Self {
        let upload = partials.files().upload(Folder::Incoming, &name);
        let upload = if opened.way.new { upload.if_absent() } else { upload };
        let begun_as = name.clone();
        Self::with(partials, (name, begun_as), opened, upload, None, transfer)
    }

    /// Goes on with one that was claimed; `None`: there is nothing to go on with.
    pub async fn resume(
        partials: TenantPartials,
        partial: &Partial,
        opened: Opened,
        transfer: Transfer,
    ) -> Result<Option<Self>, Refusal> {
        let Some(hold) = partial.hold() else { return Ok(None) };
        let Some(upload) = partials.resume(partial).await? else { return Ok(None) };
        let upload = if opened.way.new { upload.if_absent() } else { upload };
        let row = Row {
            hold,
            size: partial.size,
            tail_bytes: partial.tail_bytes,
            has_upload_id: partial.upload_id.is_some(),
        };
        let names = (partial.name.clone(), partial.key_name().to_owned());
        let shortened = opened.way.floor > 0;
        let mut writing = Self::with(partials, names, opened, upload, Some(row), transfer);
        if shortened {
            writing.record(partial.size, partial.tail_bytes).await?;
        }
        Ok(Some(writing))
    }

    fn with(
        partials: TenantPartials,
        (name, begun_as): (String, String),
        opened: Opened,
        upload: Upload,
        row: Option<Row>,
        transfer: Transfer,
    ) -> Self {
        let (writer, resumed) = (partials.writer(&name), row.is_some());
        Self {
            upload: Some(upload),
            partials,
            writer,
            opened,
            opened_at: OffsetDateTime::now_utc(),
            name,
            begun_as,
            window: Window::default(),
            row,
            keeps: true,
            base: 0,
            resumed,
            touched: false,
            cut: false,
            failed: None,
            _transfer: transfer,
        }
    }

    /// Bytes from the file's start, without a gap.
    pub fn written(&self) -> u64 {
        self.upload.as_ref().map_or(0, Upload::written)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn key(&self) -> String {
        Folder::Incoming.key(&self.name)
    }

    /// Whether it is all open what the file will hold.
    pub fn is_untouched(&self) -> bool {
        !self.touched && !self.resumed && self.failed.is_none() && self.opened.way.floor == 0
    }

    /// Whether nothing stands under the name.
    pub fn is_new(&self) -> bool {
        self.opened.way.new
    }

    pub fn files(&self) -> &TenantFiles {
        self.partials.files()
    }

    /// Takes a piece of the file, wherever it goes.
    pub async fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Refusal> {
        if let Some(refusal) = self.failed {
            return Err(refusal);
        }
        let result = self.place(offset, bytes).await;
        self.failed = result.err();
        result
    }

    async fn place(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Refusal> {
        let written = self.written();
        if self.opened.append && offset == 0 {
            self.base = written;
        }
        let offset = self.base.saturating_add(offset);
        if !self.touched {
            self.touched = true;
            self.first(offset).await?;
        }
        let upload = self.upload.as_mut().ok_or(Refusal::BROKEN)?;
        let written = upload.written();
        if offset > written {
            return self.hold(offset, bytes).await;
        }
        let over = usize::try_from(written - offset).unwrap_or(usize::MAX).min(bytes.len());
        if over > 0 {
            self.rewrite(offset, &bytes[..over]).await?;
        }
        let upload = self.upload.as_mut().ok_or(Refusal::BROKEN)?;
        upload.write(&bytes[over..]).await?;
        while let Some(piece) = self.window.take(upload.written()) {
            upload.write(&piece).await?;
        }
        self.note().await
    }

    /// The first piece tells what a client that has not cut the file at its open wants to do with it.
    async fn first(&mut self, offset: u64) -> Result<(), Refusal> {
        let upload = self.upload.as_ref().ok_or(Refusal::BROKEN)?;
        let (stored, written) = (upload.stored(), upload.written());
        if written == 0 {
            let inside = self.opened.way.floor > 0 && offset > 0;
            return if inside { Err(Refusal::IN_PLACE) } else { Ok(()) };
        }
        if offset == 0 {
            self.start_over().await
        } else if offset < stored {
            self.go_back(offset).await
        } else {
            Ok(())
        }
    }

    /// From the start again, without having cut the file: as `scp` does, which says at its end how long the file is.
    async fn start_over(&mut self) -> Result<(), Refusal> {
        let fresh = self.partials.files().upload(Folder::Incoming, &self.name);
        let fresh = if self.opened.way.new { fresh.if_absent() } else { fresh };
        let old = self.upload.replace(fresh).ok_or(Refusal::BROKEN)?;
        self.opened.way.floor = old.written();
        self.begun_as.clone_from(&self.name);
        self.record(0, 0).await?;
        old.abort().await;
        Ok(())
    }

    /// To the end of an earlier part: more had arrived than was known when the client asked for the size.
    async fn go_back(&mut self, offset: u64) -> Result<(), Refusal> {
        let old = self.upload.as_ref().ok_or(Refusal::BROKEN)?;
        let files = self.partials.files();
        let resumed = files
            .resume(Folder::Incoming, &self.begun_as, old.upload_id(), offset, bytes::Bytes::new())
            .await
            .map_err(
                |error| if matches!(error, S3Error::Missing) { Refusal::SETTLED } else { error.into() },
            )?;
        let resumed = if self.opened.way.new { resumed.if_absent() } else { resumed };
        self.opened.way.floor = old.written();
        if let Some(old) = self.upload.replace(resumed) {
            old.leave();
        }
        self.record(offset, 0).await
    }

    /// A piece for later.
    async fn hold(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Refusal> {
        let upload = self.upload.as_mut().ok_or(Refusal::BROKEN)?;
        if self.opened.append {
            return Err(Refusal::ORDER);
        }
        if upload.held() + self.window.held() + bytes.len() > MEMORY_BYTES_MAX {
            upload.flush().await?;
        }
        if self.window.hold(offset, bytes) { Ok(()) } else { Err(Refusal::ORDER) }
    }

    async fn rewrite(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Refusal> {
        let upload = self.upload.as_mut().ok_or(Refusal::BROKEN)?;
        if !upload.rewrite(offset, bytes) {
            return Err(Refusal::SETTLED);
        }
        // The tail that was kept is not what the client means any more.
        let stored = upload.stored();
        match &self.row {
            Some(row) if row.tail_bytes > 0 => self.record(stored, 0).await,
            _ => Ok(()),
        }
    }

    /// Keeps the row beside what S3 has.
    async fn note(&mut self) -> Result<(), Refusal> {
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
        match self.partials.begin(&self.name, self.opened_at, kept).await? {
            Begun::Held(hold) => {
                self.row = Some(Row { hold, size, tail_bytes, has_upload_id: upload_id.is_some() });
            }
            Begun::Full => self.keeps = false,
            Begun::Taken => return Err(Refusal::TAKEN_OVER),
        }
        Ok(())
    }

    async fn record(&mut self, size: u64, tail_bytes: u64) -> Result<(), Refusal> {
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

    /// The client may set the size to what it has written, and to nothing else.
    pub fn set_size(&mut self, size: u64) -> Result<(), Refusal> {
        if size != self.written() || !self.window.is_empty() {
            return Err(Refusal::SIZE);
        }
        self.cut = true;
        Ok(())
    }

    /// Another name for an upload that has no row yet; `new`: nothing stands there.
    pub async fn rename(&mut self, name: String, standing: Option<Meta>) -> Result<(), Refusal> {
        let old = self.upload.as_ref().ok_or(Refusal::BROKEN)?;
        self.writer = self.partials.writer(&name);
        self.opened.way.new = standing.is_none();
        self.opened.standing = standing;
        if old.upload_id().is_none() {
            let mut upload = self.partials.files().upload(Folder::Incoming, &name);
            upload.write(old.tail()).await?;
            self.upload = Some(if self.opened.way.new { upload.if_absent() } else { upload });
            self.begun_as.clone_from(&name);
        }
        self.name = name;
        Ok(())
    }

    /// Its row has another name now.
    pub fn was_renamed(&mut self, name: String) {
        self.name = name;
    }

    pub fn has_row(&self) -> bool {
        self.row.is_some()
    }

    /// The end that the client asked for.
    pub async fn close(&mut self) -> Result<Closed, Refusal> {
        let result = match self.failed {
            Some(refusal) => Err(refusal),
            None => self.try_close().await,
        };
        match result {
            Err(Refusal::TOO_LARGE | Refusal::TAKEN) => self.drop_all().await,
            // The file that stands there stays as it was.
            Err(Refusal::IN_PLACE) if !self.resumed => self.drop_all().await,
            Err(Refusal::UNAVAILABLE) if self.put_aside().await.is_some() => return Err(Refusal::KEPT),
            Err(_) => {
                self.put_aside().await;
            }
            Ok(Closed::Unchanged) => self.drop_all().await,
            Ok(Closed::Stored) => {}
        }
        result
    }

    async fn try_close(&mut self) -> Result<Closed, Refusal> {
        if !self.window.is_empty() {
            return Err(Refusal::GAP);
        }
        let end = self.opened.way.end(self.written(), self.cut)?;
        if end == Closed::Unchanged {
            return Ok(end);
        }
        if let Some(row) = &self.row {
            self.name = self.partials.name_of(row.hold).await?.ok_or(Refusal::TAKEN_OVER)?;
        }
        let renamed = self.begun_as != self.name;
        let mut upload = self.upload.take().ok_or(Refusal::BROKEN)?;
        if renamed {
            // What stands under the first name by now is another file.
            upload = upload.if_absent();
        }
        if let Err(error) = upload.finish().await {
            self.upload = Some(upload);
            return Err(match error {
                S3Error::Exists if renamed => Refusal::FIRST_NAME_TAKEN,
                S3Error::Changed => Refusal::TAKEN_OVER,
                error => error.into(),
            });
        }
        let named = if renamed { self.partials.give_name(&self.begun_as, &self.name).await } else { Ok(()) };
        if named.is_ok()
            && let Some(row) = self.row.take()
        {
            // The file is there: a row that stays is found to be obsolete, or swept.
            if let Err(error) = self.partials.end(row.hold.id).await {
                tracing::warn!(%error, "the row of a complete upload stays");
            }
        }
        named.map_err(|_| Refusal::NAME_LATER)?;
        Ok(Closed::Stored)
    }

    /// Says that it will be put aside: whoever asks for the name waits for that.
    pub fn leave(&mut self) {
        self.writer.leave();
    }

    /// The session ends, or the upload failed: keeps what can be gone on with. Bytes that are kept, `None` for nothing.
    pub async fn put_aside(&mut self) -> Option<u64> {
        self.writer.leave();
        let mut upload = self.upload.take()?;
        let kept = self.keep(&mut upload).await;
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
            None => match self.partials.begin(&self.name, self.opened_at, kept).await? {
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
    async fn drop_all(&mut self) {
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
