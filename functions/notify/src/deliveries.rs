//! The rows of `broadcast.webhook_deliveries`: who has something due, the lease of an attempt, and what came of it.

use std::time::Duration;

use contract::{TenantId, WebhookDeliveryId, WebhookId};
use sqlx::{PgConnection, Row};
use store::{Store, StoreError};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    outcome::{Next, Outcome, Problem},
    post,
};

/// An attempt's lease: longer than it takes with the time to write down what came of it. What an invocation leaves that dies is due again then.
const LEASE: Duration = post::TOTAL_SECONDS_MAX.saturating_mul(3);
/// What is written where a webhook was disabled before an attempt.
const DISABLED: &str = "disabled";

/// A delivery, leased for one attempt.
pub struct Due {
    pub id: WebhookDeliveryId,
    pub webhook: WebhookId,
    pub event: Uuid,
    pub body: String,
    /// Which attempt this is, from 1. Also names the lease.
    pub attempts: i32,
    pub url: String,
    /// Those that are valid now, sealed, the newest first.
    pub secrets: Vec<Vec<u8>>,
}

/// Tenants with something due.
pub async fn tenants(store: &Store, now: OffsetDateTime) -> Result<Vec<TenantId>, StoreError> {
    let tenants: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT tenant_id FROM broadcast.webhook_deliveries WHERE due_at <= $1 ORDER BY tenant_id",
    )
    .bind(now)
    .fetch_all(store.pool())
    .await?;
    Ok(tenants.into_iter().map(TenantId).collect())
}

/// Leases what is due, the longest due first.
pub async fn claim(
    store: &Store,
    tenant: TenantId,
    now: OffsetDateTime,
    count_max: usize,
) -> Result<Vec<Due>, StoreError> {
    let mut tx = store.tenant(tenant).await?;
    end_disabled(&mut tx, tenant, now).await?;
    let rows = sqlx::query(
        "WITH due AS (SELECT id FROM broadcast.webhook_deliveries WHERE tenant_id = $1 AND due_at <= $2
                      ORDER BY due_at, id LIMIT $4 FOR UPDATE SKIP LOCKED)
         UPDATE broadcast.webhook_deliveries AS d SET due_at = $3, attempts = attempts + 1
         FROM due, broadcast.webhooks AS w WHERE d.id = due.id AND w.id = d.webhook_id
         RETURNING d.id, d.webhook_id, d.event, d.body, d.attempts, w.url, w.secret_sealed,
                   CASE WHEN w.previous_until > $2 THEN w.previous_secret_sealed END AS previous",
    )
    .bind(tenant.0)
    .bind(now)
    .bind(now + LEASE)
    .bind(i64::try_from(count_max).unwrap_or(i64::MAX))
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let due = rows.into_iter().map(|row| Due {
        id: WebhookDeliveryId(row.get("id")),
        webhook: WebhookId(row.get("webhook_id")),
        event: row.get("event"),
        body: row.get("body"),
        attempts: row.get("attempts"),
        url: row.get("url"),
        secrets: [Some(row.get("secret_sealed")), row.get("previous")].into_iter().flatten().collect(),
    });
    Ok(due.collect())
}

/// What waits for a webhook that is disabled is not sent any more.
async fn end_disabled(
    tx: &mut PgConnection,
    tenant: TenantId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE broadcast.webhook_deliveries AS d SET state = 'given_up', problem = $3, due_at = NULL, ended_at = $2
         FROM broadcast.webhooks AS w
         WHERE d.tenant_id = $1 AND d.due_at <= $2 AND w.id = d.webhook_id AND w.disabled_at IS NOT NULL",
    )
    .bind(tenant.0)
    .bind(now)
    .bind(DISABLED)
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes down what an attempt came to.
pub async fn record(
    store: &Store,
    tenant: TenantId,
    due: &Due,
    outcome: &Outcome,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let (state, due_at) = match outcome.next {
        Next::Delivered => ("delivered", None),
        Next::Again(wait) => ("waiting", Some(now + wait)),
        Next::GivenUp | Next::Disabled => ("given_up", None),
    };
    let mut tx = store.tenant(tenant).await?;
    // A success is one even if it comes so late that another attempt has begun; a failure is then the other's to tell.
    sqlx::query(
        "UPDATE broadcast.webhook_deliveries
         SET state = $3, due_at = $4, status = $5, problem = $6, ended_at = CASE WHEN $3 = 'waiting' THEN NULL ELSE $7 END
         WHERE id = $1 AND state = 'waiting' AND (attempts = $2 OR $3 = 'delivered')",
    )
    .bind(due.id.0)
    .bind(due.attempts)
    .bind(state)
    .bind(due_at)
    .bind(outcome.status.map(i32::from))
    .bind(outcome.problem.map(Problem::slug))
    .bind(now)
    .execute(&mut *tx)
    .await?;
    if outcome.next == Next::Disabled {
        // Its tenant may have named another receiver meanwhile.
        sqlx::query(
            "UPDATE broadcast.webhooks SET disabled_at = $3 WHERE id = $1 AND url = $2 AND disabled_at IS NULL",
        )
        .bind(due.webhook.0)
        .bind(&due.url)
        .bind(now)
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await
}
