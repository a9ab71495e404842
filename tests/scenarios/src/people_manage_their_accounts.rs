//! What people change of their own accounts, and administrators of their people's: apps, recovery codes, phones, roles. Each change asks for the password or a
//! right, ends what it has to end, is told by mail, and reaches nobody of another tenant.

use access::Totp;
use data_encoding::BASE32_NOPAD;
use localstack::Stack;
use serde_json::json;
use testkit::{
    Tenant,
    browser::{Browser, PASSWORD, Page, User, code, link, texts},
};
use time::OffsetDateTime;

async fn tenant(name: &str) -> (Stack, Tenant) {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::with(&stack, name, json!({"totp_allowed": true})).await;
    (stack, tenant)
}

async fn admin_of(stack: &Stack, tenant: &Tenant) -> (User, Browser) {
    let user = User::new(stack, Some(tenant.id), "admin").await;
    let mut browser = Browser::new(stack);
    browser.log_in(&user).await;
    (user, browser)
}

/// What stands in a page's `code` elements.
fn codes(page: &Page) -> Vec<String> {
    let pieces = page.text.split("<code>").skip(1);
    pieces.map(|piece| piece.split('<').next().unwrap().to_owned()).collect()
}

fn step() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp() / 30
}

#[tokio::test]
async fn an_app_takes_the_place_of_texts() {
    let (stack, tenant) = tenant("app").await;
    let (user, mut browser) = admin_of(&stack, &tenant).await;
    let page = browser.get("/account/app").await;
    page.must_be("/account/app", 200);
    let totp = Totp::from_bytes(&BASE32_NOPAD.decode(codes(&page)[0].as_bytes()).unwrap()).unwrap();
    // The password, and a code of this very secret.
    let wrong = testkit::browser::another(&totp.code(step()));
    for (password, code, path) in
        [("not the password", totp.code(step()), "/account/app"), (PASSWORD, wrong, "/account/app")]
    {
        browser
            .submit(&page, "/account/app", &[("current", password), ("code", &code)])
            .await
            .must_be(path, 422);
    }
    // The one of the step before counts, too: so the next ones are there for logins.
    let earlier = step() - 1;
    let before = browser.cookies["__Host-session"].clone();
    let page =
        browser.submit(&page, "/account/app", &[("current", PASSWORD), ("code", &totp.code(earlier))]).await;
    page.must_be_inside();
    assert_ne!(browser.cookies["__Host-session"], before, "rotated");
    assert_eq!(browser.get("/account/app").await.status, 403, "one is enough");
    // The login asks for its code, and sends no text.
    let sent = texts(&stack, &user.phone).await.len();
    let mut other = Browser::new(&stack);
    let page = other.password(&user.email, PASSWORD).await;
    page.must_be("/login/code", 200);
    assert!(page.text.contains("authenticator app shows"), "{}", page.text);
    assert_eq!(texts(&stack, &user.phone).await.len(), sent);
    other.submit(&page, "/login/code", &[("code", &totp.code(earlier))]).await.must_be("/login/code", 422);
    let now = totp.code(earlier + 1);
    let (form, mut racing) = (page.form("/login/code"), other.clone());
    let typed = [("code", now.as_str())];
    let (one, two) = tokio::join!(other.post(&form, &typed), racing.post(&form, &typed));
    let mut places = [one, two].map(|answer| answer.headers["location"].to_str().unwrap().to_owned());
    places.sort();
    assert_eq!(places, ["/", "/login?said=ended"]);
    // Another login with the same code.
    let mut third = Browser::new(&stack);
    let page = third.password(&user.email, PASSWORD).await;
    third.submit(&page, "/login/code", &[("code", &now)]).await.must_be("/login/code", 422);
    // A text instead.
    let page = third.submit(&page, "/login/code/text", &[]).await;
    let text = code(&stack, &user.phone, sent + 1).await;
    third.submit(&page, "/login/code", &[("code", &text)]).await.must_be_inside();
    // Where the tenant allows no apps any more, codes are texts again.
    testkit::tenant::admin(
        &stack,
        json!({"command": "set_tenant", "slug": tenant.slug, "totp_allowed": false}),
    )
    .await;
    let mut fourth = Browser::new(&stack);
    fourth.password(&user.email, PASSWORD).await.must_be("/login/code", 200);
    code(&stack, &user.phone, sent + 2).await;
    let page = third.get("/account").await;
    third
        .submit(&page, "/account/app/end", &[("current", "not the password")])
        .await
        .must_be("/account/app/end", 422);
    third.submit(&page, "/account/app/end", &[("current", PASSWORD)]).await.must_be_inside();
    browser.get("/account").await.must_be("/login", 200);
    user.mail("authenticator app was removed", 1).await;
}

#[tokio::test]
async fn a_recovery_code_opens_one_login() {
    let (stack, tenant) = tenant("recover").await;
    let (user, mut browser) = admin_of(&stack, &tenant).await;
    let page = browser.get("/account").await;
    let old = codes(&browser.submit(&page, "/account/recovery", &[("current", PASSWORD)]).await);
    let page = browser.submit(&page, "/account/recovery", &[("current", PASSWORD)]).await;
    let new = codes(&page);
    assert_eq!((old.len(), new.len()), (10, 10));
    assert!(browser.get("/account").await.text.contains("You have 10 left"));
    let mut other = Browser::new(&stack);
    other.password(&user.email, PASSWORD).await.must_be("/login/code", 200);
    let page = other.get("/login/recovery").await;
    // Those of the older set are none.
    other.submit(&page, "/login/recovery", &[("code", &old[0])]).await.must_be("/login/recovery", 422);
    other.submit(&page, "/login/recovery", &[("code", &new[0].to_uppercase())]).await.must_be_inside();
    assert!(other.get("/account").await.text.contains("You have 9 left"));
    let mut again = Browser::new(&stack);
    again.password(&user.email, PASSWORD).await.must_be("/login/code", 200);
    let page = again.get("/login/recovery").await;
    for _ in 0..2 {
        again.submit(&page, "/login/recovery", &[("code", &new[0])]).await.must_be("/login/recovery", 422);
    }
    again.submit(&page, "/login/recovery", &[("code", &new[0])]).await.must_be("/login", 200);
    user.mail("A recovery code was used", 1).await;
}

#[tokio::test]
async fn another_phone_is_proved_before_it_counts() {
    let (stack, tenant) = tenant("phone").await;
    let (user, mut browser) = admin_of(&stack, &tenant).await;
    let mut elsewhere = Browser::new(&stack);
    elsewhere.log_in(&user).await;
    let new = User::new(&stack, Some(tenant.id), "viewer").await.phone;
    let page = browser.get("/account").await;
    for (password, phone) in [("not the password", new.as_str()), (PASSWORD, "+1 876 210 1234")] {
        let page = browser.submit(&page, "/account/phone", &[("current", password), ("phone", phone)]).await;
        page.must_be("/account/phone", 422);
    }
    let page = browser.submit(&page, "/account/phone", &[("current", PASSWORD), ("phone", &new)]).await;
    page.must_be("/account/phone", 200);
    let right = code(&stack, &new, 1).await;
    // Until then the old one is the phone.
    browser
        .submit(&page, "/account/phone/code", &[("code", &testkit::browser::another(&right))])
        .await
        .must_be("/account/phone/code", 422);
    elsewhere.get("/account").await.must_be_inside();
    let page = browser.submit(&page, "/account/phone/code", &[("code", &right)]).await;
    page.must_be_inside();
    assert!(page.text.contains(&format!("ends in {}", &new[new.len() - 3..])), "{}", page.text);
    elsewhere.get("/account").await.must_be("/login", 200);
    let page = elsewhere.password(&user.email, PASSWORD).await;
    let next = code(&stack, &new, 2).await;
    elsewhere.submit(&page, "/login/code", &[("code", &next)]).await.must_be_inside();
    user.mail("A phone was registered", 2).await;
}

/// The form of an action about somebody.
fn about(page: &Page, action: &str, user: &User) -> testkit::browser::Form {
    let id = user.id.to_string();
    let forms = page.forms().into_iter();
    let mut found =
        forms.filter(|form| form.action == action && form.fields.contains(&("user".to_owned(), id.clone())));
    found.next().unwrap_or_else(|| panic!("no {action} for {id}: {}", page.text))
}

#[tokio::test]
async fn administrators_manage_their_people_alone() {
    let (stack, own) = tenant("own").await;
    let other = Tenant::new(&stack, "other").await;
    let (admin, mut browser) = admin_of(&stack, &own).await;
    let foreign = User::new(&stack, Some(other.id), "viewer").await;
    let mut foreigner = Browser::new(&stack);
    foreigner.log_in(&foreign).await;

    // Invited, by an address that nobody has.
    let page = browser.get("/users").await;
    assert!(page.text.contains(&admin.email) && !page.text.contains(&foreign.email));
    for (email, words) in
        [("nobody", "without letters beyond ASCII"), (foreign.email.as_str(), "cannot be invited")]
    {
        let page = browser
            .submit(&page, "/users/invite", &[("email", email), ("role", "viewer"), ("language", "de")])
            .await;
        page.must_be("/users/invite", 422);
        assert!(page.text.contains(words), "{}", page.text);
    }
    let operator =
        browser.submit(&page, "/users/invite", &[("email", "a@b.example"), ("role", "operator")]).await;
    operator.must_be("/users/invite", 422);
    let mut invited = User::new(&stack, Some(own.id), "viewer").await;
    invited.change("DELETE FROM broadcast.users WHERE id = $1").await;
    let page = browser
        .submit(&page, "/users/invite", &[("email", &invited.email), ("role", "viewer"), ("language", "de")])
        .await;
    page.must_be("/users", 200);
    let form = page.forms().into_iter().rfind(|form| form.action == "/users/role").unwrap();
    invited.id = form.fields.iter().find(|(name, _)| name == "user").unwrap().1.parse().unwrap();
    let path = link(&stack, &invited.mail("Ihr Konto", 1).await);
    let mut guest = Browser::new(&stack);
    let chosen = guest.get(&path).await;
    guest.submit(&chosen, &path, &[("password", PASSWORD)]).await.must_be("/login", 200);
    guest.log_in(&invited).await;
    assert_eq!(guest.get("/users").await.status, 403);

    // Changed: each ends the sessions.
    let page = browser.get("/users").await;
    browser
        .submit_form(about(&page, "/users/role", &invited), &[("role", "admin")])
        .await
        .must_be("/users", 200);
    guest.get("/account").await.must_be("/login", 200);
    guest.log_in(&invited).await;
    assert_eq!(guest.get("/users").await.status, 200);
    let page = browser.get("/users").await;
    browser.submit_form(about(&page, "/users/phone", &invited), &[]).await.must_be("/users", 200);
    guest.password(&invited.email, PASSWORD).await.must_be("/login/phone", 200);
    let page = browser.get("/users").await;
    let page = browser.submit_form(about(&page, "/users/disable", &invited), &[]).await;
    assert_eq!(guest.password(&invited.email, PASSWORD).await.status, 422);
    browser.submit_form(about(&page, "/users/enable", &invited), &[]).await.must_be("/users", 200);
    guest.log_in(&invited).await;
    browser.submit_form(about(&page, "/users/sessions", &invited), &[]).await.must_be("/users", 200);
    guest.get("/account").await.must_be("/login", 200);
    while guest.password(&invited.email, "not the password").await.status != 429 {}
    let page = browser.get("/users").await;
    browser.submit_form(about(&page, "/users/unlock", &invited), &[]).await.must_be("/users", 200);
    guest.log_in(&invited).await;

    // Nobody of another tenant's, and not oneself.
    let page = browser.get("/users").await;
    for action in
        ["/users/role", "/users/disable", "/users/phone", "/users/enable", "/users/unlock", "/users/sessions"]
    {
        for (target, status) in [(&foreign, 200), (&admin, 422)] {
            let mut form = about(&page, "/users/disable", &invited);
            action.clone_into(&mut form.action);
            let answer =
                browser.submit_form(form, &[("user", &target.id.to_string()), ("role", "admin")]).await;
            assert_eq!(answer.status, status, "{action}: {}", answer.text);
        }
    }
    foreigner.get("/account").await.must_be_inside();
    assert!(foreigner.get("/account").await.text.contains("Viewer"));
    browser.get("/account").await.must_be_inside();
}

#[tokio::test]
async fn operators_manage_operators() {
    let stack = Stack::from_env().unwrap();
    let (tenant, operator) = (Tenant::new(&stack, "none").await, User::new(&stack, None, "operator").await);
    let member = User::new(&stack, Some(tenant.id), "admin").await;
    let mut browser = Browser::new(&stack);
    browser.log_in(&operator).await;
    let other = User::new(&stack, None, "operator").await;
    let page = browser.get("/users").await;
    page.must_be("/users", 200);
    assert!(page.text.contains(&other.email) && !page.text.contains(&member.email));
    let form = about(&page, "/users/disable", &other);
    browser.submit_form(form.clone(), &[]).await.must_be("/users", 200);
    assert_eq!(Browser::new(&stack).password(&other.email, PASSWORD).await.status, 422);
    // A tenant's people are the tenant's.
    browser.submit_form(form, &[("user", &member.id.to_string())]).await.must_be("/users", 200);
    Browser::new(&stack).log_in(&member).await;
    let email = format!("{}@operators.example", testkit::unique("new"));
    let page = browser.submit(&page, "/users/invite", &[("email", &email), ("language", "en")]).await;
    page.must_be("/users", 200);
    assert!(page.text.contains(&email));
}

/// A tenant that wants no second factor has none; operators have one whatever a tenant wants.
#[tokio::test]
async fn the_second_factor_is_a_tenants_switch() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::with(&stack, "single", json!({"second_factor": false})).await;
    let user = User::new(&stack, Some(tenant.id), "manager").await;
    let mut browser = Browser::new(&stack);
    browser.password(&user.email, PASSWORD).await.must_be_inside();
    testkit::tenant::admin(
        &stack,
        json!({"command": "set_tenant", "slug": tenant.slug, "second_factor": true}),
    )
    .await;
    Browser::new(&stack).password(&user.email, PASSWORD).await.must_be("/login/phone", 200);
    let operator = User::new(&stack, None, "operator").await;
    Browser::new(&stack).password(&operator.email, PASSWORD).await.must_be("/login/phone", 200);
}
