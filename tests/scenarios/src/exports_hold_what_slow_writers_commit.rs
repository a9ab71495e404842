//! Writers of responses that commit in any order, some of them slow, while exports are made one after the other: the union of all files is the table.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use contract::{CampaignId, TenantId};
use serde_json::json;
use sqlx::AssertSqlSafe;
use store::Store;
use testkit::{
    Stack, Tenant,
    exports::{all_exported, insert, sent_campaign, stored},
    random::Random,
    wait,
};

const TRANSACTIONS: usize = 20;
const ROWS_MAX: usize = 40;
/// A slow writer commits when so many exports were asked for while it was open.
const ASKED_MEANWHILE: usize = 2;
/// An export that finds nothing writes nothing: it is asked for again.
const ASKED_EVERY: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn each_response_once() {
    let stack = Stack::from_env().unwrap();
    let (tenant, campaign) = sent_campaign(&stack, "writers", 10, json!({})).await;
    let mut random = Random::from_env();
    let writing = AtomicBool::new(true);
    let asked = AtomicUsize::new(0);
    let store = Store::connect(&stack.database_url).unwrap();
    let mut writer = || {
        // Rows, and whether it is slow.
        let plan = (0..TRANSACTIONS).map(|_| (1 + random.below(ROWS_MAX), random.below(4) == 0)).collect();
        write(&store, &tenant, campaign, plan, &asked)
    };
    let writers = (writer(), writer(), writer());
    let writing_all = async {
        let rows = tokio::join!(writers.0, writers.1, writers.2);
        writing.store(false, Ordering::Relaxed);
        rows.0 + rows.1 + rows.2
    };
    let (exports, rows) = tokio::join!(export(&tenant, &writing, &asked), writing_all);
    assert!(exports > 1, "exports were made meanwhile");
    assert_eq!(stored(&tenant, campaign).await.len(), rows);
    all_exported(&tenant, campaign).await;
}

/// Asks for one export after the other while somebody writes; says how many came of it.
async fn export(tenant: &Tenant, writing: &AtomicBool, asked: &AtomicUsize) -> usize {
    let done = async || {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM broadcast.exports WHERE tenant_id = $1 AND state = 'written'",
        )
        .bind(tenant.id)
        .fetch_one(&mut tenant.superuser().await)
        .await
        .unwrap();
        usize::try_from(count).unwrap()
    };
    while writing.load(Ordering::Relaxed) {
        let (before, begun) = (done().await, Instant::now());
        tenant.api("POST", "/v1/exports", None).await.ok();
        asked.fetch_add(1, Ordering::Relaxed);
        wait::until("an export, or the time to ask again", async || {
            (done().await > before || begun.elapsed() > ASKED_EVERY).then_some(())
        })
        .await;
    }
    done().await
}

async fn write(
    store: &Store,
    tenant: &Tenant,
    campaign: i64,
    plan: Vec<(usize, bool)>,
    asked: &AtomicUsize,
) -> usize {
    let mut all = 0;
    for (rows, slow) in plan {
        let mut tx = store.campaign(TenantId(tenant.id), CampaignId(campaign)).await.unwrap();
        tx.share_responses().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(insert(campaign, rows))).execute(&mut *tx).await.unwrap();
        if slow {
            let until = asked.load(Ordering::Relaxed) + ASKED_MEANWHILE;
            let enough = async || (asked.load(Ordering::Relaxed) >= until).then_some(());
            wait::until("exports to be asked for", enough).await;
        }
        tx.commit().await.unwrap();
        all += rows;
    }
    all
}
