//! Slices: some hundreds of mails of a launch that go through generate and send together. Whatever waits but for a retry stands here, by slice,
//! so that a mail's own row changes its state without a change in any index.
//!
//! Who changes a slice locks its row before rows of the ledger.

use contract::LaunchId;
use sqlx::FromRow;
use time::OffsetDateTime;

use crate::{CampaignTx, StoreError};

/// Mails of one slice: rendered and signed in about a second, handed over in less, so that every invocation ends long before its deadline; and
/// ten thousand slices, not more, are a launch of five million.
pub const MAILS_MAX: i64 = 500;

/// What stands still in a slice: its mails by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct Rest {
    /// To be generated.
    pub pending: i64,
    /// In the spool.
    pub spooled: i64,
    /// Being handed over, by whomever.
    pub sending: i64,
}

/// How a slice goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Its mails are to be generated; look again at that time.
    Generating(OffsetDateTime),
    /// Its mails are to be handed over; look again at that time.
    Sending(OffsetDateTime),
    /// Nothing of it waits, but for a retry perhaps.
    Done,
}

/// Locks a slice; `None`: the launch has no such slice. Until the transaction's end nobody else generates, hands over, wakes or takes back what it
/// has.
pub async fn lock(tx: &mut CampaignTx, launch: LaunchId, slice: i32) -> Result<Option<Locked>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT due_at, sending_until FROM slices WHERE launch_id = $1 AND slice = $2 FOR NO KEY UPDATE",
    )
    .bind(launch.0)
    .bind(slice)
    .fetch_optional(&mut **tx)
    .await?)
}

/// A locked slice.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct Locked {
    /// When it is looked at next. `None`: it is done.
    pub due_at: Option<OffsetDateTime>,
    /// By then every invocation that handed over mails of it has ended.
    pub sending_until: Option<OffsetDateTime>,
}

/// What stands still in a slice. True to the end of the transaction for a locked one, but for what goes on within `sending`.
pub async fn rest(tx: &mut CampaignTx, launch: LaunchId, slice: i32) -> Result<Rest, StoreError> {
    Ok(sqlx::query_as(
        "SELECT count(*) FILTER (WHERE state = 'pending') AS pending, count(*) FILTER (WHERE state = 'spooled') AS spooled,
                count(*) FILTER (WHERE state = 'sending') AS sending
         FROM ledger WHERE launch_id = $1 AND slice = $2",
    )
    .bind(launch.0)
    .bind(slice)
    .fetch_one(&mut **tx)
    .await?)
}

/// Says how a slice goes on.
pub async fn set(tx: &mut CampaignTx, launch: LaunchId, slice: i32, next: Next) -> Result<(), StoreError> {
    let (state, due_at) = match next {
        Next::Generating(at) => ("generating", Some(at)),
        Next::Sending(at) => ("sending", Some(at)),
        Next::Done => ("done", None),
    };
    sqlx::query(
        "INSERT INTO slices (launch_id, slice, state, due_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (launch_id, slice) DO UPDATE SET state = $3, due_at = $4",
    )
    .bind(launch.0)
    .bind(slice)
    .bind(state)
    .bind(due_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes slices of a running launch whose turn has come, the earliest first, as long as fewer than `in_flight_max` are under way; they are
/// `generating` from then on, to be looked at again at `due_at`. Two callers at once may take some more.
pub async fn take(
    tx: &mut CampaignTx,
    launch: LaunchId,
    in_flight_max: i64,
    now: OffsetDateTime,
    due_at: OffsetDateTime,
) -> Result<Vec<i32>, StoreError> {
    let mut slices: Vec<i32> = sqlx::query_scalar(
        "WITH free AS (
             SELECT greatest($2 - count(*), 0) AS slices FROM slices
             WHERE launch_id = $1 AND due_at IS NOT NULL AND state <> 'waiting'
         ), next AS (
             SELECT slice FROM slices WHERE launch_id = $1 AND due_at <= $3 AND state = 'waiting'
             ORDER BY due_at, slice LIMIT (SELECT slices FROM free) FOR NO KEY UPDATE SKIP LOCKED
         )
         UPDATE slices SET state = 'generating', due_at = $4 WHERE launch_id = $1 AND slice IN (SELECT slice FROM next)
            AND EXISTS (SELECT FROM broadcast.launches WHERE id = $1 AND broadcast.effective_state(state) = 'running')
         RETURNING slice",
    )
    .bind(launch.0)
    .bind(in_flight_max)
    .bind(now)
    .bind(due_at)
    .fetch_all(&mut **tx)
    .await?;
    slices.sort_unstable();
    Ok(slices)
}

/// Whose message a slice waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// That of generate.
    Generating,
    /// That of send.
    Sending,
}

/// Slices whose message is perhaps lost, or whose invocation died. The next look at them is put off to `due_at` first: a message that is then lost
/// comes again with it.
pub async fn overdue(
    tx: &mut CampaignTx,
    launch: LaunchId,
    stage: Stage,
    now: OffsetDateTime,
    due_at: OffsetDateTime,
) -> Result<Vec<i32>, StoreError> {
    let name = match stage {
        Stage::Generating => "generating",
        Stage::Sending => "sending",
    };
    Ok(sqlx::query_scalar(
        "WITH due AS (SELECT slice FROM slices WHERE launch_id = $1 AND due_at <= $2 AND state = $4 FOR NO KEY UPDATE SKIP LOCKED)
         UPDATE slices SET due_at = $3 WHERE launch_id = $1 AND slice IN (SELECT slice FROM due) RETURNING slice",
    )
    .bind(launch.0)
    .bind(now)
    .bind(due_at)
    .bind(name)
    .fetch_all(&mut **tx)
    .await?)
}

/// Puts off what waits for its turn by the pause that ends now, so that a paced launch goes on at its pace.
pub(crate) async fn put_off(
    tx: &mut CampaignTx,
    launch: LaunchId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE slices s SET due_at = s.due_at + ($2 - l.paused_at) FROM broadcast.launches l
         WHERE s.launch_id = $1 AND s.state = 'waiting' AND l.id = $1 AND l.paused_at < $2 AND s.due_at > l.paused_at",
    )
    .bind(launch.0)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes back mails of a cancelled launch that are not being handed over; says whether there may be more for another call. A slice that is being
/// made or handed over needs another call in any case: until none is open, the launch has no end.
pub(crate) async fn cancel(
    tx: &mut CampaignTx,
    launch: LaunchId,
    now: OffsetDateTime,
    slices_max: i64,
) -> Result<bool, StoreError> {
    // Waits for no row: whoever has one may be waiting for the launch's row, which the caller may have.
    let open: Vec<i32> = sqlx::query_scalar(
        "SELECT slice FROM slices WHERE launch_id = $1 AND due_at IS NOT NULL
         AND EXISTS (SELECT FROM broadcast.launches WHERE id = $1 AND state = 'cancelled')
         ORDER BY due_at, slice LIMIT $2 FOR NO KEY UPDATE OF slices SKIP LOCKED",
    )
    .bind(launch.0)
    .bind(slices_max)
    .fetch_all(&mut **tx)
    .await?;
    let retries = sqlx::query(
        "WITH open AS (
             SELECT id FROM ledger WHERE launch_id = $1 AND slice = ANY ($2) AND state IN ('pending', 'spooled') FOR NO KEY UPDATE SKIP LOCKED
         ), retries AS (
             SELECT id FROM ledger WHERE launch_id = $1 AND due_at IS NOT NULL AND state = 'deferred'
                AND EXISTS (SELECT FROM broadcast.launches WHERE id = $1 AND state = 'cancelled')
             ORDER BY due_at LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED
         ), mails AS (
             UPDATE ledger SET state = 'cancelled', changed_at = $3 WHERE id IN (SELECT id FROM open)
         )
         UPDATE ledger SET state = 'cancelled', due_at = NULL, changed_at = $3 WHERE id IN (SELECT id FROM retries)",
    )
    .bind(launch.0)
    .bind(&open)
    .bind(now)
    .bind(slices_max * MAILS_MAX)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    // In a statement of its own: it must see what the one before left.
    let ended = sqlx::query(
        "UPDATE slices s SET state = 'done', due_at = NULL WHERE launch_id = $1 AND slice = ANY ($2)
         AND NOT EXISTS (SELECT FROM ledger l WHERE l.launch_id = $1 AND l.slice = s.slice AND l.state IN ('pending', 'spooled', 'sending'))",
    )
    .bind(launch.0)
    .bind(&open)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    // Slices that are being handed over stay open: the next call would only meet them again.
    let count = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
    Ok(count(ended) >= slices_max || count(retries) >= slices_max * MAILS_MAX)
}
