//! A launch mails everybody who was imported and whom no relay has had yet: also whom an earlier launch did not hand over. Nobody is mailed twice.

use std::collections::BTreeMap;

use contract::LaunchId;
use serde_json::{Value, json};
use testkit::{Stack, Tenant, csv::Plan, own, tenant::HTML, wait};

use crate::{
    launch_starts_at_its_time::Launches,
    launch_stops_where_it_stands::{SLOW, deployed, in_the_middle},
};

/// A new version of the campaign's template.
async fn template(tenant: &Tenant, campaign: i64, subject: &str, html: &str) {
    let template = json!({"from_name": "Acme", "from_address": format!("news@{}", tenant.domain), "subject": subject, "html": html});
    tenant.api("PUT", &format!("/v1/campaigns/{campaign}/template"), Some(template)).await.ok();
}

async fn import(tenant: &Tenant, campaign: i64, file: &str, csv: String) -> i64 {
    tenant.put(file, csv).await;
    let path = format!("/v1/campaigns/{campaign}/imports");
    let id = tenant.api("POST", &path, Some(json!({"file": file}))).await.ok()["id"].as_i64().unwrap();
    wait::until("the import", async || {
        let import = tenant.api("GET", &format!("/v1/imports/{id}"), None).await.ok();
        (import["state"] == "finished").then_some(id)
    })
    .await
}

async fn launch(tenant: &Tenant, campaign: i64, call: Value) -> i64 {
    let path = format!("/v1/campaigns/{campaign}/launches");
    tenant.api("POST", &path, Some(call)).await.ok()["id"].as_i64().unwrap()
}

/// The launch's end.
async fn ended(tenant: &Tenant, launch: i64) -> Value {
    wait::until("the launch's end", async || {
        let launch = tenant.api("GET", &format!("/v1/launches/{launch}"), None).await.ok();
        (!launch["ended_at"].is_null()).then_some(launch)
    })
    .await
}

/// Subjects by recipient.
fn subjects(tenant: &Tenant) -> BTreeMap<String, Vec<String>> {
    let mut subjects = BTreeMap::<_, Vec<_>>::new();
    for mail in tenant.mails() {
        let subject = mail.header("Subject").unwrap_or_default();
        subjects.entry(mail.recipient).or_default().push(subject);
    }
    subjects
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_that_was_cancelled_in_the_middle() {
    let stack = deployed("rest").await;
    let tenant = Tenant::new(&stack, "rest").await;
    let (campaign, first) = in_the_middle(&tenant, &[]).await;
    let launches = Launches::of(&tenant, campaign);
    launches.cancel(first).await;
    template(&tenant, campaign, "Mended", HTML).await;
    // At once: what is under way of the first one comes to its end before.
    let second = launch(&tenant, campaign, json!({})).await;
    ended(&tenant, second).await;
    let accounting = tenant.accounting(campaign).await;
    assert_eq!((accounting.number("ledger.sent"), accounting.number("ledger.cancelled")), (SLOW as u64, 0));
    wait::until("the mails", async || (tenant.mails().len() >= SLOW).then_some(())).await;

    let by_launch = async |launch: LaunchId| -> usize {
        let statement = format!("SELECT count(*) FROM campaign_{campaign}.ledger WHERE launch_id = {launch}");
        let count = sqlx::query_scalar(sqlx::AssertSqlSafe(statement));
        let count: i64 = count.fetch_one(&mut tenant.superuser().await).await.unwrap();
        usize::try_from(count).unwrap()
    };
    let subjects = subjects(&tenant);
    assert_eq!(subjects.len(), SLOW);
    assert!(subjects.values().all(|subjects| subjects.len() == 1), "{subjects:?}");
    let mended = subjects.values().filter(|subjects| subjects[0] == "Mended").count();
    assert_eq!(mended, by_launch(LaunchId(second)).await);
    assert_eq!(SLOW - mended, by_launch(first).await);
    assert!(mended > 0 && mended < SLOW, "{mended}");
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_some_imports_alone() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "some").await;
    let campaign = tenant.campaign("spring").await;
    let plan =
        |first, good| Plan { domain: tenant.recipients_domain.clone(), first, good, ..Plan::default() };
    let first = import(&tenant, campaign, "first.csv", plan(0, 4).write()).await;
    // One of them stands in the first one, too.
    let second = import(&tenant, campaign, "second.csv", plan(3, 3).write()).await;
    let other = tenant.campaign("other").await;
    let others = import(&tenant, other, "other.csv", plan(0, 1).write()).await;

    let path = format!("/v1/campaigns/{campaign}/launches");
    for imports in [json!([]), json!([second, others]), json!([987_654_321]), json!(vec![second; 101])] {
        let answer = tenant.api("POST", &path, Some(json!({"imports": imports}))).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["code"].clone()),
            (422, json!("field_invalid")),
            "{imports}"
        );
    }
    let alone = launch(&tenant, campaign, json!({"imports": [second]})).await;
    assert_eq!(ended(&tenant, alone).await["imports"], json!([second]));
    let accounting = tenant.accounting(campaign).await;
    assert_eq!((accounting.number("ledger.sent"), accounting.number("unlaunched")), (3, 3));
    assert!(accounting.balanced(), "{accounting:?}");

    let rest = launch(&tenant, campaign, json!({"imports": [first]})).await;
    ended(&tenant, rest).await;
    let all = launch(&tenant, campaign, json!({})).await;
    assert_eq!(ended(&tenant, all).await["imports"], Value::Null);
    let accounting = tenant.accounting(campaign).await;
    assert_eq!((accounting.number("ledger.sent"), accounting.number("unlaunched")), (6, 0));
    wait::until("the mails", async || (tenant.mails().len() == 6).then_some(())).await;
    tenant.all_is_well(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_it_could_not_make_a_mail_for_or_who_was_suppressed() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "mended").await;
    let campaign = tenant.campaign("spring").await;
    let wrong = format!("{HTML}{{% if kundennummer == 'K2' %}}{{{{ vorname|round }}}}{{% endif %}}");
    template(&tenant, campaign, "Broken", &wrong).await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 5, ..Plan::default() };
    import(&tenant, campaign, "list.csv", plan.write()).await;
    tenant.api("POST", "/v1/suppressions", Some(json!({"address": plan.address(4)}))).await.ok_status();
    let sums = async |call: Value| {
        let launch = launch(&tenant, campaign, call).await;
        ended(&tenant, launch).await;
        let sums = tenant.accounting(campaign).await;
        assert!(sums.balanced(), "{sums:?}");
        ["sent", "failed", "suppressed"].map(|state| sums.number(&format!("ledger.{state}")))
    };
    assert_eq!(sums(json!({})).await, [3, 1, 1]);
    // Nothing was mended: it is as it was.
    assert_eq!(sums(json!({})).await, [3, 1, 1]);
    template(&tenant, campaign, "Mended", HTML).await;
    assert_eq!(sums(json!({})).await, [4, 0, 1]);
    let removal = json!({"address": plan.address(4), "reason": "asked for mails again"});
    tenant.api("POST", "/v1/suppressions/remove", Some(removal)).await.ok_status();
    assert_eq!(sums(json!({})).await, [5, 0, 0]);
    assert_eq!(sums(json!({})).await, [5, 0, 0]);
    wait::until("the mails", async || (tenant.mails().len() == 5).then_some(())).await;
    let subjects = subjects(&tenant);
    let of = |n: usize| {
        let address = plan.address(n);
        let found = subjects.iter().find(|(recipient, _)| recipient.eq_ignore_ascii_case(&address));
        found.map(|(_, subjects)| subjects.join(" ")).unwrap_or_default()
    };
    assert_eq!([0, 1, 2, 3, 4].map(of), ["Broken", "Broken", "Mended", "Broken", "Mended"]);
    tenant.all_is_well(campaign).await;
}
