//! In a real browser: a first login with a phone to be registered, then a campaign from its name to the last mail, and what is wrong on the way.

use testkit::{
    Stack, Tenant,
    browser::{PASSWORD, User, code},
    chromium::{Browser, DESK, PHONE},
    csv::Plan,
    wait,
};

/// Logs in for the first time: a phone is asked for, and a code goes to it at once.
async fn first_login(browser: &Browser, user: &User) {
    browser.go(&format!("{}/login", user.stack.console_url)).await;
    browser.fill("E-mail address", &user.email).await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Log in").await;
    browser.shown("Your mobile phone").await;
    browser.fill("Mobile number", &user.phone).await;
    browser.press("Send me a code").await;
    browser.shown(&user.phone[user.phone.len() - 3..]).await;
    browser.fill("Code of six digits", &code(&user.stack, &user.phone, 1).await).await;
    browser.press("Log in").await;
}

async fn looked_at(browser: &Browser) {
    for width in [DESK, PHONE] {
        browser.width(width).await;
        browser.accessible().await;
    }
    browser.width(DESK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_its_name_to_the_last_mail() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "acme").await;
    let user = User::new(&stack, Some(tenant.id), "manager").await;
    let browser = Browser::start().await;
    first_login(&browser, &user).await;
    browser.shown("No campaigns yet").await;
    looked_at(&browser).await;
    browser.press("New campaign").await;
    browser.fill("Name", "a/b").await;
    browser.press("Make the campaign").await;
    browser.shown("needs your attention").await;
    looked_at(&browser).await;
    browser.fill("Name", "Spring").await;
    browser.press("Make the campaign").await;
    browser.shown("No recipients yet").await;
    looked_at(&browser).await;

    let plan = Plan {
        domain: tenant.recipients_domain.clone(),
        good: 30,
        bad: 2,
        duplicates: 1,
        unknown: 2,
        ..Plan::default()
    };
    // A file of which most rows are bad: it is refused, and the page says why.
    arrived(&tenant, "bad.csv", &Plan { good: 1, bad: 4, duplicates: 0, unknown: 0, ..plan.clone() }).await;
    browser.press("Imports").await;
    browser.press("Import a file").await;
    browser.press("Begin the import").await;
    browser.press("bad.csv").await;
    browser.shown("rows were rejected").await;
    looked_at(&browser).await;
    browser.press("Imports").await;
    arrived(&tenant, "list.csv", &plan).await;
    browser.reload().await;
    browser.press("Import a file").await;
    browser.select("File", "list.csv").await;
    browser.press("Begin the import").await;
    // The page lives: nobody reloads it.
    browser.shown("Imported").await;
    looked_at(&browser).await;
    browser.press("list.csv").await;
    browser.shown("Rows that were rejected").await;
    looked_at(&browser).await;

    browser.press("Spring").await;
    browser.press("Template").await;
    browser.fill("Sender's name", "Acme").await;
    browser.fill("Sender's address", &format!("news@{}", tenant.domain)).await;
    browser.fill("Subject", "Spring for {{ vorname }}").await;
    browser.fill("HTML", "<p>Hello {{ vorname</p>").await;
    browser.press("Save as a new version").await;
    browser.shown("line 1").await;
    looked_at(&browser).await;
    browser.fill("HTML", testkit::tenant::HTML).await;
    browser.press("Save as a new version").await;
    browser.press("Preview").await;
    browser.shown("first letters alone").await;
    looked_at(&browser).await;

    browser.press("Spring").await;
    browser.press("Test mails").await;
    browser.fill("To", &format!("colleague@{}", tenant.recipients_domain)).await;
    browser.press("Send test mails").await;
    browser.shown("Sent lately").await;
    looked_at(&browser).await;

    browser.press("Overview").await;
    browser.press("Launch").await;
    browser.shown("30 people will get a mail").await;
    looked_at(&browser).await;
    browser.press("Launch").await;
    browser.shown("Done").await;
    browser.shown("From the rows of your files").await;
    tenant.mailed(campaign(&tenant).await, 33).await;
    browser.shown("bounced").await;
    looked_at(&browser).await;
    browser.screenshot("campaign").await;
    browser.press("Responses").await;
    browser.shown("no such mailbox").await;
    looked_at(&browser).await;
    browser.screenshot("responses").await;
    browser.press("Campaigns").await;
    browser.shown("Spring").await;
    looked_at(&browser).await;
    browser.screenshot("campaigns").await;
    browser.well_behaved().await;
    tenant.all_is_well(campaign(&tenant).await).await;
}

async fn campaign(tenant: &Tenant) -> i64 {
    tenant.api("GET", "/v1/campaigns", None).await.ok()["items"][0]["id"].as_i64().unwrap()
}

/// Puts a file into Incoming, and waits until the console knows it.
async fn arrived(tenant: &Tenant, name: &str, plan: &Plan) {
    tenant.put(name, plan.write()).await;
    wait::until("the file in the index", async || {
        let files = tenant.api("GET", "/v1/files?folder=Incoming", None).await.ok();
        files["items"].as_array().unwrap().iter().any(|file| file["name"] == name).then_some(())
    })
    .await;
}
