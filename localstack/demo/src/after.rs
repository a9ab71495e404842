//! What comes back, what the customer fetches, and how all of it is deleted.

use serde_json::json;
use testkit::{tenant::Accounting, wait};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    answers::Answers,
    mailing::{STAGE, Story, step},
};

/// Waits for every bounce and response to be stored.
pub async fn responses(story: &Story, answers: &Answers) -> Accounting {
    let bounces = story.size.unknown as u64;
    let expected = [
        ("bounced", bounces),
        ("opened", answers.opened),
        ("clicked", answers.clicked),
        ("unsubscribed", answers.unsubscribed),
    ];
    let accounting = wait::until_within(STAGE, &format!("responses {expected:?}"), async || {
        let accounting = story.tenant.accounting(story.main).await;
        let complete =
            expected.iter().all(|(kind, count)| accounting.number(&format!("responses.{kind}")) >= *count);
        complete.then_some(accounting)
    })
    .await;
    step(&format!("{bounces} mails bounced: Postfix' own reports came back as responses"));
    accounting
}

/// Triggers the export, fetches the files with `sftp`, decrypts them with `gpg`; returns the rows of the main campaign.
pub async fn exports(story: &Story, accounting: &Accounting) -> u64 {
    let tenant = &story.tenant;
    let kinds = ["delivered", "bounced", "complained", "opened", "clicked", "unsubscribed"];
    let stored: u64 = kinds.iter().map(|kind| accounting.number(&format!("responses.{kind}"))).sum();
    tenant.api("POST", "/v1/exports", None).await.ok();
    let prefix = format!("-{}-", story.main);
    // A manifest is written last: when its rows add up, its files are there.
    let rows = wait::until_within(STAGE, "the exports", async || {
        let names = tenant.sftp().list("Exports").await;
        let names: Vec<_> = names.into_iter().filter(|name| name.contains(&prefix)).collect();
        let mut rows = 0;
        for name in names.iter().filter(|name| name.contains("manifest.json")) {
            if !names.contains(&name.replace(".pgp", "")) && !names.contains(name) {
                return None;
            }
            rows += manifest_rows(story, name).await;
        }
        (rows >= stored).then_some(names)
    })
    .await;
    let mut total = 0;
    for name in rows.iter().filter(|name| name.contains(".csv")) {
        total += csv_rows(&String::from_utf8(fetch(story, name).await).unwrap());
    }
    step(&format!(
        "{} files fetched from Exports with sftp and decrypted with gpg: {total} rows",
        rows.len()
    ));
    total
}

async fn fetch(story: &Story, name: &str) -> Vec<u8> {
    let local = story.tenant.folder.path().join(name);
    story.tenant.sftp().must(&[format!("get Exports/{name} {}", local.display())]).await;
    if local.extension().is_some_and(|end| end == "pgp") {
        story.gpg.decrypt(&local)
    } else {
        std::fs::read(&local).unwrap()
    }
}

async fn manifest_rows(story: &Story, name: &str) -> u64 {
    let manifest: serde_json::Value = serde_json::from_slice(&fetch(story, name).await).unwrap();
    manifest["rows"].as_u64().expect("rows in the manifest")
}

/// Records below the header; none of our columns holds a line break.
fn csv_rows(csv: &str) -> u64 {
    csv.lines().count().saturating_sub(1) as u64
}

/// What is left when every retention period is over.
#[derive(Debug)]
pub struct Remains {
    pub objects: u64,
    pub schemas: u64,
    pub receipts: u64,
}

/// Moves the clock that sweep is given past every retention period, and lets it work.
pub async fn sweep(story: &Story) -> Remains {
    let (stack, tenant) = (&story.tenant.stack, &story.tenant);
    let mut now = OffsetDateTime::now_utc();
    step("the clock moves on: 2 days, 8 days, 15 days, 29 days; sweep deletes what is over");
    for days in [2, 6, 7, 14] {
        now += Duration::days(days) + Duration::minutes(5);
        tick(stack, now).await;
    }
    let remains = wait::until_within(STAGE, "everything to be deleted", async || {
        // Sweep comes every five minutes; a campaign's last export is made before its data goes.
        now += Duration::minutes(5);
        tick(stack, now).await;
        let remains = count(story).await;
        (remains.objects == 0 && remains.schemas == 0).then_some(remains)
    })
    .await;
    step(&format!(
        "{} objects and {} schemas are left of {}; {} receipts",
        remains.objects, remains.schemas, tenant.slug, remains.receipts
    ));
    remains
}

async fn tick(stack: &localstack::Stack, now: OffsetDateTime) {
    let event = json!({"time": now.format(&Rfc3339).unwrap()});
    testkit::tenant::invoke(stack, "sweep", &event).await;
}

async fn count(story: &Story) -> Remains {
    let tenant = &story.tenant;
    let objects = tenant.aws.keys(&tenant.bucket, "").await.len()
        + tenant.aws.keys(&tenant.stack.deployment.buckets["spool"], &format!("{}/", tenant.id)).await.len();
    let schemas = tenant.stack_schemas(&[story.welcome, story.main]).await;
    let receipts = tenant.api("GET", "/v1/receipts", None).await.ok()["items"].as_array().map_or(0, Vec::len);
    Remains { objects: objects as u64, schemas, receipts: receipts as u64 }
}
