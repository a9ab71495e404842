//! A page asks for several things, and again by itself: the audit has what a person did, and not that the person looked.

use testkit::{
    Stack, Tenant,
    browser::{Browser, User},
};

#[tokio::test(flavor = "multi_thread")]
async fn in_the_persons_name() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "deeds").await;
    let user = User::new(&stack, Some(tenant.id), "manager").await;
    let mut browser = Browser::new(&stack);
    browser.log_in(&user).await;
    let page = browser.get("/campaigns/new").await;
    let page = browser.submit(&page, "/campaigns/new", &[("name", "spring")]).await;
    assert_eq!(page.status, 200, "{}", page.text);
    for path in ["/campaigns", page.path.as_str(), "/files", "/retention", "/campaigns/987654321"] {
        browser.get(path).await;
    }
    let lines: Vec<(String, String)> = sqlx::query_as(
        "SELECT action, result FROM broadcast.audit WHERE tenant_id = $1 AND actor = $2 ORDER BY id",
    )
    .bind(tenant.id)
    .bind(format!("user {}", user.id))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap();
    let of_operations: Vec<(&str, &str)> = lines
        .iter()
        .map(|(action, result)| (action.as_str(), result.as_str()))
        .filter(|(action, _)| action.contains('_') && !action.contains("login") && !action.contains("phone"))
        .collect();
    // What is refused is told, even a look.
    assert_eq!(of_operations, [("create_campaign", "done"), ("show_campaign", "not_found")], "{lines:?}");
}
