//! Writers of responses that commit in any order, some of them slow, while exports are made one after the other: the union of all files is the table.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use contract::{CampaignId, TenantId};
use serde_json::json;
use sqlx::AssertSqlSafe;
use store::Store;
use testkit::{Stack, Tenant, random::Random, wait};

use crate::killed_export_repeats_and_skips_nothing::{all_exported, insert, sent_campaign, stored};

const WRITERS: usize = 3;
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
    let asked = Arc::new(AtomicUsize::new(0));
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        // Rows, and whether it is slow.
        let plan: Vec<(usize, bool)> =
            (0..TRANSACTIONS).map(|_| (1 + random.below(ROWS_MAX), random.below(4) == 0)).collect();
        let store = Store::connect(&stack.database_url).unwrap();
        writers.push(tokio::spawn(write(store, tenant.id, campaign, plan, Arc::clone(&asked))));
    }
    let exporting = export(&tenant, &writing, &asked);
    let writing_all = async {
        let mut rows = 0;
        for writer in writers {
            rows += writer.await.unwrap();
        }
        writing.store(false, Ordering::Relaxed);
        rows
    };
    let (exports, rows) = tokio::join!(exporting, writing_all);
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
    store: Store,
    tenant: i64,
    campaign: i64,
    plan: Vec<(usize, bool)>,
    asked: Arc<AtomicUsize>,
) -> usize {
    let mut all = 0;
    for (rows, slow) in plan {
        let mut tx = store.campaign(TenantId(tenant), CampaignId(campaign)).await.unwrap();
        tx.share_responses().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(insert(campaign, rows))).execute(&mut *tx).await.unwrap();
        if slow {
            let until = asked.load(Ordering::Relaxed) + ASKED_MEANWHILE;
            wait::until("exports to be asked for", async || {
                (asked.load(Ordering::Relaxed) >= until).then_some(())
            })
            .await;
        }
        tx.commit().await.unwrap();
        all += rows;
    }
    all
}
