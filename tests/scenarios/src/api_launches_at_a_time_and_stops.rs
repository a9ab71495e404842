//! Launches over the API: at a time, paused, resumed and cancelled, each as often as anybody asks; and what is over stays over.

use serde_json::{Value, json};
use testkit::{Stack, Tenant, csv::Plan, wait};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

#[tokio::test(flavor = "multi_thread")]
async fn as_often_as_anybody_asks() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "attime").await;
    let campaign = tenant.campaign("spring").await;
    tenant
        .put(
            "list.csv",
            Plan { domain: tenant.recipients_domain.clone(), good: 4, ..Plan::default() }.write(),
        )
        .await;
    let imports = format!("/v1/campaigns/{campaign}/imports");
    tenant.api("POST", &imports, Some(json!({"file": "list.csv"}))).await.ok();
    wait::until("the import", async || {
        (tenant.imports(campaign).await.first()?["state"] == "finished").then_some(())
    })
    .await;

    let at = |hours| (OffsetDateTime::now_utc() + Duration::hours(hours)).format(&Rfc3339).unwrap();
    let launches = format!("/v1/campaigns/{campaign}/launches");
    let launch = async |hours| {
        let made = tenant.api("POST", &launches, Some(json!({"starts_at": at(hours)}))).await;
        if made.status == 202 { made.json()["id"].to_string() } else { made.json()["code"].to_string() }
    };
    assert_eq!(launch(-2).await, "\"field_invalid\"");
    assert_eq!(launch(24 * 200).await, "\"launch_after_end\"");
    let (first, second) = (launch(3).await, launch(4).await);
    let ask = async |id: &str, wish: &str| -> Value {
        tenant.api("POST", &format!("/v1/launches/{id}/{wish}"), None).await.json()
    };
    for (wish, expected) in [
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "scheduled"),
        ("resume", "scheduled"),
        ("cancellation", "cancelled"),
        ("cancellation", "cancelled"),
    ] {
        assert_eq!(ask(&first, wish).await["state"], expected, "{wish}");
    }
    assert_eq!(ask(&first, "pause").await["code"], "launch_state");
    assert!(ask(&first, "resume").await["detail"].as_str().unwrap().contains("cancelled"));

    // A campaign with a launch that waits is not deleted.
    let deletion = tenant.api("POST", &format!("/v1/campaigns/{campaign}/deletion"), None).await;
    assert_eq!((deletion.status.as_u16(), deletion.json()["code"].clone()), (409, json!("campaign_busy")));
    assert!(tenant.mails().is_empty());

    // Its time comes.
    let mut database = tenant.superuser().await;
    sqlx::query("UPDATE broadcast.launches SET starts_at = now() WHERE tenant_id = $1 AND id = $2::bigint")
        .bind(tenant.id)
        .bind(second.parse::<i64>().unwrap())
        .execute(&mut database)
        .await
        .unwrap();
    tenant.mailed(campaign, 4).await;
    wait::until("the launch's end", async || {
        let launch = tenant.api("GET", &format!("/v1/launches/{second}"), None).await.ok();
        (launch["state"] == "done" && launch["ended_at"].is_string()).then_some(())
    })
    .await;
    assert_eq!(ask(&second, "cancellation").await["code"], "launch_state");
    wait::until("the mails", async || (tenant.mails().len() == 4).then_some(())).await;
    tenant.all_is_well(campaign).await;
}
