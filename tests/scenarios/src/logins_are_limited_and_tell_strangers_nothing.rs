//! Passwords and texts are limited for each user, each address and each time; and what a stranger is told does not depend on whether somebody has the
//! e-mail address.

use localstack::Stack;
use testkit::{
    Tenant,
    browser::{Browser, PASSWORD, Page, User, code, texts},
    unique,
};

async fn user(name: &str) -> User {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, name).await;
    User::new(&stack, Some(tenant.id), "manager").await
}

/// A page without what differs from browser to browser, and without the address that was typed.
fn plain(page: &Page, email: &str) -> (u16, String, Vec<String>) {
    let token = page.forms().first().map(|form| form.fields[0].1.clone()).unwrap_or_default();
    let names = page.headers.keys().map(ToString::to_string).filter(|name| name != "set-cookie").collect();
    let text = page.text.replace(email, "").replace(&token, if token.is_empty() { "" } else { "token" });
    (page.status, text, names)
}

#[tokio::test]
async fn an_unknown_address_is_answered_as_a_known_one() {
    let user = user("alike").await;
    let (known, unknown) = (user.email.clone(), format!("{}@people.example", unique("user")));
    let mut pages = Vec::new();
    for email in [&known, &unknown] {
        let mut browser = Browser::new(&user.stack);
        let mut seen = Vec::new();
        for attempt in 0..12 {
            let page = browser.password(email, "not the password at all").await;
            let expected = if attempt < 10 { 422 } else { 429 };
            assert_eq!(page.status, expected, "{attempt}: {}", page.text);
            seen.push(plain(&page, email));
        }
        let last = browser.password(email, "not the password at all").await;
        let wait: u64 = last.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=900).contains(&wait), "{wait}");
        assert!(last.text.contains(&format!("in {} minutes", wait.div_ceil(60))), "{}", last.text);
        // The right password is not taken either, from wherever it comes.
        Browser::new(&user.stack).password(email, PASSWORD).await.must_be("/login", 429);
        // A link by mail is promised to everybody.
        let page = browser.get("/password").await;
        let page = browser.submit(&page, "/password", &[("email", email)]).await;
        page.must_be("/password", 200);
        seen.push(plain(&page, email));
        pages.push(seen);
    }
    let minutes = |text: &str| {
        text.split(" minutes")
            .next()
            .unwrap_or_default()
            .chars()
            .rev()
            .take_while(char::is_ascii_digit)
            .count()
    };
    for (known, unknown) in pages[0].iter().zip(&pages[1]) {
        assert_eq!((known.0, &known.2, minutes(&known.1)), (unknown.0, &unknown.2, minutes(&unknown.1)));
        if known.0 != 429 {
            assert_eq!(known.1, unknown.1);
        }
    }
    // The owner is told, and gets in again when the time is over.
    user.mail("locked for a while", 1).await;
    user.mail("password", 1).await;
    assert_eq!(user.mails().len(), 2);
    user.time_is_over("login of user", user.email.as_bytes()).await;
    user.change("UPDATE broadcast.users SET locked_until = now() WHERE id = $1").await;
    Browser::new(&user.stack).log_in(&user).await;
}

#[tokio::test]
async fn an_address_has_its_own_limit() {
    let stack = Stack::from_env().unwrap();
    let mut browser = Browser::new(&stack);
    let page = browser.get("/login").await;
    for attempt in 0..61 {
        let email = format!("{}@people.example", unique("user"));
        let answer = browser.submit(&page, "/login", &[("email", &email), ("password", "x")]).await;
        let expected = if attempt < 60 { 422 } else { 429 };
        assert_eq!(answer.status, expected, "{attempt}");
    }
    // Others are not kept out.
    assert_eq!(Browser::new(&stack).password("nobody@people.example", "x").await.status, 422);
}

#[tokio::test]
async fn texts_are_limited_for_each_user() {
    let user = user("texts").await;
    let mut browser = Browser::new(&user.stack);
    let page = browser.password(&user.email, PASSWORD).await;
    let mut page = browser.submit(&page, "/login/phone", &[("phone", &user.phone)]).await;
    for _ in 1..5 {
        page.must_be("/login/code", 200);
        page = browser.submit(&page, "/login/code/text", &[]).await;
    }
    let refused = browser.submit(&page, "/login/code/text", &[]).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    assert!(
        refused.headers.contains_key("retry-after") && refused.text.contains("another one in 60 minutes"),
        "{}",
        refused.text
    );
    assert_eq!(texts(&user.stack, &user.phone).await.len(), 5);
    // The last one is still good.
    let code = code(&user.stack, &user.phone, 5).await;
    browser.submit(&page, "/login/code", &[("code", &code)]).await.must_be_inside();
}

/// Whoever registers the number: nobody's phone is rung by many accounts.
#[tokio::test]
async fn texts_are_limited_for_each_number() {
    let user = user("number").await;
    for texts in [3, 2] {
        let person = User::new(&user.stack, None, "operator").await;
        let mut browser = Browser::new(&user.stack);
        let page = browser.password(&person.email, PASSWORD).await;
        let mut page = browser.submit(&page, "/login/phone", &[("phone", &user.phone)]).await;
        for _ in 1..texts {
            page.must_be("/login/code", 200);
            page = browser.submit(&page, "/login/code/text", &[]).await;
        }
        page.must_be("/login/code", 200);
    }
    let mut browser = Browser::new(&user.stack);
    let page = browser.password(&user.email, PASSWORD).await;
    let refused = browser.submit(&page, "/login/phone", &[("phone", &user.phone)]).await;
    refused.must_be("/login/phone", 429);
    assert_eq!(texts(&user.stack, &user.phone).await.len(), 5);
}

#[tokio::test]
async fn a_tenant_has_so_many_texts_a_day() {
    let user = user("day").await;
    user.change("UPDATE broadcast.tenants SET texts_per_day = 1 WHERE id = (SELECT tenant_id FROM broadcast.users WHERE id = $1)").await;
    let mut browser = Browser::new(&user.stack);
    let page = browser.password(&user.email, PASSWORD).await;
    let page = browser.submit(&page, "/login/phone", &[("phone", &user.phone)]).await;
    page.must_be("/login/code", 200);
    let refused = browser.submit(&page, "/login/code/text", &[]).await;
    assert_eq!(refused.status, 429);
    assert!(refused.text.contains("texts of today"), "{}", refused.text);
    assert_eq!(texts(&user.stack, &user.phone).await.len(), 1);
}

/// Wrong codes count over all logins, so that whoever has the password cannot go on guessing three at a time.
#[tokio::test]
async fn wrong_codes_lock_the_account_for_a_time() {
    let user = user("codes").await;
    Browser::new(&user.stack).log_in(&user).await;
    let mut guesses = 0;
    let locked = loop {
        // Texts have a limit of their own, which is not the one in question.
        user.time_is_over("text of user", &user.id.to_be_bytes()).await;
        user.time_is_over("text of phone", user.phone.as_bytes()).await;
        let mut browser = Browser::new(&user.stack);
        let sent = texts(&user.stack, &user.phone).await.len();
        let mut page = browser.password(&user.email, PASSWORD).await;
        if page.path != "/login/code" {
            break page;
        }
        let wrong = testkit::browser::another(&code(&user.stack, &user.phone, sent + 1).await);
        while page.path == "/login/code" && page.status != 429 && guesses < 20 {
            let form = page.form("/login/code");
            page = browser.submit_form(form, &[("code", &wrong)]).await;
            guesses += 1;
        }
    };
    locked.must_be("/login", 429);
    assert_eq!(guesses, 11, "ten, and the one that is refused");
    user.mail("locked for a while", 1).await;
}
