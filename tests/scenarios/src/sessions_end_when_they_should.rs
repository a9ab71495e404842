//! A session begins with a token that nobody knew, ends when it is idle, when it is old, when its person says so, and with the rights that it came from.

use localstack::Stack;
use testkit::{
    Tenant,
    browser::{Browser, PASSWORD, User, code},
};

const SESSION: &str = "__Host-session";

async fn user(name: &str) -> User {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, name).await;
    User::new(&stack, Some(tenant.id), "admin").await
}

#[tokio::test]
async fn a_token_from_before_the_login_is_worth_nothing() {
    let user = user("fixation").await;
    let mut browser = Browser::new(&user.stack);
    // What an attacker may have put there.
    let planted = "ab".repeat(32);
    for name in [SESSION, "__Host-visit", "__Host-login"] {
        browser.cookies.insert(name.to_owned(), planted.clone());
    }
    browser.log_in(&user).await;
    assert_ne!(browser.cookies[SESSION], planted);
    let mut attacker = Browser::new(&user.stack);
    for name in [SESSION, "__Host-visit", "__Host-login"] {
        attacker.cookies.insert(name.to_owned(), planted.clone());
    }
    attacker.get("/account").await.must_be("/login", 200);
    // And the next login of the same browser ends the session before it.
    let mut old = browser.clone();
    browser.log_in(&user).await;
    assert_ne!(browser.cookies[SESSION], old.cookies[SESSION]);
    old.get("/account").await.must_be("/login", 200);
    assert_eq!(user.sessions().await, 1);
}

#[tokio::test]
async fn idle_and_old_sessions_are_over() {
    let user = user("idle").await;
    let mut browser = Browser::new(&user.stack);
    browser.log_in(&user).await;
    user.change("UPDATE broadcast.sessions SET seen_at = now() - interval '29 minutes' WHERE user_id = $1")
        .await;
    // A page that looks again by itself keeps nobody logged in.
    let live = browser.send("GET", "/account", &[("sec-fetch-mode", "cors")], "").await;
    assert_eq!(live.status, 200);
    user.change("UPDATE broadcast.sessions SET seen_at = seen_at - interval '30 seconds' WHERE user_id = $1")
        .await;
    browser.get("/account").await.must_be("/account", 200);
    // A person did something: it begins anew.
    user.change("UPDATE broadcast.sessions SET seen_at = seen_at - interval '29 minutes' WHERE user_id = $1")
        .await;
    browser.get("/account").await.must_be("/account", 200);
    user.change("UPDATE broadcast.sessions SET seen_at = seen_at - interval '31 minutes' WHERE user_id = $1")
        .await;
    browser.get("/account").await.must_be("/login", 200);
    browser.log_in(&user).await;
    user.change("UPDATE broadcast.sessions SET ends_at = now() WHERE user_id = $1").await;
    browser.get("/account").await.must_be("/login", 200);
}

#[tokio::test]
async fn a_person_ends_sessions_here_and_elsewhere() {
    let (user, stranger) = (user("end").await, user("stranger").await);
    let (mut first, mut second, mut other) =
        (Browser::new(&user.stack), Browser::new(&user.stack), Browser::new(&user.stack));
    first.log_in(&user).await;
    second.log_in(&user).await;
    let page = first.get("/account").await;
    let end = page.form("/account/sessions/end");
    let session = user.newest_session().await.to_string();
    // Somebody else's is not theirs to end.
    let own = other.log_in(&stranger).await;
    let mut foreign = end.clone();
    foreign.fields = own.form("/logout").fields;
    let typed = [("session", session.as_str()), ("current", PASSWORD)];
    other.submit_form(foreign, &typed).await.must_be("/account", 200);
    second.get("/account").await.must_be("/account", 200);
    // Whoever sits down at an open browser does not know the password.
    let page =
        first.submit_form(end.clone(), &[("session", &session), ("current", "not the password")]).await;
    page.must_be("/account/sessions/end", 422);
    let chosen = format!("name=\"session\" value=\"{session}\" checked");
    assert!(page.text.contains(&chosen), "what was chosen stays: {}", page.text);
    second.get("/account").await.must_be("/account", 200);
    first.submit_form(end.clone(), &typed).await.must_be("/account", 200);
    second.get("/account").await.must_be("/login", 200);
    // All but this one.
    second.log_in(&user).await;
    first.submit_form(end, &[("session", "0"), ("current", PASSWORD)]).await.must_be("/account", 200);
    second.get("/account").await.must_be("/login", 200);
    let (page, mut copy) = (first.get("/account").await, first.clone());
    let page = first.submit(&page, "/logout", &[]).await;
    page.must_be("/login", 200);
    assert!(page.text.contains("logged out") && !first.cookies.contains_key(SESSION));
    copy.get("/account").await.must_be("/login", 200);
    assert_eq!(user.sessions().await, 0);
}

#[tokio::test]
async fn another_password_ends_all_other_sessions() {
    let user = user("password").await;
    let (mut browser, mut elsewhere) = (Browser::new(&user.stack), Browser::new(&user.stack));
    elsewhere.log_in(&user).await;
    browser.log_in(&user).await;
    let page = browser.get("/account").await;
    let before = browser.cookies[SESSION].clone();
    for (current, new, words) in [
        ("not the password", "another long password", "current password is wrong"),
        (PASSWORD, "short", "12 to 256"),
        (PASSWORD, "password12345", "easy to guess"),
    ] {
        let page = browser.submit(&page, "/account/password", &[("current", current), ("new", new)]).await;
        page.must_be("/account/password", 422);
        assert!(page.text.contains(words), "{}", page.text);
    }
    let page = browser
        .submit(&page, "/account/password", &[("current", PASSWORD), ("new", "another long password")])
        .await;
    page.must_be_inside();
    assert_ne!(browser.cookies[SESSION], before, "rotated");
    elsewhere.get("/account").await.must_be("/login", 200);
    assert_eq!(user.sessions().await, 1);
    assert_eq!(Browser::new(&user.stack).password(&user.email, PASSWORD).await.status, 422);
    let page = Browser::new(&user.stack).password(&user.email, "another long password").await;
    page.must_be("/login/code", 200);
    user.mail("password was changed", 1).await;
}

/// Whoever ends a right, by whatever way: the sessions go with it.
#[tokio::test]
async fn rights_that_end_take_their_sessions_along() {
    for statement in [
        "UPDATE broadcast.users SET disabled_at = now() WHERE id = $1",
        "UPDATE broadcast.users SET role = 'viewer' WHERE id = $1",
        "UPDATE broadcast.users SET phone_sealed = NULL, phone_ends = NULL, phone_verified_at = NULL WHERE id = $1",
        "UPDATE broadcast.users SET password_hash = NULL WHERE id = $1",
        "DELETE FROM broadcast.users WHERE id = $1",
        "UPDATE broadcast.tenants SET status = 'suspended' WHERE id = (SELECT tenant_id FROM broadcast.users WHERE id = $1)",
    ] {
        let user = user("rights").await;
        let (mut browser, mut half) = (Browser::new(&user.stack), Browser::new(&user.stack));
        browser.log_in(&user).await;
        half.password(&user.email, PASSWORD).await.must_be("/login/code", 200);
        let code = code(&user.stack, &user.phone, 2).await;
        let page = half.get("/login/code").await;
        user.change(statement).await;
        browser.get("/account").await.must_be("/login", 200);
        half.submit(&page, "/login/code", &[("code", &code)]).await.must_be("/login", 200);
    }
}

/// A phone that was reset has to be registered again.
#[tokio::test]
async fn a_reset_phone_is_registered_again() {
    let user = user("reset").await;
    Browser::new(&user.stack).log_in(&user).await;
    user.change("UPDATE broadcast.users SET phone_sealed = NULL, phone_ends = NULL, phone_verified_at = NULL WHERE id = $1").await;
    let mut browser = Browser::new(&user.stack);
    browser.password(&user.email, PASSWORD).await.must_be("/login/phone", 200);
    Browser::new(&user.stack).log_in(&user).await;
}

/// A user has so many at once; another one ends the one that was idle for the longest time.
#[tokio::test]
async fn a_user_has_ten_sessions_at_most() {
    let user = user("many").await;
    user.change("UPDATE broadcast.tenants SET second_factor = false WHERE id = (SELECT tenant_id FROM broadcast.users WHERE id = $1)").await;
    let mut browsers: Vec<_> = (0..11).map(|_| Browser::new(&user.stack)).collect();
    for browser in &mut browsers {
        // Each from an account whose ten logins of a quarter of an hour are not used up.
        browser.password(&user.email, PASSWORD).await.must_be_inside();
        user.change(
            "UPDATE broadcast.sessions SET seen_at = seen_at - interval '1 second' WHERE user_id = $1",
        )
        .await;
    }
    assert_eq!(user.sessions().await, 10);
    browsers[0].get("/account").await.must_be("/login", 200);
    browsers[1].get("/account").await.must_be("/account", 200);
}
