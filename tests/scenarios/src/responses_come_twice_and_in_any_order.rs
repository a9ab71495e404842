//! Every response is delivered twice, late, and in no order: each is stored once, and means what it says. Soft bounces add up over campaigns.

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use testkit::{
    Stack, Tenant,
    exports::{all_exported, sent_campaign},
    random::Random,
    wait,
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::everything_is_deleted_on_time::sweep;

/// Puts an object into the reports bucket, where the bucket's notification finds it.
async fn report(tenant: &Tenant, name: &str, body: &str) {
    tenant
        .aws
        .put(&tenant.stack.deployment.buckets["reports"], &format!("test/{}-{name}", tenant.slug), body)
        .await;
}

/// A log record of `KumoMTA`.
fn record(
    kind: &str,
    return_path: &str,
    recipient: &str,
    code: u16,
    status: [u16; 3],
    words: &str,
) -> String {
    let [class, subject, detail] = status;
    json!({"type": kind, "id": "1d98076abbbc11ed940250ebf67f93bd", "sender": return_path, "recipient": recipient,
           "timestamp": OffsetDateTime::now_utc().unix_timestamp(),
           "response": {"code": code, "enhanced_code": {"class": class, "subject": subject, "detail": detail}, "content": words}})
    .to_string()
}

async fn responses(tenant: &Tenant, campaign: i64) -> Vec<(String, Option<String>, i64)> {
    sqlx::query_as(AssertSqlSafe(format!(
        "SELECT kind, class, count(*) FROM campaign_{campaign}.responses GROUP BY 1, 2 ORDER BY 1, 2"
    )))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_stored_once() {
    let stack = Stack::from_env().unwrap();
    let (tenant, campaign) = sent_campaign(&stack, "twice", 12, json!({})).await;
    let mails = wait::until("the mails", async || {
        let mails = tenant.mails();
        (mails.len() == 12).then_some(mails)
    })
    .await;
    let queue = &stack.deployment.queues["track"].url;
    let now = OffsetDateTime::now_utc();
    let mut messages: Vec<Value> = Vec::new();
    for mail in 1..=12 {
        for (n, kind) in (0_i32..).zip(["opened", "clicked", "opened"]) {
            let at = (now - Duration::minutes(i64::from(mail))).format(&Rfc3339).unwrap();
            let mut message = json!({"type": "response.v1", "event": format!("019386a1-0000-7000-8000-{campaign:06x}{:06x}", mail * 10 + n),
                                     "at": at, "tenant": tenant.id, "campaign": campaign, "mail": mail, "kind": kind, "actor": "human"});
            if kind == "clicked" {
                message["link"] = json!(0);
            }
            messages.push(message);
        }
    }
    let mut twice: Vec<Value> = messages.iter().chain(&messages).cloned().collect();
    let mut random = Random::from_env();
    for place in (1..twice.len()).rev() {
        twice.swap(place, random.below(place + 1));
    }
    for message in &twice {
        tenant.aws.send(queue, &message.to_string()).await;
    }
    // A mail is delivered, then bounces after all, and both are told again, the later one first. They name another recipient than the mail has.
    let path = &mails[0].return_path;
    let recipient = &mails[1].recipient;
    let delivered = record("Delivery", path, recipient, 250, [2, 0, 0], "OK");
    let bounced = record("OOB", path, recipient, 550, [5, 1, 1], "user unknown");
    for (n, lines) in [[&bounced, &delivered], [&delivered, &bounced]].iter().enumerate() {
        report(&tenant, &format!("{n}.json"), &format!("{}\n{}\n", lines[0], lines[1])).await;
    }
    let expected = [
        ("bounced".to_owned(), Some("hard".to_owned()), 1),
        ("clicked".to_owned(), None, 12),
        ("delivered".to_owned(), None, 1),
        ("opened".to_owned(), None, 24),
    ];
    wait::until_so("all of them", async || responses(&tenant, campaign).await, |rows| *rows == expected)
        .await;
    wait::until("all messages to be read", async || (tenant.aws.depth(queue).await == (0, 0)).then_some(()))
        .await;
    // Long after: as stored, and nothing more.
    for message in &messages[..5] {
        tenant.aws.send(queue, &message.to_string()).await;
    }
    wait::until("the late ones to be read", async || (tenant.aws.depth(queue).await == (0, 0)).then_some(()))
        .await;
    assert_eq!(responses(&tenant, campaign).await, expected);
    let import = tenant.imports(campaign).await[0]["id"].clone();
    let bounced: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT r.address FROM broadcast.suppressions s JOIN campaign_{campaign}.recipients_{import} r USING (address_key)"
    )))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap();
    assert_eq!(bounced, [mails[0].recipient.clone()], "whose mail it is tells the token, not the report");

    // The report counts mails, each once. All of it was before the mails were sent, so no person did it.
    let report = tenant.api("GET", &format!("/v1/campaigns/{campaign}/responses"), None).await.ok();
    let figures = json!({"sent": 12, "delivered": 1, "bounced": 1, "complained": 0, "opened": 12, "opened_by_people": 0, "clicked": 12,
                         "clicked_by_people": 0, "unsubscribed": 0});
    assert_eq!(report["totals"], figures);
    assert_eq!(
        (&report["rates"]["bounced"], &report["rates"]["opened_by_people"]),
        (&json!(0.0833), &json!(0.0))
    );
    assert_eq!(report["links"][0]["mails"], 12);
    let by_domain =
        tenant.api("GET", &format!("/v1/campaigns/{campaign}/responses/domains"), None).await.ok();
    let mut domain = figures.clone();
    domain["domain"] = json!(tenant.recipients_domain);
    assert_eq!(by_domain, json!({"domains": 1, "items": [domain]}));
    all_exported(&tenant, campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn soft_bounces_add_up() {
    let stack = Stack::from_env().unwrap();
    let settings = json!({"soft_bounces_max": 2, "soft_bounce_days": 7});
    let (tenant, first) = sent_campaign(&stack, "softly", 2, settings).await;
    let suppressed = async || {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM broadcast.suppressions WHERE tenant_id = $1")
                .bind(tenant.id)
                .fetch_one(&mut tenant.superuser().await)
                .await
                .unwrap();
        count
    };
    let full = |path: &str, to: &str| record("Bounce", path, to, 452, [4, 2, 2], "mailbox full");
    let bounce = async |campaign: i64, mails: usize| {
        let mails = wait::until("the mails", async || {
            let all = tenant.mails();
            (all.len() == mails).then_some(all)
        })
        .await;
        // One of the two people; what was told of an earlier campaign is told again.
        let mine: Vec<_> = mails.iter().filter(|mail| mail.recipient == mails[0].recipient).collect();
        for (n, mail) in mine.iter().enumerate() {
            let name = format!("{campaign}-{n}.json");
            report(&tenant, &name, &full(&mail.return_path, &mail.recipient)).await;
        }
        wait::until_so(
            "the soft bounce",
            async || responses(&tenant, campaign).await,
            |rows| *rows == [("bounced".to_owned(), Some("soft".to_owned()), 1)],
        )
        .await;
    };
    bounce(first, 2).await;
    assert_eq!(suppressed().await, 0, "one is not two");

    let launched = async |name: &str| {
        let campaign = tenant.campaign(name).await;
        let list = tenant.aws.get(&tenant.bucket, "Finished/list.csv").await.unwrap();
        tenant.put(&format!("{name}.csv"), list).await;
        tenant.control(&format!("{name}.csv"), name, true).await;
        (campaign, tenant.mailed(campaign, 2).await)
    };
    let (second, accounting) = launched("summer").await;
    assert_eq!(accounting.number("ledger.sent"), 2);
    bounce(second, 4).await;
    wait::until("the address to be suppressed", async || (suppressed().await == 1).then_some(())).await;
    let (_, accounting) = launched("autumn").await;
    assert_eq!((accounting.number("ledger.suppressed"), accounting.number("ledger.sent")), (1, 1));

    // What counts no more is forgotten; whom it suppressed stays so.
    let counted = "SELECT count(*) FROM broadcast.soft_bounces WHERE tenant_id = $1";
    wait::until_so(
        "the soft bounces to be forgotten",
        async || {
            sweep(&tenant, OffsetDateTime::now_utc() + Duration::days(8)).await;
            let count: i64 = sqlx::query_scalar(counted)
                .bind(tenant.id)
                .fetch_one(&mut tenant.superuser().await)
                .await
                .unwrap();
            count
        },
        |count| *count == 0,
    )
    .await;
    assert_eq!(suppressed().await, 1);
}
