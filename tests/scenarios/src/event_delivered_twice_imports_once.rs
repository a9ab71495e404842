//! S3 may deliver an event twice, and late: one import, one mail each.

use serde_json::json;
use testkit::{Stack, Tenant, csv::Plan, wait};

#[tokio::test(flavor = "multi_thread")]
async fn one_import_one_mail() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "twice").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 25, ..Plan::default() };
    let import = &stack.deployment.queues["import"];
    let event = json!({"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": tenant.bucket},
                       "object": {"key": "Incoming/list.csv.ctl"}}}]});
    // The control file is there before its file, and its event comes twice early, and twice again.
    tenant.control("list.csv", "spring", true).await;
    tenant.put("list.csv", plan.write()).await;
    for _ in 0..2 {
        tenant.aws.send(&import.url, &event.to_string()).await;
    }
    tenant.mailed(campaign, 25).await;
    for _ in 0..2 {
        tenant.aws.send(&import.url, &event.to_string()).await;
    }
    wait::until("the import queue to be empty", async || {
        (tenant.aws.depth(&import.url).await == (0, 0)).then_some(())
    })
    .await;
    assert_eq!(tenant.imports(campaign).await.len(), 1);
    let accounting = tenant.accounting(campaign).await;
    assert_eq!((accounting.number("rows"), accounting.number("ledger.sent")), (25, 25));
    wait::until("25 mails", async || (tenant.mails().len() == 25).then_some(())).await;
    tenant.all_is_well(campaign).await;
}
