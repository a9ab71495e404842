//! Proof of deletion: receipts without personal data, chained per tenant.
//!
//! A receipt's digest is SHA-256 over the digest of the one before (32 zero bytes for the first) and the receipt's canonical JSON: the
//! fields of [`Receipt::canonical`] in their order, without white space. So whoever has the last digest can prove all receipts.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use contract::TenantId;
use serde::Serialize;
use sqlx::{PgConnection, Row};
use store::StoreError;
use time::OffsetDateTime;

/// First half of the advisory lock under which receipts of a tenant are numbered.
const RECEIPTS_LOCK: i32 = 0x5243_5054;
/// What the first receipt is chained to.
const GENESIS: [u8; 32] = [0; 32];

/// What was deleted, before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `file`, `file_gone`, `upload`, `import`, `spool`, `recipients`, `mails`, `responses`.
    pub what: &'static str,
    /// Of files, uploads, imports or campaigns; empty where the deleted has no id.
    pub ids: Vec<i64>,
    /// How many.
    pub count: i64,
    /// Under which rule, in words.
    pub rule: String,
}

/// A receipt in its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

impl Receipt {
    /// What the digest is taken of, beside the previous digest.
    fn canonical(&self, tenant: TenantId) -> Vec<u8> {
        let canonical = Canonical {
            tenant,
            number: self.number,
            at_unix_microseconds: i64::try_from(self.at.unix_timestamp_nanos() / 1000).unwrap_or_default(),
            what: &self.what,
            ids: &self.ids,
            count: self.count,
            rule: &self.rule,
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

/// Where a chain does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A receipt of this number is not where it must be.
    Missing(i64),
    /// This receipt does not follow from the one before.
    Unchained(i64),
    /// This receipt's words are not those that were sealed.
    Altered(i64),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(number) => write!(f, "receipt {number} is missing"),
            Self::Unchained(number) => write!(f, "receipt {number} does not follow from the one before it"),
            Self::Altered(number) => write!(f, "receipt {number} was altered"),
        }
    }
}

/// Proves all receipts of a tenant, given in their order. Only a `head` kept elsewhere shows that the newest ones are still there, and
/// that the chain was not made anew as a whole.
pub fn verify(tenant: TenantId, receipts: &[Receipt], head: Option<&Head>) -> Result<(), Broken> {
    let mut previous = GENESIS.to_vec();
    for (number, receipt) in (1..).zip(receipts) {
        if receipt.number != number {
            return Err(Broken::Missing(number));
        }
        if receipt.previous != previous {
            return Err(Broken::Unchained(number));
        }
        if receipt.digest != receipt.seal(tenant) {
            return Err(Broken::Altered(number));
        }
        previous.clone_from(&receipt.digest);
        if head.is_some_and(|head| head.number == number && head.digest != previous) {
            return Err(Broken::Altered(number));
        }
    }
    let last = i64::try_from(receipts.len()).unwrap_or(i64::MAX);
    match head {
        Some(head) if head.number > last => Err(Broken::Missing(last + 1)),
        _ => Ok(()),
    }
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
    let (mut number, mut previous) =
        last.map_or((0, GENESIS.to_vec()), |row| (row.get::<i64, _>(0), row.get::<Vec<u8>, _>(1)));
    // Postgres keeps microseconds, and the digest must be of what it keeps.
    let at = now.truncate_to_microsecond();
    for entry in entries {
        number += 1;
        let Entry { what, ids, count, rule } = entry;
        let mut receipt =
            Receipt { number, at, what: what.to_owned(), ids, count, rule, previous, digest: Vec::new() };
        receipt.digest = receipt.seal(tenant);
        insert(&mut *connection, tenant, &receipt).await?;
        previous = receipt.digest;
    }
    Ok(())
}

async fn insert(
    connection: &mut PgConnection,
    tenant: TenantId,
    receipt: &Receipt,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO broadcast.receipts (tenant_id, number, at, what, ids, count, rule, previous, digest)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(tenant.0)
    .bind(receipt.number)
    .bind(receipt.at)
    .bind(&receipt.what)
    .bind(&receipt.ids)
    .bind(receipt.count)
    .bind(&receipt.rule)
    .bind(&receipt.previous)
    .bind(&receipt.digest)
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const TENANT: TenantId = TenantId(7);

    fn chain(length: i64) -> Vec<Receipt> {
        let mut chain: Vec<Receipt> = Vec::new();
        for number in 1..=length {
            let previous = chain.last().map_or(GENESIS.to_vec(), |receipt| receipt.digest.clone());
            let mut receipt = Receipt {
                number,
                at: datetime!(2026-11-23 12:00:00.000001 UTC),
                what: "file".into(),
                ids: vec![number, 40],
                count: 2,
                rule: "Incoming 48 hours".into(),
                previous,
                digest: Vec::new(),
            };
            receipt.digest = receipt.seal(TENANT);
            chain.push(receipt);
        }
        chain
    }

    fn head(chain: &[Receipt]) -> Head {
        let last = chain.last().unwrap();
        Head { number: last.number, digest: last.digest.clone() }
    }

    #[test]
    fn a_whole_chain_holds() {
        let chain = chain(4);
        assert_eq!(verify(TENANT, &[], None), Ok(()));
        assert_eq!(verify(TENANT, &chain, None), Ok(()));
        assert_eq!(verify(TENANT, &chain, Some(&head(&chain))), Ok(()));
        // A head that was kept earlier still proves the beginning.
        assert_eq!(verify(TENANT, &chain, Some(&head(&chain[..2]))), Ok(()));
        assert_eq!(verify(TenantId(8), &chain, None), Err(Broken::Altered(1)));
    }

    #[test]
    fn the_canonical_form_never_changes() {
        assert_eq!(
            String::from_utf8(chain(1)[0].canonical(TENANT)).unwrap(),
            r#"{"tenant":7,"number":1,"at_unix_microseconds":1795435200000001,"what":"file","ids":[1,40],"count":2,"rule":"Incoming 48 hours"}"#
        );
    }

    #[test]
    fn every_change_is_found() {
        let good = chain(4);
        let kept = head(&good);
        let broken = |change: &dyn Fn(&mut Vec<Receipt>)| {
            let mut chain = good.clone();
            change(&mut chain);
            verify(TENANT, &chain, Some(&kept))
        };
        assert_eq!(broken(&|chain| chain[1].count = 1), Err(Broken::Altered(2)));
        assert_eq!(broken(&|chain| chain[1].rule.push('0')), Err(Broken::Altered(2)));
        assert_eq!(broken(&|chain| chain[3].at += time::Duration::seconds(1)), Err(Broken::Altered(4)));
        assert_eq!(broken(&|chain| chain[2].ids.truncate(1)), Err(Broken::Altered(3)));
        assert_eq!(broken(&|chain| drop(chain.remove(0))), Err(Broken::Missing(1)));
        assert_eq!(broken(&|chain| drop(chain.remove(2))), Err(Broken::Missing(3)));
        assert_eq!(broken(&|chain| drop(chain.pop())), Err(Broken::Missing(4)));
        assert_eq!(broken(&|chain| chain.swap(1, 2)), Err(Broken::Missing(2)));
        assert_eq!(
            broken(&|chain| {
                chain.swap(1, 2);
                (chain[1].number, chain[2].number) = (2, 3);
            }),
            Err(Broken::Unchained(2))
        );
        assert_eq!(
            broken(&|chain| {
                chain[1].count = 1;
                chain[1].digest = chain[1].seal(TENANT);
            }),
            Err(Broken::Unchained(3))
        );
        // Made anew from the altered receipt on: the head tells.
        assert_eq!(
            broken(&|chain| {
                chain[2].count = 1;
                chain[2].digest = chain[2].seal(TENANT);
                chain[3].previous = chain[2].digest.clone();
                chain[3].digest = chain[3].seal(TENANT);
            }),
            Err(Broken::Altered(4))
        );
    }
}
