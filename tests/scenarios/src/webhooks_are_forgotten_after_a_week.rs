//! What a webhook was told can be looked at for a week; nothing of it stays longer than two.

use testkit::{Stack, Tenant, wait};
use time::{Duration, OffsetDateTime};

use crate::{
    everything_is_deleted_on_time::sweep,
    webhooks::{ALL, Webhook},
};

#[tokio::test(flavor = "multi_thread")]
async fn ended_or_not() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "hookweek").await;
    let webhook = Webhook::new(&tenant, "https://receiver.example/", &ALL).await;
    let start = OffsetDateTime::now_utc();
    let mut database = tenant.superuser().await;
    // Nobody tries the one that waits: its time does not come.
    for state in ["delivered", "given_up", "waiting"] {
        let row = sqlx::query(
            "INSERT INTO broadcast.webhook_deliveries (tenant_id, webhook_id, event, type, body, created_at, state, due_at, ended_at)
             VALUES ($1, $2, gen_random_uuid(), 'webhook.test', '{}', $4, $3,
                     CASE WHEN $3 = 'waiting' THEN 'infinity'::timestamptz END, CASE WHEN $3 <> 'waiting' THEN $4 END)",
        );
        row.bind(tenant.id).bind(webhook.id).bind(state).bind(start).execute(&mut database).await.unwrap();
    }
    let (early, late) = (Duration::minutes(-10), Duration::minutes(5));
    for (days, before, after) in [(7, 3, 1), (14, 1, 0)] {
        sweep(&tenant, start + Duration::days(days) + early).await;
        assert_eq!(count(&tenant).await, before, "day {days}");
        // The schedule's own sweep may have the tenant at that moment.
        wait::until("old deliveries to be forgotten", async || {
            sweep(&tenant, start + Duration::days(days) + late).await;
            (count(&tenant).await == after).then_some(())
        })
        .await;
    }
}

async fn count(tenant: &Tenant) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM broadcast.webhook_deliveries WHERE tenant_id = $1")
        .bind(tenant.id)
        .fetch_one(&mut tenant.superuser().await)
        .await
        .unwrap()
}
