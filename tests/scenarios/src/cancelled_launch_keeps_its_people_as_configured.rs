//! People whom a cancelled launch did not mail go after the tenant's hours for that; those whom it mailed, and everybody where nothing is set, stay as
//! long as the campaign.

use serde_json::json;
use sqlx::AssertSqlSafe;
use store::LaunchChange;
use testkit::{Stack, Tenant, own, tenant::admin};
use time::{Duration, OffsetDateTime};

use crate::{
    everything_is_deleted_on_time::sweep,
    launch_starts_at_its_time::{Launches, tick},
    launch_stops_where_it_stands::{SLOW, in_the_middle},
};

#[tokio::test(flavor = "multi_thread")]
async fn and_those_whom_it_mailed() {
    let main = Stack::from_env().unwrap();
    let relay = [("RELAY_URL", main.sink_url.clone())];
    let stack = own::deploy_with(&main, "cancel", &["import", "generate", "send", "sweep"], &relay).await;
    let tenant = Tenant::new(&stack, "cancel").await;
    let (campaign, launch) = in_the_middle(&tenant, &[]).await;
    let launches = Launches::of(&tenant, campaign);
    assert_eq!(launches.cancel(launch).await, LaunchChange::Done);
    tick(&stack).await;
    launches.until_ended(launch, "cancelled").await;
    let cancelled = launches.mails_in("'cancelled'").await;
    assert!((1..SLOW).contains(&cancelled), "{cancelled}");
    let import = tenant.imports(campaign).await[0]["id"].as_i64().unwrap();
    let people = async || {
        let count = format!("SELECT count(*) FROM campaign_{campaign}.recipients_{import}");
        let count: i64 =
            sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut tenant.superuser().await).await.unwrap();
        usize::try_from(count).unwrap()
    };

    let now = OffsetDateTime::now_utc();
    sweep(&tenant, now + Duration::days(27)).await;
    assert_eq!(people().await, SLOW, "nothing is set");
    admin(&stack, json!({"command": "set_tenant", "slug": tenant.slug, "cancelled_hours": 3})).await;
    assert_eq!(tenant.api("GET", "/v1/retention", None).await.ok()["cancelled_hours"], 3);
    sweep(&tenant, now + Duration::hours(3) - Duration::minutes(5)).await;
    assert_eq!(people().await, SLOW, "not yet");
    for _ in 0..2 {
        sweep(&tenant, now + Duration::hours(3) + Duration::minutes(5)).await;
        assert_eq!(people().await, SLOW - cancelled);
    }

    let receipts = tenant.api("GET", "/v1/receipts", None).await.ok();
    let receipts = receipts["items"].as_array().unwrap();
    let ours: Vec<_> = receipts.iter().filter(|receipt| receipt["what"] == "recipients").collect();
    assert_eq!(ours.len(), 1, "{receipts:?}");
    assert_eq!(
        (&ours[0]["count"], &ours[0]["ids"], &ours[0]["rule"]),
        (&json!(cancelled), &json!([campaign]), &json!("3 hours after the launch was cancelled"))
    );
    assert!(tenant.accounting(campaign).await.balanced());
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}
