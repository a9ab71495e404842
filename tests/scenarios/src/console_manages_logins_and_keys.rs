//! A tenant's administrator adds and removes what logs in to the File Exchange and what encrypts its files, and makes API keys; each works, or
//! works no more, at once. Secrets are shown once.

use localstack::Stack;
use serde_json::Value;
use testkit::{
    Tenant,
    browser::{Browser, Page, User},
    chromium,
    gpg::Gpg,
    sftp::{self, Login, Sftp},
    wait,
};

async fn logged_in(name: &str) -> (Tenant, Browser) {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, name).await;
    let mut browser = Browser::new(&stack);
    browser.log_in(&User::new(&stack, Some(tenant.id), "admin").await).await;
    (tenant, browser)
}

/// What stands in the element with this id.
fn shown(page: &Page, id: &str) -> String {
    let (_, rest) =
        page.text.split_once(&format!("id=\"{id}\">")).unwrap_or_else(|| panic!("{id}: {}", page.text));
    rest.split('<').next().unwrap().to_owned()
}

/// Where the page leads to remove something, the last one.
fn last_link(page: &Page, end: &str) -> String {
    let (before, _) =
        page.text.rsplit_once(&format!("{end}\"")).unwrap_or_else(|| panic!("{end}: {}", page.text));
    format!("{}{end}", before.rsplit_once('"').unwrap().1)
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_keys() {
    const FORM: &str = "/files/logins/ssh-keys";
    let (tenant, mut screenless) = logged_in("ssh").await;
    let folder = tempfile::tempdir().unwrap();
    let (private, public) = sftp::keygen(folder.path());
    let page = screenless.get(FORM).await;
    let refused = screenless.submit(&page, FORM, &[("public_key", &public), ("sources", "10.0.0.1/8")]).await;
    refused.must_be(FORM, 422);
    assert!(refused.text.contains("id=\"field-sources-wrong\""), "{}", refused.text);

    let browser = chromium::Browser::start().await;
    browser.adopt(&screenless, &tenant.stack.console_url).await;
    browser.go(&format!("{}/files", tenant.stack.console_url)).await;
    browser.press("Logins and keys").await;
    browser.press("Add an SSH key").await;
    browser.fill("Public key", "-----BEGIN OPENSSH PRIVATE KEY-----").await;
    browser.press("Add an SSH key").await;
    browser.shown("This is not an OpenSSH public key").await;
    browser.accessible().await;
    browser.fill("Public key", public.trim()).await;
    browser.fill("From", "127.0.0.0/8, ::1/128").await;
    browser.press("Add an SSH key").await;
    browser.shown("127.0.0.0/8, ::1/128").await;
    let session = || Sftp::new(&tenant.stack, &tenant.slug, Login::Key(private.clone()));
    session().must(&["ls".to_owned()]).await;

    browser.press_in_row("127.0.0.0/8, ::1/128", "Remove").await;
    browser.shown("Remove this SSH key?").await;
    browser.accessible().await;
    let remove = browser.address().await.path().to_owned();
    browser.press("Remove").await;
    browser.shown("SFTP and SCP").await;
    browser.well_behaved().await;
    wait::until("the key to be refused", async || {
        (!session().run(&["ls".to_owned()]).await.ok).then_some(())
    })
    .await;
    // The one that the tenant was made with still does.
    tenant.sftp().must(&["ls".to_owned()]).await;
    assert_eq!(screenless.get(&remove).await.status, 404);
}

#[tokio::test]
async fn the_password() {
    const FORM: &str = "/files/logins/password";
    let (tenant, mut browser) = logged_in("password").await;
    let ls = ["ls".to_owned()];
    tenant.sftp_by_password().must(&ls).await;
    let page = browser.get(FORM).await;
    let made = browser.submit(&page, FORM, &[]).await;
    let password = shown(&made, "password");
    assert!(password.len() > 20, "{password}");
    // The same form, sent twice, is one password.
    let again = browser.submit(&page, FORM, &[]).await;
    assert_eq!(shown(&again, "password"), password);
    let session =
        |password: &str| Sftp::new(&tenant.stack, &tenant.slug, Login::Password(password.to_owned()));
    session(&password).must(&ls).await;
    assert!(!tenant.sftp_by_password().run(&ls).await.ok, "the old one is good no more");
    let page = browser.get("/files/logins").await;
    assert!(!page.text.contains(&password), "it is shown once");
}

#[tokio::test]
async fn pgp_keys() {
    const FORM: &str = "/files/logins/pgp-keys";
    let (tenant, mut browser) = logged_in("pgp").await;
    let page = browser.get("/files/logins").await;
    assert!(page.text.contains("Uploads are encrypted to it"), "{}", page.text);
    let key = Gpg::new().generate("exports@people.example");
    let page = browser.get(FORM).await;
    let refused = browser.submit(&page, FORM, &[("purpose", "recipient"), ("public_key", "hello")]).await;
    refused.must_be(FORM, 422);
    assert!(refused.text.contains("not a usable OpenPGP public key"), "{}", refused.text);
    // Our own is nobody's to hand in.
    browser.submit(&page, FORM, &[("purpose", "own"), ("public_key", &key)]).await.must_be(FORM, 422);
    let page = browser.submit(&page, FORM, &[("purpose", "recipient"), ("public_key", &key)]).await;
    page.must_be("/files/logins", 200);
    assert!(page.text.contains("Exports are encrypted to it"), "{}", page.text);
    let keys = tenant.api("GET", "/v1/pgp-keys", None).await.ok();
    let ids: Vec<(i64, &str)> = keys["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (key["id"].as_i64().unwrap(), key["purpose"].as_str().unwrap()))
        .collect();
    let [(own, "own"), (added, "recipient")] = ids[..] else { panic!("{keys}") };
    let remove = last_link(&page, "/remove");
    assert_eq!(remove, format!("{FORM}/{added}/remove"), "ours has no button");
    let asked = browser.get(&remove).await;
    browser.submit(&asked, &remove, &[]).await.must_be("/files/logins", 200);
    assert_eq!(tenant.api("DELETE", &format!("/v1/pgp-keys/{own}"), None).await.status, 404);
    let left = tenant.api("GET", "/v1/pgp-keys", None).await.ok();
    assert_eq!(left["items"].as_array().unwrap().len(), 1, "{left}");
}

#[tokio::test]
async fn api_keys() {
    const FORM: &str = "/api-keys/new";
    let (tenant, mut browser) = logged_in("keys").await;
    let page = browser.get(FORM).await;
    let mut form = page.form(FORM);
    let once = form.fields.iter().find(|(name, _)| name == "once").unwrap().clone();
    let token = form.fields.iter().find(|(name, _)| name == "form").unwrap().clone();
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    form.fields = vec![
        once.clone(),
        token.clone(),
        field("name", "warehouse"),
        field("sources", ""),
        field("expires_at", ""),
    ];
    let refused = browser.submit_form(form.clone(), &[]).await;
    assert!(refused.status == 422 && refused.text.contains("field-scopes-wrong"), "{}", refused.text);
    form.fields.extend([field("scopes", "campaigns:read"), field("scopes", "account:read")]);
    let made = browser.submit_form(form.clone(), &[]).await;
    let key = shown(&made, "api-key");
    assert_eq!(shown(&browser.submit_form(form, &[]).await, "api-key"), key, "the same form is one key");
    let ask = async |key: &str, path: &str| -> (u16, Value) {
        let authorization = format!("Bearer {key}");
        let url = format!("{}{path}", tenant.stack.api_url);
        let answer = tenant.http.send("GET", &url, &[("authorization", authorization.as_str())], "").await;
        (answer.status.as_u16(), answer.json())
    };
    assert_eq!(ask(&key, "/v1/campaigns").await.0, 200);
    assert_eq!(ask(&key, "/v1/audit").await.0, 403);

    let page = browser.get("/api-keys").await;
    assert!(page.text.contains("warehouse") && !page.text.contains(&key), "{}", page.text);
    let rotate = last_link(&page, "/rotate");
    let asked = browser.get(&rotate).await;
    let refused = browser.submit(&asked, &rotate, &[("overlap_hours", "9999")]).await;
    assert!(refused.status == 422 && refused.text.contains("0 to 720"), "{}", refused.text);
    let rotated = browser.submit(&asked, &rotate, &[("overlap_hours", "1")]).await;
    let newer = shown(&rotated, "api-key");
    assert!(
        newer != key
            && ask(&newer, "/v1/campaigns").await.0 == 200
            && ask(&key, "/v1/campaigns").await.0 == 200
    );

    let page = browser.get("/api-keys").await;
    let delete = last_link(&page, "/delete");
    let asked = browser.get(&delete).await;
    browser.submit(&asked, &delete, &[]).await.must_be("/api-keys", 200);
    wait::until("the key to be refused", async || {
        (ask(&newer, "/v1/campaigns").await.0 == 401).then_some(())
    })
    .await;

    // Whoever may not make keys sees none of it.
    let mut manager = Browser::new(&tenant.stack);
    manager.log_in(&User::new(&tenant.stack, Some(tenant.id), "manager").await).await;
    for path in ["/api-keys", FORM, rotate.as_str(), delete.as_str(), "/files/logins/password", "/audit"] {
        assert_eq!(manager.get(path).await.status, 403, "{path}");
    }
    let page = manager.get("/files/logins").await;
    assert!(page.status == 200 && !page.text.contains("/remove"), "{}", page.text);
}
