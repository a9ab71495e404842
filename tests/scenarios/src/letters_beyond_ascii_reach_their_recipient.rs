//! An address with letters beyond ASCII before the `@` gets its mail through a relay that takes such addresses, comes back in exports, and can
//! unsubscribe. Through a relay that takes none, its row ends as refused, with the reason, and everybody else gets their mail.

use serde_json::json;
use testkit::{Stack, Tenant, mailbox::Mail, own, wait};

#[tokio::test(flavor = "multi_thread")]
async fn through_a_relay_that_takes_them() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "beyond").await;
    let campaign = tenant.campaign("spring").await;
    let domain = &tenant.recipients_domain;
    // The second is the first, typed in capitals, its letter in two characters.
    let locals = ["mü.ller", "MU\u{308}.LLER", "anna", "用户", "unknown-user-ü"];
    tenant.put("list.csv", file(domain, &locals)).await;
    tenant.control("list.csv", "spring", true).await;

    let accounting = tenant.mailed(campaign, 5).await;
    assert_eq!((accounting.number("duplicates"), accounting.number("ledger.sent")), (1, 4), "{accounting:?}");
    let mails =
        wait::until("three mails", async || Some(tenant.mails()).filter(|mails| mails.len() == 3)).await;
    let mail = to(&mails, &format!("mü.ller@{domain}"));
    assert_eq!(mail.header("To").unwrap(), format!("<mü.ller@{domain}>"));
    assert!(mail.header("DKIM-Signature").is_some() && mail.return_path.is_ascii());
    to(&mails, &format!("用户@{domain}"));

    // What Postfix reports of such an address is understood, and names it nowhere.
    wait::until("the bounce", async || {
        (tenant.accounting(campaign).await.number("responses.bounced") == 1).then_some(())
    })
    .await;
    let (class, diagnostic): (String, String) = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT class, diagnostic FROM campaign_{campaign}.responses WHERE kind = 'bounced'"
    )))
    .fetch_one(&mut tenant.superuser().await)
    .await
    .unwrap();
    assert_eq!(class, "hard");
    assert!(
        diagnostic.contains("550") && diagnostic.is_ascii() && !diagnostic.contains(domain),
        "{diagnostic}"
    );

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let url = mail.one_click().unwrap();
    let answer = tenant.http.send("POST", &url, &form, "List-Unsubscribe=One-Click").await;
    assert!(answer.status.is_success());
    wait::until("the response", async || {
        (tenant.accounting(campaign).await.number("responses.unsubscribed") == 1).then_some(())
    })
    .await;
    tenant.api("POST", "/v1/exports", None).await.ok();
    let name = wait::until("the export", async || {
        let names = tenant.aws.keys(&tenant.bucket, "Exports/").await;
        names.iter().any(|name| name.contains("manifest")).then_some(())?;
        names.into_iter().find(|name| name.contains("unsubscribed"))
    })
    .await;
    let export = String::from_utf8(tenant.aws.get(&tenant.bucket, &name).await.unwrap()).unwrap();
    assert!(export.contains(&mail.recipient), "{export}");

    // Another import spells it in another way, and must not bring it back.
    let second = tenant.campaign("summer").await;
    tenant.put("again.csv", file(domain, &["MÜ.ller", "anna"])).await;
    tenant.control("again.csv", "summer", true).await;
    let accounting = tenant.mailed(second, 2).await;
    assert_eq!((accounting.number("ledger.suppressed"), accounting.number("ledger.sent")), (1, 1));
    wait::until("one mail more", async || (tenant.mails().len() == 4).then_some(())).await;
    for campaign in [campaign, second] {
        tenant.all_is_well(campaign).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_relay_that_takes_none() {
    // The sink itself is the relay; to who greets it by such a name it is one of old.
    let main = Stack::from_env().unwrap();
    let variables =
        [("RELAY_URL", main.sink_url.clone()), ("BOUNCE_DOMAIN", "ascii-only.bounces.example".to_owned())];
    let stack = own::deploy_with(&main, "ascii", &["import", "generate", "send"], &variables).await;

    let tenant = Tenant::new(&stack, "ascii").await;
    let campaign = tenant.campaign("spring").await;
    let domain = &tenant.recipients_domain;
    let others: Vec<String> = (0..30).map(|n| format!("kunde.{n}")).collect();
    let locals: Vec<&str> =
        ["mü.ller"].into_iter().chain(others.iter().map(String::as_str)).chain(["用户"]).collect();
    tenant.put("list.csv", file(domain, &locals)).await;
    tenant.put("list.csv.ctl", json!({"campaign": "spring", "launch": true}).to_string()).await;

    let accounting = tenant.mailed(campaign, 32).await;
    assert_eq!(
        (accounting.number("ledger.sent"), accounting.number("ledger.refused")),
        (30, 2),
        "{accounting:?}"
    );
    let rows: Vec<(i16, String)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT attempt, reply FROM campaign_{campaign}.ledger WHERE state = 'refused'"
    )))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap();
    for (attempt, reply) in rows {
        assert_eq!(attempt, 0, "it was never offered");
        assert!(reply.contains("SMTPUTF8") && reply.is_ascii(), "{reply}");
    }
    let mails =
        wait::until("30 mails", async || Some(tenant.mails()).filter(|mails| mails.len() == 30)).await;
    assert!(mails.iter().all(|mail| mail.recipient.starts_with("kunde.")));
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}

/// With all columns that the tests' template uses.
fn file(domain: &str, locals: &[&str]) -> String {
    let rows = locals.iter().map(|local| format!("{local}@{domain},Jo,Doe,K1\n"));
    format!("email,vorname,nachname,kundennummer\n{}", rows.collect::<String>())
}

fn to<'m>(mails: &'m [Mail], recipient: &str) -> &'m Mail {
    let found: Vec<&Mail> = mails.iter().filter(|mail| mail.recipient == recipient).collect();
    assert_eq!(found.len(), 1, "mails to {recipient}");
    found[0]
}
