//! A database that was restored from a backup brings no right back that ended after it: no session, no disabled person, no role that was lowered, no phone
//! and no password that were replaced, no passkey that was removed. And until it knows, it lets nobody in.

use serde_json::json;
use testkit::{
    Stack, Tenant,
    browser::{Browser, PASSWORD, User},
    own,
    tenant::{admin, invoke},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

async fn fire(stack: &Stack, function: &str) {
    let event = json!({"time": OffsetDateTime::now_utc().format(&Rfc3339).unwrap()});
    invoke(stack, function, &event).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_copy_says() {
    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "back", &["console", "send", "sweep"]).await;
    let tenant = Tenant::new(&stack, "back").await;
    let mut people = Vec::new();
    for role in ["admin", "admin", "admin", "admin", "admin", "manager", "viewer"] {
        people.push(User::new(&stack, Some(tenant.id), role).await);
    }
    people.push(User::new(&stack, None, "operator").await);
    let mut browsers = Vec::new();
    for user in &people {
        let mut browser = Browser::new(&stack);
        browser.log_in(user).await;
        browsers.push(browser);
    }
    let [disabled, lowered, reset, replaced, deleted, untouched, keyed, operator] = &people[..] else {
        panic!()
    };
    for user in [reset, keyed] {
        user.change(
            "INSERT INTO broadcast.passkeys (user_id, credential_id, credential, name, created_at)
             SELECT $1, sha256(($1 || name)::bytea), '{}', name, now() FROM unnest(ARRAY['stolen', 'kept']) AS name",
        )
        .await;
    }
    fire(&stack, "send").await;
    let backup = own::back_up(&stack);
    admin(&stack, json!({"command": "disable_user", "email": disabled.email})).await;
    lowered.change("UPDATE broadcast.users SET role = 'viewer' WHERE id = $1").await;
    admin(&stack, json!({"command": "reset_phone", "email": reset.email})).await;
    replaced.change("UPDATE broadcast.users SET password_hash = 'another' WHERE id = $1").await;
    deleted.change("DELETE FROM broadcast.users WHERE id = $1").await;
    keyed.change("DELETE FROM broadcast.passkeys WHERE user_id = $1 AND name = 'stolen'").await;
    admin(&stack, json!({"command": "disable_user", "email": operator.email})).await;
    let page = browsers[5].get("/account").await;
    browsers[5].clone().submit(&page, "/logout", &[]).await.must_be("/login", 200);
    fire(&stack, "send").await;

    own::restore(&stack, &backup).await;
    // Nobody knows yet whether it is the newest.
    for browser in &mut browsers {
        assert_eq!(browser.get("/account").await.status, 503);
    }
    assert_eq!(Browser::new(&stack).password(&untouched.email, PASSWORD).await.status, 503);
    fire(&stack, "send").await;
    for browser in &mut browsers {
        browser.get("/account").await.must_be("/login", 200);
    }
    assert_eq!(
        Browser::new(&stack).password(&disabled.email, PASSWORD).await.status,
        503,
        "not replayed yet"
    );
    fire(&stack, "sweep").await;
    let password = async |user: &User| {
        let page = Browser::new(&stack).password(&user.email, PASSWORD).await;
        (page.path, page.status)
    };
    for user in [disabled, replaced, deleted, operator] {
        assert_eq!(password(user).await, ("/login".to_owned(), 422));
    }
    assert_eq!(password(reset).await, ("/login/phone".to_owned(), 200));
    for (user, role) in [(lowered, "Viewer"), (untouched, "Campaign manager")] {
        let mut browser = Browser::new(&stack);
        browser.log_in(user).await;
        let page = browser.get("/account").await;
        assert!(page.text.contains(role), "{}", page.text);
    }
    let passkeys = "SELECT count(*) FROM broadcast.passkeys WHERE user_id = $1";
    assert_eq!((reset.count(passkeys).await, keyed.count(passkeys).await), (0, 1));
    own::undeploy(&stack).await;
}
