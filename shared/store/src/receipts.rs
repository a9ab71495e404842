//! Proof of deletion: receipts without personal data, chained per tenant.
//!
//! A receipt's digest is SHA-256 over the digest of the one before (32 zero bytes for the first) and the receipt's canonical JSON: the
//! fields of [`Receipt::canonical`] in their order, without white space. So whoever has the last digest can prove all receipts.

mod verify;

use aws_lc_rs::digest::{SHA256, digest};
use contract::{Anchor, TenantId};
use data_encoding::HEXLOWER;
use serde::Serialize;
use sqlx::{FromRow, PgConnection, Row};
use time::OffsetDateTime;

use crate::StoreError;

pub use verify::{Broken, Verifier};

/// First half of the advisory lock under which receipts of a tenant are numbered.
const RECEIPTS_LOCK: i32 = 0x5243_5054;
/// What the first receipt is chained to.
const GENESIS: [u8; 32] = [0; 32];
/// Receipts of these are on the record for what they keep or end.
const DELETES_NOTHING: [&str; 2] = ["hold", "release"];

/// What was deleted, before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `file`, `file_gone`, `version`, `upload`, `import`, `spool`, `recipients`, `mails`, `responses`, `person`, `audit`, `tenant`; `hold` and `release`.
    pub what: &'static str,
    /// Of files, uploads, imports or campaigns; empty where the deleted has no id.
    pub ids: Vec<i64>,
    /// How many.
    pub count: i64,
    /// Under which rule, in words.
    pub rule: String,
}

/// A receipt in its chain.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Receipt {
    /// From 1, without a gap.
    pub number: i64,
    /// When; in whole microseconds.
    pub at: OffsetDateTime,
    /// See [`Entry`].
    pub what: String,
    /// See [`Entry`].
    pub ids: Vec<i64>,
    /// See [`Entry`].
    pub count: i64,
    /// See [`Entry`].
    pub rule: String,
    /// By then the last backup of the database is gone that may hold what was deleted. `None` where nothing was, and on old receipts.
    pub backups_until: Option<OffsetDateTime>,
    /// The digest of the receipt before.
    pub previous: Vec<u8>,
    /// Its own.
    pub digest: Vec<u8>,
}

#[derive(Serialize)]
struct Canonical<'a> {
    tenant: TenantId,
    number: i64,
    at_unix_microseconds: i64,
    what: &'a str,
    ids: &'a [i64],
    count: i64,
    rule: &'a str,
    // Absent where there is none, so that receipts of before it keep their digests.
    #[serde(skip_serializing_if = "Option::is_none")]
    backups_until_unix_microseconds: Option<i64>,
}

fn unix_microseconds(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or_default()
}

impl Receipt {
    /// What the digest is taken of, beside the previous digest.
    fn canonical(&self, tenant: TenantId) -> Vec<u8> {
        let canonical = Canonical {
            tenant,
            number: self.number,
            at_unix_microseconds: unix_microseconds(self.at),
            what: &self.what,
            ids: &self.ids,
            count: self.count,
            rule: &self.rule,
            backups_until_unix_microseconds: self.backups_until.map(unix_microseconds),
        };
        // Numbers and strings in a plain struct: this cannot fail.
        serde_json::to_vec(&canonical).unwrap_or_default()
    }

    fn seal(&self, tenant: TenantId) -> Vec<u8> {
        let mut bytes = self.previous.clone();
        bytes.extend(self.canonical(tenant));
        digest(&SHA256, &bytes).as_ref().to_vec()
    }
}

/// The newest receipt, as somebody outside keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub number: i64,
    /// Its digest.
    pub digest: Vec<u8>,
}

impl Head {
    /// In the form of its object.
    pub fn anchor(&self, tenant: TenantId, at: OffsetDateTime) -> Anchor {
        Anchor { tenant, number: self.number, digest: HEXLOWER.encode(&self.digest), at }
    }

    /// As an anchor keeps it; `None` where that has no digest.
    pub fn of(anchor: &Anchor) -> Option<Self> {
        let digest = HEXLOWER.decode(anchor.digest.as_bytes()).ok()?;
        (digest.len() == SHA256.output_len()).then_some(Self { number: anchor.number, digest })
    }
}

/// Receipts above a number in their order, as many as there are up to a limit.
pub async fn read(
    connection: &mut PgConnection,
    tenant: TenantId,
    after: i64,
    limit: i64,
) -> Result<Vec<Receipt>, StoreError> {
    let receipts = sqlx::query_as(
        "SELECT number, at, what, ids, count, rule, backups_until, previous, digest FROM broadcast.receipts
         WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3",
    )
    .bind(tenant.0)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(receipts)
}

/// Appends receipts in the caller's transaction, whose deletions they are about.
pub async fn append(
    connection: &mut PgConnection,
    tenant: TenantId,
    now: OffsetDateTime,
    entries: Vec<Entry>,
) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    sqlx::query("SELECT pg_advisory_xact_lock($1, hashint8($2))")
        .bind(RECEIPTS_LOCK)
        .bind(tenant.0)
        .execute(&mut *connection)
        .await?;
    let last = sqlx::query(
        "SELECT number, digest FROM broadcast.receipts WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1",
    )
    .bind(tenant.0)
    .fetch_optional(&mut *connection)
    .await?;
    let backups_until = backups_until(&mut *connection, now).await?;
    let (mut number, mut previous) =
        last.map_or((0, GENESIS.to_vec()), |row| (row.get::<i64, _>(0), row.get::<Vec<u8>, _>(1)));
    // Postgres keeps microseconds, and the digest must be of what it keeps.
    let at = now.truncate_to_microsecond();
    for entry in entries {
        number += 1;
        let Entry { what, ids, count, rule } = entry;
        let backups_until = (!DELETES_NOTHING.contains(&what)).then_some(backups_until);
        let what = what.to_owned();
        let mut receipt =
            Receipt { number, at, what, ids, count, rule, backups_until, previous, digest: Vec::new() };
        receipt.digest = receipt.seal(tenant);
        insert(&mut *connection, tenant, &receipt).await?;
        previous = receipt.digest;
    }
    Ok(())
}

/// When the last backup expires that holds what is deleted at this time. A backup can be restored for so many days; what it starts from is a
/// snapshot that is up to a day older, and that goes when the next one is as old.
///
/// In a database that may be a copy of an earlier time nothing is deleted yet: the number that a receipt would get may be taken.
async fn backups_until(
    connection: &mut PgConnection,
    now: OffsetDateTime,
) -> Result<OffsetDateTime, StoreError> {
    let until: Option<OffsetDateTime> = sqlx::query_scalar(
        "SELECT CASE WHEN broadcast.is_current() THEN greatest($1, clock_timestamp()) + make_interval(days => backup_days + 1) END
         FROM broadcast.database",
    )
    .bind(now)
    .fetch_one(connection)
    .await?;
    until.ok_or(StoreError::NotCurrent)
}

async fn insert(
    connection: &mut PgConnection,
    tenant: TenantId,
    receipt: &Receipt,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO broadcast.receipts (tenant_id, number, at, what, ids, count, rule, backups_until, previous, digest)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(tenant.0)
    .bind(receipt.number)
    .bind(receipt.at)
    .bind(&receipt.what)
    .bind(&receipt.ids)
    .bind(receipt.count)
    .bind(&receipt.rule)
    .bind(receipt.backups_until)
    .bind(&receipt.previous)
    .bind(&receipt.digest)
    .execute(connection)
    .await?;
    Ok(())
}
