//! Who answers for a person's rights finds everything that is held of them, has it deleted, sees what is deleted next and the receipts, and the
//! audit says who did so; no address stands in any address of a page.

use localstack::Stack;
use testkit::{
    Tenant,
    browser::{Browser, User},
    wait,
};
use time::OffsetDateTime;

use crate::{every_way_of_unsubscribing_lasts::mailed, everything_is_deleted_on_time::sweep};

#[tokio::test(flavor = "multi_thread")]
async fn from_the_question_to_the_receipt() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "rights").await;
    let (campaign, plan, _) = mailed(&tenant, "rights", "en", 3).await;
    let (ann, ben) = (plan.address(0), plan.address(1));
    let user = User::new(&stack, Some(tenant.id), "admin").await;
    let mut browser = Browser::new(&stack);
    browser.log_in(&user).await;

    let page = browser.get("/recipients").await;
    let wrong = browser.submit(&page, "/recipients/access", &[("address", "nobody")]).await;
    assert!(wrong.status == 422 && wrong.text.contains("field-address-wrong"), "{}", wrong.text);
    let held = browser.submit(&page, "/recipients/access", &[("address", &ann)]).await;
    held.must_be("/recipients/access", 200);
    assert!(held.text.contains(&ann) && held.text.contains("Line 2 of import"), "{}", held.text);
    assert!(!held.text.contains(&ben), "of one person alone");

    // Not without the box.
    let refused = browser.submit(&page, "/recipients/erasure", &[("person", &ann), ("sure", "")]).await;
    assert!(refused.status == 422 && refused.text.contains("field-sure-wrong"), "{}", refused.text);
    let page = browser.submit(&page, "/recipients/erasure", &[("person", &ann), ("sure", "yes")]).await;
    page.must_be("/recipients", 200);
    assert!(!page.text.contains(&ann), "the list tells of nobody");
    sweep(&tenant, OffsetDateTime::now_utc()).await;
    wait::until("the erasure", async || {
        browser.get("/recipients").await.text.contains("badge good").then_some(())
    })
    .await;
    let held = browser.submit(&page, "/recipients/access", &[("address", &ann)]).await;
    assert!(
        held.text.contains("No campaign holds this address") && held.text.contains("suppressed by hand"),
        "{}",
        held.text
    );

    let page = browser.get("/retention").await;
    let link = format!("href=\"/campaigns/{campaign}\"");
    assert!(page.text.contains(&link) && page.text.contains("28 days"), "{}", page.text);
    let receipts = browser.get("/retention/receipts").await;
    assert!(receipts.text.contains("<table>"), "{}", receipts.text);
    let statement = browser.send("GET", "/retention/statement?from=2020-01-01&to=", &[], "").await;
    assert_eq!(statement.headers["content-type"], "text/csv; charset=utf-8");
    assert!(statement.text().lines().count() > 1, "{}", statement.text());
    let none = browser.send("GET", "/retention/statement?from=&to=2020-01-01", &[], "").await;
    assert_eq!(none.text().lines().count(), 1, "{}", none.text());

    let audit = browser.get(&format!("/audit?actor=user+{}&action=erase_recipient", user.id)).await;
    audit.must_be("/audit", 200);
    assert!(
        audit.text.contains("<code>erase_recipient</code>") && audit.text.contains(&user.email),
        "{}",
        audit.text
    );
    assert!(!audit.text.contains("<code>access_recipient</code>"), "only what was asked for");
    let audit = browser.get("/audit").await;
    assert!(audit.text.contains("access_recipient") && !audit.text.contains(&ann), "{}", audit.text);
    let other = Tenant::new(&stack, "other").await;
    let mut stranger = Browser::new(&stack);
    stranger.log_in(&User::new(&stack, Some(other.id), "admin").await).await;
    let foreign = stranger.get("/audit").await;
    assert!(!foreign.text.contains(&format!("user {}<", user.id)), "{}", foreign.text);
}

#[tokio::test]
async fn times_are_changed_by_who_may() {
    const FORM: &str = "/retention/settings";
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "times").await;
    let mut browser = Browser::new(&stack);
    browser.log_in(&User::new(&stack, Some(tenant.id), "admin").await).await;
    let page = browser.get(FORM).await;
    let refused = browser.submit(&page, FORM, &[("exports_hours", "8761"), ("incoming_hours", "48")]).await;
    assert!(refused.status == 422 && refused.text.contains("field-exports_hours-wrong"), "{}", refused.text);
    let refused = browser.submit(&page, FORM, &[("exports_hours", "soon")]).await;
    assert!(refused.status == 422 && refused.text.contains("Enter whole hours"), "{}", refused.text);
    let page = browser.submit(&page, FORM, &[("exports_hours", "30"), ("cancelled_hours", "12")]).await;
    page.must_be("/retention", 200);
    assert!(page.text.contains("1 day 6 hours") && page.text.contains("12 hours"), "{}", page.text);
    let settings = tenant.api("GET", "/v1/retention", None).await.ok();
    assert_eq!(
        (&settings["exports_hours"], &settings["incoming_hours"]),
        (&30.into(), &48.into()),
        "{settings}"
    );
    // Sweep puts the bucket's own rules right.
    sweep(&tenant, OffsetDateTime::now_utc()).await;
    let rules =
        tenant.aws.s3.get_bucket_lifecycle_configuration().bucket(&tenant.bucket).send().await.unwrap();
    let days = rules.rules().iter().find(|rule| format!("{rule:?}").contains("Exports/")).unwrap();
    assert_eq!(days.expiration().unwrap().days(), Some(2), "{days:?}");
    let mut manager = Browser::new(&stack);
    manager.log_in(&User::new(&stack, Some(tenant.id), "manager").await).await;
    assert_eq!(manager.get(FORM).await.status, 403);
    assert!(!manager.get("/retention").await.text.contains(FORM));
}

#[tokio::test]
async fn a_long_statement_comes_in_parts_and_says_so() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "parts").await;
    let mut browser = Browser::new(&stack);
    browser.log_in(&User::new(&stack, Some(tenant.id), "admin").await).await;
    sqlx::query(
        "INSERT INTO broadcast.receipts (tenant_id, number, at, what, ids, count, rule, previous, digest)
         SELECT $1, n, now(), 'file', ARRAY[n], 1, 'Incoming 48 hours', '', '' FROM generate_series(1, 10001) AS n",
    )
    .bind(tenant.id)
    .execute(&mut tenant.superuser().await)
    .await
    .unwrap();
    let page = browser.get("/retention/statement?from=&to=").await;
    assert!(page.text.contains("up to number 10,000"), "{}", page.text);
    let mut numbers = Vec::new();
    for mark in ["part=true", "part=false"] {
        let (before, _) = page.text.split_once(&format!("{mark}\"")).unwrap();
        let address = format!("{}{mark}", before.rsplit_once('"').unwrap().1).replace("&amp;", "&");
        let part = browser.send("GET", &address, &[], "").await;
        assert_eq!(part.headers["content-type"], "text/csv; charset=utf-8");
        let text = part.text();
        numbers
            .extend(text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse::<i64>().unwrap()));
    }
    assert!(numbers.iter().copied().eq(1..=10_001), "{} receipts", numbers.len());
}
