//! An authenticator that Chromium believes to be built in (WebAuthn, level 3, 11): it makes passkeys and shows them without anybody touching anything.

use fantoccini::wd::WebDriverCompatibleCommand;
use hyper::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

use super::Browser;

/// Asks the browser as a page does, and tells what it answered, or why it did not.
const ASK: &str = "const [method, options, told] = arguments;
    const kind = PublicKeyCredential;
    const publicKey = method === 'create' ? kind.parseCreationOptionsFromJSON(options) : kind.parseRequestOptionsFromJSON(options);
    navigator.credentials[method]({publicKey}).then(found => told({answer: JSON.stringify(found.toJSON())}), error => told({failed: String(error)}));";

/// A command of WebAuthn's extension of `WebDriver`.
#[derive(Debug)]
struct Command {
    path: String,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/webauthn/authenticator{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.parameters.to_string()))
    }
}

/// One of a browser's.
pub struct Authenticator<'a> {
    browser: &'a Browser,
    id: String,
}

impl Browser {
    /// Puts one in. It belongs to the page's window, wherever that goes.
    pub async fn authenticator(&self) -> Authenticator<'_> {
        let parameters = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserConsenting": true, "isUserVerified": true,
        });
        let made = self.client.issue_cmd(Command { path: String::new(), parameters }).await.unwrap();
        Authenticator { browser: self, id: made.as_str().unwrap().to_owned() }
    }
}

impl Authenticator<'_> {
    /// Whether it knows its person by finger or PIN from now on.
    pub async fn knows_its_person(&self, knows: bool) {
        let (path, parameters) = (format!("/{}/uv", self.id), json!({"isUserVerified": knows}));
        self.browser.client.issue_cmd(Command { path, parameters }).await.unwrap();
    }

    /// What it answers to a question (`create` or `get`) of a page of the origin that the browser shows.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn answer(&self, method: &str, options: &Value) -> String {
        let arguments = vec![json!(method), options["publicKey"].clone()];
        let told = self.browser.client.execute_async(ASK, arguments).await.unwrap();
        told["answer"].as_str().unwrap_or_else(|| panic!("{method}: {told}")).to_owned()
    }
}
