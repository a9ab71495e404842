//! Pages in Chromium, before a login and behind it, of tenants' people and of operators: axe-core finds nothing on them, at a desk and on a phone, dark and light, in English and in German; nothing comes
//! from elsewhere; and they work without scripts.

use localstack::Stack;
use testkit::{
    Tenant,
    browser::{self, PASSWORD, User},
    chromium::{Browser, DESK, PHONE, Theme},
    wait,
};

const PAGES: [&str; 18] = [
    "/campaigns/new",
    "/profiles",
    "/profiles/new",
    "/files",
    "/files?folder=Exports",
    "/files/logins",
    "/files/logins/password",
    "/files/logins/ssh-keys",
    "/files/logins/pgp-keys",
    "/recipients",
    "/retention",
    "/retention/settings",
    "/retention/receipts",
    "/api-keys",
    "/api-keys/new",
    "/audit",
    "/users",
    "/account",
];

const OPERATORS: [&str; 8] = [
    "/errors",
    "/tenants",
    "/queues",
    "/queues/notify",
    "/queues/notify/redrive",
    "/lifecycles",
    "/users",
    "/account",
];

const LANGUAGES: [&str; 2] = ["en", "de"];

/// At a desk and on a phone, dark and light, with a picture of each.
async fn looked_at(chromium: &Browser, name: &str) {
    for width in [DESK, PHONE] {
        chromium.width(width).await;
        chromium.accessible().await;
        for theme in Theme::ALL {
            chromium.theme(theme).await;
            chromium.screenshot(&format!("{name}-{width}-{theme:?}").to_lowercase()).await;
        }
    }
}

async fn every_page(chromium: &Browser, user: &User, pages: &[&str]) {
    for language in LANGUAGES {
        let change = match language {
            "en" => "UPDATE broadcast.users SET language = 'en', zone = 'Europe/Berlin' WHERE id = $1",
            _ => "UPDATE broadcast.users SET language = 'de', zone = 'Europe/Berlin' WHERE id = $1",
        };
        user.change(change).await;
        for page in pages {
            chromium.go(&format!("{}{page}", user.stack.console_url)).await;
            let name = page.trim_start_matches('/').replace(['/', '?', '='], "-");
            looked_at(chromium, &format!("{name}-{language}")).await;
        }
    }
    chromium.well_behaved().await;
}

async fn logged_in(name: &str) -> (Tenant, User, browser::Browser) {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, name).await;
    tenant.put("spring.csv", "email\nann@people.example\n").await;
    let user = User::new(&stack, Some(tenant.id), "admin").await;
    let mut session = browser::Browser::new(&stack);
    session.log_in(&user).await;
    wait::until("the file in the index", async || {
        session.get("/files").await.text.contains("spring.csv").then_some(())
    })
    .await;
    (tenant, user, session)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_they_see_and_wherever_they_are() {
    let (tenant, user, session) = logged_in("everybody").await;
    let chromium = Browser::start().await;
    chromium.adopt(&session, &tenant.stack.console_url).await;
    every_page(&chromium, &user, &PAGES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_too() {
    let stack = Stack::from_env().unwrap();
    let user = User::new(&stack, None, "operator").await;
    let mut session = browser::Browser::new(&stack);
    session.log_in(&user).await;
    let chromium = Browser::start().await;
    chromium.adopt(&session, &stack.console_url).await;
    every_page(&chromium, &user, &OPERATORS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_they_are_logged_in() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "before").await;
    let user = User::new(&stack, Some(tenant.id), "viewer").await;
    let chromium = Browser::start().await;
    for language in LANGUAGES {
        chromium.language(language).await;
        for page in ["/login", "/password", "/nowhere"] {
            chromium.go(&format!("{}{page}", stack.console_url)).await;
            looked_at(&chromium, &format!("{}-{language}", page.trim_start_matches('/'))).await;
        }
    }
    chromium.language("en").await;
    chromium.go(&format!("{}/login", stack.console_url)).await;
    chromium.fill("E-mail address", &user.email).await;
    chromium.fill("Password", "not the password").await;
    chromium.press("Log in").await;
    chromium.shown("is wrong").await;
    looked_at(&chromium, "login-wrong").await;
    chromium.fill("Password", PASSWORD).await;
    chromium.press("Log in").await;
    chromium.shown("Your mobile phone").await;
    looked_at(&chromium, "login-phone").await;
    chromium.fill("Mobile number", &user.phone).await;
    chromium.press("Send me a code").await;
    chromium.shown("ends in").await;
    looked_at(&chromium, "login-code").await;
    chromium.well_behaved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_too() {
    let (tenant, _, session) = logged_in("quiet").await;
    let chromium = Browser::without_scripts().await;
    let url = &tenant.stack.console_url;
    chromium.adopt(&session, url).await;
    chromium.go(&format!("{url}/files/logins")).await;
    chromium.press("Make a new password").await;
    chromium.shown("The password of now is good no more").await;
    chromium.press("Make a new password").await;
    chromium.shown("This is shown now and never again.").await;
    let text = chromium.text().await;
    assert!(!text.contains("Copy"), "nothing copies without a script: {text}");
    chromium.press("I have kept it").await;
    chromium.press("API keys").await;
    chromium.press("New API key").await;
    chromium.fill("Name", "crm").await;
    chromium.choose("campaigns:read").await;
    chromium.press("Make the key").await;
    chromium.shown("The whole key is shown now and never again.").await;
    chromium.press("I have kept it").await;
    chromium.press_in_row("crm", "Delete").await;
    chromium.press("Delete").await;
    wait::until("the key to be gone", async || (!chromium.text().await.contains("crm")).then_some(())).await;
    chromium.well_behaved().await;
}
