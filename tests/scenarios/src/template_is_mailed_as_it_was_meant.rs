//! A template with everything that templates can have: what the recipient gets, as another program than ours reads it.

use serde_json::{Value, json};
use testkit::{Stack, Tenant, wait};

/// The smallest picture: one transparent pixel.
pub(crate) const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// A PDF by its first bytes.
const TERMS: &str = "JVBERi0xLjcKJcfsj6IK";
const HTML: &str = r#"<!doctype html><html lang="de"><head><meta charset="utf-8">
<style>p { color: #333; font-family: "Helvetica Neue", sans-serif } @media (max-width: 600px) { p { font-size: 20px } }</style></head>
<body><img src="cid:logo.png" alt="Acme">
<p>{% if gender == "f" %}Sehr geehrte Frau {{ last_name|name }}{% else %}Guten Tag{% endif %},</p>
<p style="margin: 0">am {{ day|date("long") }} verfallen {{ points|number }} Punkte.</p>
<table>{% for topic in topics|default("")|split(";") if topic %}<tr><td>{{ topic }}</td></tr>{% endfor %}</table>
<p><a href="https://shop.example/?p={{ points }}">Angebote</a> <a href="{{ unsubscribe_url }}">Abmelden</a></p></body></html>"#;

#[tokio::test(flavor = "multi_thread")]
async fn in_its_language_with_its_files() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "meant").await;
    let campaign = tenant.campaign("frühling").await;
    let path = format!("/v1/campaigns/{campaign}/template");
    let template = json!({
        "from_name": "Acme", "from_address": format!("news@{}", tenant.domain), "locale": "de",
        "subject": "Noch {{ points|number }} Punkte", "preheader": "Bis {{ day|date }} & nicht länger", "html": HTML,
        "files": [
            {"name": "logo.png", "content_type": "image/png", "content": PIXEL, "inline": true},
            {"name": "terms.pdf", "content_type": "application/pdf", "content": TERMS},
        ],
    });
    let made = tenant.api("PUT", &path, Some(template)).await.ok();
    assert_eq!(made["fields"], json!(["day", "gender", "last_name", "points", "topics"]));
    let shown = tenant.api("GET", &path, None).await.ok();
    assert_eq!((&shown["locale"], &shown["html"]), (&json!("de"), &json!(HTML)), "the author's own source");
    let files = json!([
        {"name": "logo.png", "content_type": "image/png", "bytes": 70, "inline": true},
        {"name": "terms.pdf", "content_type": "application/pdf", "bytes": 15, "inline": false},
    ]);
    assert_eq!(shown["files"], files);

    let domain = &tenant.recipients_domain;
    let list = format!(
        "email;gender;last name;day;points;topics\n\
         ann@{domain};f;MÜLLER-LÜDENSCHEIDT;2026-03-09;1234567;Meer;Berge\n\
         bob@{domain};;;9.3.2026;12,5;\n"
    );
    // A cell with the delimiter in it.
    tenant.put("list.csv", list.replace("Meer;Berge", "\"Meer;Berge\"")).await;
    tenant.control("list.csv", "frühling", true).await;
    let accounting = tenant.mailed(campaign, 2).await;
    assert_eq!(accounting.number("ledger.sent"), 2, "{accounting:?}");
    let mails =
        wait::until("two mails", async || Some(tenant.mails()).filter(|mails| mails.len() == 2)).await;
    let mail =
        |name: &str| mails.iter().find(|mail| mail.recipient.starts_with(name)).unwrap().as_python_reads_it();

    let ann = mail("ann");
    assert_eq!(ann["subject"], "Noch 1.234.567 Punkte");
    let structure: Vec<&str> =
        ann["parts"].as_array().unwrap().iter().map(|part| part["type"].as_str().unwrap()).collect();
    let expected = [
        "multipart/mixed",
        "multipart/related",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "image/png",
        "application/pdf",
    ];
    assert_eq!(structure, expected);
    assert_eq!(ann["defects"], json!([]));
    let part = |at: usize, what: &str| ann["parts"][at][what].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (part(5, "content"), part(5, "id")),
        (PIXEL.to_owned(), "<logo.png@files.invalid>".to_owned())
    );
    assert_eq!((part(6, "content"), part(6, "name")), (TERMS.to_owned(), "terms.pdf".to_owned()));
    assert_eq!(
        (part(5, "disposition"), part(6, "disposition")),
        ("inline".to_owned(), "attachment".to_owned())
    );
    let (text, html) = (part(3, "content"), part(4, "content"));
    assert!(
        text.starts_with(
            "Acme\n\nSehr geehrte Frau Müller-Lüdenscheidt,\n\nam 9. März 2026 verfallen 1.234.567 Punkte."
        ),
        "{text}"
    );
    assert!(!text.contains("nicht länger"), "the preheader is for the list of mails alone");
    assert!(html.contains("mso-hide:all\">Bis 09.03.2026 &amp; nicht länger&#847;"), "{html}");
    assert!(html.contains("<img src=\"cid:logo.png@files.invalid\" alt=\"Acme\">"), "{html}");
    assert!(
        html.contains("<p style=\"color: #333;font-family: 'Helvetica Neue', sans-serif;margin: 0\">am"),
        "{html}"
    );
    assert!(html.contains("@media (max-width: 600px)"), "{html}");
    assert!(html.contains("<table><tr><td>Meer</td></tr><tr><td>Berge</td></tr></table>"), "{html}");

    let bob = mail("bob");
    assert_eq!(bob["subject"], "Noch 12,5 Punkte");
    let html = bob["parts"][4]["content"].as_str().unwrap();
    assert!(html.contains(">Guten Tag,</p>") && html.contains("<table></table>"), "{html}");
    tenant.all_is_well(campaign).await;

    // One without files is what it always was, and the version before keeps its own.
    let plain = json!({"from_address": format!("news@{}", tenant.domain), "subject": "x", "html": "{{ unsubscribe_url }}"});
    tenant.api("PUT", &path, Some(plain)).await.ok();
    let shown: Value = tenant.api("GET", &path, None).await.ok();
    assert_eq!(
        (&shown["locale"], &shown["preheader"], &shown["files"]),
        (&json!("en"), &Value::Null, &json!([]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mails_cannot_carry_is_refused_by_its_name() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "carry").await;
    let campaign = tenant.campaign("spring").await;
    let path = format!("/v1/campaigns/{campaign}/template");
    let html = "<img src=\"cid:logo.png\">{{ unsubscribe_url }}";
    let logo = json!({"name": "logo.png", "content_type": "image/png", "content": PIXEL, "inline": true});
    let table = [
        (json!({"html": html}), "template_file", "line 1 of the html part shows it"),
        (json!({"html": "{{ unsubscribe_url }}", "files": [logo]}), "template_file", "shows no cid:logo.png"),
        (
            json!({"html": html, "files": [{"name": "a.exe", "content_type": "application/x-msdownload", "content": "TVo="}]}),
            "template_file",
            "content types",
        ),
        (
            json!({"html": html, "files": [{"name": "a.png", "content_type": "image/png", "content": "?"}]}),
            "field_invalid",
            "files.0.content",
        ),
        (json!({"html": html, "files": [logo], "locale": "tlh"}), "field_invalid", "locale"),
    ];
    for (body, code, words) in table {
        let mut template = json!({"from_address": format!("news@{}", tenant.domain), "subject": "x"});
        template.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let answer = tenant.api("PUT", &path, Some(template)).await;
        let problem = answer.json();
        assert_eq!((answer.status.as_u16(), &problem["code"]), (422, &json!(code)), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
}
