//! What the blocking thread does: the file's bytes -> chunks of binary COPY, counts and a report.

use std::sync::{Arc, atomic::AtomicU64};

use bytes::Bytes;
use contract::{ImportCall, TenantId};
use exchange::{BlockingRead, BlockingWrite, Upload};
use fault::Notice;
use openpgp::{PublicKey, TenantKey};
use time::OffsetDateTime;
use tokio::{runtime::Handle, sync::mpsc};

use crate::{
    Error, Import,
    layers::Layers,
    plan::Terms,
    reading::{
        columns::Columns,
        file::{Metered, PgpKeys},
        repeats::Repeated,
        report::Report,
        rows::{self, Rows, Stop},
    },
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
    /// Bytes as uploaded.
    pub bytes: u64,
    /// SHA-256 of these, hexadecimal.
    pub sha256: String,
    /// The charset's name after WHATWG, given or detected.
    pub charset: &'static str,
    /// Given or detected.
    pub delimiter: u8,
}

/// What the thread needs.
pub struct Extract {
    /// For the keys of an encrypted file.
    pub function: Import,
    /// Whose file.
    pub tenant: TenantId,
    /// Keys and signatures are judged as of now.
    pub now: OffsetDateTime,
    /// What was announced.
    pub call: ImportCall,
    /// How to read.
    pub terms: Terms,
    /// Where rejected rows are told.
    pub report: Upload,
    /// What others watch.
    pub progress: Arc<Progress>,
    /// Where rows go.
    pub chunks: mpsc::Sender<Bytes>,
}

type RowReport<F> = Report<BlockingWrite, F>;

impl Extract {
    /// Reads the file to its end. With an error no row counts; the report is complete when the customer is to read it.
    pub fn run(self, file: BlockingRead) -> Result<Table, Error> {
        let Self { function, tenant, now, call, terms, report, progress, chunks } = self;
        let mut report = Report::new(move || report.into_blocking());
        let mut raw = Metered::new(file, &progress.bytes);
        let send = |chunk| chunks.blocking_send(chunk).is_ok();
        let keys = || Handle::current().block_on(load_keys(&function, tenant, terms.signature_required));
        let layers = Layers {
            pgp_required: terms.profile.pgp_required == Some(true),
            signature_required: terms.signature_required,
            now,
            keys: &keys,
        };
        let rows = layers.read(&mut raw, |text, _| {
            rows::read_rows(text, &terms.borrowed(), &mut report, &progress.rows, send)
        })?;
        let rows = match rows {
            Ok(rows) => rows,
            Err(Stop::Refused(notice)) => return Err(refuse(report, notice)),
            Err(Stop::Source(error)) => return Err(Error::from_io(error)),
            Err(Stop::Report(error)) => return Err(report_error(error)),
            // The connection's own error says why.
            Err(Stop::Closed) => return Err(Error::Broken),
        };
        let Rows { columns, imported, rejected, repeats, charset, delimiter } = rows;
        let (bytes, sha256) = raw.finish().map_err(Error::from_io)?;
        let refused = verdict::of_digest(&call, &sha256)
            .or_else(|| verdict::of_rows(imported, rejected, terms.profile.bad_rows_max_percent));
        if let Some(notice) = refused {
            return Err(refuse(report, notice));
        }
        complete(report)?;
        Ok(Table {
            columns,
            imported,
            rejected,
            repeated: repeats.finish(),
            bytes,
            sha256,
            charset,
            delimiter,
        })
    }
}

/// Ends the report with the reason for the whole file. The error is the refusal, or why the report could not be written.
fn refuse<F: FnOnce() -> BlockingWrite>(mut report: RowReport<F>, notice: Notice) -> Error {
    let written = report.push(0, "", &notice).map_err(report_error).and_then(|()| complete(report));
    written.err().unwrap_or(Error::Refused(notice))
}

fn complete<F: FnOnce() -> BlockingWrite>(report: RowReport<F>) -> Result<(), Error> {
    if let Some(upload) = report.finish().map_err(report_error)? {
        upload.finish()?;
    }
    Ok(())
}

fn report_error(error: std::io::Error) -> Error {
    error.downcast::<exchange::Error>().map_or(Error::Report, Error::Exchange)
}

/// The tenant's keys: of their own also those that a newer one succeeded, for a customer may have encrypted to one yesterday.
async fn load_keys(function: &Import, tenant: TenantId, signature_required: bool) -> Result<PgpKeys, Error> {
    let mut tx = function.store.tenant(tenant).await?;
    let rows: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT public_key, secret_name FROM broadcast.pgp_keys
         WHERE tenant_id = $1 AND purpose IN ('own', 'signer') AND retired_at IS NULL ORDER BY id DESC",
    )
    .bind(tenant.0)
    .fetch_all(&mut *tx)
    .await?;
    drop(tx);
    let mut keys = PgpKeys { signature_required, ..PgpKeys::default() };
    for (public_key, secret_name) in rows {
        match secret_name {
            Some(name) => {
                let secret = function.clients.secret(&name).await?;
                keys.own.push(TenantKey::parse(secret.as_bytes())?);
            }
            None => keys.signers.push(PublicKey::parse(public_key.as_bytes())?),
        }
    }
    Ok(keys)
}
