//! A tenant's receiver is told when imports, launches and exports end, in ids and counts, and of nobody's data.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::{Stack, Tenant, csv::Plan, receiver::Receiver, wait};

use crate::webhooks::{ALL, Webhook, nudge};

/// Waits for the event of this type about this id; its data.
async fn event(receiver: &Receiver, kind: &str, what: &str, id: i64) -> Value {
    wait::until(&format!("{kind} of {id}"), async || {
        let told = receiver.told().into_iter().map(|told| told.json());
        let mut ours = told.filter(|told| told["type"] == kind && told["data"][what] == id);
        ours.next().map(|event| event["data"].clone())
    })
    .await
}

/// Waits for the end of the campaign's launch, of which nobody sends a message: the schedule's comes within a minute.
async fn launch_of(tenant: &Tenant, campaign: i64) -> i64 {
    let launch = wait::until("the launch's end", async || {
        let launches = tenant.api("GET", &format!("/v1/campaigns/{campaign}/launches"), None).await.ok();
        let launch = &launches["items"][0];
        launch["id"].as_i64().filter(|_| !launch["ended_at"].is_null())
    })
    .await;
    nudge(tenant).await;
    launch
}

#[tokio::test(flavor = "multi_thread")]
async fn in_ids_and_counts() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "hooks").await;
    let receiver = Receiver::start(&stack, "127.0.0.1", &[]).await;
    let webhook = Webhook::new(&tenant, &receiver.url(), &ALL).await;
    let exports_alone = Receiver::start(&stack, "127.0.0.1", &[]).await;
    Webhook::new(&tenant, &exports_alone.url(), &["export.ready"]).await;

    // A launch whose template names columns that its file has not.
    let bare = tenant.campaign("nobody at all").await;
    tenant.put("nobody.csv", format!("email\r\na@{}\r\n", tenant.recipients_domain)).await;
    tenant.control("nobody.csv", "nobody at all", true).await;
    let launch = launch_of(&tenant, bare).await;
    assert_eq!(
        event(&receiver, "launch.ended", "launch", launch).await,
        json!({"launch": launch, "campaign": bare, "state": "failed", "reason_code": "template_field"})
    );

    // A whole mailing.
    let campaign = tenant.campaign("members of the party").await;
    let domain = tenant.recipients_domain.clone();
    let plan = Plan { domain, good: 12, bad: 1, duplicates: 2, ..Plan::default() };
    tenant.put("party members.csv", plan.write()).await;
    tenant.control("party members.csv", "members of the party", true).await;
    tenant.mailed(campaign, 15).await;
    let import = tenant.imports(campaign).await[0]["id"].as_i64().unwrap();
    assert_eq!(
        event(&receiver, "import.ended", "import", import).await,
        json!({"import": import, "campaign": campaign, "state": "finished", "reason_code": null,
               "rows": 15, "imported": 14, "rejected": 1, "duplicates": 2})
    );
    let launch = launch_of(&tenant, campaign).await;
    assert_eq!(
        event(&receiver, "launch.ended", "launch", launch).await,
        json!({"launch": launch, "campaign": campaign, "state": "done", "reason_code": null})
    );

    // A file that is refused.
    tenant.put("more members.csv", "email\r\nnobody\r\nno one\r\n").await;
    tenant.control("more members.csv", "members of the party", true).await;
    let refused = wait::until("the refusal", async || {
        tenant.imports(campaign).await.into_iter().find(|import| import["state"] == "refused")
    })
    .await;
    let refused = refused["id"].as_i64().unwrap();
    let told = event(&receiver, "import.ended", "import", refused).await;
    assert_eq!((&told["state"], &told["reason_code"]), (&json!("refused"), &json!("file_too_many_bad_rows")));

    // A response, and its export.
    let mails =
        wait::until("12 mails", async || Some(tenant.mails()).filter(|mails| mails.len() == 12)).await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let unsubscribe = mails[0].one_click().unwrap();
    tenant.http.send("POST", &unsubscribe, &form, "List-Unsubscribe=One-Click").await.ok_status();
    wait::until("the response", async || {
        (tenant.accounting(campaign).await.number("responses.unsubscribed") == 1).then_some(())
    })
    .await;
    let export = wait::until("the export", async || {
        tenant.api("POST", "/v1/exports", None).await.ok();
        let told = receiver.told().into_iter().map(|told| told.json());
        told.filter(|told| told["type"] == "export.ready" && told["data"]["campaign"] == campaign).last()
    })
    .await;
    assert!(export["data"]["rows"].as_i64().unwrap() >= 1, "{export}");
    assert!(export["data"]["export"].as_i64().is_some(), "{export}");

    let told = receiver.told();
    let kinds: BTreeSet<String> =
        told.iter().map(|told| told.json()["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ALL.iter().map(|kind| (*kind).to_owned()).collect());
    for one in &told {
        assert!(webhook.has_signed(one), "{one:?}");
        let all = format!("{one:?}");
        let address = mails[0].recipient.as_str();
        for personal in ["@", "party", "members", "nobody", address, &tenant.recipients_domain, &tenant.slug]
        {
            assert!(!all.contains(personal), "{personal} in {all}");
        }
    }
    wait::until("the other webhook", async || (!exports_alone.told().is_empty()).then_some(())).await;
    assert!(exports_alone.told().iter().all(|told| told.json()["type"] == "export.ready"));
    tenant.all_is_well(campaign).await;
}
