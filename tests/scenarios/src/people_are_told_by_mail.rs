//! People of the console are invited by mail, choose their passwords by links that open once, and are told of what happens to their accounts. What an
//! operator answers and logs has no address in it.

use localstack::Stack;
use serde_json::json;
use testkit::{
    Tenant,
    browser::{Browser, PASSWORD, User, link},
    tenant::admin,
};

async fn user(name: &str) -> User {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, name).await;
    User::new(&stack, Some(tenant.id), "admin").await
}

#[tokio::test]
async fn an_invitation_leads_to_a_password_and_a_login() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "invited").await;
    let user = User::invited(&stack, Some(&tenant.slug), Some("manager")).await;
    let mail = user.mail("Your account", 1).await;
    assert_eq!(mail.header("auto-submitted").as_deref(), Some("auto-generated"));
    assert!(mail.header("from").unwrap().contains("console@localhost.example"));
    assert!(mail.text().contains("for invited."), "{}", mail.text());
    let mut browser = Browser::new(&stack);
    let path = link(&stack, &mail);
    let page = browser.get(&path).await;
    page.must_be(&path, 200);
    // Too short; common; made of what one knows of the person and of us.
    let own = format!("{}-broadcast", user.email.split('@').next().unwrap());
    for password in ["too short", "password1234", own.as_str()] {
        browser.submit(&page, &path, &[("password", password)]).await.must_be(&path, 422);
    }
    // Two at once: one sets it.
    let (form, mut other) = (page.form(&path), browser.clone());
    let (one, two) = tokio::join!(
        browser.post(&form, &[("password", PASSWORD)]),
        other.post(&form, &[("password", PASSWORD)])
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 404]);
    browser.get(&path).await.must_be(&path, 404);
    browser.log_in(&user).await;
    assert!(browser.get("/account").await.text.contains("Campaign manager"));
    // The address is its user's alone.
    let command = json!({"command": "create_user", "email": user.email.to_uppercase()}).to_string();
    let again = localstack::invoke(&stack, "admin", &command).await.unwrap();
    assert!(again.payload.contains("there is a user with this e-mail address already"), "{}", again.payload);
}

#[tokio::test]
async fn a_forgotten_password_is_chosen_anew_once() {
    let user = user("forgotten").await;
    let (mut browser, mut elsewhere) = (Browser::new(&user.stack), Browser::new(&user.stack));
    elsewhere.log_in(&user).await;
    for _ in 0..2 {
        let page = browser.get("/password").await;
        browser.submit(&page, "/password", &[("email", &user.email)]).await.must_be("/password", 200);
    }
    let mails = [user.mail("Choose a password", 1).await, user.mail("Choose a password", 2).await];
    let [first, second] = mails.map(|mail| link(&user.stack, &mail));
    assert_ne!(first, second);
    // Programs that look at links use nothing up.
    for path in [&first, &second, &first] {
        browser.get(path).await.must_be(path, 200);
    }
    let page = browser.get(&second).await;
    let page = browser.submit(&page, &second, &[("password", "a new and long one")]).await;
    page.must_be("/login", 200);
    // The older mail's link has gone with it.
    for path in [&first, &second] {
        browser.get(path).await.must_be(path, 404);
    }
    elsewhere.get("/account").await.must_be("/login", 200);
    assert_eq!(browser.password(&user.email, PASSWORD).await.status, 422);
    // The password alone is not enough, by whatever way it came.
    browser.password(&user.email, "a new and long one").await.must_be("/login/code", 200);
    let told = user.mail("Your password was changed", 1).await;
    assert!(told.text().contains(&browser.source.to_string()), "{}", told.text());
}

#[tokio::test]
async fn a_link_has_its_time() {
    let user = user("late").await;
    let mut browser = Browser::new(&user.stack);
    let page = browser.get("/password").await;
    browser.submit(&page, "/password", &[("email", &user.email)]).await.must_be("/password", 200);
    let path = link(&user.stack, &user.mail("Choose a password", 1).await);
    let page = browser.get(&path).await;
    user.change("UPDATE broadcast.password_links SET ends_at = now() WHERE user_id = $1").await;
    browser.get(&path).await.must_be(&path, 404);
    browser.submit(&page, &path, &[("password", "a new and long one")]).await.must_be(&path, 404);
    browser.log_in(&user).await;
}

#[tokio::test]
async fn people_are_told_in_their_language_of_new_places() {
    let user = user("places").await;
    user.change("UPDATE broadcast.users SET language = 'de', zone = 'Europe/Berlin' WHERE id = $1").await;
    let mut first = Browser::new(&user.stack);
    first.log_in(&user).await;
    let registered = user.mail("Ein Telefon wurde registriert", 1).await;
    assert!(
        registered.text().contains("Uhr, ") && !registered.text().contains(&user.phone),
        "{}",
        registered.text()
    );
    // The first place is none to be told of, nor is one that is known.
    first.log_in(&user).await;
    let mut elsewhere = Browser::new(&user.stack);
    elsewhere.source = "203.0.113.9".parse().unwrap();
    elsewhere.log_in(&user).await;
    let told = user.mail("neuen Ort", 1).await;
    assert!(told.text().contains("203.0.113.9, Firefox, Linux"), "{}", told.text());
    let of_places = user.mails().into_iter().filter(|mail| mail.header("subject") == told.header("subject"));
    assert_eq!(of_places.count(), 1);
}

#[tokio::test]
async fn operators_open_lock_and_reset_accounts() {
    let user = user("operated").await;
    let operate =
        async |command: &str| admin(&user.stack, json!({"command": command, "email": user.email})).await;
    let mut browser = Browser::new(&user.stack);
    browser.log_in(&user).await;
    assert_eq!(operate("reset_phone").await["reset"], true);
    assert_eq!(operate("reset_phone").await["reset"], false);
    browser.get("/account").await.must_be("/login", 200);
    browser.password(&user.email, PASSWORD).await.must_be("/login/phone", 200);
    user.mail("Your phone was reset", 1).await;
    browser.log_in(&user).await;
    operate("disable_user").await;
    browser.get("/account").await.must_be("/login", 200);
    assert_eq!(browser.password(&user.email, PASSWORD).await.status, 422);
    operate("enable_user").await;
    browser.log_in(&user).await;
    while browser.password(&user.email, "not the password").await.status != 429 {}
    assert_eq!(browser.password(&user.email, PASSWORD).await.status, 429);
    operate("unlock_user").await;
    browser.log_in(&user).await;
    let shown = admin(&user.stack, json!({"command": "users"})).await;
    assert!(!shown.to_string().contains('@'), "{shown}");
}
