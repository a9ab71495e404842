//! One body that nobody can read does not take its neighbours along.

use serde_json::json;
use testkit::{Stack, Tenant, csv::Plan, unique, wait};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_poison_is_dead() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "poison").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 10, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;
    tenant.control("list.csv", "spring", true).await;
    tenant.mailed(campaign, 10).await;

    let track = &stack.deployment.queues["track"];
    let mark = unique("poison");
    let mut mails = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(format!(
        "SELECT id FROM campaign_{campaign}.ledger ORDER BY id"
    )))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap()
    .into_iter();
    for n in 0..10 {
        if n == 5 {
            tenant.aws.send(&track.url, &format!("{{\"type\":\"{mark}\"}}")).await;
        }
        let event = format!("019386a0-0000-7000-8000-{:012x}", rand(&mark, n));
        let body = json!({"type": "response.v1", "event": event, "at": "2026-11-23T12:00:00Z", "tenant": tenant.id, "campaign": campaign,
                          "mail": mails.next().unwrap(), "kind": "opened", "actor": "human"});
        tenant.aws.send(&track.url, &body.to_string()).await;
    }
    wait::until("all ten neighbours", async || {
        (tenant.accounting(campaign).await.number("responses.opened") == 10).then_some(())
    })
    .await;
    wait::until("the poison in the dead letter queue", async || {
        let dead = tenant.aws.peek(&track.dead_letter_url).await;
        dead.iter().any(|body| body.contains(&mark)).then_some(())
    })
    .await;
    let dead = tenant.aws.peek(&track.dead_letter_url).await;
    assert!(dead.iter().all(|body| !body.contains("response.v1")), "{dead:?}");
}

/// Numbers that no other test makes.
fn rand(mark: &str, n: u64) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (mark, n).hash(&mut hasher);
    hasher.finish() & 0xffff_ffff_ffff
}
