//! Postfix' own delivery status notifications come back through the reports bucket: each becomes one response, its address is suppressed.

use testkit::{Stack, Tenant, csv::Plan, wait};

#[tokio::test(flavor = "multi_thread")]
async fn postfix_bounces_are_counted_once() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "bounce").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 40, unknown: 12, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;
    tenant.control("list.csv", "spring", true).await;
    let accounting = tenant.mailed(campaign, 40).await;
    assert_eq!(accounting.number("ledger.sent"), 40, "Postfix takes them all and reports later");
    let accounting = wait::until("12 bounces", async || {
        let accounting = tenant.accounting(campaign).await;
        (accounting.number("responses.bounced") >= 12).then_some(accounting)
    })
    .await;
    assert_eq!(accounting.number("responses.bounced"), 12);
    assert_eq!(accounting.number("delivered"), 28);
    let rows: Vec<(String, String, Option<String>)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT kind, class, diagnostic FROM campaign_{campaign}.responses"
    )))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap();
    assert!(rows.iter().all(|(kind, class, _)| kind == "bounced" && class == "hard"), "{rows:?}");
    assert!(
        rows.iter().all(|(_, _, diagnostic)| diagnostic
            .as_ref()
            .is_some_and(|text| text.contains("550") && !text.contains(&plan.domain))),
        "{rows:?}"
    );

    // A second campaign with the same file: the hard bounces are suppressed.
    let second = tenant.campaign("summer").await;
    tenant.put("again.csv", plan.write()).await;
    tenant.control("again.csv", "summer", true).await;
    let accounting = tenant.mailed(second, 40).await;
    assert_eq!((accounting.number("ledger.suppressed"), accounting.number("ledger.sent")), (12, 28));
    tenant.all_is_well(campaign).await;
    tenant.all_is_well(second).await;
}
