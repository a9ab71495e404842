//! The schedule: launches whose time has come, and whatever waits and whose message may be lost.

use std::sync::Arc;

use contract::{CampaignId, GenerateMessage, LaunchId, TenantId};
use fault::{Code, Notice};
use runtime::Tick;
use sqlx::{FromRow, PgConnection};
use store::{
    StoreError,
    slices::{self, Stage},
};
use time::{Duration, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::{Error, Generate, NUDGE, Place};

/// A launch that is still preparing after this has lost its message, or is large; a second start of one that is being prepared does nothing.
const PREPARING_MAX: Duration = Duration::minutes(1);
/// A launch that was due longer ago than this is not started without being asked: the system was down, and who planned a mailing for the
/// morning may not want it in the evening.
const LATE_MAX: Duration = Duration::hours(1);

#[derive(FromRow)]
struct Open {
    tenant_id: i64,
    campaign_id: i64,
    id: i64,
    state: String,
    starts_at: Option<OffsetDateTime>,
    /// When it was made, was due or was resumed, whatever came last.
    begun_at: OffsetDateTime,
}

/// What is to be done with a launch at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    NotYet,
    Start,
    /// Somebody has to say whether it is still wanted.
    Late,
}

fn due(starts_at: OffsetDateTime, now: OffsetDateTime) -> Due {
    if now < starts_at {
        Due::NotYet
    } else if now - starts_at > LATE_MAX {
        Due::Late
    } else {
        Due::Start
    }
}

/// Looks at every launch that is not over. One that fails does not hold up the others.
pub async fn tick(generate: Arc<Generate>, tick: Tick) -> Result<(), Error> {
    let launches: Vec<Open> = sqlx::query_as(
        "SELECT tenant_id, campaign_id, id, state, starts_at, greatest(created_at, starts_at, resumed_at) AS begun_at
         FROM broadcast.launches WHERE ended_at IS NULL AND state IN ('scheduled', 'preparing', 'running') ORDER BY id",
    )
    .fetch_all(generate.store.pool())
    .await?;
    let mut first = Ok(());
    for open in launches {
        let done = nudge(&generate, &open, tick.now).await;
        if !matches!(done, Err(Error::Store(StoreError::NoCampaign))) {
            first = first.and(done);
        }
    }
    first
}

async fn nudge(generate: &Generate, open: &Open, now: OffsetDateTime) -> Result<(), Error> {
    let place = Place {
        tenant: TenantId(open.tenant_id),
        campaign: CampaignId(open.campaign_id),
        launch: LaunchId(open.id),
    };
    let Place { tenant, campaign, launch } = place;
    let messages = match open.state.as_str() {
        "scheduled" if !begin(generate, place, open.starts_at, now).await? => return Ok(()),
        "preparing" if open.begun_at + PREPARING_MAX > now => return Ok(()),
        "scheduled" | "preparing" => vec![GenerateMessage::Launch { tenant, campaign, launch }],
        _ => return generate.emit(place, &due_slices(generate, place, now).await?).await,
    };
    Ok(generate.clients.send_batch(&generate.queue, tenant, &messages).await?)
}

/// Makes a launch whose time has come ready to be prepared, and says so; pauses one that is too late. Who changed it meanwhile wins.
async fn begin(
    generate: &Generate,
    place: Place,
    starts_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<bool, Error> {
    let Some(starts_at) = starts_at else { return Ok(false) };
    let mut tx = generate.store.tenant(place.tenant).await?;
    let started = match due(starts_at, now) {
        Due::NotYet => return Ok(false),
        Due::Late => {
            pause_late(&mut tx, place, starts_at).await?;
            false
        }
        Due::Start => {
            let started = sqlx::query(
                "UPDATE broadcast.launches SET state = 'preparing' WHERE id = $1 AND state = 'scheduled' AND starts_at = $2",
            )
            .bind(place.launch.0)
            .bind(starts_at)
            .execute(&mut *tx)
            .await?;
            started.rows_affected() == 1
        }
    };
    tx.commit().await?;
    Ok(started)
}

/// Whether a launch at a time has waited for its preparation for so long that somebody has to say whether it is still wanted.
pub(crate) fn is_late(begun_at: OffsetDateTime, now: OffsetDateTime) -> bool {
    due(begun_at, now) == Due::Late
}

/// Pauses a launch that nobody could start in time, with the reason.
pub(crate) async fn pause_late(
    tx: &mut PgConnection,
    place: Place,
    starts_at: OffsetDateTime,
) -> Result<(), Error> {
    let notice = late(starts_at);
    sqlx::query(
        "UPDATE broadcast.launches SET state = 'paused', reason_code = $3, reason = $4
         WHERE id = $1 AND state IN ('scheduled', 'preparing') AND starts_at = $2",
    )
    .bind(place.launch.0)
    .bind(starts_at)
    .bind(notice.code.slug())
    .bind(notice.words())
    .execute(tx)
    .await?;
    tracing::warn!(launch = place.launch.0, "too late: paused");
    Ok(())
}

fn late(starts_at: OffsetDateTime) -> Notice {
    let at = starts_at.to_offset(UtcOffset::UTC).truncate_to_second().format(&Rfc3339).unwrap_or_default();
    Notice::new(Code::LaunchLate).with("at", at)
}

/// Slices that have waited too long for their message, and those whose turn has come.
async fn due_slices(generate: &Generate, place: Place, now: OffsetDateTime) -> Result<Vec<i32>, Error> {
    let mut tx = generate.store.campaign(place.tenant, place.campaign).await?;
    let mut slices = slices::overdue(&mut tx, place.launch, Stage::Generating, now, now + NUDGE).await?;
    slices.extend(generate.take(&mut tx, place, now).await?);
    tx.commit().await?;
    Ok(slices)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const AT: OffsetDateTime = datetime!(2026-11-23 10:00:00.5 +1);

    #[test]
    fn a_launch_starts_at_its_time_or_is_too_late() {
        for (after, expected) in [
            (Duration::days(-30), Due::NotYet),
            (Duration::nanoseconds(-1), Due::NotYet),
            (Duration::ZERO, Due::Start),
            (Duration::minutes(1), Due::Start),
            (LATE_MAX, Due::Start),
            (LATE_MAX + Duration::SECOND, Due::Late),
            (Duration::days(30), Due::Late),
        ] {
            assert_eq!(due(AT, AT + after), expected, "{after}");
        }
    }

    #[test]
    fn a_late_launch_says_when_it_was_due() {
        assert_eq!(
            late(AT).words(),
            "The launch was due at 2026-11-23T09:00:00Z and could not be started in time. Nothing was mailed. Resume it to start it now, or cancel it."
        );
    }
}
