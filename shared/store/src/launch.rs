//! A launch's life: made, stopped, taken up again, ended. What may follow what is decided without I/O; each statement names the states from
//! which it may, so the loser of a race changes nothing.

use contract::{
    CampaignId, LaunchId,
    webhook::{Event, LaunchEnd, LaunchEnded},
};
use sqlx::Row;
use time::OffsetDateTime;

use crate::{CampaignTx, StoreError, TenantTx, announce, slices};

/// Slices that a cancellation takes back before it answers: some tenths of a second. What is more, generate and send take back by as many
/// statements as it needs; none of it goes out meanwhile, because send asks for the launch's state.
const CANCELLED_AT_ONCE_MAX: i64 = 20;

/// The state that a launch has for those who mail, in a database that is yet to be compared with its journal: their work is tried again.
pub const UNCOMPARED: &str = "uncompared";

/// Where a launch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaunchState {
    /// It waits for its time.
    Scheduled,
    /// Its ledger rows are being written.
    Preparing,
    /// Its mails go out.
    Running,
    /// Nothing goes out until somebody resumes it.
    Paused,
    /// Every mail came to its end.
    Done,
    /// It could not start; its reason says why.
    Failed,
    /// What had not gone out never does.
    Cancelled,
}

impl LaunchState {
    const ALL: [Self; 7] = [
        Self::Scheduled,
        Self::Preparing,
        Self::Running,
        Self::Paused,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
    ];

    /// As the database and the API spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaunchChange {
    /// It was done now.
    Done,
    /// It was so already.
    Already,
    /// From this state it cannot be done.
    NotPossible(LaunchState),
}

/// When a launch's mails go out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// At once without one.
    pub starts_at: Option<OffsetDateTime>,
    /// From the first slice's turn to the last one's; all at once without one.
    pub paced_minutes: Option<i32>,
    /// Whose addresses are mailed; those of all imports without one. The caller has seen that they are published ones of the campaign.
    pub imports: Option<Vec<i64>>,
}

/// What became of the wish for a launch at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduled {
    /// It waits, or is ready to be prepared.
    Made(LaunchId),
    /// The campaign has no template that it could freeze.
    NoTemplate,
    /// The campaign's data is deleted at this time, before the launch would start.
    AfterEnd(OffsetDateTime),
}

#[derive(Debug, Clone, Copy)]
enum Wish {
    Pause,
    Resume,
    Cancel,
}

/// A launch as far as its next state depends on it.
#[derive(Debug, Clone, Copy)]
struct Standing {
    state: LaunchState,
    starts_at: Option<OffsetDateTime>,
    /// Its ledger rows are written.
    prepared: bool,
}

/// The state that follows, or why none does.
fn decide(wish: Wish, standing: Standing, now: OffsetDateTime) -> Result<LaunchState, LaunchChange> {
    use LaunchState as S;
    match (wish, standing.state) {
        (Wish::Pause, S::Scheduled | S::Preparing | S::Running) => Ok(S::Paused),
        (Wish::Resume, S::Paused) if standing.prepared => Ok(S::Running),
        (Wish::Resume, S::Paused) if standing.starts_at.is_some_and(|at| at > now) => Ok(S::Scheduled),
        (Wish::Resume, S::Paused) => Ok(S::Preparing),
        (Wish::Cancel, S::Scheduled | S::Preparing | S::Running | S::Paused) => Ok(S::Cancelled),
        (Wish::Pause, S::Paused)
        | (Wish::Resume, S::Scheduled | S::Preparing | S::Running)
        | (Wish::Cancel, S::Cancelled) => Err(LaunchChange::Already),
        (_, state @ (S::Done | S::Failed | S::Cancelled)) => Err(LaunchChange::NotPossible(state)),
    }
}

/// Makes a launch that starts at a time, or at once where that is `None` (whoever asks then sends generate its message). It freezes the
/// campaign's newest template now; it mails everybody who is imported when it starts and was not mailed yet. The caller has seen that the campaign is open.
pub async fn schedule_launch(
    tx: &mut TenantTx,
    campaign: CampaignId,
    Plan { starts_at, paced_minutes, imports }: Plan,
) -> Result<Scheduled, StoreError> {
    let ends_at: OffsetDateTime = sqlx::query_scalar(
        "SELECT c.created_at + make_interval(hours => t.campaign_hours_max)
         FROM broadcast.campaigns c JOIN broadcast.tenants t ON t.id = c.tenant_id WHERE c.id = $1",
    )
    .bind(campaign.0)
    .fetch_one(&mut **tx)
    .await?;
    if starts_at.is_some_and(|at| at >= ends_at) {
        return Ok(Scheduled::AfterEnd(ends_at));
    }
    let id: Option<i64> = sqlx::query_scalar(
        "INSERT INTO broadcast.launches (tenant_id, campaign_id, template_id, starts_at, paced_minutes, import_ids, state)
         SELECT tenant_id, campaign_id, id, $2, $3, $4, CASE WHEN $2 IS NULL THEN 'preparing' ELSE 'scheduled' END
         FROM broadcast.templates WHERE campaign_id = $1 ORDER BY version DESC LIMIT 1
         RETURNING id",
    )
    .bind(campaign.0)
    .bind(starts_at)
    .bind(paced_minutes)
    .bind(imports)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(id.map_or(Scheduled::NoTemplate, |id| Scheduled::Made(LaunchId(id))))
}

/// Stops a launch: nothing new is made, and within a second or two nothing is handed over. Its rows stay as they are. `None`: the campaign
/// has no such launch.
pub async fn pause_launch(
    tx: &mut CampaignTx,
    launch: LaunchId,
    now: OffsetDateTime,
) -> Result<Option<LaunchChange>, StoreError> {
    let Some(standing) = lock(tx, launch).await? else { return Ok(None) };
    if let Err(change) = decide(Wish::Pause, standing, now) {
        return Ok(Some(change));
    }
    sqlx::query(
        "UPDATE broadcast.launches SET state = 'paused', paused_at = $2
         WHERE id = $1 AND state IN ('scheduled', 'preparing', 'running')",
    )
    .bind(launch.0)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(Some(LaunchChange::Done))
}

/// Takes a paused launch up again where it stood; its mails have their whole lifetime from now. The caller then sends generate the launch's
/// message, which has everything go on that waits. `None`: the campaign has no such launch.
pub async fn resume_launch(
    tx: &mut CampaignTx,
    launch: LaunchId,
    now: OffsetDateTime,
) -> Result<Option<LaunchChange>, StoreError> {
    let Some(standing) = lock(tx, launch).await? else { return Ok(None) };
    let state = match decide(Wish::Resume, standing, now) {
        Ok(state) => state,
        Err(change) => return Ok(Some(change)),
    };
    slices::put_off(tx, launch, now).await?;
    sqlx::query(
        "UPDATE broadcast.launches SET state = $2, resumed_at = $3, paused_at = NULL, reason_code = NULL, reason = NULL
         WHERE id = $1 AND state = 'paused'",
    )
    .bind(launch.0)
    .bind(state.name())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(Some(LaunchChange::Done))
}

/// Ends a launch for good: what had not gone out never does, and what is being handed over comes to its own end. The caller then sends
/// generate the launch's message, which takes back what is left of a large one. `None`: the campaign has no such launch.
pub async fn cancel_launch(
    tx: &mut CampaignTx,
    launch: LaunchId,
    now: OffsetDateTime,
) -> Result<Option<LaunchChange>, StoreError> {
    let Some(standing) = lock(tx, launch).await? else { return Ok(None) };
    if let Err(change) = decide(Wish::Cancel, standing, now) {
        return Ok(Some(change));
    }
    sqlx::query(
        "UPDATE broadcast.launches SET state = 'cancelled'
         WHERE id = $1 AND state IN ('scheduled', 'preparing', 'running', 'paused')",
    )
    .bind(launch.0)
    .execute(&mut **tx)
    .await?;
    cancel_mails(tx, launch, now, CANCELLED_AT_ONCE_MAX).await?;
    // A launch that is being prepared holds its campaign for as long as it takes: nobody waits for that here, send's schedule ends the
    // launch a little later.
    let free: Option<i32> =
        sqlx::query_scalar("SELECT 1 FROM broadcast.campaigns WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED")
            .bind(tx.campaign().0)
            .fetch_optional(&mut **tx)
            .await?;
    if free.is_some() {
        finish_launch(tx, launch, now).await?;
    }
    Ok(Some(LaunchChange::Done))
}

/// Takes back mails of a cancelled launch that are not being handed over; says whether there may be more for another call. A mail that was under
/// way and is deferred, or a slice that was being made, needs another call: until none is open, the launch has no end.
pub async fn cancel_mails(
    tx: &mut CampaignTx,
    launch: LaunchId,
    now: OffsetDateTime,
    slices_max: i64,
) -> Result<bool, StoreError> {
    slices::cancel(tx, launch, now, slices_max).await
}

/// Ends a running or cancelled launch when none of its mails is open any more; says whether this call did. The campaign's lifetime then
/// starts anew. A paused one waits for whoever resumes it. The end of test mails is nobody's news, and no lifetime starts with it.
///
/// A mail is open as long as its slice or its own ledger row has a `due_at`.
///
/// Webhooks are told by the schedule of `notify`, without a nudge: a launch takes minutes, and a minute more is nothing.
pub async fn finish_launch(
    tx: &mut CampaignTx,
    launch: LaunchId,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    // Ordered, so that the partial indexes on `due_at` are read and not the whole launch.
    let open: Option<i32> = sqlx::query_scalar(
        "(SELECT 1 FROM slices WHERE launch_id = $1 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1)
         UNION ALL
         (SELECT 1 FROM ledger WHERE due_at IS NOT NULL AND launch_id = $1 ORDER BY due_at LIMIT 1) LIMIT 1",
    )
    .bind(launch.0)
    .fetch_optional(&mut **tx)
    .await?;
    if open.is_some() {
        return Ok(false);
    }
    let ended: Option<(bool, bool)> = sqlx::query_as(
        "UPDATE broadcast.launches SET state = CASE state WHEN 'running' THEN 'done' ELSE state END, ended_at = $2
         WHERE id = $1 AND state IN ('running', 'cancelled') AND ended_at IS NULL RETURNING state = 'done', test",
    )
    .bind(launch.0)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    let Some((done, test)) = ended else { return Ok(false) };
    if test {
        return Ok(true);
    }
    restart_lifetime(tx, now).await?;
    let (tenant, campaign) = (tx.tenant(), tx.campaign());
    let state = if done { LaunchEnd::Done } else { LaunchEnd::Cancelled };
    let end = LaunchEnded { launch, campaign, state, reason_code: None };
    announce(tx, tenant, &Event::LaunchEnded(end), now).await?;
    Ok(true)
}

/// Launches of the campaign that are ready to be prepared: they may have waited for the end of a cancelled one.
pub async fn preparing_launches(tx: &mut CampaignTx) -> Result<Vec<LaunchId>, StoreError> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM broadcast.launches WHERE campaign_id = $1 AND state = 'preparing' ORDER BY id",
    )
    .bind(tx.campaign().0)
    .fetch_all(&mut **tx)
    .await?;
    Ok(ids.into_iter().map(LaunchId).collect())
}

/// A launch has ended: the campaign's lifetime is counted from now. One that is being deleted is not kept by it.
pub async fn restart_lifetime(tx: &mut CampaignTx, now: OffsetDateTime) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE broadcast.campaigns SET ended_at = greatest(ended_at, $2) WHERE id = $1 AND state = 'open'",
    )
    .bind(tx.campaign().0)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps others from changing the launch. Nobody holds its row for long: a launch that is being prepared is held by another lock.
async fn lock(tx: &mut CampaignTx, launch: LaunchId) -> Result<Option<Standing>, StoreError> {
    let row = sqlx::query(
        "SELECT state, starts_at, slices IS NOT NULL AS prepared FROM broadcast.launches
         WHERE id = $1 AND campaign_id = $2 FOR NO KEY UPDATE",
    )
    .bind(launch.0)
    .bind(tx.campaign().0)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let state = LaunchState::parse(row.get("state"))
        .ok_or_else(|| sqlx::Error::Decode("a launch's state that this version does not know".into()))?;
    Ok(Some(Standing { state, starts_at: row.get("starts_at"), prepared: row.get("prepared") }))
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

    fn standing(state: LaunchState) -> Standing {
        Standing { state, starts_at: None, prepared: false }
    }

    #[test]
    fn what_may_follow_what() {
        use LaunchChange::{Already, NotPossible};
        use LaunchState as S;
        let table = [
            (S::Scheduled, Ok(S::Paused), Err(Already), Ok(S::Cancelled)),
            (S::Preparing, Ok(S::Paused), Err(Already), Ok(S::Cancelled)),
            (S::Running, Ok(S::Paused), Err(Already), Ok(S::Cancelled)),
            (S::Paused, Err(Already), Ok(S::Preparing), Ok(S::Cancelled)),
            (S::Done, Err(NotPossible(S::Done)), Err(NotPossible(S::Done)), Err(NotPossible(S::Done))),
            (
                S::Failed,
                Err(NotPossible(S::Failed)),
                Err(NotPossible(S::Failed)),
                Err(NotPossible(S::Failed)),
            ),
            (S::Cancelled, Err(NotPossible(S::Cancelled)), Err(NotPossible(S::Cancelled)), Err(Already)),
        ];
        assert_eq!(table.map(|(state, ..)| state), LaunchState::ALL);
        for (state, pause, resume, cancel) in table {
            assert_eq!(decide(Wish::Pause, standing(state), NOW), pause, "pause {state:?}");
            assert_eq!(decide(Wish::Resume, standing(state), NOW), resume, "resume {state:?}");
            assert_eq!(decide(Wish::Cancel, standing(state), NOW), cancel, "cancel {state:?}");
        }
    }

    #[test]
    fn a_resumed_launch_goes_on_where_it_stood() {
        let (later, earlier) = (Some(NOW + Duration::SECOND), Some(NOW - Duration::days(3)));
        for (starts_at, prepared, expected) in [
            (None, false, LaunchState::Preparing),
            (None, true, LaunchState::Running),
            (later, false, LaunchState::Scheduled),
            (Some(NOW), false, LaunchState::Preparing),
            (earlier, false, LaunchState::Preparing),
            (earlier, true, LaunchState::Running),
            // Its time was put off after it had begun: what has begun does not wait.
            (later, true, LaunchState::Running),
        ] {
            let paused = Standing { state: LaunchState::Paused, starts_at, prepared };
            assert_eq!(decide(Wish::Resume, paused, NOW), Ok(expected), "{paused:?}");
        }
    }

    #[test]
    fn states_are_read_as_they_are_written() {
        for state in LaunchState::ALL {
            assert_eq!(LaunchState::parse(state.name()), Some(state));
        }
        assert_eq!(LaunchState::parse("asleep"), None);
    }
}
