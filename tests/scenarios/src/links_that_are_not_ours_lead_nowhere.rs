//! Links that somebody changed, cut off, put together from two or made of another tenant's get one answer, and nothing is recorded.

use serde_json::json;
use testkit::{Stack, Tenant, http::Answer, wait};

use crate::every_way_of_unsubscribing_lasts::{mail_to, mailed};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// What stands before the token, the token, and what stands behind it.
fn parts(url: &str) -> (&str, &str, &str) {
    let begin = ["/o/", "/c/", "/u/"].iter().find_map(|mark| Some(url.find(mark)? + mark.len())).unwrap();
    let end = url[begin..].find('?').map_or(url.len(), |at| begin + at);
    (&url[..begin], &url[begin..end], &url[end..])
}

/// The same with another token, or another query.
fn put(url: &str, token: &str, query: &str) -> String {
    format!("{}{token}{query}", parts(url).0)
}

fn said(answer: &Answer) -> (u16, String, Vec<String>) {
    // The platform's own.
    let changing = |name: &str| name == "date" || name.starts_with("x-amzn-");
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !changing(name.as_str()))
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    (answer.status.as_u16(), answer.text(), headers)
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_foreign_cut_and_swapped() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::with(&stack, "links", json!({"name": "Acme"})).await;
    let other = Tenant::with(&stack, "others", json!({"name": "Other"})).await;
    let (campaign, plan, mails) = mailed(&tenant, "spring", "de", 2).await;
    let (_, others_plan, others) = mailed(&other, "spring", "en", 2).await;
    let url = |mark: &str| mail_to(&mails, &plan.address(0)).url_with(mark).unwrap();
    let (open, click, unsubscribe) = (url("/o/"), url("/c/"), url("/u/"));
    let second = mail_to(&mails, &plan.address(1)).url_with("/c/").unwrap();
    let foreign = mail_to(&others, &others_plan.address(0)).url_with("/u/").unwrap();

    let token = |url: &str| parts(url).1.to_owned();
    let query = |url: &str| parts(url).2.to_owned();
    let mut forged = token(&open).into_bytes();
    forged[4] = if forged[4] == b'A' { b'B' } else { b'A' };
    let evil = query(&click).replace("shop.example", "evil.example");
    assert_ne!(evil, query(&click));
    let wrong = [
        // Forged.
        put(&open, &String::from_utf8(forged).unwrap(), ""),
        put(&click, &token(&click), &evil),
        put(&unsubscribe, &token(&unsubscribe), "?s=de.Evil"),
        put(&unsubscribe, &token(&unsubscribe), "?s=en.Acme"),
        // Another tenant's name, and another tenant's token.
        put(&unsubscribe, &token(&unsubscribe), &query(&foreign)),
        put(&unsubscribe, &token(&foreign), &query(&unsubscribe)),
        // Cut off.
        put(&open, &token(&open)[..20], ""),
        put(&click, &token(&click), ""),
        put(&unsubscribe, &token(&unsubscribe), ""),
        put(&unsubscribe, "", ""),
        // One in place of another.
        put(&open, &token(&click), ""),
        put(&unsubscribe, &token(&open), ""),
        put(&click, &token(&open), &query(&click)),
        put(&click, &token(&unsubscribe), &query(&click)),
    ];
    let expected = said(&tenant.http.get(&put(&open, "x", ""), FIREFOX).await);
    assert_eq!((expected.0, expected.1.as_str()), (404, "Not found.\n"));
    for url in &wrong {
        assert_eq!(said(&tenant.http.get(url, FIREFOX).await), expected, "{url}");
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for url in wrong.iter().filter(|url| url.contains("/u/")) {
        let answer = tenant.http.send("POST", url, &form, "List-Unsubscribe=One-Click").await;
        assert_eq!(said(&answer), expected, "POST {url}");
    }

    // What is recorded after them is all that is recorded.
    tenant.http.get(&second, FIREFOX).await;
    wait::until("the click to be stored", async || {
        (tenant.accounting(campaign).await.number("responses.clicked") == 1).then_some(())
    })
    .await;
    let kinds: Vec<String> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT kind FROM campaign_{campaign}.responses")))
            .fetch_all(&mut tenant.superuser().await)
            .await
            .unwrap();
    assert_eq!(kinds, ["clicked"]);
    tenant.all_is_well(campaign).await;
}
