//! A file in Incoming, imported by an HTTP call; the launch is a call of its own.

use serde_json::json;
use testkit::{
    Stack, Tenant,
    csv::Plan,
    verifiers::{Made, verify},
    wait,
};

#[tokio::test(flavor = "multi_thread")]
async fn import_call_then_launch() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "api").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 20, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;

    let call = json!({"file": "list.csv", "overrides": {"delimiter": ";", "key_column": "Kundennummer"}});
    let answer = tenant.api("POST", &format!("/v1/campaigns/{campaign}/imports"), Some(call)).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let import = answer.json()["id"].as_i64().unwrap();
    let import = wait::until("the import", async || {
        let import = tenant.api("GET", &format!("/v1/imports/{import}"), None).await.ok();
        (import["state"] == "finished").then_some(import)
    })
    .await;
    assert_eq!((import["imported"].as_u64(), import["rejected"].as_u64()), (Some(20), Some(0)));
    assert!(tenant.mails().is_empty(), "nothing is mailed before the launch");

    let answer = tenant.api("POST", &format!("/v1/campaigns/{campaign}/launches"), None).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let accounting = tenant.mailed(campaign, 20).await;
    assert_eq!(accounting.number("ledger.sent"), 20);
    let mails =
        wait::until("20 mails", async || Some(tenant.mails()).filter(|mails| mails.len() == 20)).await;
    verify(&tenant, Made::Usually, &mails).await;

    // A second launch mails nobody again.
    tenant.api("POST", &format!("/v1/campaigns/{campaign}/launches"), None).await.ok();
    let again = tenant.mailed(campaign, 20).await;
    assert_eq!(again.number("ledger.sent"), 20);
    assert_eq!(tenant.mails().len(), 20);
    tenant.all_is_well(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_its_own_tenant_alone() {
    let stack = Stack::from_env().unwrap();
    let (a, b) = (Tenant::new(&stack, "keya").await, Tenant::new(&stack, "keyb").await);
    let campaign = a.campaign("spring").await;
    for path in [format!("/v1/campaigns/{campaign}"), format!("/v1/campaigns/{campaign}/accounting")] {
        assert_eq!(a.api("GET", &path, None).await.status, 200);
        let foreign = b.api("GET", &path, None).await;
        assert_eq!((foreign.status.as_u16(), foreign.json()["code"].clone()), (404, json!("not_found")));
        let nobody = a.http.send("GET", &format!("{}{path}", stack.api_url), &[], "").await;
        assert_eq!(nobody.status, 401);
    }
}
