//! A recipient unsubscribes by a provider's one click, by the page or by a mail through a real relay: each is one response, and no import brings
//! the address back. The links work when nothing is left of the campaign, too.

use serde_json::json;
use testkit::{
    Stack, Tenant,
    csv::Plan,
    customer,
    mailbox::Mail,
    tenant::{HTML, TEXT},
    wait,
};
use time::{Duration, OffsetDateTime};
use tokio::process::Command;

use crate::{everything_is_deleted_on_time::sweep, proofs_count_nowhere::tracked};

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

/// The mail to one of the plan's recipients.
pub(crate) fn mail_to<'m>(mails: &'m [Mail], address: &str) -> &'m Mail {
    mails.iter().find(|mail| mail.recipient == address).unwrap_or_else(|| panic!("no mail to {address}"))
}

/// A campaign whose template is in a language, mailed to so many recipients.
pub(crate) async fn mailed(
    tenant: &Tenant,
    name: &str,
    locale: &str,
    recipients: usize,
) -> (i64, Plan, Vec<Mail>) {
    let campaign = tenant.campaign(name).await;
    let template = json!({"from_name": "News", "from_address": format!("news@{}", tenant.domain), "locale": locale,
                          "subject": "Spring for {{ vorname }}", "html": HTML, "text": TEXT});
    tenant.api("PUT", &format!("/v1/campaigns/{campaign}/template"), Some(template)).await.ok_status();
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: recipients, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;
    tenant.control("list.csv", name, true).await;
    tenant.mailed(campaign, recipients as u64).await;
    let mails = wait::until(&format!("{recipients} mails"), async || {
        Some(tenant.mails()).filter(|mails| mails.len() == recipients)
    })
    .await;
    (campaign, plan, mails)
}

/// Sends a mail to an address through Postfix, from somebody whom nobody knows.
async fn write_to(stack: &Stack, address: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail");
    let text =
        "From: Somebody Else <somebody@else.example>\r\nSubject: unsubscribe\r\n\r\nNo more, please.\r\n";
    std::fs::write(&path, text).unwrap();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--mail-from", "somebody@else.example", "--mail-rcpt", address]);
    curl.arg("--upload-file").arg(&path).arg(&stack.relay_url);
    customer::must(curl).await;
}

async fn until_suppressed(tenant: &Tenant, addresses: &[String]) {
    for address in addresses {
        let person = json!({ "address": address });
        wait::until(&format!("{address} to be suppressed"), async || {
            let check = tenant.api("POST", "/v1/suppressions/check", Some(person.clone())).await.ok();
            (check["reason"] == "unsubscribed").then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_click_the_page_and_a_mail() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::with(&stack, "leave", json!({"name": "Grün & Söhne"})).await;
    let (campaign, plan, mails) = mailed(&tenant, "spring", "de", 5).await;

    // A provider, which repeats what it got no answer to.
    let url = mail_to(&mails, &plan.address(0)).one_click().unwrap();
    for _ in 0..2 {
        tenant.http.send("POST", &url, &FORM, ONE_CLICK).await.ok_status();
    }
    // A person, by the link in the text and the page's own button.
    let url = mail_to(&mails, &plan.address(1)).url_with("/u/").unwrap();
    let asked = tenant.http.send("GET", &url, &[("accept-language", "hu")], "").await.text();
    assert!(
        asked.contains("<html lang=\"de\">") && asked.contains("von <bdi>Grün &amp; Söhne</bdi>"),
        "{asked}"
    );
    assert!(asked.contains("name=\"List-Unsubscribe\" value=\"One-Click\""), "{asked}");
    let done = tenant.http.send("POST", &url, &FORM, ONE_CLICK).await.text();
    assert!(done.contains("<h1>Abgemeldet</h1>"), "{done}");
    // A mail program, and a relay on the way that writes addresses in capitals. The first mail is that of one who did so before.
    for number in [0, 2] {
        let header = mail_to(&mails, &plan.address(number)).header("List-Unsubscribe").unwrap();
        let address = header.split_once("<mailto:").unwrap().1.split_once('?').unwrap().0;
        let (local, domain) = address.split_once('@').unwrap();
        assert!(local.len() <= 64 && domain == stack.bounce_domain, "{address}");
        write_to(&stack, &format!("{}@{domain}", local.to_uppercase())).await;
    }

    until_suppressed(&tenant, &[0, 1, 2].map(|number| plan.address(number))).await;
    tracked(&tenant).await;
    let responses: Vec<(String, String)> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT kind, actor FROM campaign_{campaign}.responses")))
            .fetch_all(&mut tenant.superuser().await)
            .await
            .unwrap();
    assert_eq!(responses, vec![("unsubscribed".to_owned(), "human".to_owned()); 3]);

    // The same people once more, written otherwise: those who left get nothing.
    let again = tenant.campaign("summer").await;
    tenant.put("again.csv", plan.write().to_uppercase()).await;
    tenant.control("again.csv", "summer", true).await;
    let accounting = tenant.mailed(again, 5).await;
    assert_eq!((accounting.number("ledger.suppressed"), accounting.number("ledger.sent")), (3, 2));
    tenant.all_is_well(campaign).await;
    tenant.all_is_well(again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_day_45_too() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "late").await;
    let (spring, plan, mails) = mailed(&tenant, "spring", "en", 4).await;
    let start = OffsetDateTime::now_utc();
    wait::until("the campaign to be deleted", async || {
        sweep(&tenant, start + Duration::days(28) + Duration::minutes(5)).await;
        let campaign = tenant.api("GET", &format!("/v1/campaigns/{spring}"), None).await.ok();
        (campaign["state"] == "deleted" && tenant.stack_schemas(&[spring]).await == 0).then_some(())
    })
    .await;
    sweep(&tenant, start + Duration::days(45)).await;

    let url = mail_to(&mails, &plan.address(0)).one_click().unwrap();
    tenant.http.send("POST", &url, &FORM, ONE_CLICK).await.ok_status();
    let url = mail_to(&mails, &plan.address(1)).url_with("/u/").unwrap();
    let asked = tenant.http.send("GET", &url, &[], "").await.text();
    assert!(asked.contains("name=\"List-Unsubscribe\" value=\"One-Click\""), "{asked}");
    tenant.http.send("POST", &url, &FORM, ONE_CLICK).await.ok_status();
    let left = [0, 1].map(|number| plan.address(number));
    until_suppressed(&tenant, &left).await;

    let summer = tenant.campaign("summer").await;
    tenant.put("again.csv", plan.write()).await;
    tenant.control("again.csv", "summer", true).await;
    let accounting = tenant.mailed(summer, 4).await;
    assert_eq!((accounting.number("ledger.suppressed"), accounting.number("ledger.sent")), (2, 2));
    let mails =
        wait::until("two more mails", async || Some(tenant.mails()).filter(|mails| mails.len() == 6)).await;
    for number in 0..4 {
        let address = plan.address(number);
        let times = mails.iter().filter(|mail| mail.recipient == address).count();
        assert_eq!(times, if left.contains(&address) { 1 } else { 2 }, "{address}");
    }
    // What the deleted campaign counted is not touched, and what came for it died nowhere.
    assert_eq!(tenant.accounting(spring).await.number("responses.unsubscribed"), 0);
    tenant.all_is_well(spring).await;
    tenant.all_is_well(summer).await;
}
