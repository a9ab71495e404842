//! Who reads German reads in German what a form is refused for, why an import was, and why each of its rows.

use localstack::Stack;
use testkit::{
    Tenant,
    browser::{Browser, User},
    csv::Plan,
    wait,
};

#[tokio::test(flavor = "multi_thread")]
async fn forms_files_and_rows() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "deutsch").await;
    let user = User::new(&stack, Some(tenant.id), "admin").await;
    user.change("UPDATE broadcast.users SET language = 'de' WHERE id = $1").await;
    let mut browser = Browser::new(&stack);
    browser.log_in(&user).await;

    let page = browser.get("/campaigns/new").await;
    let refused = browser.submit(&page, "/campaigns/new", &[("name", "a/b")]).await;
    says(&refused.text, "Das Feld „name“ ist nicht gültig: ein Schrägstrich, ein Steuerzeichen");
    let made = browser.submit(&page, "/campaigns/new", &[("name", "Frühling")]).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let campaign = made.path.trim_start_matches("/campaigns/").to_owned();
    let page = browser.get("/campaigns/new").await;
    let refused = browser.submit(&page, "/campaigns/new", &[("name", "Frühling")]).await;
    says(&refused.text, "Es gibt schon eine Kampagne „Frühling“.");

    // The engine's own words stay English, within the sentence.
    let path = format!("/campaigns/{campaign}/template");
    let page = browser.get(&path).await;
    let address = format!("news@{}", tenant.domain);
    let typed = |html| {
        [
            ("from_name", "Acme"),
            ("from_address", address.as_str()),
            ("locale", "de"),
            ("subject", "Hallo"),
            ("html", html),
        ]
    };
    let refused = browser.submit(&page, &path, &typed("<p>{{ vorname</p>")).await;
    says(&refused.text, "Der HTML-Teil der Vorlage ist in Zeile 1 nicht gültig: „");
    let refused = browser.submit(&page, &path, &typed("<p>Hallo</p>")).await;
    says(
        &refused.text,
        "Dem HTML-Teil der Vorlage fehlt der Link zum Abmelden: Setzen Sie {{ unsubscribe_url }} hinein.",
    );

    let path = format!("/campaigns/{campaign}/test-mails");
    let page = browser.get(&path).await;
    let refused = browser.submit(&page, &path, &[("addresses", "nobody")]).await;
    says(&refused.text, "nicht gültig: Die E-Mail-Adresse hat kein @-Zeichen oder mehr als eines.");

    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 1, bad: 4, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;
    tenant.control("list.csv", "Frühling", false).await;
    let import = wait::until("the import's end", async || {
        let imports = tenant.imports(campaign.parse().unwrap()).await;
        imports.into_iter().find(|import| import["state"] == "refused")
    })
    .await;
    let page = browser.get(&format!("/imports/{}", import["id"])).await;
    page.must_be_inside();
    let reason =
        "4 von 5 Zeilen wurden abgelehnt; das Importprofil erlaubt 10 %. Es wurde nichts importiert.";
    says(&page.text, reason);
    says(&page.text, "<td>Die E-Mail-Adresse hat kein @-Zeichen oder mehr als eines.</td>");
    let list = browser.get(&format!("/campaigns/{campaign}/imports")).await;
    says(&list.text, reason);
    // Programs read what they always did.
    let words = import["reason"].as_str().unwrap();
    assert!(words.starts_with("4 of 5 rows were rejected"), "{words}");
}

fn says(page: &str, words: &str) {
    assert!(page.contains(words), "no {words:?} in {page}");
}
