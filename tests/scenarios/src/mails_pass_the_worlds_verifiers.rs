//! Mails as customers make them, with whatever stands in their lists and templates, are well-formed and validly signed for every verifier that we
//! can have: dkimpy, `OpenDKIM`, Python's strict parser, the rules of form of `SpamAssassin`.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use testkit::{
    Stack, Tenant,
    verifiers::{Made, verify},
    wait,
};

use crate::template_is_mailed_as_it_was_meant::PIXEL;

/// Local part, first name, subject, text.
fn recipients() -> Vec<[String; 4]> {
    let row = |local: &str, name: &str, subject: &str, note: &str| {
        [local.to_owned(), name.to_owned(), subject.to_owned(), note.to_owned()]
    };
    vec![
        row("plain", "Anna", "Our spring offers", "Nothing special."),
        row("umlaut", "Jürgen Müßig", "Grüße aus Köln für Jürgen", "Schöne Grüße: äöüß"),
        row("long-subject", "Anna", &"A subject of many words ".repeat(12), "x"),
        row("long-umlauts", "Anna", &"Frühlingsgrüße für Überflieger ".repeat(9), "x"),
        row("long-word", "Anna", &format!("Word {}", "x".repeat(240)), &"y".repeat(3_000)),
        row("emoji", "Zoë 🌷", "🌷🌷 Spring 🌷", "🌷".repeat(200).as_str()),
        row("cjk", "李雷", "春天的优惠来了欢迎光临", "你好。".repeat(150).as_str()),
        row("rtl", "דנה", "מבצעי אביב", "שלום"),
        row("encoded-already", "=?utf-8?q?Anna?=", "=?utf-8?B?R3LDvMOfZQ==?= Anna", "=C3=BC =\n= x="),
        row("dots", "Anna", ".", ".\n..\n.hidden\n.\n"),
        row("from-line", "Anna", "From here", "From here on\n>From there\n--\n-- \nx"),
        row(
            "quotes",
            "O'Neill \"Pepe\" <x@y.example>, Jr.; (sic) \\",
            "\"Quoted\", and (more); <less>",
            "\"\\",
        ),
        row("spaces", "  Anna  ", "  spaced   out  ", "trailing   \n\t tabs\t\n"),
        row("tags", "<b>Anna</b>", "a < b & c > d", "<script>alert(1)</script> &amp; &lt;"),
        row("with+plus.and-dash_x", "Anna", "Plus", "x"),
        row("o'brien", "Anna", "Apostrophe", "x"),
        row("mü.ller", "Anna", "Beyond ASCII", "x"),
        row("用户", "李", "春天", "x"),
    ]
}

fn csv(domain: &str) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let rows = recipients().into_iter().map(|[local, name, subject, note]| {
        let cells = [format!("{local}@{domain}"), name, subject, note];
        cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\r\n"
    });
    format!("email,vorname,betreff,notiz\r\n{}", rows.collect::<String>())
}

const PLAIN_HTML: &str = r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Spring</title></head><body>
<p>Dear {{ vorname }},</p><p>this is our news of the season, for you and everybody who asked for it.</p><p>{{ notiz }}</p>
<p><a href="https://shop.example/spring">Our spring offers</a></p>
<p>You get this mail because you are our customer. <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>"#;

fn with_picture() -> String {
    PLAIN_HTML.replace("<body>", "<body><img src=\"cid:logo.png\" alt=\"Acme\" width=\"1\" height=\"1\">")
}

/// A picture within the mail, and what is attached to it: a text with lines of any kind.
fn files() -> Value {
    let text = format!("Größe\n.\r\nFrom here\r{}\0", "x".repeat(2_000));
    json!([
        {"name": "logo.png", "content_type": "image/png", "content": PIXEL, "inline": true},
        {"name": "Preise_2026.neu-2.csv", "content_type": "text/csv", "content": STANDARD.encode(text)},
    ])
}

/// A long line in which nothing can be broken but at a few places, and lines that begin with dots.
fn odd_html() -> String {
    let long = format!("<p style=\"color:#333333\">{}</p>", "sehr-lange-Wörter-ohne-Lücke ".repeat(150));
    let data = "z".repeat(2_500);
    format!(
        "<!doctype html><html lang=\"de\"><head><title>Frühling</title></head><body><!--{data}-->{long}<p>.\n.\n..x\n{{{{ notiz }}}}</p>\
         <p>Liebe {{{{ vorname }}}}, dies sind unsere Nachrichten. <a href=\"https://shop.example/über?a=1&amp;b=ü\">Angebote</a></p>\
         <a href=\"{{{{ unsubscribe_url }}}}\">Abmelden</a></body></html>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn however_odd_they_are() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "verify").await;
    let text = "Dear {{ vorname }},\n.\n..\n{{ notiz }}\n\nhttps://shop.example/spring\n\nUnsubscribe: {{ unsubscribe_url }}\n";
    // As long as the API takes it.
    let long_name: String =
        "Grüße & Söhne GmbH, Abteilung für Öffentlichkeit \"und\" mehr ".chars().cycle().take(100).collect();
    let templates = [
        ("usual", json!({"from_name": "Acme", "html": PLAIN_HTML, "text": text})),
        // The text is made from the HTML.
        ("derived", json!({"from_name": "Müller, Köln", "html": PLAIN_HTML, "text": null})),
        ("nameless", json!({"from_name": "", "html": odd_html(), "text": null})),
        ("long", json!({"from_name": long_name, "html": odd_html(), "text": text})),
        (
            "files",
            json!({"from_name": "Acme", "html": with_picture(), "text": text, "preheader": "Grüße für {{ vorname }}", "files": files()}),
        ),
    ];
    let rows = recipients().len();
    let mut campaigns = Vec::new();
    for (name, content) in &templates {
        let made = tenant.api("POST", "/v1/campaigns", Some(json!({"name": name}))).await.ok();
        let campaign = made["id"].as_i64().unwrap();
        let mut template =
            json!({"from_address": format!("news@{}", tenant.domain), "subject": "{{ betreff }}"});
        template.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        tenant.api("PUT", &format!("/v1/campaigns/{campaign}/template"), Some(template)).await.ok();
        tenant.put(&format!("{name}.csv"), csv(&tenant.recipients_domain)).await;
        let settings: Value = json!({"campaign": name, "launch": true});
        tenant.put(&format!("{name}.csv.ctl"), settings.to_string()).await;
        campaigns.push(campaign);
    }
    for campaign in &campaigns {
        let accounting = tenant.mailed(*campaign, rows as u64).await;
        assert_eq!(accounting.number("ledger.sent"), rows as u64, "{accounting:?}");
    }
    let all = rows * templates.len();
    let mails =
        wait::until("all mails", async || Some(tenant.mails()).filter(|mails| mails.len() == all)).await;
    verify(&tenant, Made::Usually, &mails).await;
    for campaign in campaigns {
        tenant.all_is_well(campaign).await;
    }
}
