//! A passkey takes the place of a text where the tenant allows it and a phone is registered. Each answer of an authenticator is judged once, by the login
//! or the session that asked for it, in its time; wrong ones count as wrong codes.

use serde_json::{Value, json};
use testkit::{
    Stack, Tenant,
    browser::{Browser, Form, PASSWORD, Page, User, attribute, code, texts},
    chromium::{self, Authenticator, DESK, PHONE},
};

const NEW: &str = "/account/passkeys/new";
const REGISTER: &str = "/account/passkeys/register";
const CHECK: &str = "/login/passkey/check";
const PASSKEYS: &str = "SELECT count(*) FROM broadcast.passkeys WHERE user_id = $1";
const WRONG: &str = "not one of your passkeys";
const OVER: &str = "is over. Begin again";

async fn tenant(name: &str) -> (Stack, Tenant) {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::with(&stack, name, json!({"passkeys_allowed": true, "totp_allowed": true})).await;
    (stack, tenant)
}

/// Somebody who has registered a phone, logged in.
async fn person(stack: &Stack, tenant: &Tenant) -> (User, Browser) {
    let user = User::new(stack, Some(tenant.id), "admin").await;
    let mut browser = Browser::new(stack);
    browser.log_in(&user).await;
    (user, browser)
}

/// A browser whose authenticator answers for those that have no screen.
async fn chromium(stack: &Stack) -> chromium::Browser {
    let browser = chromium::Browser::start().await;
    browser.go(&format!("{}/login", stack.console_url)).await;
    browser
}

/// What a page asks the browser for.
fn question(page: &Page) -> Value {
    let text = attribute(&page.text, "data-options").unwrap_or_else(|| panic!("{}", page.text));
    serde_json::from_str(&text).unwrap()
}

/// The page that asks for a new passkey, of whoever knows the password.
async fn asked_new(browser: &mut Browser, name: &str) -> Page {
    let page = browser.get(NEW).await;
    let page = browser.submit(&page, NEW, &[("name", name), ("current", PASSWORD)]).await;
    page.must_be(NEW, 200);
    page
}

async fn add(browser: &mut Browser, authenticator: &Authenticator<'_>, name: &str) {
    let page = asked_new(browser, name).await;
    let answer = authenticator.answer("create", &question(&page)).await;
    let page = browser.submit(&page, REGISTER, &[("answer", &answer)]).await;
    page.must_be("/account/passkeys", 200);
    assert!(page.text.contains(name), "{}", page.text);
}

/// A login that waits for a passkey, and the page that asks for one.
async fn asked(stack: &Stack, user: &User) -> (Browser, Page) {
    let mut browser = Browser::new(stack);
    let page = browser.password(&user.email, PASSWORD).await;
    page.must_be("/login/code", 200);
    let page = browser.submit(&page, "/login/passkey", &[]).await;
    page.must_be("/login/passkey", 200);
    (browser, page)
}

async fn answered(browser: &mut Browser, page: &Page, answer: &str) -> Page {
    browser.submit(page, CHECK, &[("answer", answer)]).await
}

async fn allow(stack: &Stack, tenant: &Tenant, allowed: bool) {
    let command = json!({"command": "set_tenant", "slug": tenant.slug, "passkeys_allowed": allowed});
    let answer = testkit::tenant::admin(stack, command).await;
    assert_eq!(answer["settings"]["passkeys_allowed"], allowed);
}

async fn looked_at(browser: &chromium::Browser) {
    for width in [DESK, PHONE] {
        browser.width(width).await;
        browser.accessible().await;
    }
    browser.width(DESK).await;
}

async fn typed(browser: &chromium::Browser, user: &User) {
    browser.go(&format!("{}/login?next=/account/passkeys", user.stack.console_url)).await;
    browser.fill("E-mail address", &user.email).await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Log in").await;
}

/// In a browser, by its own script.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_adds_one_and_logs_in_with_it() {
    let (stack, tenant) = tenant("passkey").await;
    let (user, session) = person(&stack, &tenant).await;
    let browser = chromium(&stack).await;
    let authenticator = browser.authenticator().await;
    browser.adopt(&session, &stack.console_url).await;
    browser.go(&format!("{}/account", stack.console_url)).await;
    browser.press("Passkeys").await;
    browser.shown("No passkeys yet").await;
    looked_at(&browser).await;
    browser.press("Add a passkey").await;
    looked_at(&browser).await;
    browser.fill("Name", "Laptop at work").await;
    browser.fill("Current password", PASSWORD).await;
    browser.press("Go on").await;
    browser.shown("Laptop at work").await;
    browser.shown("Not yet").await;
    looked_at(&browser).await;
    user.mail("A passkey was added", 1).await;
    // The same device knows that it has one.
    browser.press("Add a passkey").await;
    browser.fill("Current password", PASSWORD).await;
    browser.press("Go on").await;
    browser.shown("has a passkey for your account already").await;
    looked_at(&browser).await;
    browser.press(&user.email).await;
    browser.press("Log out").await;

    let sent = texts(&stack, &user.phone).await.len();
    typed(&browser, &user).await;
    browser.shown("Confirm the login with your passkey").await;
    looked_at(&browser).await;
    authenticator.knows_its_person(false).await;
    browser.press("Use a passkey").await;
    browser.shown("did not work, or was stopped").await;
    looked_at(&browser).await;
    authenticator.knows_its_person(true).await;
    browser.press("Try again").await;
    // Where the person wanted to go.
    browser.shown("Laptop at work").await;
    assert!(!browser.text().await.contains("Not yet"));
    assert_eq!(texts(&stack, &user.phone).await.len(), sent, "no text went out");
    let logins = "SELECT count(*) FROM broadcast.audit WHERE actor = 'user ' || $1 AND action = 'login' AND subject = 'passkey' AND result = 'done'";
    assert_eq!(user.count(logins).await, 1);

    browser.press_in_row("Laptop at work", "Remove").await;
    looked_at(&browser).await;
    browser.fill("Current password", PASSWORD).await;
    browser.press("Remove").await;
    browser.shown("No passkeys yet").await;
    browser.well_behaved().await;
    user.mail("A passkey was removed", 1).await;
    // Codes are texts again.
    Browser::new(&stack).password(&user.email, PASSWORD).await.must_be("/login/code", 200);
    code(&stack, &user.phone, sent + 1).await;
}

/// Whose browser runs no scripts is offered what works there.
#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_a_text_is_what_there_is() {
    let (stack, tenant) = tenant("scriptless").await;
    let (user, mut session) = person(&stack, &tenant).await;
    let other = chromium(&stack).await;
    add(&mut session, &other.authenticator().await, "Laptop").await;
    let sent = texts(&stack, &user.phone).await.len();
    let browser = chromium::Browser::without_scripts().await;
    typed(&browser, &user).await;
    browser.shown("have a code sent to your phone").await;
    assert!(!browser.text().await.contains("Use a passkey"));
    browser.press("Send me a text instead").await;
    browser.fill("Code of six digits", &code(&stack, &user.phone, sent + 1).await).await;
    browser.press("Log in").await;
    browser.shown("Laptop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_adds_a_passkey_once_and_in_its_session() {
    let (stack, tenant) = tenant("adds").await;
    let (user, mut browser) = person(&stack, &tenant).await;
    let mut other = Browser::new(&stack);
    other.log_in(&user).await;
    let chromium = chromium(&stack).await;
    let authenticator = chromium.authenticator().await;
    // Not without the password, nor under a name that is none.
    let page = browser.get(NEW).await;
    browser.submit(&page, NEW, &[("name", "a"), ("current", "not the password")]).await.must_be(NEW, 422);
    browser.submit(&page, NEW, &[("name", " "), ("current", PASSWORD)]).await.must_be(NEW, 422);
    // Another session's question is not this one's.
    let (asked, others) = (asked_new(&mut browser, "Laptop").await, asked_new(&mut other, "Elsewhere").await);
    let answer = authenticator.answer("create", &question(&asked)).await;
    let refused = other.submit(&others, REGISTER, &[("answer", &answer)]).await;
    refused.must_be(REGISTER, 422);
    assert!(refused.text.contains("does not fit what was asked"), "{}", refused.text);
    assert_eq!(user.count(PASSKEYS).await, 0);
    // Of two requests with one answer, one adds a passkey.
    let (form, mut racing) = (asked.form(REGISTER), browser.clone());
    let fields = [("answer", answer.as_str())];
    let (one, two) = tokio::join!(browser.post(&form, &fields), racing.post(&form, &fields));
    let mut statuses = [one, two].map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    // The session is another one by then, or what was asked is used up.
    assert!(statuses == [303, 303] || statuses == [303, 422], "{statuses:?}");
    assert_eq!(user.count(PASSKEYS).await, 1);
    // The other session has no question any more, and an old one is none.
    let again = other.submit(&others, REGISTER, &[("answer", &answer)]).await;
    again.must_be(REGISTER, 422);
    assert!(again.text.contains(OVER), "{}", again.text);
    let late = asked_new(&mut other, "Late").await;
    user.change("UPDATE broadcast.ceremonies SET ends_at = now() WHERE session_id IN (SELECT id FROM broadcast.sessions WHERE user_id = $1)").await;
    let page = other.submit(&late, REGISTER, &[("answer", "{}")]).await;
    page.must_be(REGISTER, 422);
    assert!(page.text.contains(OVER), "{}", page.text);
    assert_eq!(user.count(PASSKEYS).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_opens_one_login_once() {
    let (stack, tenant) = tenant("opens").await;
    let (user, mut browser) = person(&stack, &tenant).await;
    let chromium = chromium(&stack).await;
    let authenticator = chromium.authenticator().await;
    add(&mut browser, &authenticator, "Laptop").await;

    let (mut one, page) = asked(&stack, &user).await;
    let answer = authenticator.answer("get", &question(&page)).await;
    let (form, mut racing) = (page.form(CHECK), one.clone());
    let fields = [("answer", answer.as_str())];
    let (first, second) = tokio::join!(one.post(&form, &fields), racing.post(&form, &fields));
    let mut places = [first, second].map(|answer| answer.headers["location"].to_str().unwrap().to_owned());
    places.sort();
    assert_eq!(places, ["/", "/login?said=ended"]);

    // No other login is opened by it, and a question is answered once: a wrong answer uses it up.
    let (mut two, page) = asked(&stack, &user).await;
    let refused = answered(&mut two, &page, &answer).await;
    refused.must_be(CHECK, 422);
    assert!(refused.text.contains(WRONG), "{}", refused.text);
    let right = authenticator.answer("get", &question(&page)).await;
    let refused = answered(&mut two, &page, &right).await;
    assert!(refused.status == 422 && refused.text.contains(OVER), "{}", refused.text);
    // The newest question of a login is its question.
    let older = two.submit(&refused, "/login/passkey", &[]).await;
    let stale = authenticator.answer("get", &question(&older)).await;
    let newer = two.submit(&refused, "/login/passkey", &[]).await;
    answered(&mut two, &newer, &stale).await.must_be(CHECK, 422);
    // The third wrong one is the end.
    let last = two.submit(&refused, "/login/passkey", &[]).await;
    answered(&mut two, &last, "{").await.must_be("/login", 200);

    // In its time.
    let (mut three, page) = asked(&stack, &user).await;
    user.change("UPDATE broadcast.ceremonies SET ends_at = now() WHERE challenge_id IN (SELECT id FROM broadcast.challenges WHERE user_id = $1)").await;
    let late = authenticator.answer("get", &question(&page)).await;
    let refused = answered(&mut three, &page, &late).await;
    assert!(refused.status == 422 && refused.text.contains(OVER), "{}", refused.text);

    // A copy of the authenticator counts behind it.
    let counts = "SELECT sign_count FROM broadcast.passkeys WHERE user_id = $1";
    let before = user.count(counts).await;
    assert!(before > 0);
    let page = three.submit(&refused, "/login/passkey", &[]).await;
    user.change("UPDATE broadcast.passkeys SET sign_count = 1000 WHERE user_id = $1").await;
    let copied = authenticator.answer("get", &question(&page)).await;
    let refused = answered(&mut three, &page, &copied).await;
    assert!(refused.status == 422 && refused.text.contains(WRONG), "{}", refused.text);
    user.change("UPDATE broadcast.passkeys SET sign_count = 0 WHERE user_id = $1").await;
    let page = three.submit(&refused, "/login/passkey", &[]).await;
    let right = authenticator.answer("get", &question(&page)).await;
    answered(&mut three, &page, &right).await.must_be_inside();
    assert!(user.count(counts).await > before);

    // Removed: every session ends, and so does a login that had asked for it.
    let (mut four, page) = asked(&stack, &user).await;
    let gone = authenticator.answer("get", &question(&page)).await;
    let id = user.count("SELECT id FROM broadcast.passkeys WHERE user_id = $1").await;
    let path = format!("/account/passkeys/{id}/remove");
    let asking = three.get(&path).await;
    three.submit(&asking, &path, &[("current", "not the password")]).await.must_be(&path, 422);
    three.submit(&asking, &path, &[("current", PASSWORD)]).await.must_be("/account/passkeys", 200);
    answered(&mut four, &page, &gone).await.must_be("/login", 200);
    browser.get("/account").await.must_be("/login", 200);
}

/// Where it is not allowed, or no phone is registered, nothing is offered and nothing comes of asking for it.
#[tokio::test(flavor = "multi_thread")]
async fn it_takes_a_tenant_that_allows_it_and_a_phone() {
    let (stack, tenant) = tenant("allows").await;
    let (user, mut browser) = person(&stack, &tenant).await;
    let chromium = chromium(&stack).await;
    let authenticator = chromium.authenticator().await;
    add(&mut browser, &authenticator, "Laptop").await;
    let (mut half, page) = asked(&stack, &user).await;
    let open = asked_new(&mut browser, "Another").await;
    allow(&stack, &tenant, false).await;
    // What was asked before is worth nothing now.
    let answer = authenticator.answer("get", &question(&page)).await;
    answered(&mut half, &page, &answer).await.must_be("/login/code", 200);
    let refused = browser.submit(&open, REGISTER, &[("answer", "{}")]).await;
    assert_eq!(refused.status, 403);
    assert_eq!(browser.get(NEW).await.status, 403);
    // What there is can be removed.
    let page = browser.get("/account/passkeys").await;
    assert!(page.status == 200 && !page.text.contains(NEW), "{}", page.text);
    let sent = texts(&stack, &user.phone).await.len();
    let mut other = Browser::new(&stack);
    let page = other.password(&user.email, PASSWORD).await;
    code(&stack, &user.phone, sent + 1).await;
    assert!(!page.text.contains("/login/passkey"), "{}", page.text);
    let form = Form { action: "/login/passkey".to_owned(), ..page.form("/login/code") };
    other.submit_form(form, &[]).await.must_be("/login/code", 200);
    let asked = "SELECT count(*) FROM broadcast.ceremonies c JOIN broadcast.challenges l ON l.id = c.challenge_id WHERE l.user_id = $1 AND c.ends_at > now()";
    assert_eq!(user.count(asked).await, 1, "the one that was asked before");

    // As many as there may be.
    allow(&stack, &tenant, true).await;
    user.change(
        "INSERT INTO broadcast.passkeys (user_id, credential_id, credential, name, created_at)
         SELECT $1, sha256(($1 || '/' || n)::bytea), credential, 'More', now() FROM broadcast.passkeys, generate_series(2, 10) AS n WHERE user_id = $1",
    )
    .await;
    assert!(browser.get("/account/passkeys").await.text.contains("as many passkeys as are possible"));
    assert_eq!(browser.get(NEW).await.status, 403);
    assert_eq!(browser.submit(&open, REGISTER, &[("answer", "{}")]).await.status, 403);

    // Whose phone is reset has lost what is on it, too.
    user.change("UPDATE broadcast.users SET totp_sealed = '\\x00', totp_since = now() WHERE id = $1").await;
    let reset = json!({"command": "reset_phone", "email": user.email});
    testkit::tenant::admin(&stack, reset).await;
    assert_eq!(user.count(PASSKEYS).await, 0);
    assert_eq!(
        user.count("SELECT count(*) FROM broadcast.users WHERE id = $1 AND totp_sealed IS NOT NULL").await,
        0
    );
    browser.get("/account").await.must_be("/login", 200);
    Browser::new(&stack).password(&user.email, PASSWORD).await.must_be("/login/phone", 200);

    // Without a second factor nobody has a phone.
    let settings = json!({"passkeys_allowed": true, "second_factor": false});
    let single = Tenant::with(&stack, "single", settings).await;
    let user = User::new(&stack, Some(single.id), "admin").await;
    let mut browser = Browser::new(&stack);
    let page = browser.password(&user.email, PASSWORD).await;
    page.must_be_inside();
    for path in ["/account/passkeys", NEW] {
        assert_eq!(browser.get(path).await.status, 403, "{path}");
    }
    let account = browser.get("/account").await;
    assert!(!account.text.contains("/account/passkeys"));
    let form = Form { action: NEW.to_owned(), ..account.form("/account/password") };
    let typed = [("name", "Laptop"), ("current", PASSWORD)];
    assert_eq!(browser.submit_form(form, &typed).await.status, 403);
    assert_eq!(user.count("SELECT count(*) FROM broadcast.ceremonies c JOIN broadcast.sessions s ON s.id = c.session_id WHERE s.user_id = $1").await, 0);
}

/// Operators may, as with apps.
#[tokio::test(flavor = "multi_thread")]
async fn operators_may() {
    let stack = Stack::from_env().unwrap();
    let operator = User::new(&stack, None, "operator").await;
    let mut browser = Browser::new(&stack);
    browser.log_in(&operator).await;
    let chromium = chromium(&stack).await;
    let authenticator = chromium.authenticator().await;
    add(&mut browser, &authenticator, "Security key").await;
    let (mut other, page) = asked(&stack, &operator).await;
    let answer = authenticator.answer("get", &question(&page)).await;
    answered(&mut other, &page, &answer).await.must_be_inside();
}
