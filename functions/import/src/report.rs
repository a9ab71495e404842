//! The report beside a refused file, or of an imported one's rejected rows: where it goes.

use contract::{Folder, error_report_of};
use exchange::TenantFiles;
use fault::{Code, Notice};

use crate::{Error, Import, claim::Job, reading};

/// The report's name below Invalids. The same for every attempt of an import, and no other import's: the second file of a name that is
/// imported has `x.csv.2.errors.csv`.
pub async fn name(function: &Import, job: &Job) -> Result<String, Error> {
    let mut tx = function.store.tenant(job.tenant).await?;
    let number: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM broadcast.imports WHERE tenant_id = $1 AND file_name = $2 AND id <= $3",
    )
    .bind(job.tenant.0)
    .bind(&job.file_name)
    .bind(job.import.0)
    .fetch_one(&mut *tx)
    .await?;
    Ok(numbered(&job.file_name, number))
}

fn numbered(file_name: &str, number: i64) -> String {
    if number > 1 { error_report_of(&format!("{file_name}.{number}")) } else { error_report_of(file_name) }
}

/// Writes a report of one line, the reason for the whole file, unless one of rows is there already.
pub async fn ensure(files: &TenantFiles, name: &str, notice_code: &str, words: &str) -> Result<(), Error> {
    if files.head(Folder::Invalids, name).await?.is_none() {
        let content = reading::report::of_file(notice_code, words).map_err(|_| Error::Report)?;
        files.put(Folder::Invalids, name, content).await?;
    }
    Ok(())
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
        assert_eq!(numbered("x.csv", 1), "x.csv.errors.csv");
        assert_eq!(numbered("a/x.csv.pgp", 2), "a/x.csv.pgp.2.errors.csv");
    }
}
