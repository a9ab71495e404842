//! A line for everything that somebody did. File names stand here and nowhere else: Postgres only, never a log.

mod journal;

use std::net::IpAddr;

use contract::TenantId;
use sqlx::PgPool;

use crate::Error;

pub use journal::Journal;

/// One line of `broadcast.audit`.
pub struct Line<'a> {
    /// Who, as far as known.
    pub tenant: Option<TenantId>,
    /// With what they logged in: `sftp password`, `sftp key SHA256:...`, `sftp key SHA256:... and password`.
    pub actor: &'a str,
    /// `login`, `upload`, `download`, `rename`, `remove`, `mkdir`, `rmdir`; of what was refused also `list`, `look`, `change`, `link`, `copy`,
    /// `handle`.
    pub action: &'static str,
    /// The file's key, of a rename the new one.
    pub subject: Option<&'a str>,
    /// The client's address.
    pub source: IpAddr,
    /// How many bytes went over.
    pub bytes: Option<u64>,
    /// `done`, or why not; what was refused begins with `refused`.
    pub result: &'a str,
}

/// Writes a line at once: for what is not done without it. All others go through the [`Journal`].
pub async fn write(pool: &PgPool, line: &Line<'_>) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO broadcast.audit (tenant_id, actor, action, subject, source, bytes, result)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(line.tenant.map(|tenant| tenant.0))
    .bind(line.actor)
    .bind(line.action)
    .bind(line.subject)
    .bind(line.source.to_string())
    .bind(line.bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)))
    .bind(line.result)
    .execute(pool)
    .await?;
    Ok(())
}
