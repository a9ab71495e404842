//! Seeds get each of a campaign's mailings, test mails go out at once; neither is counted anywhere, nor is what comes back of them. Who unsubscribes
//! by one means it.

use serde_json::{Value, json};
use testkit::{Stack, Tenant, csv::Plan, mailbox::Mail, tenant::HTML, unique, wait};

use crate::launch_starts_at_its_time::imported;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// The mails to one address, when there are so many.
async fn mails_to(tenant: &Tenant, local: &str, count: usize) -> Vec<Mail> {
    let recipient = format!("{local}@{}", tenant.recipients_domain);
    wait::until(&format!("{count} mails to {local}"), async || {
        let mails: Vec<_> = tenant.mails().into_iter().filter(|mail| mail.recipient == recipient).collect();
        (mails.len() >= count).then_some(mails)
    })
    .await
}

/// All that is said of the campaign in sums, and its exports.
async fn told(tenant: &Tenant, campaign: i64) -> Value {
    let get =
        async |what: &str| tenant.api("GET", &format!("/v1/campaigns/{campaign}/{what}"), None).await.ok();
    json!([get("accounting").await, get("responses").await, get("launches").await])
}

/// Nothing is under way to `track`.
pub(crate) async fn tracked(tenant: &Tenant) {
    let queue = &tenant.stack.deployment.queues["track"].url;
    wait::until_so(
        "the responses to be stored",
        async || tenant.aws.depth(queue).await,
        |depth| *depth == (0, 0),
    )
    .await;
}

async fn unsubscribe(tenant: &Tenant, mail: &Mail) {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let url = mail.one_click().unwrap();
    tenant.http.send("POST", &url, &form, "List-Unsubscribe=One-Click").await.ok_status();
}

async fn until_suppressed(tenant: &Tenant, local: &str) {
    let person = json!({"address": format!("{local}@{}", tenant.recipients_domain)});
    wait::until("the suppression", async || {
        let check = tenant.api("POST", "/v1/suppressions/check", Some(person.clone())).await.ok();
        (check["reason"] == "unsubscribed").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seeds_of_each_launch() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "seeds").await;
    let campaign = imported(&tenant, 3).await;
    let (seeds, launches) =
        (format!("/v1/campaigns/{campaign}/seeds"), format!("/v1/campaigns/{campaign}/launches"));
    let address = |local: &str| format!("{local}@{}", tenant.recipients_domain);
    // One of them is a recipient as well.
    let recipient = Plan { domain: tenant.recipients_domain.clone(), good: 3, ..Plan::default() }.address(1);
    let put = json!({"seeds": [{"address": address("seed"), "fields": {"Vorname": "Sam"}}, {"address": recipient}, {"address": address("gone")}]});
    tenant.api("PUT", &seeds, Some(put.clone())).await.ok();
    for wrong in [
        json!([{"address": "nobody"}]),
        json!([{"address": address("a")}, {"address": address("A")}]),
        json!((0..51).map(|n| json!({"address": address(&format!("s{n}"))})).collect::<Vec<_>>()),
    ] {
        let answer = tenant.api("PUT", &seeds, Some(json!({"seeds": wrong}))).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["code"].clone()),
            (422, json!("field_invalid")),
            "{wrong}"
        );
    }
    let kept =
        tenant.api("PUT", &seeds, Some(json!({"seeds": put["seeds"].as_array().unwrap()[..2]}))).await.ok();
    assert_eq!((kept["seeds"].as_array().unwrap().len(), &kept["seeds"][0]["mail"]), (2, &Value::Null));

    tenant.api("POST", &launches, None).await.ok();
    let accounting = tenant.mailed(campaign, 3).await;
    assert_eq!(accounting.number("ledger.sent"), 3);
    let seed = mails_to(&tenant, "seed", 1).await;
    let text = seed[0].text();
    assert!(text.contains("Hello Sam [nachname]!") && text.contains("[notiz]"), "{text}");
    wait::until("all mails", async || (tenant.mails().len() == 5).then_some(())).await;
    let listed = wait::until("the seeds' outcome", async || {
        let listed = tenant.api("GET", &seeds, None).await.ok();
        listed["seeds"]
            .as_array()
            .unwrap()
            .iter()
            .all(|seed| seed["mail"]["state"] == "sent")
            .then_some(listed)
    })
    .await;
    assert!(listed["seeds"][0]["mail"]["reply"].as_str().unwrap().starts_with("250"), "{listed}");
    wait::until("the launch's end", async || {
        let listed = tenant.api("GET", &launches, None).await.ok();
        (listed["items"][0]["state"] == "done").then_some(())
    })
    .await;

    // An open and a click of a seed's mail are dropped, and its unsubscribe is none but a suppression.
    tracked(&tenant).await;
    let before = told(&tenant, campaign).await;
    tenant.http.get(&seed[0].url_with("/o/").unwrap(), FIREFOX).await.ok_status();
    assert_eq!(tenant.http.get(&seed[0].url_with("/c/").unwrap(), FIREFOX).await.status.as_u16(), 302);
    unsubscribe(&tenant, &seed[0]).await;
    until_suppressed(&tenant, "seed").await;
    tracked(&tenant).await;
    assert_eq!(told(&tenant, campaign).await, before);
    assert_eq!(before[1]["kinds"], json!([]));

    // Nobody is left to mail, so no seed is mailed; with the next import they are, suppressed or not.
    let second = tenant.api("POST", &launches, None).await.ok()["id"].to_string();
    wait::until("the second launch's end", async || {
        let launch = tenant.api("GET", &format!("/v1/launches/{second}"), None).await.ok();
        (launch["state"] == "done").then_some(())
    })
    .await;
    assert_eq!(tenant.mails().len(), 5);
    let plan = Plan { domain: tenant.recipients_domain.clone(), first: 10, good: 2, ..Plan::default() };
    tenant.put("more.csv", plan.write()).await;
    tenant.control("more.csv", "spring", true).await;
    let accounting = tenant.mailed(campaign, 5).await;
    assert_eq!(accounting.number("ledger.sent"), 5);
    mails_to(&tenant, "seed", 2).await;
    let held = json!({"address": address("seed")});
    let held = tenant.api("POST", "/v1/recipients/access", Some(held)).await.ok();
    assert_eq!(
        (&held["campaigns"][0]["mail"], &held["campaigns"][0]["proofs"][0]["seed"]),
        (&Value::Null, &json!(true))
    );
    tenant.all_is_well(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn test_mails() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "testmail").await;
    let campaign = tenant.campaign("spring").await;
    let path = format!("/v1/campaigns/{campaign}/test-mails");
    let address = |local: &str| format!("{local}@{}", tenant.recipients_domain);
    let code = async |body: Value| {
        let answer = tenant.api("POST", &path, Some(body)).await;
        (answer.status.as_u16(), answer.json()["code"].as_str().unwrap_or_default().to_owned())
    };

    // Before any import; sent again with its key it is one mail.
    let before = told(&tenant, campaign).await;
    let body = json!({"addresses": [address("one")], "fields": {"vorname": "Tess"}});
    let key = unique("test");
    let ask = async || {
        tenant.call(Some(&tenant.api_key), "POST", &path, &[("idempotency-key", &key)], Some(&body)).await
    };
    let (first, again) = (ask().await, ask().await);
    assert_eq!((first.status.as_u16(), &first.body), (202, &again.body));
    let text = mails_to(&tenant, "one", 1).await[0].text();
    assert!(text.contains("Hello Tess [nachname]!"), "{text}");
    let listed = wait::until("the outcome", async || {
        let listed = tenant.api("GET", &path, None).await.ok();
        (listed["items"][0]["state"] == "sent").then_some(listed)
    })
    .await;
    assert_eq!(
        (listed["items"].as_array().unwrap().len(), &listed["items"][0]["id"]),
        (1, &first.json()["mails"][0])
    );
    assert!(!listed.to_string().contains('@'), "{listed}");
    assert_eq!(told(&tenant, campaign).await, before);

    // With a recipient's row, by who may see it.
    assert_eq!(
        code(json!({"addresses": [address("row")], "line": 2})).await,
        (409, "launch_nothing".to_owned())
    );
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 3, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;
    tenant.control("list.csv", "spring", false).await;
    wait::until("the import", async || {
        tenant.imports(campaign).await.iter().any(|import| import["state"] == "finished").then_some(())
    })
    .await;
    // The first row has two lines, so the second one begins on the fourth.
    let row = json!({"addresses": [address("row"), address("row-2")], "line": 4});
    let launcher = tenant.key(&["launches:write"]).await;
    assert_eq!(
        tenant.call(Some(&launcher), "POST", &path, &[], Some(&row)).await.json()["code"],
        "scope_missing"
    );
    tenant.api("POST", &path, Some(row)).await.ok();
    for local in ["row", "row-2"] {
        let mail = &mails_to(&tenant, local, 1).await[0];
        assert!(mail.text().contains("Hello Zoë O"), "{}", mail.text());
    }
    let mail = &mails_to(&tenant, "row", 1).await[0];
    unsubscribe(&tenant, mail).await;
    until_suppressed(&tenant, "row").await;

    // Mistakes are answered at once.
    for (wrong, expected) in [
        (json!({"addresses": []}), "field_invalid"),
        (json!({"addresses": vec![address("x"); 2]}), "field_invalid"),
        (json!({"addresses": [address("x")], "line": 2, "fields": {}}), "field_invalid"),
        (json!({"addresses": [address("x")], "line": 1}), "row_missing"),
    ] {
        assert_eq!(code(wrong.clone()).await.1, expected, "{wrong}");
    }
    let template = json!({"from_address": format!("news@{}", tenant.domain), "subject": "{{ vorname|round }}", "html": HTML});
    tenant.api("PUT", &format!("/v1/campaigns/{campaign}/template"), Some(template)).await.ok();
    assert_eq!(code(body.clone()).await, (422, "template_render".to_owned()));
    let template =
        json!({"from_address": format!("news@{}", tenant.domain), "subject": "Spring", "html": HTML});
    tenant.api("PUT", &format!("/v1/campaigns/{campaign}/template"), Some(template)).await.ok();

    // Three were sent: 97 may follow.
    let some = |count: usize| json!({"addresses": (0..count).map(|n| address(&format!("some-{n}"))).collect::<Vec<_>>()});
    for _ in 0..9 {
        tenant.api("POST", &path, Some(some(10))).await.ok();
    }
    assert_eq!(code(some(8)).await, (409, "test_mails_max".to_owned()));
    tenant.api("POST", &path, Some(some(7))).await.ok();
    assert_eq!(code(some(1)).await, (409, "test_mails_max".to_owned()));

    // Nothing of it is a launch; it holds nothing up and nobody is counted.
    tenant.api("POST", &format!("/v1/campaigns/{campaign}/launches"), None).await.ok();
    let accounting = tenant.mailed(campaign, 3).await;
    assert_eq!(accounting.number("ledger.sent"), 3);
    tracked(&tenant).await;
    let told = told(&tenant, campaign).await;
    assert_eq!(
        (told[1]["kinds"].as_array().unwrap().len(), told[2]["items"].as_array().unwrap().len()),
        (0, 1),
        "{told}"
    );
    tenant.all_is_well(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_names_nobody() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "audited").await;
    let campaign = tenant.campaign("spring").await;
    let address = format!("someone@{}", tenant.recipients_domain);
    let seeds = json!({"seeds": [{"address": address, "fields": {"vorname": "Sam"}}]});
    tenant.api("PUT", &format!("/v1/campaigns/{campaign}/seeds"), Some(seeds)).await.ok();
    let test = json!({"addresses": [address], "fields": {"vorname": "Sam"}});
    tenant.api("POST", &format!("/v1/campaigns/{campaign}/test-mails"), Some(test)).await.ok();
    mails_to(&tenant, "someone", 1).await;
    let lines: Vec<String> = sqlx::query_scalar("SELECT a::text FROM broadcast.audit a WHERE tenant_id = $1")
        .bind(tenant.id)
        .fetch_all(&mut tenant.superuser().await)
        .await
        .unwrap();
    assert!(
        lines.iter().any(|line| line.contains("send_test_mails"))
            && lines.iter().any(|line| line.contains("replace_seeds"))
    );
    assert!(lines.iter().all(|line| !line.contains("someone") && !line.contains("Sam")), "{lines:?}");
}
