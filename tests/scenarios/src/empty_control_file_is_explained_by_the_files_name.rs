//! Who comes from a system whose control files are empty keeps them, the names of the files, and templates with `$$FIELD$$`.

use serde_json::json;
use testkit::{Stack, Tenant, tenant::admin, wait};

#[tokio::test(flavor = "multi_thread")]
async fn campaign_and_profile() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "empty").await;
    let campaign = tenant.campaign("spring-sale").await;
    let template = json!({"from_name": "Acme", "from_address": format!("news@{}", tenant.domain), "subject": "For $$FIRST NAME$$",
                          "html": "<html><body><p>Dear $$FIRST NAME$$, {{ city|default('') }}</p><a href='{{ unsubscribe_url }}'>off</a></body></html>"});
    tenant.api("PUT", &format!("/v1/campaigns/{campaign}/template"), Some(template)).await.ok();
    // Without a header: what the columns are is the profile's to say.
    let profile = json!({"delimiter": "\t", "header": false, "charset": "iso-8859-15",
                         "mapping": {"1": "email", "2": "First name", "3": "City"}});
    let command =
        json!({"command": "set_import_profile", "slug": tenant.slug, "name": "crm", "profile": profile});
    admin(&stack, command).await;

    let name = "4711-spring-sale-crm-20261123120000.csv";
    let list = format!("anna@{0}\tAnna\tK\u{f6}ln\r\ncarl@{0}\tCarl\t\r\n", tenant.recipients_domain);
    // ISO-8859-15 is Unicode's first page for these letters.
    let bytes: Vec<u8> = list.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    tenant.put(name, bytes).await;
    tenant.put(&format!("{name}.ctl"), "").await;
    wait::until("the import", async || {
        let refused = tenant.refused_imports(campaign).await;
        assert!(refused.is_empty(), "{refused:?}");
        (tenant.accounting(campaign).await.number("imported") == 2).then_some(())
    })
    .await;
    tenant.api("POST", &format!("/v1/campaigns/{campaign}/launches"), None).await.ok();
    tenant.mailed(campaign, 2).await;
    let mails =
        wait::until("two mails", async || Some(tenant.mails()).filter(|mails| mails.len() == 2)).await;
    let anna = mails.iter().find(|mail| mail.recipient.starts_with("anna@")).unwrap();
    assert_eq!(anna.header("Subject").as_deref(), Some("For Anna"));
    assert!(anna.text().contains("Dear Anna, K\u{f6}ln"), "{}", anna.text());
    tenant.all_is_well(campaign).await;

    // A name that says nothing is answered, and the file waits for a control file that does.
    tenant.put("list.csv", "email\r\na@b.example\r\n").await;
    tenant.put("list.csv.ctl", "").await;
    let report = wait::until("the answer", async || {
        tenant.aws.get(&tenant.bucket, "Invalids/list.csv.ctl.errors.csv").await
    })
    .await;
    let report = String::from_utf8(report).unwrap();
    assert!(report.contains("control_name") && report.contains("EXTERNALID-CAMPAIGN-PROFILE-"), "{report}");
    assert_eq!(tenant.aws.keys(&tenant.bucket, "Incoming/").await, ["Incoming/list.csv"]);
}
