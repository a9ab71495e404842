//! The ledger's statements. Every one that changes a row names the states from which it may: the loser of a race changes nothing.

use sqlx::{FromRow, PgConnection};
use store::{CampaignTx, StoreError, pacing::Pace, slices};
use time::{Duration, OffsetDateTime};

use contract::MailId;
use mail::BounceClass;

use crate::{Place, outcome::Outcome};

/// After its launch was made, was due, or was last resumed: a mail that no attempt could hand over until then is `expired`. News is old after
/// a day, and the relay has days of its own for what it took. A pause does not count, however long it is: who resumes a launch wants its mails
/// to go out.
const LIFETIME: Duration = Duration::days(1);
/// How long a slice waits for its message before the schedule sends another one. Pushed on with each, so that a long
/// backlog is not multiplied.
pub(crate) const NUDGE: Duration = Duration::minutes(15);
/// Retries of one launch that one look wakes. What is more comes with the next.
pub(crate) const RETRIES_MAX: i64 = 100_000;
/// Slices of a cancelled launch that one look takes back. What is more comes with the next.
pub(crate) const CANCELLED_MAX: i64 = 200;
/// The state of a row that is taken.
const SENDING: &str = "sending";
/// What a row says whose invocation died.
const LOST: &str = "the sending function ended before the relay's reply was recorded";

/// A launch, as far as sending needs it.
#[derive(Debug, FromRow)]
pub(crate) struct Launch {
    pub state: String,
    /// When its mails' lifetime began.
    pub begun_at: OffsetDateTime,
    /// Over how long its slices have their turns.
    paced_minutes: i32,
    slices: Option<i32>,
    /// Its tenant's.
    #[sqlx(flatten)]
    pub pace: Pace,
}

impl Launch {
    /// When the last retry must have begun. A tenant's rate does not make its mails old: the time that all of them take at the rate with which
    /// they began comes on top.
    pub fn expires_at(&self) -> OffsetDateTime {
        let mails = i64::from(self.slices.unwrap_or_default()) * slices::MAILS_MAX;
        (self.begun_at + Duration::minutes(i64::from(self.paced_minutes)))
            .saturating_add(LIFETIME)
            .saturating_add(self.pace.time_for(mails, self.begun_at))
    }
}

/// Reads a launch.
pub(crate) async fn launch(tx: &mut CampaignTx, place: Place) -> Result<Option<Launch>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT broadcast.effective_state(l.state) AS state, greatest(l.created_at, l.starts_at, l.resumed_at) AS begun_at, coalesce(l.paced_minutes, 0) AS paced_minutes,
                l.slices, t.mails_per_hour, t.warm_up, t.warm_up_from
         FROM broadcast.launches l JOIN broadcast.tenants t ON t.id = l.tenant_id WHERE l.id = $1 AND l.campaign_id = $2",
    )
    .bind(place.launch.0)
    .bind(place.campaign.0)
    .fetch_optional(&mut **tx)
    .await?)
}

/// Whether mails of the launch may be begun.
pub(crate) async fn runs(session: &mut PgConnection, place: Place) -> Result<bool, StoreError> {
    let runs: Option<bool> = sqlx::query_scalar(
        "SELECT broadcast.effective_state(state) = 'running' FROM broadcast.launches WHERE id = $1 AND campaign_id = $2",
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

/// Says that an invocation that ends by then hands over mails of a locked slice; the schedule looks at the slice when it must have ended.
pub(crate) async fn hold(
    tx: &mut CampaignTx,
    place: Place,
    slice: i32,
    until: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE slices SET state = 'sending', sending_until = greatest(sending_until, $3), due_at = greatest(sending_until, $3)
         WHERE launch_id = $1 AND slice = $2",
    )
    .bind(place.launch.0)
    .bind(slice)
    .bind(until)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Rows whose invocation must have ended long ago become `unknown`; says how many. In one slice, or in all of the launch.
pub(crate) async fn settle_lost(
    tx: &mut CampaignTx,
    place: Place,
    slice: Option<i32>,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let lost = sqlx::query(
        "UPDATE ledger l SET state = 'unknown', reply = $4, changed_at = $3 FROM slices s
         WHERE s.launch_id = $1 AND s.due_at IS NOT NULL AND s.sending_until <= $3 AND ($2 IS NULL OR s.slice = $2)
           AND l.launch_id = $1 AND l.slice = s.slice AND l.state = 'sending'",
    )
    .bind(place.launch.0)
    .bind(slice)
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
        "UPDATE ledger SET state = 'refused', class = 'soft', reply = $2, changed_at = $3
         WHERE id = ANY ($1) AND state = 'spooled'",
    )
    .bind(mails.iter().map(|mail| mail.0).collect::<Vec<_>>())
    .bind(reply)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(refused.rows_affected())
}

/// Rows that nobody could hand over in the launch's lifetime; says how many. Their slices end with their next look.
pub(crate) async fn expire(
    tx: &mut CampaignTx,
    place: Place,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let expired = sqlx::query(
        "UPDATE ledger SET state = 'expired', due_at = NULL, changed_at = $2
         WHERE launch_id = $1 AND (due_at IS NOT NULL AND state = 'deferred' OR state = 'spooled'
            AND slice IN (SELECT slice FROM slices WHERE launch_id = $1 AND due_at IS NOT NULL AND state = 'sending'))",
    )
    .bind(place.launch.0)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(expired.rows_affected())
}

/// Makes retries that are due ready again; returns their slices.
pub(crate) async fn wake(
    tx: &mut CampaignTx,
    place: Place,
    now: OffsetDateTime,
    rows_max: i64,
) -> Result<Vec<i32>, StoreError> {
    // First the slices, then their mails: in that order everybody locks.
    let slices: Vec<i32> = sqlx::query_scalar(
        "WITH retries AS (SELECT DISTINCT slice FROM (
             SELECT slice FROM ledger WHERE due_at <= $2 AND launch_id = $1 AND state = 'deferred' ORDER BY due_at LIMIT $4) AS due),
         locked AS (SELECT slice FROM slices WHERE launch_id = $1 AND slice IN (SELECT slice FROM retries)
                    ORDER BY slice FOR NO KEY UPDATE)
         UPDATE slices SET state = 'sending', due_at = coalesce(due_at, $3)
         WHERE launch_id = $1 AND slice IN (SELECT slice FROM locked) RETURNING slice",
    )
    .bind(place.launch.0)
    .bind(now)
    .bind(now + NUDGE)
    .bind(rows_max)
    .fetch_all(&mut **tx)
    .await?;
    sqlx::query(
        "UPDATE ledger SET state = 'spooled', due_at = NULL, changed_at = $2
         WHERE launch_id = $1 AND slice = ANY ($3) AND state = 'deferred' AND due_at <= $2",
    )
    .bind(place.launch.0)
    .bind(now)
    .bind(&slices)
    .execute(&mut **tx)
    .await?;
    Ok(slices)
}

/// Outcomes and intents of several connections in one statement, which commits by itself: rows of `intents` that are still `spooled` become
/// `sending`, and are returned with the number of their attempt. Of what is usual no index has a part, so that the database writes new versions
/// of rows into their own pages and nothing else.
///
/// An outcome settles its own attempt, also when the row was taken for lost meanwhile. A row is taken for its own launch alone: a later one may have
/// it by now. A hard refusal suppresses the address, as a hard bounce does.
pub(crate) async fn step(
    session: &mut PgConnection,
    place: Place,
    outcomes: &[&Outcome],
    intents: &[MailId],
    now: OffsetDateTime,
) -> Result<Vec<(MailId, i16)>, StoreError> {
    let mut rows = Rows::default();
    for outcome in outcomes {
        let Outcome { mail, attempt, state, class, reply, due_at } = *outcome;
        rows.push(*mail, Some(*attempt), state.name(), class.map(BounceClass::name), Some(reply), *due_at);
    }
    for intent in intents {
        rows.push(*intent, None, SENDING, None, None, None);
    }
    let granted: Vec<(i64, i16)> = sqlx::query_as(
        "WITH stepped AS (
             UPDATE ledger l SET state = s.state, class = s.class, reply = coalesce(s.reply, l.reply), due_at = s.due_at, changed_at = $7,
                    attempt = l.attempt + (s.attempt IS NULL)::integer::smallint
             FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
                  AS s (id, attempt, state, class, reply, due_at)
             WHERE l.id = s.id AND CASE WHEN s.attempt IS NULL THEN l.state = 'spooled' AND l.launch_id = $9
                                        ELSE l.attempt = s.attempt AND l.state IN ('sending', 'unknown') END
             RETURNING l.id, l.attempt, l.state, l.class, l.address_key, l.proof
         ), suppressed AS (
             INSERT INTO broadcast.suppressions (tenant_id, address_key, reason, created_at)
             SELECT $8, address_key, 'bounced', $7 FROM stepped WHERE class = 'hard' AND NOT proof ORDER BY address_key
             ON CONFLICT (tenant_id, address_key) DO NOTHING)
         SELECT id, attempt FROM stepped WHERE state = 'sending'",
    )
    .bind(rows.mails)
    .bind(rows.attempts)
    .bind(rows.states)
    .bind(rows.classes)
    .bind(rows.replies)
    .bind(rows.due)
    .bind(now)
    .bind(place.tenant.0)
    .bind(place.launch.0)
    .fetch_all(session)
    .await?;
    Ok(granted.into_iter().map(|(id, attempt)| (MailId(id), attempt)).collect())
}

/// Columns of what is written in one statement.
#[derive(Default)]
struct Rows<'o> {
    mails: Vec<i64>,
    /// Of an outcome; an intent has none.
    attempts: Vec<Option<i16>>,
    states: Vec<&'static str>,
    classes: Vec<Option<&'static str>>,
    replies: Vec<Option<&'o str>>,
    due: Vec<Option<OffsetDateTime>>,
}

impl<'o> Rows<'o> {
    fn push(
        &mut self,
        mail: MailId,
        attempt: Option<i16>,
        state: &'static str,
        class: Option<&'static str>,
        reply: Option<&'o str>,
        due_at: Option<OffsetDateTime>,
    ) {
        self.mails.push(mail.0);
        self.attempts.push(attempt);
        self.states.push(state);
        self.classes.push(class);
        self.replies.push(reply);
        self.due.push(due_at);
    }
}
