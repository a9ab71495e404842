//! Every page and every action of the console, asked for by everybody: whoever is not concerned gets nothing, no form of another browser or another site is
//! taken, and every answer carries the headers that keep it safe. A route without a row here fails.

use std::collections::{BTreeMap, BTreeSet};

use console::{ROUTES, TOKEN_FIELD};
use localstack::Stack;
use serde_json::json;
use testkit::{
    Tenant,
    browser::{Browser, Form, User},
    csv::Plan,
    http::Answer,
    wait,
};

/// Whom a route answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whom {
    /// Everybody, logged in or not.
    All,
    /// Whoever is logged in.
    People,
    /// These roles.
    Roles(&'static [&'static str]),
}

use Whom::{All, People, Roles};

/// Whoever sees a tenant's campaigns; who works on them; who decides what people and programs may.
const READERS: Whom = Roles(&["viewer", "manager", "admin"]);
const MANAGERS: Whom = Roles(&["manager", "admin"]);
const OPERATORS: Whom = Roles(&["operator"]);
const ADMINS: Whom = Roles(&["admin"]);
const USERS: Whom = Roles(&["operator", "admin"]);

/// Method, path as it is registered, path as it is asked for, whom it answers.
const ROWS: &[(&str, &str, &str, Whom)] = &[
    ("GET", "/assets/{name}", "/assets/none.css", All),
    ("GET", "/", "/", People),
    ("GET", "/login", "/login", All),
    ("POST", "/login", "/login", All),
    ("GET", "/login/phone", "/login/phone", All),
    ("POST", "/login/phone", "/login/phone", All),
    ("GET", "/login/code", "/login/code", All),
    ("POST", "/login/code", "/login/code", All),
    ("POST", "/login/code/text", "/login/code/text", All),
    ("POST", "/login/passkey", "/login/passkey", All),
    ("POST", "/login/passkey/check", "/login/passkey/check", All),
    ("GET", "/login/recovery", "/login/recovery", All),
    ("POST", "/login/recovery", "/login/recovery", All),
    ("GET", "/password", "/password", All),
    ("POST", "/password", "/password", All),
    ("GET", "/password/{token}", "/password/none", All),
    ("POST", "/password/{token}", "/password/none", All),
    ("GET", "/account", "/account", People),
    ("POST", "/account/settings", "/account/settings", People),
    ("POST", "/account/password", "/account/password", People),
    ("POST", "/account/sessions/end", "/account/sessions/end", People),
    ("GET", "/campaigns", "/campaigns", READERS),
    ("GET", "/campaigns/new", "/campaigns/new", MANAGERS),
    ("POST", "/campaigns/new", "/campaigns/new", MANAGERS),
    ("GET", "/campaigns/{id}", "/campaigns/987654321", READERS),
    ("GET", "/campaigns/{id}/responses", "/campaigns/987654321/responses", READERS),
    ("GET", "/campaigns/{id}/launch", "/campaigns/987654321/launch", MANAGERS),
    ("POST", "/campaigns/{id}/launch", "/campaigns/987654321/launch", MANAGERS),
    (
        "GET",
        "/campaigns/{id}/launches/{launch}/{deed}",
        "/campaigns/987654321/launches/987654321/pause",
        MANAGERS,
    ),
    (
        "POST",
        "/campaigns/{id}/launches/{launch}/{deed}",
        "/campaigns/987654321/launches/987654321/pause",
        MANAGERS,
    ),
    ("GET", "/campaigns/{id}/delete", "/campaigns/987654321/delete", MANAGERS),
    ("POST", "/campaigns/{id}/delete", "/campaigns/987654321/delete", MANAGERS),
    ("GET", "/campaigns/{id}/template", "/campaigns/987654321/template", READERS),
    ("POST", "/campaigns/{id}/template", "/campaigns/987654321/template", MANAGERS),
    ("GET", "/campaigns/{id}/preview", "/campaigns/987654321/preview", MANAGERS),
    ("GET", "/campaigns/{id}/preview/mail", "/campaigns/987654321/preview/mail", MANAGERS),
    ("GET", "/campaigns/{id}/test-mails", "/campaigns/987654321/test-mails", READERS),
    ("POST", "/campaigns/{id}/test-mails", "/campaigns/987654321/test-mails", MANAGERS),
    ("GET", "/campaigns/{id}/imports", "/campaigns/987654321/imports", READERS),
    ("POST", "/campaigns/{id}/imports", "/campaigns/987654321/imports", MANAGERS),
    ("GET", "/imports/{id}", "/imports/987654321", READERS),
    ("GET", "/profiles", "/profiles", READERS),
    ("GET", "/profiles/new", "/profiles/new", MANAGERS),
    ("POST", "/profiles/new", "/profiles/new", MANAGERS),
    ("GET", "/profiles/{name}", "/profiles/none", READERS),
    ("POST", "/profiles/{name}", "/profiles/none", MANAGERS),
    ("GET", "/profiles/{name}/delete", "/profiles/none/delete", MANAGERS),
    ("POST", "/profiles/{name}/delete", "/profiles/none/delete", MANAGERS),
    ("GET", "/files", "/files", READERS),
    ("GET", "/files/{id}/download", "/files/987654321/download", MANAGERS),
    ("GET", "/files/logins", "/files/logins", MANAGERS),
    ("GET", "/files/logins/password", "/files/logins/password", ADMINS),
    ("POST", "/files/logins/password", "/files/logins/password", ADMINS),
    ("GET", "/files/logins/ssh-keys", "/files/logins/ssh-keys", ADMINS),
    ("POST", "/files/logins/ssh-keys", "/files/logins/ssh-keys", ADMINS),
    ("GET", "/files/logins/ssh-keys/{id}/remove", "/files/logins/ssh-keys/987654321/remove", ADMINS),
    ("POST", "/files/logins/ssh-keys/{id}/remove", "/files/logins/ssh-keys/987654321/remove", ADMINS),
    ("GET", "/files/logins/pgp-keys", "/files/logins/pgp-keys", ADMINS),
    ("POST", "/files/logins/pgp-keys", "/files/logins/pgp-keys", ADMINS),
    ("GET", "/files/logins/pgp-keys/{id}/remove", "/files/logins/pgp-keys/987654321/remove", ADMINS),
    ("POST", "/files/logins/pgp-keys/{id}/remove", "/files/logins/pgp-keys/987654321/remove", ADMINS),
    ("GET", "/recipients", "/recipients", MANAGERS),
    ("POST", "/recipients/access", "/recipients/access", MANAGERS),
    ("POST", "/recipients/erasure", "/recipients/erasure", MANAGERS),
    ("GET", "/retention", "/retention", MANAGERS),
    ("GET", "/retention/settings", "/retention/settings", ADMINS),
    ("POST", "/retention/settings", "/retention/settings", ADMINS),
    ("GET", "/retention/receipts", "/retention/receipts", MANAGERS),
    ("GET", "/retention/statement", "/retention/statement", MANAGERS),
    ("GET", "/api-keys", "/api-keys", ADMINS),
    ("GET", "/api-keys/new", "/api-keys/new", ADMINS),
    ("POST", "/api-keys/new", "/api-keys/new", ADMINS),
    ("GET", "/api-keys/{id}/rotate", "/api-keys/987654321/rotate", ADMINS),
    ("POST", "/api-keys/{id}/rotate", "/api-keys/987654321/rotate", ADMINS),
    ("GET", "/api-keys/{id}/delete", "/api-keys/987654321/delete", ADMINS),
    ("POST", "/api-keys/{id}/delete", "/api-keys/987654321/delete", ADMINS),
    ("GET", "/audit", "/audit", ADMINS),
    ("GET", "/account/phone", "/account/phone", People),
    ("POST", "/account/phone", "/account/phone", People),
    ("POST", "/account/phone/code", "/account/phone/code", People),
    // Whether a tenant allows it is another matter: here it does.
    ("GET", "/account/app", "/account/app", People),
    ("POST", "/account/app", "/account/app", People),
    ("POST", "/account/app/end", "/account/app/end", People),
    ("GET", "/account/passkeys", "/account/passkeys", People),
    ("GET", "/account/passkeys/new", "/account/passkeys/new", People),
    ("POST", "/account/passkeys/new", "/account/passkeys/new", People),
    ("POST", "/account/passkeys/register", "/account/passkeys/register", People),
    ("GET", "/account/passkeys/{id}/remove", "/account/passkeys/987654321/remove", People),
    ("POST", "/account/passkeys/{id}/remove", "/account/passkeys/987654321/remove", People),
    ("POST", "/account/recovery", "/account/recovery", People),
    ("GET", "/tenants", "/tenants", OPERATORS),
    ("GET", "/queues", "/queues", OPERATORS),
    ("GET", "/queues/{name}", "/queues/send", OPERATORS),
    ("GET", "/queues/{name}/redrive", "/queues/none/redrive", OPERATORS),
    ("POST", "/queues/{name}/redrive", "/queues/none/redrive", OPERATORS),
    ("GET", "/errors", "/errors", OPERATORS),
    ("GET", "/lifecycles", "/lifecycles", OPERATORS),
    ("GET", "/users", "/users", USERS),
    ("POST", "/users/invite", "/users/invite", USERS),
    ("POST", "/users/role", "/users/role", USERS),
    ("POST", "/users/disable", "/users/disable", USERS),
    ("POST", "/users/enable", "/users/enable", USERS),
    ("POST", "/users/unlock", "/users/unlock", USERS),
    ("POST", "/users/phone", "/users/phone", USERS),
    ("POST", "/users/sessions", "/users/sessions", USERS),
    // The last one: it ends the session of whoever asks.
    ("POST", "/logout", "/logout", People),
];

/// Of every answer, whatever it is.
const HEADERS: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=63072000; includeSubDomains"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
];

fn look_at_headers(what: &str, answer: &Answer) {
    for (name, value) in HEADERS {
        assert_eq!(
            answer.headers.get(*name).and_then(|value| value.to_str().ok()),
            Some(*value),
            "{what}: {name}"
        );
    }
    let kept = answer.headers["cache-control"].to_str().unwrap();
    assert!(kept == "no-store" || what.contains("/assets/"), "{what}: {kept}");
    for cookie in answer.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.starts_with("__Host-"), "{what}: {cookie}");
        assert!(cookie.contains("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{what}: {cookie}");
    }
    let text = answer.text();
    for inline in [" style=", "<style", " onclick", " onload", "javascript:"] {
        assert!(!text.contains(inline), "{what}: {inline}");
    }
    assert!(!text.contains("<script>") && !text.contains("://"), "{what}: a page asks elsewhere: {text}");
}

/// Whoever asks, with what its forms have to send back: before there is a session, and with it.
struct Asker {
    role: &'static str,
    browser: Browser,
    visit: String,
    session: Option<String>,
}

impl Asker {
    async fn new(stack: &Stack, role: &'static str, tenant: Option<i64>) -> Self {
        let mut browser = Browser::new(stack);
        let mut session = None;
        if role != "stranger" {
            let user = User::new(stack, tenant, role).await;
            let page = browser.log_in(&user).await;
            session = Some(token(&page.form("/logout")));
        }
        let visit = token(&browser.get("/login").await.form("/login"));
        Self { role, browser, visit, session }
    }

    async fn ask(&self, method: &str, path: &str, whom: Whom) -> Answer {
        let token = if whom == All { &self.visit } else { self.session.as_ref().unwrap_or(&self.visit) };
        self.post(method, path, token, &[]).await
    }

    async fn post(&self, method: &str, path: &str, token: &str, headers: &[(&str, &str)]) -> Answer {
        let mut all = headers.to_vec();
        if headers.iter().all(|(name, _)| *name != "content-type") {
            all.push(("content-type", "application/x-www-form-urlencoded"));
        }
        let body = if method == "POST" { format!("{TOKEN_FIELD}={token}") } else { String::new() };
        self.browser.clone().send(method, path, &all, &body).await
    }

    fn may(&self, whom: Whom) -> bool {
        match whom {
            All => true,
            People => self.role != "stranger",
            Roles(roles) => roles.contains(&self.role),
        }
    }
}

fn token(form: &Form) -> String {
    form.fields.iter().find(|(name, _)| name == TOKEN_FIELD).unwrap().1.clone()
}

async fn askers(name: &str) -> Vec<Asker> {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::with(&stack, name, json!({"totp_allowed": true, "passkeys_allowed": true})).await;
    let mut askers = Vec::new();
    for role in ["stranger", "viewer", "manager", "admin", "operator"] {
        let tenant = (role != "operator").then_some(tenant.id);
        askers.push(Asker::new(&stack, role, tenant).await);
    }
    askers
}

#[test]
fn every_route_has_a_row() {
    let routes: BTreeSet<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
    let rows: BTreeSet<_> = ROWS.iter().map(|(method, path, ..)| (*method, *path)).collect();
    assert_eq!(routes, rows);
}

#[tokio::test]
async fn nobody_else_gets_an_answer() {
    for asker in askers("pages").await {
        for (method, _, path, whom) in ROWS {
            let what = format!("{} {method} {path}", asker.role);
            let answer = asker.ask(method, path, *whom).await;
            look_at_headers(&what, &answer);
            let status = answer.status.as_u16();
            let location =
                answer.headers.get("location").map(|location| location.to_str().unwrap().to_owned());
            if asker.may(*whom) {
                assert_ne!(status, 403, "{what}: {}", answer.text());
                assert!(status < 500, "{what}: {status} {}", answer.text());
                let is_login = location.as_deref().is_some_and(|location| location.starts_with("/login"));
                assert!(!is_login || *whom == All || *path == "/logout", "{what}: {location:?}");
            } else if asker.role == "stranger" {
                let next = if *method == "GET" { "/login?next=" } else { "/login" };
                let next = if *path == "/" { "/login" } else { next };
                assert_eq!(status, 303, "{what}");
                assert!(
                    location.as_deref().is_some_and(|location| location.starts_with(next)),
                    "{what}: {location:?}"
                );
            } else {
                assert_eq!(status, 403, "{what}: {}", answer.text());
            }
        }
    }
}

#[tokio::test]
async fn no_form_is_taken_from_elsewhere() {
    let askers = askers("forms").await;
    let admin = askers.iter().find(|asker| asker.role == "admin").unwrap();
    let operator = askers.iter().find(|asker| asker.role == "operator").unwrap();
    let stranger = Asker::new(&Stack::from_env().unwrap(), "stranger", None).await;
    for (method, _, path, whom) in ROWS.iter().filter(|(method, ..)| *method == "POST") {
        let asker = if admin.may(*whom) { admin } else { operator };
        let other = if admin.may(*whom) { operator } else { admin };
        let own = if *whom == All { &asker.visit } else { asker.session.as_ref().unwrap() };
        let foreign = if *whom == All { &stranger.visit } else { other.session.as_ref().unwrap() };
        let mut refused = BTreeMap::new();
        for (what, token, header) in [
            ("no token", "", None),
            ("the token of another browser", foreign.as_str(), None),
            (
                "the token of the other kind",
                if *whom == All { asker.session.as_deref().unwrap() } else { &asker.visit },
                None,
            ),
            ("another site", own, Some(("sec-fetch-site", "cross-site"))),
            ("another subdomain", own, Some(("sec-fetch-site", "same-site"))),
            ("a form as plain text", own, Some(("content-type", "text/plain"))),
            ("JSON", own, Some(("content-type", "application/json"))),
        ] {
            let answer = asker.post(method, path, token, header.as_slice()).await;
            look_at_headers(what, &answer);
            refused.insert(what, answer.status.as_u16());
        }
        assert!(refused.values().all(|status| *status == 403), "{path}: {refused:?}");
    }
    // None of it logged anybody out.
    for asker in [admin, operator] {
        assert_eq!(asker.ask("GET", "/account", People).await.status, 200, "{}", asker.role);
    }
}

/// What is nowhere, or is asked for by another method, tells nothing.
#[tokio::test]
async fn what_is_not_there_is_not_there() {
    let stack = Stack::from_env().unwrap();
    let mut browser = Browser::new(&stack);
    for (method, path) in [("GET", "/nowhere"), ("PUT", "/login"), ("DELETE", "/account"), ("GET", "/logout")]
    {
        let answer = browser.send(method, path, &[], "").await;
        assert!(matches!(answer.status.as_u16(), 404 | 405), "{method} {path}: {}", answer.status);
        look_at_headers(&format!("{method} {path}"), &answer);
    }
}

/// What another tenant has looks like what is not there, for whoever may do everything in a tenant.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_is_not_there() {
    let stack = Stack::from_env().unwrap();
    let owner = Tenant::new(&stack, "owner").await;
    let campaign = owner.campaign("spring").await;
    let list = Plan { domain: owner.recipients_domain.clone(), good: 2, ..Plan::default() }.write();
    owner.put("list.csv", list).await;
    owner.control("list.csv", "spring", false).await;
    let import = wait::until("the import", async || {
        let imports = owner.imports(campaign).await;
        (imports.first()?["state"] == "finished").then(|| imports[0]["id"].clone())
    })
    .await;
    let later = serde_json::json!({"starts_at": "2099-01-01T00:00:00Z"});
    let launch = owner.api("POST", &format!("/v1/campaigns/{campaign}/launches"), Some(later)).await;
    let launch = if launch.status == 202 { launch.json()["id"].to_string() } else { "1".to_owned() };
    let first = async |path: &str| owner.api("GET", path, None).await.ok()["items"][0]["id"].to_string();
    let (file, ssh, pgp, key) = (
        first("/v1/files").await,
        first("/v1/ssh-keys").await,
        first("/v1/pgp-keys").await,
        first("/v1/keys").await,
    );
    owner.api("PUT", "/v1/profiles/crm", Some(serde_json::json!({"delimiter": ";"}))).await.ok();
    let other = Tenant::new(&stack, "other").await;
    let admin = Asker::new(&stack, "admin", Some(other.id)).await;
    let mut asked = 0;
    for (method, path, _, whom) in ROWS.iter().filter(|(_, path, ..)| path.contains('{')) {
        // A profile's name is each tenant's own.
        if !matches!(whom, Roles(_))
            || !admin.may(*whom)
            || (*method == "POST" && *path == "/profiles/{name}")
        {
            continue;
        }
        let id = match path.split('/').nth(1).unwrap() {
            "campaigns" => campaign.to_string(),
            "imports" => import.to_string(),
            "profiles" => "crm".to_owned(),
            "api-keys" => key.clone(),
            "files" if path.contains("ssh-keys") => ssh.clone(),
            "files" if path.contains("pgp-keys") => pgp.clone(),
            "files" => file.clone(),
            other => panic!("{other}: what has an id there?"),
        };
        let path = path.replace("{launch}", &launch).replace("{deed}", "cancel");
        let path = path.replace("{id}", &id).replace("{name}", &id);
        let answer = admin.ask(method, &path, *whom).await;
        let status = answer.status.as_u16();
        assert!(
            status == 404 || (*method == "POST" && matches!(status, 400 | 422)),
            "{method} {path}: {status} {}",
            answer.text()
        );
        assert!(
            !answer.text().contains("list.csv") && !answer.text().contains("spring"),
            "{method} {path}: {}",
            answer.text()
        );
        asked += 1;
    }
    assert!(asked > 25, "{asked}");
    // Nothing of it was touched.
    assert_eq!(owner.api("GET", &format!("/v1/campaigns/{campaign}"), None).await.ok()["state"], "open");
    for (path, id) in [("/v1/ssh-keys", ssh), ("/v1/pgp-keys", pgp), ("/v1/keys", key)] {
        assert_eq!(first(path).await, id, "{path}");
    }
    owner.api("GET", "/v1/profiles/crm", None).await.ok();
    owner.all_is_well(campaign).await;
}
