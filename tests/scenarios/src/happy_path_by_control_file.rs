//! A file and its control file, uploaded with OpenSSH's `sftp`, become mails; what happened comes back as files. No log names a recipient.

use serde_json::json;
use testkit::{
    Stack, Tenant,
    csv::Plan,
    tenant::admin,
    verifiers::{Made, verify},
    wait,
};

#[tokio::test(flavor = "multi_thread")]
async fn upload_to_export() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "happy").await;
    let campaign = tenant.campaign("spring").await;
    let profile = json!({"key_column": "Kundennummer", "delimiter": ";"});
    let command =
        json!({"command": "set_import_profile", "slug": tenant.slug, "name": "crm", "profile": profile});
    admin(&stack, command).await;
    let plan =
        Plan { domain: tenant.recipients_domain.clone(), good: 60, bad: 3, duplicates: 4, ..Plan::default() };
    let file = tenant.folder.path().join("list.csv");
    let control = tenant.folder.path().join("list.csv.ctl");
    std::fs::write(&file, plan.write()).unwrap();
    std::fs::write(&control, r#"{"campaign": "spring", "launch": true, "profile": "crm"}"#).unwrap();
    let put = [format!("put {} Incoming/", file.display()), format!("put {} Incoming/", control.display())];
    tenant.sftp().must(&put).await;

    let accounting = tenant.mailed(campaign, plan.rows() as u64).await;
    assert_eq!(accounting.number("imported"), 64);
    assert_eq!(accounting.number("rejected"), 3);
    assert_eq!(accounting.number("duplicates"), 4);
    assert_eq!(accounting.number("ledger.sent"), 60);
    assert!(accounting.balanced(), "{accounting:?}");

    let mails =
        wait::until("60 mails", async || Some(tenant.mails()).filter(|mails| mails.len() == 60)).await;
    verify(&tenant, Made::Usually, &mails).await;
    let mail = mails.iter().find(|mail| mail.recipient.starts_with("Kunde.10@")).unwrap();
    assert!(mail.text().contains("Hello"), "{}", mail.text());
    assert!(mail.header("DKIM-Signature").is_some());
    assert_eq!(mail.header("List-Unsubscribe-Post").as_deref(), Some("List-Unsubscribe=One-Click"));

    let click = mail.url_with("/c/").unwrap();
    let answer = tenant
        .http
        .get(&click, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        .await;
    assert!(answer.headers["location"].to_str().unwrap().starts_with("https://shop.example/"));
    wait::until("the click to be stored", async || {
        (tenant.accounting(campaign).await.number("responses.clicked") == 1).then_some(())
    })
    .await;

    tenant.api("POST", "/v1/exports", None).await.ok();
    let names = wait::until("the export", async || {
        let names = tenant.sftp().list("Exports").await;
        names.iter().any(|name| name.contains("manifest")).then_some(names)
    })
    .await;
    let clicks = names.iter().find(|name| name.contains("clicked")).unwrap();
    let csv = tenant.aws.get(&tenant.bucket, &format!("Exports/{clicks}")).await.unwrap();
    let csv = String::from_utf8(csv).unwrap();
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(csv.contains(&mail.recipient) && csv.contains("K10"), "{csv}");

    assert_eq!(tenant.sftp().list("Incoming").await, Vec::<String>::new());
    assert_eq!(tenant.sftp().list("Finished").await, ["list.csv"]);
    assert_eq!(tenant.sftp().list("Invalids").await, ["list.csv.errors.csv"]);
    no_log_names(&stack, &tenant.recipients_domain);
    tenant.all_is_well(campaign).await;
}

/// All logs but the sink's, which plays the recipients' mail servers.
fn no_log_names(stack: &Stack, domain: &str) {
    let mut read = 0;
    for entry in std::fs::read_dir(&stack.log_dir).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains("sink") {
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
        let line = text.lines().find(|line| line.contains(domain) && line.contains('@'));
        assert!(line.is_none(), "{name} names a recipient: {}", line.unwrap_or_default());
        read += 1;
    }
    assert!(read > 3, "only {read} logs were read");
}
