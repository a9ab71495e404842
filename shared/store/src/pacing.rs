//! A tenant's rate: how many mails it may hand over in an hour, held across all functions by one bucket in the database.
//!
//! The bucket fills all the time, by the rate; what is handed over is drawn from it before. So in any time no more goes out than the rate
//! allows for it and one bucket more, however many functions draw at once.

use contract::TenantId;
use sqlx::{FromRow, PgConnection};
use time::{Date, Duration, OffsetDateTime, UtcOffset};

use crate::StoreError;

/// What the bucket holds: the schedule wakes what waits once a minute, and then finds what has flowed in since.
const BUCKET: Duration = Duration::minutes(1);
/// How far ahead work that waits has its turn. Each comes when there is something for it, so that ten thousand slices do not come each minute
/// for what few of them can get; and what was promised to work that came to nothing meanwhile is lost to the others for no longer than this.
const PROMISED_MAX: Duration = Duration::minutes(10);

/// What an operator set. With a warm-up, its limits count by the day (UTC) from its first day on.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromRow)]
pub struct Pace {
    /// No limit when absent.
    pub mails_per_hour: Option<i32>,
    /// One limit for each day.
    pub warm_up: Option<Vec<i32>>,
    /// The day of the first one.
    pub warm_up_from: Option<Date>,
}

/// Mails an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(i32);

/// What a draw came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// So many may be handed over now.
    pub granted: usize,
    /// When it is worth to come for the rest; `None`: there is none.
    pub again_at: Option<OffsetDateTime>,
}

impl Pace {
    /// What counts at a time; `None`: no limit. Before the warm-up's first day its first limit counts, behind its last day none.
    pub fn rate(&self, now: OffsetDateTime) -> Option<Rate> {
        let warm_up = self.warm_up.as_deref().zip(self.warm_up_from).and_then(|(limits, from)| {
            let day = (now.to_offset(UtcOffset::UTC).date() - from).whole_days().max(0);
            limits.get(usize::try_from(day).ok()?).copied()
        });
        [self.mails_per_hour, warm_up].into_iter().flatten().min().map(|limit| Rate(limit.max(1)))
    }

    /// How long so many mails take at the rate of a time.
    pub fn time_for(&self, mails: i64, now: OffsetDateTime) -> Duration {
        self.rate(now).map_or(Duration::ZERO, |rate| {
            let seconds = i128::from(mails.max(0)) * 3_600 / i128::from(rate.0);
            Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
        })
    }
}

impl Rate {
    /// Mails an hour.
    pub fn mails_per_hour(self) -> i32 {
        self.0
    }

    fn per_second(self) -> f64 {
        f64::from(self.0) / 3_600.0
    }

    /// At least one mail, or nothing would ever go out.
    fn bucket(self) -> f64 {
        (self.per_second() * BUCKET.as_seconds_f64()).max(1.0)
    }

    /// [`PROMISED_MAX`], or as long as one mail takes.
    fn promised_max(self) -> Duration {
        PROMISED_MAX.max(Duration::seconds_f64(self.bucket() / self.per_second()))
    }
}

/// Draws up to `wanted` mails. One statement; the caller's transaction ends right behind it, so that no other function waits for long. A clock
/// that goes back grants nothing more.
pub async fn draw(
    tx: &mut PgConnection,
    tenant: TenantId,
    rate: Rate,
    wanted: usize,
    now: OffsetDateTime,
) -> Result<Drawn, StoreError> {
    if let Some(drawn) = draw_from_row(tx, tenant, rate, wanted, now).await? {
        return Ok(drawn);
    }
    sqlx::query(
        "INSERT INTO broadcast.pacing (tenant_id, mails, refilled_at, promised_until) VALUES ($1, $2, $3, $3)
         ON CONFLICT DO NOTHING",
    )
    .bind(tenant.0)
    .bind(rate.bucket())
    .bind(now)
    .execute(&mut *tx)
    .await?;
    Ok(draw_from_row(tx, tenant, rate, wanted, now).await?.ok_or(sqlx::Error::RowNotFound)?)
}

async fn draw_from_row(
    tx: &mut PgConnection,
    tenant: TenantId,
    rate: Rate,
    wanted: usize,
    now: OffsetDateTime,
) -> Result<Option<Drawn>, StoreError> {
    let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
    let row: Option<(i64, OffsetDateTime)> = sqlx::query_as(
        "WITH held AS (
             SELECT least($4, mails + $3 * greatest(0, extract(epoch FROM $2 - refilled_at)::float8)) AS mails,
                    greatest(refilled_at, $2) AS refilled_at, greatest(promised_until, $2) AS promised_until
             FROM broadcast.pacing WHERE tenant_id = $1 FOR UPDATE),
         drawn AS (SELECT *, least($5, floor(mails)::bigint) AS granted FROM held)
         UPDATE broadcast.pacing p SET mails = d.mails - d.granted, refilled_at = d.refilled_at,
             promised_until = least(d.promised_until + make_interval(secs => least($5 - d.granted, $4) / $3), $6)
         FROM drawn d WHERE p.tenant_id = $1 RETURNING d.granted, p.promised_until",
    )
    .bind(tenant.0)
    .bind(now)
    .bind(rate.per_second())
    .bind(rate.bucket())
    .bind(wanted)
    .bind(now + rate.promised_max())
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|(granted, promised_until)| Drawn {
        granted: usize::try_from(granted).unwrap_or_default(),
        again_at: (granted < wanted).then_some(promised_until),
    }))
}

/// Puts back what was drawn and not begun. The bucket holds no more than before.
pub async fn give_back(
    tx: &mut PgConnection,
    tenant: TenantId,
    rate: Rate,
    unused: usize,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE broadcast.pacing SET mails = least($2, mails + $3) WHERE tenant_id = $1")
        .bind(tenant.0)
        .bind(rate.bucket())
        .bind(i64::try_from(unused).unwrap_or(i64::MAX))
        .execute(tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    const FROM: Date = date!(2026 - 11 - 23);

    fn pace(mails_per_hour: Option<i32>, warm_up: &[i32]) -> Pace {
        let warm_up = Some(warm_up.to_vec()).filter(|limits| !limits.is_empty());
        Pace { mails_per_hour, warm_up_from: warm_up.as_ref().map(|_| FROM), warm_up }
    }

    #[test]
    fn the_smaller_limit_of_the_day_counts() {
        let warm_up = [1_000, 2_000, 5_000];
        for (mails_per_hour, warm_up, now, expected) in [
            (None, &[][..], datetime!(2026-11-23 12:00 UTC), None),
            (Some(10), &[], datetime!(2026-11-23 12:00 UTC), Some(10)),
            (None, &warm_up, datetime!(2026-11-01 00:00 UTC), Some(1_000)),
            (None, &warm_up, datetime!(2026-11-22 23:59:59 UTC), Some(1_000)),
            (None, &warm_up, datetime!(2026-11-23 00:00 UTC), Some(1_000)),
            (None, &warm_up, datetime!(2026-11-23 23:59:59 UTC), Some(1_000)),
            // Days are those of UTC: there it is the 23rd and the 24th.
            (None, &warm_up, datetime!(2026-11-24 00:30 +1), Some(1_000)),
            (None, &warm_up, datetime!(2026-11-23 23:30 -1), Some(2_000)),
            (None, &warm_up, datetime!(2026-11-25 12:00 UTC), Some(5_000)),
            (None, &warm_up, datetime!(2026-11-26 00:00 UTC), None),
            (Some(1_500), &warm_up, datetime!(2026-11-23 12:00 UTC), Some(1_000)),
            (Some(1_500), &warm_up, datetime!(2026-11-24 12:00 UTC), Some(1_500)),
            (Some(1_500), &warm_up, datetime!(2026-11-26 12:00 UTC), Some(1_500)),
            (Some(9_000), &warm_up, datetime!(2027-11-26 12:00 UTC), Some(9_000)),
        ] {
            let rate = pace(mails_per_hour, warm_up).rate(now).map(Rate::mails_per_hour);
            assert_eq!(rate, expected, "{mails_per_hour:?} {warm_up:?} {now}");
        }
    }

    #[test]
    fn a_bucket_holds_a_minute_and_at_least_one_mail() {
        for (mails_per_hour, bucket, promised_max) in
            [(3_600, 60.0, 600), (60, 1.0, 600), (1, 1.0, 3_600), (100_000_000, 1_666_666.7, 600)]
        {
            let rate = Rate(mails_per_hour);
            assert!((rate.bucket() - bucket).abs() < 0.1, "{rate:?}: {}", rate.bucket());
            assert_eq!(rate.promised_max().whole_seconds(), promised_max, "{rate:?}");
        }
    }

    #[test]
    fn time_is_that_of_all_mails() {
        let now = datetime!(2026-11-23 12:00 UTC);
        assert_eq!(pace(None, &[]).time_for(1_000_000, now), Duration::ZERO);
        assert_eq!(pace(Some(2_000), &[1_000]).time_for(5_000, now), Duration::hours(5));
        assert_eq!(pace(Some(1), &[]).time_for(-1, now), Duration::ZERO);
    }
}
