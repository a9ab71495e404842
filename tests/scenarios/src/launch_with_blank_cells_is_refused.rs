//! Nobody gets a mail that begins with "Dear ,": a launch whose template shows a field that is blank in some rows does not start.

use serde_json::json;
use testkit::{Stack, Tenant, wait};

#[tokio::test(flavor = "multi_thread")]
async fn with_the_words_that_the_preview_has() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "blank").await;
    let campaign = tenant.campaign("spring").await;
    let domain = &tenant.recipients_domain;
    let rows = ["ann;Dr.;Ann", "bob;;Bob", "carl; ;Carl", "dora;;", "eve;Dr.;Eve"];
    let rows: String = rows.iter().map(|row| row.replacen(';', &format!("@{domain};"), 1) + "\n").collect();
    tenant.put("list.csv", format!("email;title;first name\n{rows}")).await;
    tenant.control("list.csv", "spring", false).await;
    wait::until("the import", async || {
        tenant
            .imports(campaign)
            .await
            .first()
            .is_some_and(|import| import["state"] == "finished")
            .then_some(())
    })
    .await;

    let template = |html: &str| {
        json!({"from_address": format!("news@{}", tenant.domain), "subject": "Hello {{ first_name|default('you') }}",
               "html": format!("<p>Dear\n{html}</p>{{{{ unsubscribe_url }}}}")})
    };
    let path = format!("/v1/campaigns/{campaign}/template");
    let launched = async || {
        let launch =
            tenant.api("POST", &format!("/v1/campaigns/{campaign}/launches"), None).await.ok()["id"].clone();
        wait::until("the end of the launch", async || {
            let launch = tenant.api("GET", &format!("/v1/launches/{launch}"), None).await.ok();
            (!launch["ended_at"].is_null()).then_some(launch)
        })
        .await
    };
    let table = [
        (
            "{{ title }} {{ first_name|default('you') }}",
            "The template's html needs the field \"title\" in line 2, but cells of it are blank: 3 of them, the first in line 3 of the file.",
        ),
        (
            "{% if title %}{{ title }}{% endif %}\n{{ first_name|upper }}",
            "The template's html needs the field \"first_name\" in line 3, but cells of it are blank: 1 of them, the first in line 5 of the file.",
        ),
    ];
    for (html, words) in table {
        tenant.api("PUT", &path, Some(template(html))).await.ok();
        let launch = launched().await;
        assert_eq!(
            (&launch["state"], &launch["reason_code"]),
            (&json!("failed"), &json!("template_field_blank"))
        );
        assert_eq!(launch["reason"], words);
        // The same for whom it concerns; others are shown their mail.
        let preview = format!("{path}/preview");
        let answer = tenant.api("POST", &preview, Some(json!({"line": 5}))).await;
        assert_eq!((answer.status.as_u16(), answer.json()["detail"].clone()), (422, json!(words)));
        tenant.api("POST", &preview, Some(json!({"line": 2}))).await.ok();
    }
    assert!(tenant.mails().is_empty());

    // Who asks before may leave cells blank.
    let html = "{% if title == 'Dr.' %}Dr. {% endif %}{% if first_name %}{{ first_name }}{% else %}friend{% endif %},";
    tenant.api("PUT", &path, Some(template(html))).await.ok();
    assert_eq!(launched().await["state"], "done");
    let mails =
        wait::until("five mails", async || Some(tenant.mails()).filter(|mails| mails.len() == 5)).await;
    for (name, words) in [("ann", "Dear\nDr. Ann,"), ("carl", "Dear\nCarl,"), ("dora", "Dear\nfriend,")] {
        let mail = mails.iter().find(|mail| mail.recipient.starts_with(name)).unwrap();
        assert!(mail.text().replace("\r\n", "\n").contains(words), "{}", mail.text());
    }

    // Who was mailed already is not asked again.
    tenant.put("more.csv", format!("email;title;first name\nfrida@{domain};Dr.;Frida\n")).await;
    tenant.control("more.csv", "spring", false).await;
    wait::until("the second import", async || {
        let imports = tenant.imports(campaign).await;
        (imports.len() == 2 && imports.iter().all(|import| import["state"] == "finished")).then_some(())
    })
    .await;
    tenant.api("PUT", &path, Some(template("{{ title }} {{ first_name }}"))).await.ok();
    assert_eq!(launched().await["state"], "done");
    wait::until("a sixth mail", async || (tenant.mails().len() == 6).then_some(())).await;
    tenant.all_is_well(campaign).await;
}
