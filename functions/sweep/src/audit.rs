//! Audit lines past their days. Nobody but the database deletes them: sweep asks it to.

use sqlx::PgConnection;
use store::{
    StoreError,
    receipts::{self, Entry},
};

use crate::{Error, Job};

/// Forgets the tenant's, with a receipt.
pub async fn forget(job: &Job<'_>) -> Result<(), Error> {
    let mut tx = job.tx().await?;
    let count = forget_lines(&mut tx).await?;
    if count > 0 {
        let rule = format!("audit lines {} days", job.settings.audit_days);
        let entry = Entry { what: "audit", ids: Vec::new(), count, rule };
        receipts::append(&mut tx, job.tenant, job.now, vec![entry]).await?;
    }
    Ok(tx.commit().await?)
}

/// Forgets lines of the role that the connection has, by the database's own clock; without one those that are no tenant's, as of logins
/// with names that nobody has.
pub async fn forget_lines(db: &mut PgConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("SELECT broadcast.forget_audit()").fetch_one(db).await?)
}
