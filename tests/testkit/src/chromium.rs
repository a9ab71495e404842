//! Debian's Chromium, as a person uses it: by what is written on labels, buttons and links. Each test has one of its own, with its own profile, and
//! nothing but this machine is reached.

mod authenticator;
mod chromedriver;
mod commands;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use fantoccini::{Client, ClientBuilder, Locator, elements::Element};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::wait;
pub use authenticator::Authenticator;
use chromedriver::Chromedriver;
use commands::{Log, Protocol};

/// Until a page shows what it should: it may have to be made, and parts of it come by themselves.
const PATIENCE: Duration = Duration::from_mins(1);
/// A phone and a desk, in CSS pixels.
pub const PHONE: u32 = 320;
pub const DESK: u32 = 1280;
const HEIGHT: u32 = 900;
/// Chromium's own word for what is not allowed.
const BLOCKED: u32 = 2;
/// Of axe-core's rules, how many find something on any page at all.
const PASSES_MIN: usize = 10;

/// WCAG 2.2 to AA, and what axe-core holds to be good practice besides. The one frame that a page has is a customer's mail, without scripts.
const AXE: &str = "const told = arguments[0];
    axe.run(document, {iframes: false, rules: {'target-size': {enabled: true}, 'frame-tested': {enabled: false}}}).then(told, error => told({failed: String(error)}));";

/// Of a reader's system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

impl Theme {
    pub const ALL: [Self; 2] = [Self::Light, Self::Dark];

    const fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// A browser with one window. It ends with the test, also where that panics.
pub struct Browser {
    /// For what no method here does.
    pub client: Client,
    /// Behind the client: what ends first.
    driver: Chromedriver,
}

impl Browser {
    /// With scripts, at a desk, in English, in the light.
    pub async fn start() -> Self {
        Self::with_preferences(json!({})).await
    }

    /// As those have it who allow no scripts.
    pub async fn without_scripts() -> Self {
        Self::with_preferences(json!({"profile.managed_default_content_settings.javascript": BLOCKED})).await
    }

    async fn with_preferences(preferences: Value) -> Self {
        let mut driver = Chromedriver::start();
        let mut client = ClientBuilder::new(HttpConnector::new());
        let Value::Object(capabilities) = driver.capabilities(&preferences) else { unreachable!() };
        client.capabilities(capabilities);
        let client = client.connect(&driver.url).await.unwrap();
        driver.session = client.session_id().await.unwrap();
        let browser = Self { client, driver };
        browser.width(DESK).await;
        browser.theme(Theme::Light).await;
        browser.language("en").await;
        // What Chromium shows of its own, when it begins, is not looked at.
        browser.go("about:blank").await;
        browser.log("performance").await;
        browser.log("browser").await;
        browser
    }

    /// Goes on with the session of another browser: a login of its own is other tests'.
    pub async fn adopt(&self, other: &crate::browser::Browser, url: &str) {
        for (name, value) in &other.cookies {
            let cookie = json!({"name": name, "value": value, "url": url, "path": "/", "secure": true, "httpOnly": true});
            let answer = self.protocol("Network.setCookie", cookie).await;
            assert_eq!(answer["success"], true, "{name}: {answer}");
        }
    }

    /// Opens a page.
    pub async fn go(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Opens the same page again.
    pub async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    pub async fn title(&self) -> String {
        self.client.title().await.unwrap()
    }

    /// The address of the page that is shown.
    pub async fn address(&self) -> url::Url {
        self.client.current_url().await.unwrap()
    }

    /// Everything that can be read in the window.
    pub async fn text(&self) -> String {
        let body = self.client.find(Locator::Css("body")).await.unwrap();
        body.text().await.unwrap()
    }

    /// The text of the first element that a selector finds, seen or not.
    pub async fn text_of(&self, selector: &str) -> String {
        let found = self.client.find(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}")).text().await.unwrap()
    }

    /// Waits until a text can be read.
    ///
    /// # Panics
    /// With the whole page, when it cannot.
    pub async fn shown(&self, text: &str) {
        let begun = std::time::Instant::now();
        loop {
            // A page that is just being left has no body.
            let page = match self.client.find(Locator::Css("body")).await {
                Ok(body) => body.text().await.unwrap_or_default(),
                Err(_) => String::new(),
            };
            if page.contains(text) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{text:?} is not shown on {}:\n{page}", self.address().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Writes into the field with this label, in place of what stands there.
    pub async fn fill(&self, label: &str, value: &str) {
        let field = self.field(label).await;
        field.clear().await.unwrap();
        field.send_keys(value).await.unwrap();
    }

    /// Chooses the file for the field with this label.
    pub async fn attach(&self, label: &str, path: &std::path::Path) {
        self.field(label).await.send_keys(path.to_str().unwrap()).await.unwrap();
    }

    /// Takes the option of this name in the field with this label.
    pub async fn select(&self, label: &str, option: &str) {
        self.field(label).await.select_by_label(option).await.unwrap();
    }

    /// Ticks a box or takes a choice, or takes the tick away.
    pub async fn choose(&self, label: &str) {
        self.field(label).await.click().await.unwrap();
    }

    /// What stands in the field with this label.
    pub async fn value(&self, label: &str) -> String {
        self.field(label).await.prop("value").await.unwrap().unwrap_or_default()
    }

    async fn field(&self, label: &str) -> Element {
        let path = format!("//*[@id = //label[normalize-space() = {}]/@for]", quoted(label));
        self.the(&path, &format!("a field labelled {label:?}")).await
    }

    /// Presses the button, or follows the link, of this name. The first one that is seen.
    pub async fn press(&self, name: &str) {
        let name = quoted(name);
        let path =
            format!("(//button | //a | //summary)[normalize-space() = {name} or @aria-label = {name}]");
        self.the(&path, &format!("a button or link {name}")).await.click().await.unwrap();
    }

    /// The same within the row of a table that has this text.
    pub async fn press_in_row(&self, row: &str, name: &str) {
        let (row, name) = (quoted(row), quoted(name));
        let path = format!(
            "//tr[contains(normalize-space(), {row})]//*[self::button or self::a][normalize-space() = {name}]"
        );
        self.the(&path, &format!("{name} in the row of {row}")).await.click().await.unwrap();
    }

    async fn the(&self, path: &str, what: &str) -> Element {
        wait::until_within(PATIENCE, what, async || {
            for element in self.client.find_all(Locator::XPath(path)).await.ok()? {
                if element.is_displayed().await.unwrap_or(false) {
                    return Some(element);
                }
            }
            None
        })
        .await
    }

    /// Of the window, in CSS pixels.
    pub async fn width(&self, width: u32) {
        let metrics = json!({"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": false});
        self.protocol("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// What the reader's system prefers. Nothing moves: a colour on its way to another one is neither.
    pub async fn theme(&self, theme: Theme) {
        let features = json!({"features": [
            {"name": "prefers-color-scheme", "value": theme.name()},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.protocol("Emulation.setEmulatedMedia", features).await;
    }

    /// `Accept-Language` of all that follows.
    pub async fn language(&self, accepted: &str) {
        self.protocol("Network.setExtraHTTPHeaders", json!({"headers": {"Accept-Language": accepted}})).await;
    }

    /// A picture of the whole page, however long, as `target/tmp/<name>.png`.
    pub async fn screenshot(&self, name: &str) -> PathBuf {
        let picture = json!({"format": "png", "captureBeyondViewport": true});
        let answer = self.protocol("Page.captureScreenshot", picture).await;
        let folder = localstack::clients_venv().with_file_name("tmp");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.png"));
        std::fs::write(&path, BASE64_STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()).unwrap();
        path
    }

    /// axe-core finds nothing, whether broken or in need of a person's look, in either theme; and the page is not wider than the window.
    pub async fn accessible(&self) {
        let library = std::fs::read_to_string(axe_core()).unwrap();
        self.client.execute(&library, vec![]).await.unwrap();
        for theme in Theme::ALL {
            self.theme(theme).await;
            let found = self.client.execute_async(AXE, vec![]).await.unwrap();
            assert!(found.get("failed").is_none(), "{found}");
            let passes = found["passes"].as_array().unwrap().len();
            assert!(passes >= PASSES_MIN, "axe-core looked at nothing: {passes}");
            let problems: Vec<String> =
                ["violations", "incomplete"].iter().flat_map(|kind| told(&found[kind])).collect();
            assert!(
                problems.is_empty(),
                "{} ({}):\n{}",
                self.address().await,
                theme.name(),
                problems.join("\n")
            );
        }
        self.theme(Theme::Light).await;
        let over =
            self.client.execute("return document.documentElement.scrollWidth - innerWidth", vec![]).await;
        let over = over.unwrap().as_i64().unwrap();
        assert!(over <= 0, "{} is {over} pixels wider than the window", self.address().await);
    }

    /// Since the last call: no script failed, no policy was violated, nothing was missing, and every request went to the origin of its page.
    pub async fn well_behaved(&self) {
        let (mut documents, mut origins) = (BTreeSet::new(), BTreeSet::new());
        for entry in self.log("performance").await {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            let event = &event["message"];
            if event["method"] == "Network.requestWillBeSent" {
                let url: url::Url = event["params"]["request"]["url"].as_str().unwrap().parse().unwrap();
                // What holds its own content goes nowhere.
                if url.scheme() == "data" {
                    continue;
                }
                if event["params"]["type"] == "Document" {
                    documents.insert(url.to_string());
                }
                origins.insert(url.origin().ascii_serialization());
            }
        }
        let own = self.address().await.origin().ascii_serialization();
        assert!(origins.iter().all(|origin| *origin == own), "requests went to {origins:?} from {own}");
        let messages = self.log("browser").await;
        let wrong = messages.iter().filter(|entry| entry["level"] == "SEVERE").filter(|entry| {
            // A page may say 404; what it loads may not.
            let of_page = documents.iter().any(|url| entry["message"].as_str().unwrap().starts_with(url));
            !(entry["source"] == "network" && of_page)
        });
        let wrong: Vec<_> = wrong.collect();
        assert!(wrong.is_empty(), "{own}: {wrong:?}");
    }

    async fn log(&self, kind: &'static str) -> Vec<Value> {
        match self.client.issue_cmd(Log(kind)).await.unwrap() {
            Value::Array(entries) => entries,
            other => panic!("no log: {other}"),
        }
    }

    /// Asks Chromium itself, beyond `WebDriver`.
    pub async fn protocol(&self, method: &'static str, parameters: Value) -> Value {
        let answer = self.client.issue_cmd(Protocol { method, parameters }).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The process that ends with it.
    pub fn process(&self) -> u32 {
        self.driver.process()
    }
}

/// What axe-core says of each element.
fn told(rules: &Value) -> Vec<String> {
    let rules = rules.as_array().unwrap().iter();
    let nodes = rules.flat_map(|rule| rule["nodes"].as_array().unwrap().iter().map(move |node| (rule, node)));
    nodes
        .map(|(rule, node)| {
            let summary =
                node["any"].as_array().and_then(|any| any.first()).map(|any| any["message"].to_string());
            format!("{}: {}: {} {}", rule["id"], rule["help"], node["html"], summary.unwrap_or_default())
        })
        .collect()
}

/// Of the clients' virtual environment.
fn axe_core() -> PathBuf {
    let folders = std::fs::read_dir(localstack::clients_venv().join("lib"));
    let mut folders = folders.expect("`cargo local setup` installs it").map(|folder| folder.unwrap().path());
    let library = |folder: PathBuf| folder.join("site-packages/axe_playwright_python/axe.min.js");
    folders
        .find_map(|folder| Some(library(folder)).filter(|path| path.exists()))
        .expect("axe-core is installed")
}

/// A text in an `XPath`, which has no escapes.
fn quoted(text: &str) -> String {
    if !text.contains('\'') {
        return format!("'{text}'");
    }
    let parts: Vec<String> = text.split('\'').map(|part| format!("'{part}'")).collect();
    format!("concat({})", parts.join(", \"'\", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_for_xpath() {
        for (text, expected) in [
            ("Log in", "'Log in'"),
            ("say \"yes\"", "'say \"yes\"'"),
            ("it's", "concat('it', \"'\", 's')"),
            ("'", "concat('', \"'\", '')"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
