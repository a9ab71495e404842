//! A campaign under a legal hold stays, with its people, its mails and its spool, whatever is over; when the hold ends it goes.

use serde_json::{Value, json};
use testkit::{Stack, exports::sent_campaign, tenant::admin, wait};
use time::{Duration, OffsetDateTime};

use crate::everything_is_deleted_on_time::sweep;

#[tokio::test(flavor = "multi_thread")]
async fn until_it_is_released() {
    let stack = Stack::from_env().unwrap();
    let (tenant, campaign) = sent_campaign(&stack, "held", 3, json!({})).await;
    let spool = async || {
        tenant.aws.keys(&stack.deployment.buckets["spool"], &format!("{}/{campaign}/", tenant.id)).await.len()
    };
    let order = |command: &str, by: &str| {
        let mut order = json!({"command": command, "slug": tenant.slug, "campaign": campaign, "by": by});
        if command == "hold_campaign" {
            order["reason"] = json!("case 7");
        }
        order
    };
    let refused = async |order: Value| {
        let answer = localstack::invoke(&stack, "admin", &order.to_string()).await.unwrap();
        assert!(answer.failed, "{order}: {}", answer.payload);
        answer.payload
    };
    assert!(refused(order("hold_campaign", " ")).await.contains("`by` must say who"));
    let mut unknown = order("hold_campaign", "Counsel");
    unknown["campaign"] = json!(campaign + 1_000_000);
    assert!(refused(unknown).await.contains("no such campaign"));

    let held = admin(&stack, order("hold_campaign", "Counsel")).await;
    assert_eq!(admin(&stack, order("hold_campaign", "Somebody else")).await, held, "it is held already");
    assert_eq!(
        (&held["holds"][0]["reason"], &held["holds"][0]["held_by"]),
        (&json!("case 7"), &json!("Counsel"))
    );

    let path = format!("/v1/campaigns/{campaign}");
    assert!(!tenant.api("GET", &path, None).await.ok()["held_at"].is_null());
    let answer = tenant.api("POST", &format!("{path}/deletion"), None).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (409, &json!("campaign_held")));
    // Beyond the hard limit, too.
    let late = OffsetDateTime::now_utc() + Duration::days(200);
    sweep(&tenant, late).await;
    let row = tenant.api("GET", &path, None).await.ok();
    assert_eq!(
        (&row["state"], tenant.stack_schemas(&[campaign]).await, spool().await),
        (&json!("open"), 1, 1)
    );

    let released = admin(&stack, order("release_campaign", "Counsel")).await;
    assert_eq!(released["holds"][0]["released_by"], "Counsel");
    let mut now = late;
    wait::until("the campaign to be deleted", async || {
        sweep(&tenant, now).await;
        now += Duration::minutes(5);
        (tenant.api("GET", &path, None).await.ok()["state"] == "deleted").then_some(())
    })
    .await;
    assert_eq!((tenant.stack_schemas(&[campaign]).await, spool().await), (0, 0));
    assert!(refused(order("hold_campaign", "Counsel")).await.contains("is being deleted or is gone"));
    tenant.all_is_well(campaign).await;
}
