//! What the blocking thread does: the file's bytes -> chunks of binary COPY, counts and a report.

use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
};

use bytes::Bytes;
use contract::{CampaignId, ImportCall, ImportId, TenantId};
use exchange::{BlockingRead, Upload};
use fault::{Code, Notice};
use time::OffsetDateTime;
use tokio::{runtime::Handle, sync::mpsc};

use crate::{
    Error, Import, again,
    domains::{Limits, Lookups},
    keys::{self, Closing},
    layers::Layers,
    plan::Terms,
    reading::{
        blanks::Blanks,
        columns::Columns,
        file::Metered,
        gate::Domains,
        repeats::Repeated,
        report::Report,
        rows::{self, Rows, Stop},
    },
    report::Sink,
    verdict,
};

/// How far a file is, for whoever watches.
#[derive(Default)]
pub struct Progress {
    /// Of the file as uploaded.
    pub bytes: AtomicU64,
    /// Imported or rejected.
    pub rows: AtomicU64,
}

/// A file that was read whole and may be published.
pub struct Table {
    /// Its columns.
    pub columns: Columns,
    /// Rows in the table.
    pub imported: u64,
    /// Rows in the report.
    pub rejected: u64,
    /// What is known of addresses that stand in several rows.
    pub repeated: Repeated,
    /// Which columns are blank in rows of the table.
    pub blanks: Blanks,
    /// Bytes as uploaded.
    pub bytes: u64,
    /// SHA-256 of these, hexadecimal.
    pub sha256: String,
    /// SHA-256 of the text, without what it was packed or encrypted in.
    pub content_sha256: String,
    /// The charset's name after WHATWG, given or detected.
    pub charset: &'static str,
    /// Given or detected.
    pub delimiter: u8,
    /// Where the profile wants domains checked.
    pub checked: Option<Checked>,
}

/// How the check of domains went.
pub struct Checked {
    /// Domains that name servers were asked about.
    pub asked: u64,
    /// Imported rows of whose domain they did not say whether it takes mail.
    pub unknown: u64,
    /// Whether the name servers failed, and the check was given up.
    pub stopped: bool,
}

/// What the thread needs.
pub struct Extract {
    /// For keys, and for what the campaign has already.
    pub function: Import,
    /// Whose file.
    pub tenant: TenantId,
    /// Where it is to go.
    pub campaign: CampaignId,
    /// Which import this is.
    pub import: ImportId,
    /// Keys and signatures are judged as of now.
    pub now: OffsetDateTime,
    /// When this delivery must be through.
    pub until: OffsetDateTime,
    /// What was announced.
    pub call: ImportCall,
    /// How to read.
    pub terms: Terms,
    /// The file's size.
    pub bytes: u64,
    /// Whether the report is for the eyes of those alone who can read the tenant's exports.
    pub report_encrypted: bool,
    /// What others watch.
    pub progress: Arc<Progress>,
}

impl Extract {
    /// Reads the file to its end. With an error no row counts; the report is complete when the customer is to read it.
    pub fn run(
        self,
        file: BlockingRead,
        report: Upload,
        chunks: &mpsc::Sender<Bytes>,
    ) -> Result<Table, Error> {
        // What a report is written into outlives the report.
        let mut opened = None;
        let report = Report::new(|| {
            let keys = if self.report_encrypted {
                Some(self.closing_keys().map_err(io::Error::other)?)
            } else {
                None
            };
            let (upload, keys) = opened.insert((report.into_blocking(), keys));
            Ok(match keys {
                None => Sink::Plain(upload),
                Some(keys) => {
                    let message = openpgp::encrypt(upload, &keys.recipients, keys.signer.as_ref(), self.now)?;
                    Sink::Encrypted(Box::new(message))
                }
            })
        });
        let outcome = self.read(file, report, |chunk| chunks.blocking_send(chunk).is_ok());
        if let (Ok(_) | Err(Error::Refused(_)), Some((upload, _))) = (&outcome, opened) {
            upload.finish()?;
        }
        outcome
    }

    fn read<'u, F: FnOnce() -> io::Result<Sink<'u>>>(
        &self,
        file: BlockingRead,
        mut report: Report<Sink<'u>, F>,
        mut send: impl FnMut(Bytes) -> bool,
    ) -> Result<Table, Error> {
        let mut raw = Metered::new(file, &self.progress.bytes);
        let opening = || {
            let keys = keys::opening(&self.function, self.tenant, self.terms.signature_required);
            Handle::current().block_on(keys)
        };
        let layers = Layers {
            bytes: self.bytes,
            pgp_required: self.terms.profile.pgp_required == Some(true),
            signature_required: self.terms.signature_required,
            now: self.now,
            keys: &opening,
        };
        let mut lookups = (self.terms.profile.check_domains == Some(true)).then(|| {
            let limits = Limits::within((self.until - self.now).unsigned_abs());
            Lookups::new(Arc::clone(&self.function.resolver), Handle::current(), limits)
        });
        let rows = layers.read(&mut raw, |text, wrapped| {
            let (terms, rows) = (self.terms.borrowed(), &self.progress.rows);
            let domains = lookups.as_mut().map(|lookups| lookups as &mut dyn Domains);
            if !wrapped {
                return Ok((rows::read_rows(text, &terms, domains, &mut report, rows, &mut send)?, None));
            }
            let text_bytes = AtomicU64::new(0);
            let mut text = Metered::new(text, &text_bytes);
            let rows = rows::read_rows(&mut text, &terms, domains, &mut report, rows, &mut send)?;
            Ok((rows, Some(text.finish().map_err(Stop::Source)?.1)))
        })?;
        let (rows, content_sha256) = match rows {
            Ok(rows) => rows,
            Err(Stop::Refused(notice)) => return Err(refuse(report, notice)),
            Err(Stop::Source(error)) => return Err(Error::from_io(error)),
            Err(Stop::Report(error)) => return Err(report_error(error)),
            // The connection's own error says why.
            Err(Stop::Closed) => return Err(Error::Broken),
        };
        let Rows { columns, imported, rejected, unknown, repeats, blanks, charset, delimiter } = rows;
        let checked = lookups.map(|lookups| Checked {
            asked: lookups.asked(),
            unknown,
            stopped: lookups.has_stopped(),
        });
        let (bytes, sha256) = raw.finish().map_err(Error::from_io)?;
        let content_sha256 = content_sha256.unwrap_or_else(|| sha256.clone());
        let refused = verdict::of_digest(&self.call, &sha256)
            .or_else(|| verdict::of_rows(imported, rejected, self.terms.profile.bad_rows_max_percent));
        if let Some(notice) =
            refused.map_or_else(|| self.again(&content_sha256), |notice| Ok(Some(notice)))?
        {
            return Err(refuse(report, notice));
        }
        report.count(imported, rejected).map_err(report_error)?;
        end(report)?;
        Ok(Table {
            columns,
            imported,
            rejected,
            repeated: repeats.finish(),
            blanks,
            bytes,
            sha256,
            content_sha256,
            charset,
            delimiter,
            checked,
        })
    }

    fn closing_keys(&self) -> Result<Closing, Error> {
        let keys = Handle::current().block_on(keys::closing(&self.function, self.tenant, self.now))?;
        keys.ok_or_else(|| Error::Refused(Code::ReportKey.into()))
    }

    /// Whether the campaign has this content. Asked here, where the reason still comes into the report, and again when it counts.
    fn again(&self, content_sha256: &str) -> Result<Option<Notice>, Error> {
        let asked = async {
            let mut tx = self.function.store.tenant(self.tenant).await?;
            again::check(&mut tx, self.campaign, self.import, &self.call, content_sha256).await
        };
        Handle::current().block_on(asked)
    }
}

/// Ends the report with the reason for the whole file. The error is the refusal, or why the report could not be written.
fn refuse<'u, F: FnOnce() -> io::Result<Sink<'u>>>(mut report: Report<Sink<'u>, F>, notice: Notice) -> Error {
    // One that cannot be encrypted has no line yet; the reason alone is told elsewhere.
    let written = report.push(0, "", &notice).map_err(report_error).and_then(|()| end(report));
    written.err().unwrap_or(Error::Refused(notice))
}

fn end<'u, F: FnOnce() -> io::Result<Sink<'u>>>(report: Report<Sink<'u>, F>) -> Result<(), Error> {
    report.finish().map_err(report_error)?.map_or(Ok(()), Sink::finish)
}

fn report_error(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => error.downcast::<exchange::Error>().map_or(Error::Report, Error::Exchange),
    }
}
