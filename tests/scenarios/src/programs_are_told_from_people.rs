//! What comes at once, and many links at once, a program did. Both are told apart by the time alone, in whatever batches the clicks come.

use serde_json::json;
use sqlx::AssertSqlSafe;
use testkit::{
    Stack, Tenant,
    exports::{all_exported, sent_campaign},
    mailbox::Mail,
    wait,
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Kind and actor of a mail's responses, as they came.
async fn actors(tenant: &Tenant, campaign: i64, mail: i64) -> Vec<(String, String)> {
    sqlx::query_as(AssertSqlSafe(format!(
        "SELECT kind, actor FROM campaign_{campaign}.responses WHERE mail_id = {mail} ORDER BY seq"
    )))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap()
}

async fn until_told(tenant: &Tenant, campaign: i64, mail: i64, expected: &[(&str, &str)]) {
    let what = format!("the responses of mail {mail} to be as expected");
    wait::until_so(
        &what,
        async || actors(tenant, campaign, mail).await,
        |told| told.iter().map(|(kind, actor)| (kind.as_str(), actor.as_str())).eq(expected.iter().copied()),
    )
    .await;
}

/// As if all mails had been sent an hour ago.
async fn long_ago(tenant: &Tenant, campaign: i64) {
    let statement =
        format!("UPDATE campaign_{campaign}.ledger SET changed_at = changed_at - interval '1 hour'");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut tenant.superuser().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn by_what_their_requests_look_like() {
    let stack = Stack::from_env().unwrap();
    let (tenant, campaign) = sent_campaign(&stack, "people", 2, json!({})).await;
    let mails = wait::until("both mails", async || {
        let mails = tenant.mails();
        (mails.len() == 2).then_some(mails)
    })
    .await;
    let ids: Vec<i64> =
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT id FROM campaign_{campaign}.ledger ORDER BY id")))
            .fetch_all(&mut tenant.superuser().await)
            .await
            .unwrap();
    // The mail's row was written a moment ago, whatever the machine is doing meanwhile.
    let now = format!("UPDATE campaign_{campaign}.ledger SET changed_at = now() + interval '1 minute'");
    sqlx::raw_sql(AssertSqlSafe(now)).execute(&mut tenant.superuser().await).await.unwrap();
    let open = async |mail: &Mail| {
        let url = mail.url_with("/o/").unwrap();
        tenant.http.get(&url, FIREFOX).await.ok_status();
    };
    open(&mails[0]).await;
    wait::until("the open", async || {
        let accounting = tenant.accounting(campaign).await;
        (accounting.number("responses.opened") == 1).then_some(())
    })
    .await;
    let first = if actors(&tenant, campaign, ids[0]).await.is_empty() { ids[1] } else { ids[0] };
    until_told(&tenant, campaign, first, &[("opened", "scanner")]).await;
    sqlx::raw_sql(AssertSqlSafe(format!("UPDATE campaign_{campaign}.ledger SET changed_at = now()")))
        .execute(&mut tenant.superuser().await)
        .await
        .unwrap();
    long_ago(&tenant, campaign).await;
    open(&mails[1]).await;
    let second = if first == ids[0] { ids[1] } else { ids[0] };
    until_told(&tenant, campaign, second, &[("opened", "human")]).await;
    let accounting = tenant.accounting(campaign).await;
    assert_eq!(
        (accounting.number("actors.opened.human"), accounting.number("actors.opened.scanner")),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn by_many_links_at_once() {
    let stack = Stack::from_env().unwrap();
    let (tenant, campaign) = sent_campaign(&stack, "links", 3, json!({})).await;
    long_ago(&tenant, campaign).await;
    let queue = &stack.deployment.queues["track"].url;
    let base = OffsetDateTime::now_utc() - Duration::minutes(30);
    let mut number = 0;
    let mut said = async |mail: i64, kind: &str, link: Option<i32>, after: Duration| {
        number += 1;
        let at = (base + after).format(&Rfc3339).unwrap();
        let mut body = json!({"type": "response.v1", "event": format!("019386a0-0000-7000-8000-{:06x}{number:06x}", campaign),
                              "at": at, "tenant": tenant.id, "campaign": campaign, "mail": mail, "kind": kind, "actor": "human"});
        if let Some(link) = link {
            body["link"] = json!(link);
        }
        tenant.aws.send(queue, &body.to_string()).await;
    };
    // A person: an open, a click, another one half a minute later.
    said(1, "opened", None, Duration::ZERO).await;
    said(1, "clicked", Some(0), Duration::seconds(20)).await;
    said(1, "clicked", Some(1), Duration::seconds(50)).await;
    said(1, "clicked", Some(2), Duration::seconds(55)).await;
    // A program, and the person behind it, a day later; two are stored before the third comes.
    said(2, "clicked", Some(0), Duration::ZERO).await;
    said(2, "clicked", Some(1), Duration::milliseconds(300)).await;
    until_told(&tenant, campaign, 2, &[("clicked", "human"), ("clicked", "human")]).await;
    said(2, "clicked", Some(2), Duration::milliseconds(600)).await;
    until_told(&tenant, campaign, 2, &[("clicked", "scanner"); 3]).await;
    said(2, "clicked", Some(1), Duration::minutes(20)).await;
    until_told(
        &tenant,
        campaign,
        2,
        &[("clicked", "scanner"), ("clicked", "scanner"), ("clicked", "scanner"), ("clicked", "human")],
    )
    .await;
    wait::until_so("the person's four", async || actors(&tenant, campaign, 1).await, |told| told.len() == 4)
        .await;
    assert!(actors(&tenant, campaign, 1).await.iter().all(|(_, actor)| actor == "human"));

    // What is in a file stays as it was told there.
    said(3, "clicked", Some(0), Duration::ZERO).await;
    said(3, "clicked", Some(1), Duration::milliseconds(300)).await;
    until_told(&tenant, campaign, 3, &[("clicked", "human"); 2]).await;
    all_exported(&tenant, campaign).await;
    said(3, "clicked", Some(2), Duration::milliseconds(600)).await;
    until_told(&tenant, campaign, 3, &[("clicked", "human"), ("clicked", "human"), ("clicked", "scanner")])
        .await;
}
