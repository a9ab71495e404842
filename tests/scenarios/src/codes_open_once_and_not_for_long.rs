//! A code of a text opens one login, once, within its time, which each wrong one shortens; the third wrong one is the end of the login.

use localstack::Stack;
use testkit::{
    Tenant,
    browser::{Browser, PASSWORD, User, another, code, texts},
};

async fn user(name: &str) -> User {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, name).await;
    User::new(&stack, Some(tenant.id), "admin").await
}

/// Somebody who has registered a phone, and a browser that waits for a code.
async fn waiting(name: &str) -> (User, Browser, String) {
    let user = user(name).await;
    Browser::new(&user.stack).log_in(&user).await;
    let mut browser = Browser::new(&user.stack);
    browser.password(&user.email, PASSWORD).await.must_be("/login/code", 200);
    let code = code(&user.stack, &user.phone, 2).await;
    (user, browser, code)
}

#[tokio::test]
async fn the_first_login_registers_a_phone() {
    let user = user("first").await;
    let mut browser = Browser::new(&user.stack);
    let page = browser.get("/account?a=b").await;
    page.must_be("/login", 200);
    let page = browser.submit(&page, "/login", &[("email", &user.email), ("password", PASSWORD)]).await;
    page.must_be("/login/phone", 200);
    // No way around it.
    browser.get("/login/code").await.must_be("/login/phone", 200);
    browser.get("/account").await.must_be("/login", 200);
    for (number, words) in [
        ("12", "not a phone number"),
        ("+49 30 123456", "not a mobile number"),
        ("+1 876 210 1234", "no codes to numbers of this country"),
    ] {
        let refused = browser.submit(&page, "/login/phone", &[("phone", number)]).await;
        refused.must_be("/login/phone", 422);
        assert!(refused.text.contains(words), "{number}: {}", refused.text);
    }
    let national = user.phone.replace("+49", "0");
    let page = browser.submit(&page, "/login/phone", &[("phone", &national)]).await;
    // Their own numbering: the tenant's first country is Austria's.
    page.must_be("/login/phone", 422);
    let page = browser.submit(&page, "/login/phone", &[("phone", &user.phone)]).await;
    page.must_be("/login/code", 200);
    assert!(page.text.contains(&format!("ends in {}", &user.phone[user.phone.len() - 3..])), "{}", page.text);
    assert!(!page.text.contains(&user.phone));
    let text = &texts(&user.stack, &user.phone).await[0];
    let code = code(&user.stack, &user.phone, 1).await;
    assert!(text.lines().last().unwrap().ends_with(&format!(" #{code}")), "{text}");
    let page =
        browser.submit(&page, "/login/code", &[("code", &format!("{} {}", &code[..3], &code[3..]))]).await;
    // Where the person wanted to go.
    page.must_be_inside();
    assert!(page.text.contains(&user.email));
    user.mail("A phone was registered", 1).await;
    assert_eq!(user.mails().len(), 1, "the first place is nothing to be told of");
}

#[tokio::test]
async fn a_code_is_used_once() {
    let (user, mut browser, code) = waiting("once").await;
    let (page, mut thief) = (browser.get("/login/code").await, browser.clone());
    browser.submit(&page, "/login/code", &[("code", &code)]).await.must_be_inside();
    // With everything that the browser had, and the code.
    let page = thief.submit(&page, "/login/code", &[("code", &code)]).await;
    page.must_be("/login", 200);
    assert!(page.text.contains("is over"), "{}", page.text);
    assert_eq!(user.sessions().await, 2);
}

#[tokio::test]
async fn of_two_requests_with_one_code_one_wins() {
    let (user, mut browser, code) = waiting("race").await;
    let page = browser.get("/login/code").await;
    let requests = (0..4).map(|_| {
        let (mut browser, form, code) = (browser.clone(), page.form("/login/code"), code.clone());
        tokio::spawn(async move {
            let answer = browser.post(&form, &[("code", &code)]).await;
            (answer.status.as_u16(), answer.headers["location"].to_str().unwrap().to_owned())
        })
    });
    let mut answers = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        answers.push(request.await.unwrap());
    }
    answers.sort();
    let lost = || (303, "/login?said=ended".to_owned());
    assert_eq!(answers, [(303, "/".to_owned()), lost(), lost(), lost()]);
    assert_eq!(user.sessions().await, 2);
}

#[tokio::test]
async fn a_code_has_its_time() {
    let (user, mut browser, code) = waiting("expiry").await;
    user.change(
        "UPDATE broadcast.challenges SET code_ends_at = now() WHERE user_id = $1 AND used_at IS NULL",
    )
    .await;
    let page = browser.get("/login/code").await;
    let page = browser.submit(&page, "/login/code", &[("code", &code)]).await;
    page.must_be("/login/code", 422);
    assert!(page.text.contains("no longer valid"), "{}", page.text);
    // It was no guess: the login goes on with a new one.
    let page = browser.submit(&page, "/login/code/text", &[]).await;
    let next = testkit::browser::code(&user.stack, &user.phone, 3).await;
    browser.submit(&page, "/login/code", &[("code", &next)]).await.must_be_inside();
}

#[tokio::test]
async fn each_wrong_code_shortens_the_time_and_the_third_is_the_end() {
    let (user, mut browser, code) = waiting("wrong").await;
    let wrong = another(&code);
    let page = browser.get("/login/code").await;
    for minutes in [4, 3] {
        let page = browser.submit(&page, "/login/code", &[("code", &wrong)]).await;
        page.must_be("/login/code", 422);
        assert!(page.text.contains(&format!("less than {minutes} minutes")), "{}", page.text);
    }
    // What has not six digits is no guess.
    browser.submit(&page, "/login/code", &[("code", "12 34")]).await.must_be("/login/code", 422);
    let end = browser.submit(&page, "/login/code", &[("code", &wrong)]).await;
    end.must_be("/login", 200);
    assert!(end.text.contains("the last try"), "{}", end.text);
    let page = browser.submit(&page, "/login/code", &[("code", &code)]).await;
    page.must_be("/login", 200);
    assert_eq!(user.sessions().await, 1);
}

#[tokio::test]
async fn a_new_code_voids_the_old_and_keeps_the_count() {
    let (user, mut browser, old) = waiting("new").await;
    let page = browser.get("/login/code").await;
    browser.submit(&page, "/login/code", &[("code", &another(&old))]).await.must_be("/login/code", 422);
    let page = browser.submit(&page, "/login/code/text", &[]).await;
    page.must_be("/login/code", 200);
    let new = code(&user.stack, &user.phone, 3).await;
    if new != old {
        let page = browser.submit(&page, "/login/code", &[("code", &old)]).await;
        page.must_be("/login/code", 422);
        assert!(page.text.contains("less than 4 minutes"), "a new code has its own time: {}", page.text);
    }
    let page = browser.submit(&page, "/login/code", &[("code", &another(&new))]).await;
    page.must_be("/login", 200);
}

/// A code is for the login that it was made for.
#[tokio::test]
async fn a_code_opens_no_other_login() {
    let (user, _, code) = waiting("other").await;
    let mut other = Browser::new(&user.stack);
    let page = other.password(&user.email, PASSWORD).await;
    let own = testkit::browser::code(&user.stack, &user.phone, 3).await;
    if own != code {
        other.submit(&page, "/login/code", &[("code", &code)]).await.must_be("/login/code", 422);
    }
    other.submit(&page, "/login/code", &[("code", &own)]).await.must_be_inside();
}
