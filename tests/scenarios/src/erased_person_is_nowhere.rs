//! A person whom the customer wants erased is in no campaign any more, also when a launch is under way, an import has not been launched, or a
//! campaign is held; the sums stay true, and nobody mails the person again.

use localstack::Stack;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use testkit::{
    Tenant,
    csv::Plan,
    exports::{all_exported, sent_campaign},
    own,
    tenant::admin,
    wait,
};
use time::OffsetDateTime;

use crate::{
    everything_is_deleted_on_time::sweep,
    launch_starts_at_its_time::Launches,
    launch_stops_where_it_stands::{SLOW, in_the_middle},
};

pub(crate) async fn erase(tenant: &Tenant, address: &str) -> i64 {
    let answer = tenant.api("POST", "/v1/recipients/erasure", Some(json!({"address": address}))).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.ok()["id"].as_i64().unwrap()
}

pub(crate) async fn shown(tenant: &Tenant, erasure: i64) -> Value {
    tenant.api("GET", &format!("/v1/erasures/{erasure}"), None).await.ok()
}

/// Sweeps until it is done.
async fn erased(tenant: &Tenant, erasure: i64) -> Value {
    wait::until("the erasure", async || {
        sweep(tenant, OffsetDateTime::now_utc()).await;
        Some(shown(tenant, erasure).await).filter(|erasure| !erasure["done_at"].is_null())
    })
    .await
}

/// What the customer is told of a person.
async fn held(tenant: &Tenant, address: &str) -> Value {
    tenant.api("POST", "/v1/recipients/access", Some(json!({"address": address}))).await.ok()
}

async fn import(tenant: &Tenant, campaign: i64, file: &str, rows: &str) {
    tenant.put(file, rows).await;
    let path = format!("/v1/campaigns/{campaign}/imports");
    let id = tenant.api("POST", &path, Some(json!({"file": file}))).await.ok()["id"].as_i64().unwrap();
    wait::until("the import", async || {
        let import = tenant.api("GET", &format!("/v1/imports/{id}"), None).await.ok();
        (import["state"] == "finished").then_some(())
    })
    .await;
}

/// A file of one person, with the columns of the others.
fn row(key: &str, address: &str) -> String {
    format!("Kundennummer;E-Mail;Vorname;Nachname;Notiz\r\n{key};{address};Ann;Ander;\r\n")
}

/// Rows of every table of the campaign that have the text in any column.
async fn rows_with(tenant: &Tenant, campaign: i64, text: &str) -> usize {
    let mut database = tenant.superuser().await;
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = $1")
            .bind(format!("campaign_{campaign}"))
            .fetch_all(&mut database)
            .await
            .unwrap();
    assert!(tables.len() > 3, "{tables:?}");
    let mut found = 0;
    for table in tables {
        let statement =
            format!("SELECT count(*) FROM campaign_{campaign}.{table} AS t WHERE strpos(t::text, $1) > 0");
        let count: i64 =
            sqlx::query_scalar(AssertSqlSafe(statement)).bind(text).fetch_one(&mut database).await.unwrap();
        found += usize::try_from(count).unwrap();
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_launch_runs() {
    let main = Stack::from_env().unwrap();
    let relay = [("RELAY_URL", main.sink_url.clone())];
    let stack = own::deploy_with(&main, "erase", &["import", "generate", "send", "sweep"], &relay).await;
    let tenant = Tenant::new(&stack, "erase").await;
    let (campaign, launch) = in_the_middle(&tenant, &[]).await;
    let mailed = tenant.mails()[0].recipient.clone();
    let last = format!("slow-{}@{}", SLOW - 1, tenant.recipients_domain);
    let erasures = [erase(&tenant, &mailed).await, erase(&tenant, &last).await];
    assert_eq!(erase(&tenant, &last).await, erasures[1], "asked for twice, it is one");
    sweep(&tenant, OffsetDateTime::now_utc()).await;

    // The rows go at once, and nobody is mailed any more; the message stands among those of others.
    for address in [&mailed, &last] {
        assert_eq!(held(&tenant, address).await["campaigns"][0]["rows"], json!([]));
        assert_eq!(rows_with(&tenant, campaign, address).await, 0);
    }
    assert_eq!(held(&tenant, &last).await["campaigns"][0]["mail"]["state"], "cancelled");
    for erasure in erasures {
        let erasure = shown(&tenant, erasure).await;
        assert_eq!((&erasure["rows"], &erasure["done_at"]), (&json!(1), &Value::Null));
    }

    let accounting = tenant.mailed(campaign, SLOW as u64).await;
    assert_eq!(
        (accounting.number("ledger.sent"), accounting.number("ledger.cancelled")),
        (SLOW as u64 - 1, 1)
    );
    Launches::of(&tenant, campaign).until_ended(launch, "done").await;
    for erasure in erasures {
        let erasure = erased(&tenant, erasure).await;
        assert_eq!((&erasure["rows"], &erasure["mails"]), (&json!(1), &json!(1)));
    }
    let spooled = tenant.aws.keys(&stack.deployment.buckets["spool"], &format!("{}/", tenant.id)).await;
    assert_eq!(spooled, Vec::<String>::new());
    let mails = tenant.mails();
    let times = |address: &str| mails.iter().filter(|mail| mail.recipient == address).count();
    assert_eq!((times(&mailed), times(&last)), (1, 0));
    for address in [&mailed, &last] {
        let held = held(&tenant, address).await;
        assert_eq!((&held["campaigns"], &held["suppressed"]["reason"]), (&json!([]), &json!("manual")));
    }
    let receipts = tenant.api("GET", "/v1/receipts", None).await.ok();
    let people = receipts["items"].as_array().unwrap().iter().filter(|receipt| receipt["what"] == "person");
    assert_eq!(
        people.map(|receipt| (&receipt["ids"][0], &receipt["count"])).collect::<Vec<_>>(),
        [(&json!(erasures[0]), &json!(2)), (&json!(erasures[1]), &json!(2))]
    );
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_a_launch_and_in_a_held_campaign() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "erasures").await;
    let (spring, summer) = (tenant.campaign("spring").await, tenant.campaign("summer").await);
    let ann = format!("ann@{}", tenant.recipients_domain);
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 4, ..Plan::default() };
    let with_ann = format!("{}K99;{};Ann;Ander;\r\n", plan.write(), ann.to_uppercase());
    import(&tenant, spring, "spring.csv", &with_ann).await;
    import(&tenant, spring, "more.csv", &row("K100", &ann)).await;
    import(&tenant, summer, "summer.csv", &with_ann).await;
    let hold = json!({"command": "hold_campaign", "slug": tenant.slug, "campaign": summer, "reason": "case 7", "by": "Counsel"});
    admin(&stack, hold).await;

    let erasure = erase(&tenant, &ann).await;
    let path = format!("/v1/campaigns/{spring}/accounting");
    wait::until("the rows to be deleted", async || {
        sweep(&tenant, OffsetDateTime::now_utc()).await;
        (tenant.api("GET", &path, None).await.ok()["erased"] == 1).then_some(())
    })
    .await;
    let accounting = tenant.accounting(spring).await;
    assert_eq!((accounting.number("duplicates"), accounting.number("unlaunched")), (1, 4));
    assert!(accounting.balanced(), "{accounting:?}");
    let left = held(&tenant, &ann).await;
    assert_eq!((&left["campaigns"][0]["campaign"], &left["campaigns"][1]), (&json!(summer), &Value::Null));
    assert!(shown(&tenant, erasure).await["done_at"].is_null(), "a held campaign keeps everybody");

    let release =
        json!({"command": "release_campaign", "slug": tenant.slug, "campaign": summer, "by": "Counsel"});
    admin(&stack, release).await;
    let done = erased(&tenant, erasure).await;
    assert_eq!((&done["rows"], &done["mails"]), (&json!(3), &json!(0)));
    assert!(!done["files_until"].is_null(), "the files stand there yet: {done}");
    for campaign in [spring, summer] {
        assert_eq!(rows_with(&tenant, campaign, &ann).await, 0);
    }

    // Whoever is imported again gets no mail, and can be erased again.
    import(&tenant, spring, "again.csv", &row("K101", &ann)).await;
    tenant.api("POST", &format!("/v1/campaigns/{spring}/launches"), None).await.ok();
    let accounting = tenant.mailed(spring, 7).await;
    assert_eq!((accounting.number("ledger.sent"), accounting.number("ledger.suppressed")), (4, 1));
    let again = erase(&tenant, &ann).await;
    assert!(again > erasure);
    let done = erased(&tenant, again).await;
    assert_eq!((&done["rows"], &done["mails"]), (&json!(1), &json!(1)));
    let listed = tenant.api("GET", "/v1/erasures", None).await.ok();
    assert_eq!(listed["items"][0]["id"], again);
    tenant.all_is_well(spring).await;
    tenant.all_is_well(summer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_back_is_nobodys() {
    let stack = Stack::from_env().unwrap();
    let (tenant, campaign) = sent_campaign(&stack, "nobodys", 3, json!({})).await;
    let mail = tenant.mails().remove(0);
    tenant.http.get(&mail.url_with("/o/").unwrap(), "Mozilla/5.0 (X11; Linux x86_64)").await.ok_status();
    wait::until("the open", async || {
        let report = tenant.accounting(campaign).await;
        (report.number("responses.opened") == 1).then_some(())
    })
    .await;
    let erasure = erase(&tenant, &mail.recipient).await;
    erased(&tenant, erasure).await;
    all_exported(&tenant, campaign).await;
    let mut opened = Vec::new();
    for key in tenant.aws.keys(&tenant.bucket, "Exports/").await {
        let text = String::from_utf8(tenant.aws.get(&tenant.bucket, &key).await.unwrap()).unwrap();
        assert!(!text.contains(&mail.recipient), "{key}");
        opened.extend(text.lines().filter(|line| line.contains(",opened,")).map(str::to_owned));
    }
    // The columns are the response's id, its type, the address and the time.
    assert!(opened.len() == 1 && opened[0].contains(",opened,,"), "{opened:?}");
    tenant.all_is_well(campaign).await;
}
