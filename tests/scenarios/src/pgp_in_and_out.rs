//! A file encrypted by `gpg` is imported; exports are encrypted so that `gpg` opens them; a damaged one is refused whole.

use serde_json::json;
use testkit::{Stack, Tenant, csv::Plan, gpg::Gpg, tenant::admin, wait};

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_upload_and_export() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::with(&stack, "pgp", json!({"encrypt_exports": true})).await;
    let gpg = Gpg::new();
    let customer = gpg.generate("customer@pgp.example");
    gpg.import(&tenant.pgp_key);
    admin(&stack, json!({"command": "add_pgp_key", "slug": tenant.slug, "purpose": "recipient", "public_key": customer})).await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 30, ..Plan::default() };
    let file = tenant.folder.path().join("list.csv");
    std::fs::write(&file, plan.write()).unwrap();
    let encrypted = std::fs::read(gpg.encrypt(&file, &tenant.slug)).unwrap();
    tenant.put("list.csv.pgp", encrypted.clone()).await;
    tenant.control("list.csv.pgp", "spring", true).await;
    tenant.mailed(campaign, 30).await;

    let mails =
        wait::until("30 mails", async || Some(tenant.mails()).filter(|mails| mails.len() == 30)).await;
    let answer = tenant.http.get(&mails[0].url_with("/o/").unwrap(), "Mozilla/5.0 Firefox/140.0").await;
    assert_eq!(answer.headers["content-type"], "image/gif");
    wait::until("the open", async || {
        (tenant.accounting(campaign).await.number("responses.opened") == 1).then_some(())
    })
    .await;
    tenant.api("POST", "/v1/exports", None).await.ok();
    let name = wait::until("the encrypted export", async || {
        tenant.sftp().list("Exports").await.into_iter().find(|name| name.contains("opened"))
    })
    .await;
    assert!(name.ends_with(".csv.pgp"), "{name}");
    let local = tenant.folder.path().join(&name);
    tenant.sftp().must(&[format!("get Exports/{name} {}", local.display())]).await;
    let csv = String::from_utf8(gpg.decrypt(&local)).unwrap();
    assert!(csv.contains(&mails[0].recipient), "{csv}");

    // The same file with one byte turned: nothing of it is imported.
    let mut damaged = encrypted;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    tenant.put("damaged.csv.pgp", damaged).await;
    tenant.control("damaged.csv.pgp", "spring", true).await;
    let import = wait::until("the refusal", async || {
        tenant.imports(campaign).await.into_iter().find(|import| import["state"] == "refused")
    })
    .await;
    assert_eq!(import["reason_code"], "pgp_damaged", "{import}");
    let invalids = tenant.sftp().list("Invalids").await;
    assert!(invalids.contains(&"damaged.csv.pgp".to_owned()), "{invalids:?}");
    assert_eq!(tenant.accounting(campaign).await.number("imported"), 30);
    tenant.all_is_well(campaign).await;
}
