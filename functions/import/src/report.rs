//! The report beside a refused file, or of an imported one's rejected rows: where it goes, and in which form.

use std::io::{self, Write};

use contract::{Folder, error_report_of};
use exchange::{BlockingWrite, TenantFiles};
use fault::{Code, Notice};
use openpgp::Encryptor;
use time::OffsetDateTime;

use crate::{
    Error, Import,
    claim::Job,
    keys::{self, Closing},
    reading,
};

/// Where an import's report stands.
pub struct Place {
    /// Below Invalids. The same for every attempt of an import, and no other import's: the second file of a name that is imported has
    /// `x.csv.2.errors.csv`.
    name: String,
    /// Whether the tenant wants what we write for them encrypted, as their exports.
    pub encrypted: bool,
}

impl Place {
    /// Of the report with its rows.
    pub fn name(&self) -> String {
        if self.encrypted { format!("{}.pgp", self.name) } else { self.name.clone() }
    }
}

/// The place of an import's report.
pub async fn place(function: &Import, job: &Job) -> Result<Place, Error> {
    let mut tx = function.store.tenant(job.tenant).await?;
    let (number, encrypted): (i64, bool) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM broadcast.imports WHERE tenant_id = $1 AND file_name = $2 AND id <= $3), encrypt_exports
         FROM broadcast.tenants WHERE id = $1",
    )
    .bind(job.tenant.0)
    .bind(&job.file_name)
    .bind(job.import.0)
    .fetch_one(&mut *tx)
    .await?;
    Ok(Place { name: error_report_of(&job.file_name, number), encrypted })
}

/// Writes a report of one line, the reason for the whole file, unless one of rows is there already. Returns the name of the one that is
/// there now. Without a key to encrypt it for, the reason alone stands there in plain text: somebody must be able to read it.
pub async fn ensure(
    function: &Import,
    job: &Job,
    files: &TenantFiles,
    place: &Place,
    (code, words): (&str, &str),
) -> Result<String, Error> {
    let name = place.name();
    if files.head(Folder::Invalids, &name).await?.is_some() {
        return Ok(name);
    }
    let content = reading::report::of_file(code, words).map_err(|_| Error::Report)?;
    let keys = if place.encrypted { keys::closing(function, job.tenant, job.now).await? } else { None };
    let (name, content) = match &keys {
        Some(keys) => (name, encrypted(&content, keys, job.now)?),
        None => (place.name.clone(), content),
    };
    files.put(Folder::Invalids, &name, content).await?;
    Ok(name)
}

fn encrypted(content: &[u8], keys: &Closing, now: OffsetDateTime) -> Result<Vec<u8>, Error> {
    let mut message = Vec::new();
    let mut encryptor = openpgp::encrypt(&mut message, &keys.recipients, keys.signer.as_ref(), now)?;
    encryptor.write_all(content).map_err(Error::from_io)?;
    encryptor.finish()?;
    Ok(message)
}

/// What a report's lines are written into.
pub enum Sink<'u> {
    /// The upload itself.
    Plain(&'u mut BlockingWrite),
    /// A message that goes into it.
    Encrypted(Box<Encryptor<'u>>),
}

impl Sink<'_> {
    /// Ends the message. The upload is still to be completed.
    pub fn finish(self) -> Result<(), Error> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Encrypted(encryptor) => Ok(encryptor.finish()?),
        }
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(upload) => upload.write(bytes),
            Self::Encrypted(encryptor) => encryptor.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(upload) => upload.flush(),
            Self::Encrypted(encryptor) => encryptor.flush(),
        }
    }
}

/// The file is not in Incoming.
pub fn file_missing(file_name: &str) -> Notice {
    Notice::new(Code::FileMissing).with("file", file_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_import_of_a_name_has_its_own_report() {
        assert_eq!(error_report_of("x.csv", 1), "x.csv.errors.csv");
        assert_eq!(error_report_of("a/x.csv.pgp", 2), "a/x.csv.pgp.2.errors.csv");
        let place = |encrypted| Place { name: error_report_of("x.csv", 1), encrypted }.name();
        assert_eq!(
            (place(false).as_str(), place(true).as_str()),
            ("x.csv.errors.csv", "x.csv.errors.csv.pgp")
        );
    }
}
