//! The lease of an import: one delivery at a time is at it.

use std::time::Duration;

use contract::{CampaignId, ImportCall, ImportId, TenantId};
use sqlx::{Row, types::Json};
use store::Store;
use time::OffsetDateTime;

use crate::{Error, Turn, index};

/// A lease outlives its invocation by this much: the platform kills at the deadline, and a statement that is under way then is over
/// within this. Queues give a message back later, so a redelivery never meets the lease of the invocation before it.
const LEASE_SLACK: Duration = Duration::from_secs(2);

/// The longest invocation of the platform. Whatever deadline one names, its lease ends after this and the slack.
const INVOCATION_MAX: Duration = Duration::from_mins(15);

/// Deliveries that may die at the filling of one import before it is given up. Each takes its whole lease, so an outage has to last an hour to use
/// them up, and a file that ends its process every time is not begun for ever. One that fails and says so, by giving its lease back, does
/// not count.
pub const DEATHS_MAX: i32 = 5;

/// Where a claimed import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing of it is to be seen.
    Running,
    /// Its rows are published; the file is to be moved, the mailing to be started.
    Published,
    /// It is refused; the file is to be moved.
    Refusing,
}

/// A claimed import.
pub struct Job {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which one.
    pub import: ImportId,
    /// Its campaign, once it is known.
    pub campaign: Option<CampaignId>,
    /// What is asked for.
    pub call: ImportCall,
    /// The file below Incoming.
    pub file_name: String,
    /// Which content of it.
    pub etag: String,
    /// Which content of the control file asked for it.
    pub control_etag: Option<String>,
    /// Where it stands.
    pub stage: Stage,
    /// Deliveries that died while it was running.
    pub deaths: i32,
    /// Until when this delivery has it. Every later write of the import names it, so that a delivery which lost the lease changes nothing.
    pub lease: OffsetDateTime,
    /// When the delivery began.
    pub now: OffsetDateTime,
}

/// Takes the lease; `None` when the import is over, or another message's delivery is at it: that one comes back if it fails.
pub async fn claim(
    store: &Store,
    tenant: TenantId,
    import: ImportId,
    turn: &Turn,
) -> Result<Option<Job>, Error> {
    let lease = lease_of(turn);
    let mut tx = store.tenant(tenant).await?;
    let row = sqlx::query(
        "UPDATE broadcast.imports
         SET lease_until = $3, lease_by = $5, state = CASE state WHEN 'waiting' THEN 'running' ELSE state END,
             deaths = deaths + CASE WHEN state = 'running' AND lease_until IS NOT NULL THEN 1 ELSE 0 END
         WHERE tenant_id = $1 AND id = $2 AND state NOT IN ('finished', 'refused')
           AND (lease_until IS NULL OR lease_until < $4)
         RETURNING campaign_id, call, file_name, etag, control_etag, state, deaths",
    )
    .bind(tenant.0)
    .bind(import.0)
    .bind(lease)
    .bind(turn.now)
    .bind(&turn.message_id)
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else {
        let held: Option<Held> = sqlx::query_as(
            "SELECT state, lease_until, lease_by FROM broadcast.imports WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant.0)
        .bind(import.0)
        .fetch_optional(&mut *tx)
        .await?;
        return held.ok_or(Error::UnknownImport)?.by_another(turn).map(|()| None);
    };
    let job = Job {
        tenant,
        import,
        campaign: row.get::<Option<i64>, _>("campaign_id").map(CampaignId),
        call: row.try_get::<Json<ImportCall>, _>("call").map_err(|_| Error::Stored("import call"))?.0,
        file_name: row.get("file_name"),
        etag: row.get("etag"),
        control_etag: row.get("control_etag"),
        stage: stage(row.get("state"))?,
        deaths: row.get("deaths"),
        lease,
        now: turn.now,
    };
    index::lease(&mut tx, tenant, &job.file_name, &job.etag, Some(lease)).await?;
    tx.commit().await?;
    Ok(Some(job))
}

/// Gives the lease back after a failure, so that the redelivery need not wait for its end.
pub async fn release(store: &Store, job: &Job) -> Result<(), Error> {
    let mut tx = store.tenant(job.tenant).await?;
    sqlx::query(
        "UPDATE broadcast.imports SET lease_until = NULL WHERE tenant_id = $1 AND id = $2 AND lease_until = $3",
    )
    .bind(job.tenant.0)
    .bind(job.import.0)
    .bind(job.lease)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

fn lease_of(turn: &Turn) -> OffsetDateTime {
    let lease = turn.deadline.min(turn.now + INVOCATION_MAX) + LEASE_SLACK;
    // Postgres keeps microseconds, and the lease is compared.
    lease.replace_microsecond(lease.microsecond()).unwrap_or(lease)
}

fn stage(state: &str) -> Result<Stage, Error> {
    match state {
        "running" => Ok(Stage::Running),
        "published" => Ok(Stage::Published),
        "refusing" => Ok(Stage::Refusing),
        _ => Err(Error::Stored("import state")),
    }
}

/// An import that could not be claimed.
#[derive(sqlx::FromRow)]
struct Held {
    state: String,
    lease_until: Option<OffsetDateTime>,
    lease_by: Option<String>,
}

impl Held {
    /// Whether this delivery need not come back.
    fn by_another(&self, turn: &Turn) -> Result<(), Error> {
        let over = matches!(self.state.as_str(), "finished" | "refused");
        match (self.lease_until, &self.lease_by) {
            _ if over => Ok(()),
            (Some(_), Some(message)) if *message != turn.message_id => Ok(()),
            (Some(until), _) => {
                Err(Error::Leased { after: (until - turn.now).try_into().unwrap_or_default() })
            }
            // Given back between the two statements.
            (None, _) => Err(Error::Leased { after: Duration::ZERO }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_redelivery_of_the_holders_own_message_comes_back() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let turn = Turn { message_id: "mine".to_owned(), now, deadline: now };
        let until = Some(now + Duration::from_secs(7));
        let held = |state: &str, lease_until, by: Option<&str>| {
            let held = Held { state: state.to_owned(), lease_until, lease_by: by.map(str::to_owned) };
            held.by_another(&turn)
        };
        assert!(held("finished", None, Some("mine")).is_ok());
        assert!(held("refused", until, Some("mine")).is_ok());
        for state in ["running", "published", "refusing"] {
            assert!(held(state, until, Some("other")).is_ok());
            let waits = held(state, until, Some("mine"));
            assert!(
                matches!(waits, Err(Error::Leased { after }) if after == Duration::from_secs(7)),
                "{state}"
            );
            assert!(matches!(held(state, None, None), Err(Error::Leased { after: Duration::ZERO })));
        }
    }

    #[test]
    fn a_lease_ends_whatever_the_deadline_is() {
        let now = OffsetDateTime::UNIX_EPOCH;
        for (deadline, expected) in [(0, 2), (60, 62), (900, 902), (901, 902), (86_400, 902)] {
            let deadline = now + Duration::from_secs(deadline);
            let turn = Turn { message_id: "mine".to_owned(), now, deadline };
            assert_eq!(lease_of(&turn), now + Duration::from_secs(expected), "{deadline}");
        }
        let deadline = now + Duration::from_nanos(1_234_567);
        let lease = lease_of(&Turn { message_id: "mine".to_owned(), now, deadline });
        assert_eq!(lease.nanosecond(), 1_234_000, "as Postgres keeps it");
    }

    #[test]
    fn each_state_that_can_be_claimed_has_its_stage() {
        assert_eq!(stage("running").unwrap(), Stage::Running);
        assert_eq!(stage("published").unwrap(), Stage::Published);
        assert_eq!(stage("refusing").unwrap(), Stage::Refusing);
        assert!(stage("waiting").is_err());
    }
}
