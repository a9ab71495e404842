//! A page with every piece that pages are made of, served as the real ones are, and what a browser sees on it.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::{
    Router,
    extract::Path,
    http::StatusCode,
    middleware::from_fn,
    response::{Html, Response},
    routing::get,
};
use maud::{Markup, html};
use testkit::chromium::{Browser, DESK, PHONE, Theme};
use time::{Duration, OffsetDateTime, macros::datetime};

use super::*;
use crate::{assets, gate::FormToken, headers, person::Reader};

const NOW: OffsetDateTime = datetime!(2026-12-01 07:35 UTC);
/// How often the part that lives was asked for.
static ASKED: AtomicU64 = AtomicU64::new(0);
const ASKED_UNTIL_OVER: u64 = 3;

/// Serves the gallery until the test ends. Returns its address.
async fn serve() -> String {
    let router = Router::new()
        .route("/assets/{name}", get(assets::serve))
        .route("/gallery/{part}", get(part))
        .route("/living", get(living))
        .layer(from_fn(headers::secure));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A page of the gallery: its name, and what stands on it.
type Part = (&'static str, fn(&Reader) -> Markup);

const PARTS: [Part; 5] =
    [("notices", notices), ("forms", forms), ("tables", tables), ("plots", plots), ("empty", nothing)];

async fn part(reader: Reader, Path(part): Path<String>) -> Response {
    if part == "outside" {
        return Frame { reader: &reader, title: "Log in" }.around(StatusCode::OK, &login());
    }
    let (_, content) = PARTS.into_iter().find(|(name, _)| *name == part).unwrap();
    let above = [
        Crumb { name: "Gallery", path: "/gallery/notices" },
        Crumb { name: "Spring sale", path: "/gallery/tables" },
    ];
    let place = Place {
        tenant: Some("Grün & Söhne Versandhandel GmbH"),
        person: "katharina.lindenthal@example.com",
        sections: &[
            Section::Campaigns,
            Section::Profiles,
            Section::Files,
            Section::Recipients,
            Section::Retention,
            Section::Users,
            Section::ApiKeys,
            Section::Audit,
        ],
        section: Some(Section::Campaigns),
        above: &above,
        token: &token(),
    };
    let actions = html! {
        (badge(Tone::Busy, "Running"))
        (link_button("/gallery/forms", "Pause", Button::Plain))
        (link_button("/gallery/forms", "Cancel launch", Button::Danger))
    };
    Frame { reader: &reader, title: "Spring sale 2026" }.within(
        &place,
        StatusCode::OK,
        &actions,
        &content(&reader),
    )
}

fn token() -> FormToken {
    FormToken("token".to_owned())
}

fn login() -> Markup {
    let problems = Problems::one("password", "The e-mail address or the password is wrong.".to_owned());
    let fields = html! {
        (Field { value: "k@example.com", autocomplete: "username", ..Field::new("email", "E-mail address", Kind::Email) }.render(&problems))
        (Field { autocomplete: "current-password", ..Field::new("password", "Password", Kind::Password) }.render(&problems))
        (Submit { text: "Log in", weight: Button::Main }.render())
    };
    html! {
        (problems.render(&Reader::stranger("en")))
        (form("/gallery/outside", &token(), &fields))
        p { a href="/gallery/outside" { "I forgot my password" } }
    }
}

fn notices(reader: &Reader) -> Markup {
    let tab = |name, here| Tab { name, path: "/gallery/notices", here };
    html! {
        (tabs("Campaign", &[tab("Overview", true), tab("Links", false), tab("Bounces", false), tab("Template", false)]))
        (notice(Notice::Success, &html! { p { "The launch is paused. 12,000 mails wait." } }))
        (notice(Notice::Info, &html! { p { "Delivered is what the relay reports." } }))
        (notice(Notice::Warning, &html! { p { strong { "Two sender domains have no DMARC record." } } p { a href="/gallery/forms" { "See what their DNS lacks" } } }))
        (notice(Notice::Error, &html! { p { "The template does not compile: line 12 names no field." } }))
        div.row {
            (badge(Tone::Good, "Done")) (badge(Tone::Busy, "Running")) (badge(Tone::Idle, "Scheduled"))
            (badge(Tone::Warn, "Paused")) (badge(Tone::Bad, "Failed"))
        }
        div.cards {
            section.card {
                h2 { "Figures" }
                (figures(&[
                    ("Mailed", html! { (reader.number(1_234_567)) }),
                    ("Opened", html! { (reader.percent(412_000, 1_234_567)) }),
                    ("Size", html! { (reader.bytes(10_737_418_240)) }),
                ]))
                (progress(reader, "Sending", 812_345, 1_234_567))
                (progress(reader, "Nothing to do", 0, 0))
            }
            section.card {
                h2 { "Pairs" }
                (pairs(&[
                    ("Starts", reader.relative(NOW + Duration::hours(3), NOW)),
                    ("Took", html! { (reader.duration(Duration::seconds(7_500))) }),
                    ("Sender", html! { "news@a-rather-long-sender-domain.example.com" }),
                ]))
                (secret(reader, "secret", "brk_4f1c8e2a_Zk9vQ0x2c1pLr7nT5mWbYd3h"))
            }
        }
        (live("living", "/living", false, &html! { p { "Asked 0 times" } }))
        (ask(
            reader,
            "/gallery/notices",
            &token(),
            &html! { p { "The launch ends now. 12,000 people are not mailed." } },
            Submit { text: "Cancel the launch", weight: Button::DangerMain },
            "/gallery/notices",
        ))
    }
}

/// The part that lives: a number that grows, and something to have the focus.
async fn living() -> Html<String> {
    let asked = ASKED.fetch_add(1, Ordering::Relaxed) + 1;
    let content = html! { p { "Asked " (asked) " times" } button.button #kept type="button" { "Kept" } };
    Html(live("living", "/living", asked >= ASKED_UNTIL_OVER, &content).into_string())
}

fn forms(reader: &Reader) -> Markup {
    let problems = Problems(vec![
        ("name", "Give it a name.".to_owned()),
        ("kind", "Choose what the file is for.".to_owned()),
    ]);
    let fine = Problems::default();
    let choice = |value, label, hint, chosen| Choice { value, label, hint, chosen };
    let fields = html! {
        (Field { hint: Some("Of the campaign, as reports name it."), ..Field::new("name", "Name", Kind::Text) }.render(&problems))
        (Field::new("code", "Code from the text message", Kind::Digits(6)).render(&fine))
        (Field { value: "28", ..Field::new("days", "Days", Kind::Number { min: 1, max: 90 }) }.render(&fine))
        (select("delimiter", "Delimiter", Some("Detected where none is chosen."), &[("", "Detected"), ("semicolon", "Semicolon"), ("tab", "Tab")], "", &fine))
        (select("charset", "Charset", None, &[("utf-8", "UTF-8"), ("windows-1252", "Windows-1252")], "utf-8", &fine))
        (select("header", "First row", None, &[("true", "Names of the fields"), ("false", "A recipient")], "true", &fine))
        (choices("kind", "Kind", false, &[choice("all", "Everybody", None, true), choice("some", "Some", Some("Those of one import."), false)], &problems))
        (choices("rights", "Rights", true, &[choice("read", "Read", None, true), choice("write", "Write", None, false)], &fine))
        (Field { value: "-----BEGIN PGP PUBLIC KEY BLOCK-----", required: false, ..Field::new("key", "Key", Kind::Area) }.render(&fine))
        (Field { required: false, hint: Some("It stays in your browser."), ..Field::new("sample", "Sample", Kind::File) }.render(&fine))
        div data-csv-preview data-caption="Preview" data-unreadable="This is not readable in the chosen charset." {}
        div.row {
            (Submit { text: "Save", weight: Button::Main }.render())
            (link_button("/gallery/notices", "Cancel", Button::Plain))
        }
    };
    html! {
        (problems.render(reader))
        section.card { (form("/gallery/forms", &token(), &fields)) }
    }
}

fn tables(reader: &Reader) -> Markup {
    let columns = [
        Column::text("File"),
        Column::short("State"),
        Column::number("Rows"),
        Column::short("Goes"),
        Column::actions("Actions"),
    ];
    let row = |name: &'static str, tone, state, rows| {
        vec![
            html! { a href="/gallery/tables" { (name) } },
            badge(tone, state),
            html! { (reader.number(rows)) },
            reader.relative(NOW + Duration::days(2), NOW),
            link_button("/gallery/tables", "Download", Button::Slim),
        ]
    };
    let rows = vec![
        row("SPRING-2026-DEFAULT-20261201073500.csv.pgp", Tone::Good, "Finished", 1_000_000),
        row("autumn.csv", Tone::Bad, "Refused", 0),
        row("winter.csv", Tone::Busy, "Importing", 42_000),
    ];
    let total = vec![html! { "Sum" }, html! {}, html! { (reader.number(1_042_000)) }, html! {}, html! {}];
    html! {
        (Table { caption: "Files", caption_hidden: false, columns: &columns, rows, total: Some(total) }.render())
        (Pages { newer: Some("/gallery/tables"), older: Some("/gallery/tables") }.render(reader))
    }
}

fn plots(reader: &Reader) -> Markup {
    let stage = |name, count, fell| Stage { name, count, fell };
    let funnel = Funnel {
        caption: "From the file to the click",
        stages: vec![
            stage("Imported", 1_000_000, vec![]),
            stage("Mailed", 981_400, vec![("suppressed", 12_100), ("duplicates", 6_500)]),
            stage("Delivered", 969_020, vec![("refused", 8_380), ("bounced later", 4_000)]),
            stage("Opened", 402_110, vec![("not opened", 566_910)]),
            stage("Clicked", 61_007, vec![("not clicked", 341_103)]),
        ],
    };
    assert!(funnel.adds_up());
    let wave = |scale: u64, shift: u64| {
        (0..36).map(|hour| scale * ((hour + shift) % 13) * (36 - hour) / 20).collect()
    };
    let series = Series {
        id: "responses",
        title: "Responses by the hour",
        times: (0..36).map(|hour| NOW - Duration::minutes(35) + Duration::hours(hour)).collect(),
        lines: vec![
            Line { name: "Opened", counts: wave(420, 3) },
            Line { name: "Clicked", counts: wave(120, 5) },
            Line { name: "Bounced", counts: wave(30, 8) },
            Line { name: "Unsubscribed", counts: wave(9, 1) },
        ],
    };
    let bar = |name: &'static str, count| Bar { name: html! { (name) }, count };
    let bars = Bars {
        caption: "Domains of the recipients",
        names: "Domain",
        counts: "Mails",
        bars: vec![
            bar("gmail.example", 512_000),
            bar("web.example", 210_444),
            bar("a-company.example", 12),
            bar("nobody.example", 0),
        ],
        whole: 981_400,
    };
    html! {
        (funnel.render(reader))
        (series.render(reader))
        (Series { id: "none", title: "Nothing yet", times: vec![], lines: vec![] }.render(reader))
        (bars.render(reader))
    }
}

fn nothing(_: &Reader) -> Markup {
    let next = link_button("/gallery/forms", "New campaign", Button::Main);
    empty(
        "No campaign yet",
        "A campaign is a template, its recipients, and what comes back from them.",
        &next,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_piece_is_accessible_at_a_desk_and_on_a_phone() {
    let url = serve().await;
    let browser = Browser::start().await;
    for (language, tag) in [("en-GB,en", "en"), ("de", "de")] {
        browser.language(language).await;
        for part in PARTS.map(|(name, _)| name).into_iter().chain(["outside"]) {
            browser.go(&format!("{url}/gallery/{part}")).await;
            for width in [DESK, PHONE] {
                browser.width(width).await;
                browser.accessible().await;
                for theme in Theme::ALL {
                    browser.theme(theme).await;
                    browser
                        .screenshot(&format!("gallery-{part}-{tag}-{width}-{theme:?}").to_lowercase())
                        .await;
                }
            }
        }
    }
    browser.well_behaved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_lives_keeps_the_focus_and_ends() {
    let url = serve().await;
    let browser = Browser::start().await;
    browser.go(&format!("{url}/gallery/notices")).await;
    browser.shown("Asked 1 times").await;
    browser.client.execute("document.getElementById('kept').focus()", vec![]).await.unwrap();
    browser.shown(&format!("Asked {ASKED_UNTIL_OVER} times")).await;
    let focused = browser.client.execute("return document.activeElement.id", vec![]).await.unwrap();
    assert_eq!(focused, "kept", "what has the focus keeps it");
    let ended = browser
        .client
        .execute("return document.getElementById('living').hasAttribute('data-live-end')", vec![])
        .await;
    assert_eq!(ended.unwrap(), true);
    browser.well_behaved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_read_in_the_browser_alone() {
    let url = serve().await;
    let browser = Browser::start().await;
    browser.go(&format!("{url}/gallery/forms")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sample.csv");
    // Longer than what is looked at: its last row is cut, and not shown.
    let tail = format!("{};x\n", "y".repeat(2_000));
    std::fs::write(
        &file,
        [b"name;city\n\"M\xFCller; J\xF6rg\";\"K\"\"oln\"\n<b>;\n", tail.as_bytes()].concat(),
    )
    .unwrap();
    browser.attach("Sample", &file).await;
    browser.shown("This is not readable in the chosen charset.").await;
    browser.select("Charset", "Windows-1252").await;
    browser.shown("Müller; Jörg").await;
    let cells = "return [...document.querySelectorAll('[data-csv-preview] th, [data-csv-preview] td')].map(cell => cell.textContent)";
    let shown = browser.client.execute(cells, vec![]).await.unwrap();
    assert_eq!(shown, serde_json::json!(["name", "city", "Müller; Jörg", "K\"oln", "<b>", ""]));
    browser.select("First row", "A recipient").await;
    browser.shown("1").await;
    let shown = browser.client.execute(cells, vec![]).await.unwrap();
    assert_eq!(
        shown.as_array().unwrap()[..4].to_vec(),
        ["1", "2", "name", "city"],
        "the first row is a recipient"
    );
    browser.select("Delimiter", "Tab").await;
    let shown = browser.client.execute(cells, vec![]).await.unwrap();
    assert_eq!(shown[1], "name;city");
    browser.accessible().await;
    let named = browser
        .client
        .execute("return document.querySelector('input[type=file]').name", vec![])
        .await
        .unwrap();
    assert_eq!(named, "", "it is in no form's data");
    browser.well_behaved().await;
}
