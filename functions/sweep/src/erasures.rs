//! People whom a customer wants erased, from every campaign of the tenant.
//!
//! An erasure stands in the database with the digest of an address; whoever asked for it (`api`) suppressed the address in the same
//! transaction. Each run deletes the rows of imports and seed lists that it finds, and cancels mails that nobody has handed over. A mail
//! that is being handed over is left to its outcome, and an object of the spool to the other mails in it. When these are at their end the
//! object goes, and the mail becomes nobody's: its digest is replaced by chance, and what came back says no more than that something did.
//! So the sums stay true. The erasure is done, with a receipt, by the run that finds nothing left to wait for.

use std::collections::{BTreeMap, HashSet};

use contract::{CampaignId, ImportId, LaunchId};
use sqlx::{AssertSqlSafe, FromRow};
use store::{
    CampaignTx, StoreError, TenantTx,
    receipts::{self, Entry},
    recipients,
};

use crate::{
    Error, Job,
    campaigns::{LOCK_WAIT, is_in_use},
};

/// People in one run: their digests are one argument of each statement.
const ERASURES_MAX: i64 = 1000;
const RULE: &str = "erasure asked for by the customer";
/// Every mail of these people. Recipients' mails and proofs have an index each.
const MAILS: &str = "SELECT id FROM ledger WHERE address_key = ANY ($1) AND NOT proof
                     UNION ALL SELECT id FROM ledger WHERE address_key = ANY ($1) AND proof";

/// Of an address.
type Key = Vec<u8>;

/// An erasure that is not done.
#[derive(FromRow)]
struct Erasure {
    id: i64,
    address_key: Key,
    /// An import that was asked for before may bring the person yet.
    import_under_way: bool,
}

/// A campaign that may hold them.
#[derive(FromRow)]
struct Campaign {
    id: i64,
    held: bool,
}

/// A mail to one of them.
#[derive(FromRow)]
struct Mail {
    id: i64,
    address_key: Key,
    launch_id: i64,
    slice: i32,
    /// It may be handed over, or it stands in an object of the spool that others need.
    open: bool,
}

/// Takes every erasure as far as it goes now.
pub async fn go_on(job: &Job<'_>) -> Result<(), Error> {
    let erasures = open(job).await?;
    if erasures.is_empty() {
        return Ok(());
    }
    let keys: Vec<Key> = erasures.iter().map(|erasure| erasure.address_key.clone()).collect();
    let mut waiting: HashSet<Key> = HashSet::new();
    for campaign in campaigns(job).await? {
        if !job.has_time() {
            return Ok(());
        }
        match erase_from(job, &campaign, &keys).await {
            Ok(found) => waiting.extend(found),
            Err(Error::Store(StoreError::NoCampaign)) => {}
            Err(error) if is_in_use(&error) => {
                tracing::info!(tenant = %job.tenant, campaign = campaign.id, "in use: erasures go on in the next run");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    let done = erasures
        .iter()
        .filter(|erasure| !erasure.import_under_way && !waiting.contains(&erasure.address_key))
        .map(|erasure| erasure.id)
        .collect();
    end(job, done).await
}

/// Looked for before the campaigns are: an import that is published meanwhile is waited for once more.
async fn open(job: &Job<'_>) -> Result<Vec<Erasure>, Error> {
    let mut tx = job.tx().await?;
    let erasures = sqlx::query_as(
        "SELECT e.id, e.address_key,
                EXISTS (SELECT FROM broadcast.imports i WHERE i.tenant_id = $1 AND i.created_at <= e.asked_at
                        AND i.state IN ('waiting', 'running')) AS import_under_way
         FROM broadcast.erasures e WHERE e.tenant_id = $1 AND e.address_key IS NOT NULL ORDER BY e.id LIMIT $2",
    )
    .bind(job.tenant.0)
    .bind(ERASURES_MAX)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(erasures)
}

async fn campaigns(job: &Job<'_>) -> Result<Vec<Campaign>, Error> {
    let mut tx = job.tx().await?;
    let campaigns = sqlx::query_as(
        "SELECT id, EXISTS (SELECT FROM broadcast.holds h WHERE h.campaign_id = c.id AND h.released_at IS NULL) AS held
         FROM broadcast.campaigns c WHERE tenant_id = $1 AND state <> 'deleted' ORDER BY id",
    )
    .bind(job.tenant.0)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(campaigns)
}

/// Erases what can be erased; returns of whom something is left.
async fn erase_from(job: &Job<'_>, campaign: &Campaign, keys: &[Key]) -> Result<HashSet<Key>, Error> {
    let id = CampaignId(campaign.id);
    let mut tx = job.sweep.store.campaign(job.tenant, id).await?;
    sqlx::query(LOCK_WAIT).execute(&mut *tx).await?;
    // Keeps launches from being prepared and imports from being published: both take the row before they look at people.
    sqlx::query("SELECT FROM broadcast.campaigns WHERE id = $1 FOR NO KEY UPDATE")
        .bind(campaign.id)
        .execute(&mut *tx)
        .await?;
    cancel(job, &mut tx, keys).await?;
    if campaign.held {
        let held = held(&mut tx, keys).await?;
        tx.commit().await?;
        return Ok(held);
    }
    let rows = delete_rows(&mut tx, keys).await?;
    count(&mut tx, "rows", &rows).await?;
    let (open, over): (Vec<_>, Vec<_>) = mails(&mut tx, keys).await?.into_iter().partition(|mail| mail.open);
    let slices: HashSet<(i64, i32)> = over.iter().map(|mail| (mail.launch_id, mail.slice)).collect();
    note_handed_over(&mut tx, &slices).await?;
    tx.commit().await?;
    for (launch, slice) in slices {
        job.files.delete_spool(id, LaunchId(launch), slice).await?;
    }
    let mut tx = job.sweep.store.campaign(job.tenant, id).await?;
    sqlx::query(LOCK_WAIT).execute(&mut *tx).await?;
    make_nobodys(&mut tx, over).await?;
    tx.commit().await?;
    Ok(open.into_iter().map(|mail| mail.address_key).collect())
}

/// Mails that nobody has handed over are not handed over any more.
async fn cancel(job: &Job<'_>, tx: &mut CampaignTx, keys: &[Key]) -> Result<(), StoreError> {
    let statement = format!(
        "UPDATE ledger SET state = 'cancelled', due_at = NULL, changed_at = $2
         WHERE id IN ({MAILS}) AND state IN ('pending', 'spooled', 'deferred')"
    );
    sqlx::query(AssertSqlSafe(statement)).bind(keys).bind(job.real_now).execute(&mut **tx).await?;
    Ok(())
}

/// Of whom the campaign has something.
async fn held(tx: &mut CampaignTx, keys: &[Key]) -> Result<HashSet<Key>, StoreError> {
    let imports = recipients::published(tx).await?;
    let tables = imports.iter().map(|import: &ImportId| import.table());
    let tables = tables.chain(["ledger", "proof_recipients"].map(str::to_owned));
    let each = tables.map(|table| format!("SELECT address_key FROM {table} WHERE address_key = ANY ($1)"));
    let statement = each.collect::<Vec<_>>().join(" UNION ");
    let found: Vec<Key> = sqlx::query_scalar(AssertSqlSafe(statement))
        .persistent(false)
        .bind(keys)
        .fetch_all(&mut **tx)
        .await?;
    Ok(found.into_iter().collect())
}

/// Deletes rows of imports and seed lists; how many of each person. An address that no launch has taken up is counted on the import that it
/// came with, for no mail accounts for it.
async fn delete_rows(tx: &mut CampaignTx, keys: &[Key]) -> Result<BTreeMap<Key, i64>, StoreError> {
    let mailed: Vec<Key> =
        sqlx::query_scalar("SELECT address_key FROM ledger WHERE address_key = ANY ($1) AND NOT proof")
            .bind(keys)
            .fetch_all(&mut **tx)
            .await?;
    let mut accounted: HashSet<Key> = mailed.into_iter().collect();
    let mut rows = BTreeMap::new();
    for import in recipients::published(tx).await? {
        let deleted = delete(tx, &import.table(), keys).await?;
        let erased = deleted.iter().filter(|key| accounted.insert((*key).clone())).count();
        if erased > 0 {
            sqlx::query("UPDATE broadcast.imports SET erased = erased + $2 WHERE id = $1")
                .bind(import.0)
                .bind(i64::try_from(erased).unwrap_or(i64::MAX))
                .execute(&mut **tx)
                .await?;
        }
        for key in deleted {
            *rows.entry(key).or_default() += 1;
        }
    }
    for key in delete(tx, "proof_recipients", keys).await? {
        *rows.entry(key).or_default() += 1;
    }
    Ok(rows)
}

async fn delete(tx: &mut CampaignTx, table: &str, keys: &[Key]) -> Result<Vec<Key>, StoreError> {
    let statement = format!("DELETE FROM {table} WHERE address_key = ANY ($1) RETURNING address_key");
    Ok(sqlx::query_scalar(AssertSqlSafe(statement)).persistent(false).bind(keys).fetch_all(&mut **tx).await?)
}

/// A slice that waits for its turn has no object yet, and will be made without them. One that is done is needed while others of it are tried again.
async fn mails(tx: &mut CampaignTx, keys: &[Key]) -> Result<Vec<Mail>, StoreError> {
    let statement = format!(
        "SELECT l.id, l.address_key, l.launch_id, l.slice,
                l.state = 'sending' OR coalesce(s.state IN ('generating', 'sending'), false) OR EXISTS (
                    SELECT FROM ledger other WHERE other.launch_id = l.launch_id AND other.slice = l.slice AND other.state = 'deferred') AS open
         FROM ledger l LEFT JOIN slices s ON s.launch_id = l.launch_id AND s.slice = l.slice WHERE l.id IN ({MAILS})"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(keys).fetch_all(&mut **tx).await?)
}

/// In a database that is restored to an earlier time a slice without an object would be one that was never made.
async fn note_handed_over(tx: &mut CampaignTx, slices: &HashSet<(i64, i32)>) -> Result<(), StoreError> {
    let (launches, numbers): (Vec<i64>, Vec<i32>) = slices.iter().copied().unzip();
    sqlx::query(
        "INSERT INTO broadcast.journal (tenant_id, entry)
         SELECT $1, jsonb_build_object('entry', 'slice_over', 'tenant_id', $1, 'id', l.id, 'slice', o.slice)
         FROM unnest($2::bigint[], $3::integer[]) AS o (launch, slice) JOIN broadcast.launches l ON l.id = o.launch
         JOIN slices s ON s.launch_id = o.launch AND s.slice = o.slice WHERE l.ended_at IS NULL AND s.state = 'done'",
    )
    .bind(tx.tenant().0)
    .bind(launches)
    .bind(numbers)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Nothing tells any more to whom they were. Their sums, and the proof that each was handed over once, stay.
async fn make_nobodys(tx: &mut CampaignTx, mails: Vec<Mail>) -> Result<(), StoreError> {
    if mails.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = mails.iter().map(|mail| mail.id).collect();
    // The report names domains, some of which are one person's.
    sqlx::query("DELETE FROM report").execute(&mut **tx).await?;
    for statement in [
        "UPDATE responses SET diagnostic = NULL WHERE mail_id = ANY ($1) AND diagnostic IS NOT NULL",
        "UPDATE ledger SET address_key = uuid_send(gen_random_uuid()), reply = NULL WHERE id = ANY ($1)",
    ] {
        sqlx::query(statement).bind(&ids).execute(&mut **tx).await?;
    }
    let mut each = BTreeMap::new();
    for mail in mails {
        *each.entry(mail.address_key).or_default() += 1;
    }
    count(tx, "mails", &each).await
}

/// Adds to what the erasures tell; `column` is one of theirs.
async fn count(
    tx: &mut CampaignTx,
    column: &'static str,
    each: &BTreeMap<Key, i64>,
) -> Result<(), StoreError> {
    let (tenant, keys, counts) =
        (tx.tenant().0, each.keys().cloned().collect::<Vec<_>>(), each.values().copied().collect::<Vec<_>>());
    let statement = format!(
        "UPDATE broadcast.erasures e SET {column} = e.{column} + n.count FROM unnest($2::bytea[], $3::bigint[]) AS n (key, count)
         WHERE e.tenant_id = $1 AND e.address_key = n.key"
    );
    sqlx::query(AssertSqlSafe(statement)).bind(tenant).bind(keys).bind(counts).execute(&mut **tx).await?;
    Ok(())
}

/// Nothing is left of them but the suppression: the digest goes, and the receipt comes.
async fn end(job: &Job<'_>, done: Vec<i64>) -> Result<(), Error> {
    if done.is_empty() {
        return Ok(());
    }
    let mut tx: TenantTx = job.tx().await?;
    sqlx::query(
        "DELETE FROM broadcast.soft_bounces s USING broadcast.erasures e
         WHERE e.id = ANY ($1) AND s.tenant_id = e.tenant_id AND s.address_key = e.address_key",
    )
    .bind(&done)
    .execute(&mut *tx)
    .await?;
    let ended: Vec<(i64, i64)> = sqlx::query_as(
        "UPDATE broadcast.erasures SET address_key = NULL, done_at = $2 WHERE id = ANY ($1) AND done_at IS NULL RETURNING id, rows + mails",
    )
    .bind(&done)
    .bind(job.real_now)
    .fetch_all(&mut *tx)
    .await?;
    let entry = |(id, count)| Entry { what: "person", ids: vec![id], count, rule: RULE.to_owned() };
    receipts::append(&mut tx, job.tenant, job.now, ended.into_iter().map(entry).collect()).await?;
    Ok(tx.commit().await?)
}
