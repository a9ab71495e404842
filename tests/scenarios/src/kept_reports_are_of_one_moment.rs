//! What the report of a campaign shows is what its parts count; that of a large campaign is counted by a function of its own, once for all who ask.

use serde_json::{Value, json};
use testkit::{Stack, Tenant, csv::Plan, wait};

/// One row above what is counted while somebody waits.
const LARGE: usize = 20_001;

async fn imported(tenant: &Tenant, campaign: i64, plan: &Plan) {
    tenant.put("list.csv", plan.write()).await;
    let call = json!({"file": "list.csv", "overrides": {"delimiter": ";", "bad_rows_max_percent": 100}});
    tenant.api("POST", &format!("/v1/campaigns/{campaign}/imports"), Some(call)).await.ok();
    wait::until("the import", async || {
        let imports = tenant.imports(campaign).await;
        (imports.first()?["state"] == "finished").then_some(())
    })
    .await;
}

async fn report(tenant: &Tenant, campaign: i64) -> Value {
    tenant.api("GET", &format!("/v1/campaigns/{campaign}/report"), None).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_campaign_is_counted_at_once() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "kept").await;
    let campaign = tenant.campaign("spring").await;
    let empty = report(&tenant, campaign).await;
    assert_eq!((&empty["accounting"]["rows"], &empty["bounces"]), (&json!(0), &json!([])), "{empty}");
    let plan =
        Plan { domain: tenant.recipients_domain.clone(), good: 12, unknown: 2, bad: 1, ..Plan::default() };
    imported(&tenant, campaign, &plan).await;
    tenant.api("POST", &format!("/v1/campaigns/{campaign}/launches"), Some(json!({}))).await.ok();
    tenant.mailed(campaign, 13).await;
    let path = format!("/v1/campaigns/{campaign}");
    let report = wait::until("two bounces", async || {
        let report = report(&tenant, campaign).await;
        (report["accounting"]["responses"]["bounced"] == 2).then_some(report)
    })
    .await;
    for (part, path) in [
        ("accounting", format!("{path}/accounting")),
        ("responses", format!("{path}/responses")),
        ("domains", format!("{path}/responses/domains")),
    ] {
        assert_eq!(report[part], tenant.api("GET", &path, None).await.ok(), "{part}");
    }
    assert_eq!(report["bounces"], json!([{"class": "hard", "status": "5.1.1", "mails": 2}]));
    assert_eq!(report["counting"], false);
    let overview = tenant.api("GET", "/v1/overview?name=SPRI", None).await.ok();
    let listed = &overview["items"][0];
    assert_eq!((&listed["id"], &listed["launch_state"]), (&json!(campaign), &json!("done")), "{listed}");
    let figures = &listed["figures"];
    assert_eq!(
        ["addresses", "open", "sent", "delivered", "bounced"].map(|name| figures[name].as_i64().unwrap()),
        [12, 0, 12, 10, 2]
    );
    assert_eq!(tenant.api("GET", "/v1/overview?name=autumn", None).await.ok()["items"], json!([]));

    // A person's own domain stands in no report that was counted before the erasure.
    let address = json!({"address": plan.address(3)});
    tenant.api("POST", "/v1/recipients/erasure", Some(address)).await.ok();
    let tick = json!({"time": "2000-01-01T00:00:00Z"});
    let mut database = tenant.superuser().await;
    wait::until("the report to go with the erasure", async || {
        testkit::tenant::invoke(&stack, "sweep", &tick).await;
        let kept = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM campaign_{campaign}.report"));
        let kept: i64 = sqlx::query_scalar(kept).fetch_one(&mut database).await.unwrap();
        (kept == 0).then_some(())
    })
    .await;
    tenant.all_is_well(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_campaign_is_counted_behind_the_answer() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "keptbig").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: LARGE, ..Plan::default() };
    imported(&tenant, campaign, &plan).await;
    let first = report(&tenant, campaign).await;
    // Whoever asks waits for no count; it may be there all the same before the answer is written.
    assert_eq!(first["counting"], true, "{first}");
    let counted = wait::until("the count", async || {
        let report = report(&tenant, campaign).await;
        (!report["accounting"].is_null()).then_some(report)
    })
    .await;
    assert_eq!(counted["accounting"]["rows"], json!(LARGE));
    assert!(counted["counted_at"].is_string(), "{counted}");
    let overview = tenant.api("GET", "/v1/overview", None).await.ok();
    assert_eq!(overview["items"][0]["figures"]["addresses"], json!(LARGE));
    tenant.all_is_well(campaign).await;
}
