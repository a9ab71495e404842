//! Operators see dead letters by what they are about and send them back, errors of functions, and buckets whose rules somebody changed. Of a mailing they see nothing.

use serde_json::json;
use testkit::{
    Stack, Tenant,
    browser::{Browser, User},
    wait,
};
use time::OffsetDateTime;

use crate::everything_is_deleted_on_time::sweep;

async fn operator(stack: &Stack) -> Browser {
    let mut browser = Browser::new(stack);
    browser.log_in(&User::new(stack, None, "operator").await).await;
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_looked_at_and_sent_back() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "letters").await;
    let notify = &stack.deployment.queues["notify"];
    // As one that failed while a receiver was away: sent back, it finds nothing to do.
    let body = json!({"type": "tenant.v1", "tenant": tenant.id}).to_string();
    tenant.aws.send(&notify.dead_letter_url, &body).await;
    let mut browser = operator(&stack).await;
    let page = browser.get("/queues").await;
    page.must_be("/queues", 200);
    assert!(page.text.contains("Has dead letters"), "{}", page.text);
    let page = browser.get("/queues/notify").await;
    let mark = format!("tenant.v1 · tenant {}", tenant.id);
    assert!(page.text.contains(&mark), "{}", page.text);
    let page = browser.get("/queues/notify/redrive").await;
    browser.submit(&page, "/queues/notify/redrive", &[]).await.must_be("/queues/notify", 200);
    wait::until("the letter to be gone", async || {
        (!browser.get("/queues/notify").await.text.contains(&mark)).then_some(())
    })
    .await;
    for name in ["none", "notify-dlq"] {
        browser.get(&format!("/queues/{name}")).await.must_be(&format!("/queues/{name}"), 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_that_drifted_are_named() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "drifted").await;
    tenant.aws.s3.delete_bucket_lifecycle().bucket(&tenant.bucket).send().await.unwrap();
    sweep(&tenant, OffsetDateTime::now_utc()).await;
    let mut browser = operator(&stack).await;
    let page = browser.get("/lifecycles").await;
    assert!(page.text.contains(&tenant.bucket), "{}", page.text);
    let page = browser.get("/tenants").await;
    assert!(page.text.contains(&tenant.slug) && page.text.contains("Active"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_functions_are_read() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "errors").await;
    // Nobody can read it: notify says so each time, until it is a dead letter.
    let mark = testkit::unique("unreadable");
    tenant.aws.send(&stack.deployment.queues["notify"].url, &format!("{{\"type\":\"{mark}\"}}")).await;
    let mut browser = operator(&stack).await;
    let page = wait::until("the error", async || {
        let page = browser.get("/errors").await;
        page.must_be("/errors", 200);
        page.text.contains(">notify<").then_some(page)
    })
    .await;
    assert!(!page.text.contains(&mark), "a body is logged by nobody: {}", page.text);
}
