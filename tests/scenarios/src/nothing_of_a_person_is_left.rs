//! After the end of a campaign's lifetime nothing tells of its people any more: no bucket, no table, no dead letter, no log of ours, of PostgreSQL or of Postfix has
//! an address, a name or a key of them, whatever happened to them before.

use serde_json::json;
use sqlx::AssertSqlSafe;
use testkit::{Stack, Tenant, exports::all_exported, unique, wait};
use time::{Duration, OffsetDateTime};

use crate::everything_is_deleted_on_time::sweep;

/// Of addresses; the last one is unknown to her mail server.
const LOCALS: [&str; 12] =
    ["ann", "bob", "cy", "dee", "eve", "fay", "gus", "hal", "ida", "joe", "kim", "unknown-user"];
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// A list whose every address, name and key has the mark: and a row is refused.
fn list(domain: &str, mark: &str) -> String {
    let row = |local: &str| format!("K{local}{mark};{local}-{mark}@{domain};V{mark};N{mark};note {mark}\r\n");
    let rows = LOCALS.map(row).concat();
    format!(
        "Kundennummer;E-Mail;Vorname;Nachname;Notiz\r\n{rows}K{mark};no address {mark};V{mark};N{mark};\r\n"
    )
}

/// Everything that can happen to them.
async fn live(tenant: &Tenant, campaign: i64, mark: &str) {
    let person = |local: &str| json!({"address": format!("{local}-{mark}@{}", tenant.recipients_domain)});
    tenant.put("list.csv", list(&tenant.recipients_domain, mark)).await;
    tenant.control("list.csv", "spring", true).await;
    tenant.mailed(campaign, 13).await;
    let mails =
        wait::until("11 mails", async || Some(tenant.mails()).filter(|mails| mails.len() == 11)).await;
    tenant.http.get(&mails[0].url_with("/o/").unwrap(), BROWSER).await.ok_status();
    let click = mails[1].url_with("/c/").unwrap();
    assert!(tenant.http.get(&click, BROWSER).await.status.is_redirection());
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let one_click = mails[2].one_click().unwrap();
    tenant.http.send("POST", &one_click, &form, "List-Unsubscribe=One-Click").await.ok_status();
    let proof = json!({"addresses": [format!("proof-{mark}@{}", tenant.recipients_domain)], "line": 2});
    tenant.api("POST", &format!("/v1/campaigns/{campaign}/test-mails"), Some(proof)).await.ok();
    tenant.api("POST", "/v1/suppressions", Some(person("ann"))).await.ok_status();
    tenant.api("POST", "/v1/recipients/access", Some(person("bob"))).await.ok();
    // What is refused must not be repeated in a log.
    let wrong = json!({"address": format!("{mark} @ nowhere")});
    assert_eq!(tenant.api("POST", "/v1/recipients/access", Some(wrong)).await.status, 422);
    wait::until("an open, a click, an unsubscribe and a bounce", async || {
        let accounting = tenant.accounting(campaign).await;
        let kinds = ["opened", "clicked", "unsubscribed", "bounced"];
        kinds.iter().all(|kind| accounting.number(&format!("responses.{kind}")) == 1).then_some(())
    })
    .await;
    all_exported(tenant, campaign).await;
}

/// Places in the database that have the text, also as bytes.
async fn tables_with(tenant: &Tenant, mark: &str) -> Vec<String> {
    let mut database = tenant.superuser().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'broadcast' OR schemaname LIKE 'campaign\\_%'",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    let mut found = Vec::new();
    for table in tables {
        let statement = format!(
            "SELECT count(*) FROM {table} AS t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0"
        );
        // Another scenario's table may be dropped at this moment.
        let count: Result<i64, _> =
            sqlx::query_scalar(AssertSqlSafe(statement)).bind(mark).fetch_one(&mut database).await;
        if count.is_ok_and(|count| count > 0) {
            found.push(table);
        }
    }
    found
}

/// Objects that have the text in their name or content: all that is this tenant's, and all reports.
async fn objects_with(tenant: &Tenant, mark: &str) -> Vec<String> {
    let buckets = &tenant.stack.deployment.buckets;
    let own = format!("{}/", tenant.id);
    let mut found = Vec::new();
    for (bucket, prefix) in [
        (&tenant.bucket, ""),
        (&buckets["spool"], own.as_str()),
        (&buckets["anchors"], own.as_str()),
        (&buckets["reports"], ""),
        (&buckets["settings"], ""),
    ] {
        for key in tenant.aws.keys(bucket, prefix).await {
            let bytes = tenant.aws.get(bucket, &key).await.unwrap_or_default();
            if key.contains(mark) || String::from_utf8_lossy(&bytes).contains(mark) {
                found.push(format!("{bucket}/{key}"));
            }
        }
    }
    found
}

/// The sink plays the recipients' mail servers: its log is theirs.
fn logs_with(stack: &Stack, mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&stack.log_dir).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains("sink") {
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
        found.extend(text.lines().filter(|line| line.contains(mark)).map(|line| format!("{name}: {line}")));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn in_no_place_of_ours() {
    let stack = Stack::from_env().unwrap();
    let mark = unique("zz").replace('-', "");
    let columns = json!({"export_columns": ["response", "type", "address", "recipient_key", "diagnostic"], "export_minutes": 1440});
    let tenant = Tenant::with(&stack, "traces", columns).await;
    let campaign = tenant.campaign("spring").await;
    live(&tenant, campaign, &mark).await;
    // The search finds what is there.
    let there = tables_with(&tenant, &mark).await;
    assert!(there.iter().any(|table| table.contains("recipients_")), "{there:?}");
    let there = objects_with(&tenant, &mark).await;
    assert!(
        ["Finished/", "Exports/"].iter().all(|folder| there.iter().any(|key| key.contains(folder))),
        "{there:?}"
    );

    let mut now = OffsetDateTime::now_utc() + Duration::days(28) + Duration::minutes(5);
    let path = format!("/v1/campaigns/{campaign}");
    wait::until("the campaign and the files to be deleted", async || {
        sweep(&tenant, now).await;
        now += Duration::minutes(5);
        let deleted = tenant.api("GET", &path, None).await.ok()["state"] == "deleted";
        (deleted && tenant.aws.keys(&tenant.bucket, "").await.is_empty()).then_some(())
    })
    .await;
    assert_eq!(tables_with(&tenant, &mark).await, Vec::<String>::new());
    assert_eq!(objects_with(&tenant, &mark).await, Vec::<String>::new());
    assert_eq!(logs_with(&stack, &mark), Vec::<String>::new());
    for queue in stack.deployment.queues.values() {
        let letters = tenant.aws.peek(&queue.dead_letter_url).await;
        assert!(letters.iter().all(|letter| !letter.contains(&mark)), "{letters:?}");
    }
    // What came back is kept as sums.
    assert_eq!(tenant.accounting(campaign).await.number("responses.bounced"), 1);
    tenant.all_is_well(campaign).await;
}
