//! The page that unsubscribes works in a real browser without JavaScript, by the keyboard, in the reader's language; axe-core finds nothing to mend.

use std::path::Path;

use serde_json::{Value, json};
use testkit::{Stack, Tenant, customer, wait};
use tokio::process::Command;

use crate::every_way_of_unsubscribing_lasts::{mail_to, mailed};

/// What `tests/clients/unsubscribe_page.py` saw.
async fn used(url: &str, languages: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/unsubscribe_page.py");
    let mut python = Command::new(customer::installed("python"));
    python.arg("-B").arg(script).args([url, languages]);
    serde_json::from_str(&customer::must(python).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_german_and_in_english() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::with(&stack, "page", json!({"name": "Grün & <Söhne>"})).await;
    let (campaign, plan, mails) = mailed(&tenant, "spring", "de", 2).await;
    let url = |number| mail_to(&mails, &plan.address(number)).url_with("/u/").unwrap();

    let page = |language: &str, heading: &str, text: &str, buttons: &[&str]| {
        json!({"language": language, "title": format!("{heading} – Grün & <Söhne>"), "heading": heading, "text": text,
               "role": "main", "buttons": buttons})
    };
    // Nobody has a page in Hungarian: then it is the mail's language.
    let german = json!({
        "asked": page("de", "Abmelden", "Möchten Sie keine E-Mails mehr von Grün & <Söhne> erhalten?", &["Abmelden"]),
        "done": page("de", "Abgemeldet", "Sie erhalten keine E-Mails mehr von Grün & <Söhne>.", &[]),
    });
    assert_eq!(used(&url(0), "hu").await, german);
    let english = json!({
        "asked": page("en", "Unsubscribe", "Do you want to receive no more e-mail from Grün & <Söhne>?", &["Unsubscribe"]),
        "done": page("en", "Unsubscribed", "You will receive no more e-mail from Grün & <Söhne>.", &[]),
    });
    assert_eq!(used(&url(1), "en-GB,en").await, english);

    wait::until("both to be stored", async || {
        (tenant.accounting(campaign).await.number("responses.unsubscribed") == 2).then_some(())
    })
    .await;
    tenant.all_is_well(campaign).await;
}
