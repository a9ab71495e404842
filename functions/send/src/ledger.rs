//! The ledger's statements. Every one that changes a row names the states from which it may: the loser of a race changes nothing.

use sqlx::{FromRow, PgConnection};
use store::{CampaignTx, StoreError};
use time::{Duration, OffsetDateTime};

use contract::MailId;

use crate::{Place, outcome::Outcome};

/// After its launch was made, was due, or was last resumed: a mail that no attempt could hand over until then is `expired`. News is old after
/// a day, and the relay has days of its own for what it took. A pause does not count, however long it is: who resumes a launch wants its mails
/// to go out.
const LIFETIME: Duration = Duration::days(1);
/// How long a spooled row waits for its slice's message before the schedule sends another one. Pushed on with each, so that a long
/// backlog is not multiplied.
pub(crate) const NUDGE: Duration = Duration::minutes(15);
/// Rows of one launch that one look wakes or takes back. What is more comes with the next.
pub(crate) const ROWS_MAX: i64 = 100_000;
/// What a row says whose invocation died.
const LOST: &str = "the sending function ended before the relay's reply was recorded";

/// A launch, as far as sending needs it.
#[derive(Debug, FromRow)]
pub(crate) struct Launch {
    pub state: String,
    /// When its mails' lifetime began.
    pub begun_at: OffsetDateTime,
}

impl Launch {
    /// When the last retry must have begun.
    pub fn expires_at(&self) -> OffsetDateTime {
        self.begun_at + LIFETIME
    }
}

/// Reads a launch.
pub(crate) async fn launch(tx: &mut CampaignTx, place: Place) -> Result<Option<Launch>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT state, greatest(created_at, starts_at, resumed_at) AS begun_at FROM broadcast.launches
         WHERE id = $1 AND campaign_id = $2",
    )
    .bind(place.launch.0)
    .bind(place.campaign.0)
    .fetch_optional(&mut **tx)
    .await?)
}

/// Whether mails of the launch may be begun.
pub(crate) async fn runs(session: &mut PgConnection, place: Place) -> Result<bool, StoreError> {
    let runs: Option<bool> = sqlx::query_scalar(
        "SELECT state = 'running' FROM broadcast.launches WHERE id = $1 AND campaign_id = $2",
    )
    .bind(place.launch.0)
    .bind(place.campaign.0)
    .fetch_optional(session)
    .await?;
    Ok(runs == Some(true))
}

/// The mails of a slice that may go out now.
pub(crate) async fn ready(tx: &mut CampaignTx, place: Place, slice: i32) -> Result<Vec<MailId>, StoreError> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM ledger WHERE launch_id = $1 AND slice = $2 AND state = 'spooled' ORDER BY id",
    )
    .bind(place.launch.0)
    .bind(slice)
    .fetch_all(&mut **tx)
    .await?;
    Ok(ids.into_iter().map(MailId).collect())
}

/// Rows whose invocation must have ended long ago become `unknown`; says how many.
pub(crate) async fn settle_lost(
    tx: &mut CampaignTx,
    place: Place,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let lost = sqlx::query(
        "UPDATE ledger SET state = 'unknown', reply = $3, due_at = NULL, changed_at = $2
         WHERE due_at <= $2 AND launch_id = $1 AND state = 'sending'",
    )
    .bind(place.launch.0)
    .bind(now)
    .bind(LOST)
    .execute(&mut **tx)
    .await?;
    Ok(lost.rows_affected())
}

/// Mails that the relay cannot take at all become `refused`; says how many. None of them was offered to it, so none is in doubt.
pub(crate) async fn refuse(
    tx: &mut CampaignTx,
    mails: &[MailId],
    reply: &str,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let refused = sqlx::query(
        "UPDATE ledger SET state = 'refused', reply = $2, due_at = NULL, changed_at = $3
         WHERE id = ANY ($1) AND state = 'spooled'",
    )
    .bind(mails.iter().map(|mail| mail.0).collect::<Vec<_>>())
    .bind(reply)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(refused.rows_affected())
}

/// Rows that nobody could hand over in the launch's lifetime; says how many.
pub(crate) async fn expire(
    tx: &mut CampaignTx,
    place: Place,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let expired = sqlx::query(
        "UPDATE ledger SET state = 'expired', due_at = NULL, changed_at = $2
         WHERE due_at IS NOT NULL AND launch_id = $1 AND state IN ('spooled', 'deferred')",
    )
    .bind(place.launch.0)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(expired.rows_affected())
}

/// Makes retries that are due ready again and puts off the nudge of what waits for its message; returns the slices of both.
pub(crate) async fn wake(
    tx: &mut CampaignTx,
    place: Place,
    now: OffsetDateTime,
    rows_max: i64,
) -> Result<Vec<i32>, StoreError> {
    Ok(sqlx::query_scalar(
        "WITH due AS (SELECT id FROM ledger WHERE due_at <= $2 AND launch_id = $1 AND state IN ('spooled', 'deferred')
                      ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED),
              woken AS (UPDATE ledger SET state = 'spooled', due_at = $3, changed_at = $2
                        WHERE id IN (SELECT id FROM due) RETURNING slice)
         SELECT DISTINCT slice FROM woken ORDER BY slice",
    )
    .bind(place.launch.0)
    .bind(now)
    .bind(now + NUDGE)
    .bind(rows_max)
    .fetch_all(&mut **tx)
    .await?)
}

/// Has the schedule come back to a slice at `at`, because the relay takes nothing now.
pub(crate) async fn put_off(
    tx: &mut CampaignTx,
    place: Place,
    slice: i32,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE ledger SET due_at = $3 WHERE launch_id = $1 AND slice = $2 AND state = 'spooled'")
        .bind(place.launch.0)
        .bind(slice)
        .bind(at)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Outcomes and intents of several connections in one statement, which commits by itself: rows of `intents` that are still `spooled` become
/// `sending` until `due_at`, and are returned with the number of their attempt.
///
/// An outcome settles its own attempt, also when the row was taken for lost meanwhile.
pub(crate) async fn step(
    session: &mut PgConnection,
    outcomes: &[&Outcome],
    intents: &[MailId],
    due_at: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Vec<(MailId, i16)>, StoreError> {
    let granted: Vec<(i64, i16)> = sqlx::query_as(
        "WITH outcome AS (
             UPDATE ledger l SET state = o.state, reply = o.reply, due_at = o.due_at, changed_at = $8
             FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::timestamptz[])
                  AS o (id, attempt, state, reply, due_at)
             WHERE l.id = o.id AND l.attempt = o.attempt AND l.state IN ('sending', 'unknown'))
         UPDATE ledger SET state = 'sending', attempt = attempt + 1, due_at = $7, changed_at = $8
         WHERE id = ANY ($6) AND state = 'spooled' RETURNING id, attempt",
    )
    .bind(outcomes.iter().map(|outcome| outcome.mail.0).collect::<Vec<_>>())
    .bind(outcomes.iter().map(|outcome| outcome.attempt).collect::<Vec<_>>())
    .bind(outcomes.iter().map(|outcome| outcome.state.name()).collect::<Vec<_>>())
    .bind(outcomes.iter().map(|outcome| outcome.reply.as_str()).collect::<Vec<_>>())
    .bind(outcomes.iter().map(|outcome| outcome.due_at).collect::<Vec<_>>())
    .bind(intents.iter().map(|mail| mail.0).collect::<Vec<_>>())
    .bind(due_at)
    .bind(now)
    .fetch_all(session)
    .await?;
    Ok(granted.into_iter().map(|(id, attempt)| (MailId(id), attempt)).collect())
}
