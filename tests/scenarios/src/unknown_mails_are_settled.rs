//! A mail in doubt is settled by evidence, or by a person's word: then it is sent, or the campaign's next launch mails it. Evidence goes before a
//! word.

use std::fmt::Write as _;

use serde_json::{Value, json};
use testkit::{Stack, Tenant, own, wait};

use crate::launch_starts_at_its_time::Launches;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// Their answers are lost; the sink has their mails.
const LOST: usize = 5;

fn copies(tenant: &Tenant, number: usize) -> usize {
    let recipient = format!("lost-answer-{number}@{}", tenant.recipients_domain);
    tenant.mails().iter().filter(|mail| mail.recipient == recipient).count()
}

/// The first slice's message.
async fn hand_over(tenant: &Tenant, campaign: i64) {
    let launch = Launches::of(tenant, campaign).newest().await;
    let message = json!({"type": "slice.v1", "tenant": tenant.id, "campaign": campaign, "launch": launch.0, "slice": 0});
    tenant.aws.send(&tenant.stack.deployment.queues["send"].url, &message.to_string()).await;
}

async fn opened(tenant: &Tenant, number: usize) {
    let recipient = format!("lost-answer-{number}@{}", tenant.recipients_domain);
    let mail = tenant.mails().into_iter().find(|mail| mail.recipient == recipient).unwrap();
    let linked = Stack::from_env().unwrap().collect_url;
    let url = mail.url_with("/o/").unwrap().replacen(&linked, &tenant.stack.collect_url, 1);
    tenant.http.get(&url, FIREFOX).await.ok_status();
}

#[tokio::test(flavor = "multi_thread")]
async fn by_evidence_or_by_word() {
    let main = Stack::from_env().unwrap();
    let functions = ["import", "generate", "send", "collect", "track"];
    let relay = [("RELAY_URL", main.sink_url.clone())];
    let stack = own::deploy_with(&main, "doubt", &functions, &relay).await;
    let tenant = Tenant::new(&stack, "doubt").await;
    let campaign = tenant.campaign("spring").await;
    let mut csv = String::from("Kundennummer;E-Mail;Vorname;Nachname;Notiz\r\nK;anna@");
    write!(csv, "{};Anna;Ander;\r\n", tenant.recipients_domain).unwrap();
    for number in 0..LOST {
        write!(csv, "K{number};lost-answer-{number}@{};Lou;Lost;\r\n", tenant.recipients_domain).unwrap();
    }
    tenant.put("list.csv", csv).await;
    tenant.control("list.csv", "spring", true).await;
    let sums = async || {
        let sums = tenant.accounting(campaign).await;
        assert!(sums.balanced(), "{sums:?}");
        ["sent", "unknown", "failed"].map(|state| sums.number(&format!("ledger.{state}")))
    };
    let until = async |expected: [u64; 3]| {
        wait::until_so("the sums", async || sums().await, |sums| *sums == expected).await;
    };
    wait::until("every mail to have been handed over", async || {
        let sums = tenant.accounting(campaign).await;
        // A connection that breaks leaves the mail that it had chosen next to the schedule, which this deployment has not.
        if sums.number("ledger.spooled") > 0 && sums.number("ledger.sending") == 0 {
            hand_over(&tenant, campaign).await;
        }
        sums.settled().then_some(())
    })
    .await;
    assert_eq!(sums().await, [1, LOST as u64, 0]);

    let path = format!("/v1/campaigns/{campaign}/unknown-mails");
    let page = tenant.api("GET", &format!("{path}?limit=3"), None).await.ok();
    let rest = tenant.api("GET", &format!("{path}?limit=3&after={}", page["next"]), None).await.ok();
    assert_eq!((page["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (3, 2));
    let mut mails: Vec<&Value> =
        [&page, &rest].into_iter().flat_map(|page| page["items"].as_array().unwrap()).collect();
    assert!(
        mails.iter().all(|mail| mail["reply"].is_string() && !mail.to_string().contains('@')),
        "{mails:?}"
    );
    mails.sort_by_key(|mail| mail["line"].as_i64());
    let ids: Vec<i64> = mails.iter().map(|mail| mail["id"].as_i64().unwrap()).collect();

    let settle = async |word: &str, mails: Option<&[i64]>| {
        let mut body = json!({"as": word});
        if let Some(mails) = mails {
            body["mails"] = json!(mails);
        }
        tenant.api("POST", &format!("{path}/settlement"), Some(body)).await.ok()["settled"].as_u64().unwrap()
    };
    // The first by evidence: the word for it comes too late.
    opened(&tenant, 0).await;
    until([2, LOST as u64 - 1, 0]).await;
    assert_eq!(settle("not_sent", Some(&ids[..1])).await, 0);
    assert_eq!(settle("sent", Some(&ids[1..2])).await, 1);
    assert_eq!(settle("sent", Some(&ids[1..2])).await, 0);
    assert_eq!(sums().await, [3, 2 + 1, 0]);
    // The third and the fourth by a word, against which the evidence of the fourth stands up.
    assert_eq!(settle("not_sent", Some(&ids[2..4])).await, 2);
    assert_eq!(sums().await, [3, 1, 2]);
    opened(&tenant, 3).await;
    until([4, 1, 1]).await;

    // The next launch mails the third alone.
    let launches = Launches::of(&tenant, campaign);
    launches.until_ended(launches.newest().await, "done").await;
    let second = launches.schedule(None).await;
    launches.until_ended(second, "done").await;
    assert_eq!(sums().await, [4, 2, 0]);
    assert_eq!((0..LOST).map(|number| copies(&tenant, number)).collect::<Vec<_>>(), [1, 1, 2, 1, 1]);
    // All that are left.
    assert_eq!(settle("sent", None).await, 2);
    assert_eq!(sums().await, [6, 0, 0]);
    let none = tenant.api("GET", &path, None).await.ok();
    assert_eq!(none, json!({"items": [], "next": null}));
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}
