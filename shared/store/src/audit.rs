//! A line for everything that somebody did. File names stand here and nowhere else: Postgres only, never a log.
//!
//! What changes rows is noted in the transaction that does it. Everything else goes through a [`Journal`].

mod journal;

use std::net::IpAddr;

use contract::TenantId;
use sqlx::PgPool;

use crate::StoreError;

pub use journal::{Journal, Unsynchronised};

/// One line of `broadcast.audit`.
pub struct Line<'a> {
    /// Who, as far as known.
    pub tenant: Option<TenantId>,
    /// With what they came in: `sftp password`, `sftp key SHA256:...`, `sftp key SHA256:... and password`, `api key <prefix>`.
    pub actor: &'a str,
    /// Of the gateway `login`, `upload`, `download`, `rename`, `remove`, `mkdir`, `rmdir`; of what was refused also `list`, `look`, `change`,
    /// `link`, `copy`, `handle`. Of the API the operation's id.
    pub action: &'a str,
    /// The file's key, of a rename the new one; the id of what the API was asked about.
    pub subject: Option<&'a str>,
    /// The client's address, where it is known.
    pub source: Option<IpAddr>,
    /// How many bytes went over.
    pub bytes: Option<u64>,
    /// `done`, or why not; what was refused begins with `refused`.
    pub result: &'a str,
}

/// Writes a line at once: for what is not done without it. All others go through the [`Journal`].
pub async fn write(pool: &PgPool, line: &Line<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO broadcast.audit (tenant_id, actor, action, subject, source, bytes, result)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(line.tenant.map(|tenant| tenant.0))
    .bind(line.actor)
    .bind(line.action)
    .bind(line.subject)
    .bind(line.source.map(|source| source.to_string()))
    .bind(line.bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)))
    .bind(line.result)
    .execute(pool)
    .await?;
    Ok(())
}
