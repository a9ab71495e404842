//! A file that is being uploaded: it appears when the client closes it, whole. What breaks off before that is kept, as a row of
//! `broadcast.uploads` with its parts and its tail, for whoever goes on with it.

mod keeping;

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
    partial::{Hold, Partial, TenantPartials, Writer},
};

/// What one upload holds in memory: parts under way, the one that is being filled, and the window. With what the connection buffers that is
/// within 32 MiB.
const MEMORY_BYTES_MAX: usize = 28 * 1024 * 1024;

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

impl Opened {
    /// What S3 is to know of an upload that this open makes or goes on with.
    fn mark(&self, upload: Upload, time: OffsetDateTime) -> Upload {
        let upload = upload.begun_at(time);
        if self.way.new { upload.if_absent() } else { upload }
    }
}

/// An open upload. Its first failure is its last word: closing it then keeps what can be gone on with, and makes no file of it.
pub struct Writing {
    upload: Option<Upload>,
    partials: TenantPartials,
    writer: Writer,
    opened: Opened,
    /// When it was first opened, also by an earlier session.
    begun_at: OffsetDateTime,
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
    failed: Option<Refusal>,
    _transfer: Transfer,
}

impl Writing {
    /// An upload from nothing.
    pub fn begin(
        partials: TenantPartials,
        writer: Writer,
        name: String,
        opened: Opened,
        transfer: Transfer,
    ) -> Self {
        let opened_at = OffsetDateTime::now_utc();
        let upload = partials.files().upload(Folder::Incoming, &name);
        let begun_as = name.clone();
        Self::with((partials, writer), (name, begun_as), opened, (upload, opened_at), None, transfer)
    }

    /// Goes on with one that was claimed; `None`: there is nothing to go on with.
    pub async fn resume(
        partials: TenantPartials,
        writer: Writer,
        partial: &Partial,
        opened: Opened,
        transfer: Transfer,
    ) -> Result<Option<Self>, Refusal> {
        let Some(hold) = partial.hold() else { return Ok(None) };
        let Some(upload) = partials.resume(partial).await? else { return Ok(None) };
        let row = Row {
            hold,
            size: partial.size,
            tail_bytes: partial.tail_bytes,
            has_upload_id: partial.upload_id.is_some(),
        };
        let names = (partial.name.clone(), partial.key_name().to_owned());
        let shortened = opened.way.floor > 0;
        let upload = (upload, partial.started_at);
        let mut writing = Self::with((partials, writer), names, opened, upload, Some(row), transfer);
        if shortened {
            writing.record(partial.size, partial.tail_bytes).await?;
        }
        Ok(Some(writing))
    }

    fn with(
        (partials, writer): (TenantPartials, Writer),
        (name, begun_as): (String, String),
        opened: Opened,
        (upload, time): (Upload, OffsetDateTime),
        row: Option<Row>,
        transfer: Transfer,
    ) -> Self {
        let resumed = row.is_some();
        let upload = Some(opened.mark(upload, time));
        Self {
            upload,
            partials,
            writer,
            opened,
            begun_at: time,
            name,
            begun_as,
            window: Window::default(),
            row,
            keeps: true,
            base: 0,
            resumed,
            touched: false,
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
            make_room(upload, self.window.held() + piece.len()).await?;
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
        let fresh = self.opened.mark(fresh, self.begun_at);
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
        let resumed = self.opened.mark(resumed, self.begun_at);
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
        make_room(upload, self.window.held() + bytes.len()).await?;
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

    /// The client may set the size to what it has written, and to nothing else.
    pub fn set_size(&mut self, size: u64) -> Result<(), Refusal> {
        if size != self.written() || !self.window.is_empty() {
            return Err(Refusal::SIZE);
        }
        // With that it gives up what stood there.
        self.opened.way.floor = 0;
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
            self.upload = Some(self.opened.mark(upload, self.begun_at));
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
            Ok(Closed::Unchanged) | Err(Refusal::TOO_LARGE | Refusal::TAKEN) => self.drop_all().await,
            // The file that stands there stays as it was.
            Err(Refusal::IN_PLACE) if !self.resumed => self.drop_all().await,
            Err(Refusal::UNAVAILABLE) if self.put_aside().await.is_some() => return Err(Refusal::KEPT),
            Err(_) => {
                self.put_aside().await;
            }
            Ok(Closed::Stored) => {}
        }
        result
    }

    async fn try_close(&mut self) -> Result<Closed, Refusal> {
        if !self.window.is_empty() {
            return Err(Refusal::GAP);
        }
        let end = self.opened.way.end(self.written())?;
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
        if let Err(error) = Box::pin(upload.finish()).await {
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
}

/// Keeps what the window holds within the upload's memory: parts under way go first; above 18 GB it is one large part, which then goes early.
async fn make_room(upload: &mut Upload, window_bytes: usize) -> Result<(), Refusal> {
    while upload.held() + window_bytes > MEMORY_BYTES_MAX {
        if !upload.settle_oldest().await? {
            upload.flush().await?;
            break;
        }
    }
    Ok(())
}
