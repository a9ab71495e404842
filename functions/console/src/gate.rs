//! Who reaches which page: the table of all routes, and what stands before every one of them.
//!
//! A route that has no row here is reached by nobody. A POST is taken only from a page of ours in the same browser: its token is bound to the session,
//! or before there is one to the browser's visit. So no handler can forget either.

use std::sync::Arc;

use access::{MasterKey, Purpose, Scope, Token};
use aws_lc_rs::constant_time;
use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use maud::{Markup, Render, html};
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError, cookie, error,
    person::{Person, Reader},
    session,
};

/// Who may have an answer of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody: what all pages load.
    Anyone,
    /// Anybody, with a visit that forms are bound to: what comes before a session.
    Visitor,
    /// Everybody who is logged in, for what is their own.
    Person,
    /// Everybody whose role has this scope in the tenant.
    Scope(Scope),
    /// Who manages people: of the tenant, or operators.
    Users,
    /// Operators.
    Operator,
}

/// One page or action.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// As it is registered.
    pub path: &'static str,
    /// Who.
    pub access: Access,
}

const fn get(path: &'static str, access: Access) -> Route {
    Route { method: "GET", path, access }
}

const fn post(path: &'static str, access: Access) -> Route {
    Route { method: "POST", path, access }
}

/// Every route.
pub const ROUTES: &[Route] = &[
    get("/assets/{name}", Access::Anyone),
    get("/", Access::Person),
    get("/login", Access::Visitor),
    post("/login", Access::Visitor),
    get("/login/phone", Access::Visitor),
    post("/login/phone", Access::Visitor),
    get("/login/code", Access::Visitor),
    post("/login/code", Access::Visitor),
    post("/login/code/text", Access::Visitor),
    post("/login/passkey", Access::Visitor),
    post("/login/passkey/check", Access::Visitor),
    get("/login/recovery", Access::Visitor),
    post("/login/recovery", Access::Visitor),
    get("/password", Access::Visitor),
    post("/password", Access::Visitor),
    get("/password/{token}", Access::Visitor),
    post("/password/{token}", Access::Visitor),
    post("/logout", Access::Person),
    get("/account", Access::Person),
    post("/account/settings", Access::Person),
    post("/account/password", Access::Person),
    post("/account/sessions/end", Access::Person),
    get("/campaigns", Access::Scope(Scope::CampaignsRead)),
    get("/campaigns/new", Access::Scope(Scope::CampaignsWrite)),
    post("/campaigns/new", Access::Scope(Scope::CampaignsWrite)),
    get("/campaigns/{id}", Access::Scope(Scope::CampaignsRead)),
    get("/campaigns/{id}/responses", Access::Scope(Scope::CampaignsRead)),
    get("/campaigns/{id}/launch", Access::Scope(Scope::LaunchesWrite)),
    post("/campaigns/{id}/launch", Access::Scope(Scope::LaunchesWrite)),
    get("/campaigns/{id}/launches/{launch}/{deed}", Access::Scope(Scope::LaunchesWrite)),
    post("/campaigns/{id}/launches/{launch}/{deed}", Access::Scope(Scope::LaunchesWrite)),
    get("/campaigns/{id}/delete", Access::Scope(Scope::CampaignsWrite)),
    post("/campaigns/{id}/delete", Access::Scope(Scope::CampaignsWrite)),
    get("/campaigns/{id}/template", Access::Scope(Scope::CampaignsRead)),
    post("/campaigns/{id}/template", Access::Scope(Scope::CampaignsWrite)),
    get("/campaigns/{id}/preview", Access::Scope(Scope::RecipientsRead)),
    get("/campaigns/{id}/preview/mail", Access::Scope(Scope::RecipientsRead)),
    get("/campaigns/{id}/test-mails", Access::Scope(Scope::CampaignsRead)),
    post("/campaigns/{id}/test-mails", Access::Scope(Scope::LaunchesWrite)),
    get("/campaigns/{id}/imports", Access::Scope(Scope::CampaignsRead)),
    post("/campaigns/{id}/imports", Access::Scope(Scope::ImportsWrite)),
    get("/imports/{id}", Access::Scope(Scope::CampaignsRead)),
    get("/profiles", Access::Scope(Scope::CampaignsRead)),
    get("/profiles/new", Access::Scope(Scope::CampaignsWrite)),
    post("/profiles/new", Access::Scope(Scope::CampaignsWrite)),
    get("/profiles/{name}", Access::Scope(Scope::CampaignsRead)),
    post("/profiles/{name}", Access::Scope(Scope::CampaignsWrite)),
    get("/profiles/{name}/delete", Access::Scope(Scope::CampaignsWrite)),
    post("/profiles/{name}/delete", Access::Scope(Scope::CampaignsWrite)),
    get("/files", Access::Scope(Scope::CampaignsRead)),
    get("/files/{id}/download", Access::Scope(Scope::FilesRead)),
    get("/files/logins", Access::Scope(Scope::AccountRead)),
    get("/files/logins/password", Access::Scope(Scope::LoginsWrite)),
    post("/files/logins/password", Access::Scope(Scope::LoginsWrite)),
    get("/files/logins/ssh-keys", Access::Scope(Scope::LoginsWrite)),
    post("/files/logins/ssh-keys", Access::Scope(Scope::LoginsWrite)),
    get("/files/logins/ssh-keys/{id}/remove", Access::Scope(Scope::LoginsWrite)),
    post("/files/logins/ssh-keys/{id}/remove", Access::Scope(Scope::LoginsWrite)),
    get("/files/logins/pgp-keys", Access::Scope(Scope::LoginsWrite)),
    post("/files/logins/pgp-keys", Access::Scope(Scope::LoginsWrite)),
    get("/files/logins/pgp-keys/{id}/remove", Access::Scope(Scope::LoginsWrite)),
    post("/files/logins/pgp-keys/{id}/remove", Access::Scope(Scope::LoginsWrite)),
    get("/recipients", Access::Scope(Scope::RecipientsRead)),
    post("/recipients/access", Access::Scope(Scope::RecipientsRead)),
    post("/recipients/erasure", Access::Scope(Scope::RecipientsErase)),
    get("/retention", Access::Scope(Scope::AccountRead)),
    get("/retention/settings", Access::Scope(Scope::RetentionWrite)),
    post("/retention/settings", Access::Scope(Scope::RetentionWrite)),
    get("/retention/receipts", Access::Scope(Scope::AccountRead)),
    get("/retention/statement", Access::Scope(Scope::AccountRead)),
    get("/api-keys", Access::Scope(Scope::KeysWrite)),
    get("/api-keys/new", Access::Scope(Scope::KeysWrite)),
    post("/api-keys/new", Access::Scope(Scope::KeysWrite)),
    get("/api-keys/{id}/rotate", Access::Scope(Scope::KeysWrite)),
    post("/api-keys/{id}/rotate", Access::Scope(Scope::KeysWrite)),
    get("/api-keys/{id}/delete", Access::Scope(Scope::KeysWrite)),
    post("/api-keys/{id}/delete", Access::Scope(Scope::KeysWrite)),
    get("/audit", Access::Scope(Scope::AuditRead)),
    get("/account/phone", Access::Person),
    post("/account/phone", Access::Person),
    post("/account/phone/code", Access::Person),
    get("/account/app", Access::Person),
    post("/account/app", Access::Person),
    post("/account/app/end", Access::Person),
    get("/account/passkeys", Access::Person),
    get("/account/passkeys/new", Access::Person),
    post("/account/passkeys/new", Access::Person),
    post("/account/passkeys/register", Access::Person),
    get("/account/passkeys/{id}/remove", Access::Person),
    post("/account/passkeys/{id}/remove", Access::Person),
    post("/account/recovery", Access::Person),
    get("/tenants", Access::Operator),
    get("/queues", Access::Operator),
    get("/queues/{name}", Access::Operator),
    get("/queues/{name}/redrive", Access::Operator),
    post("/queues/{name}/redrive", Access::Operator),
    get("/errors", Access::Operator),
    get("/lifecycles", Access::Operator),
    get("/users", Access::Users),
    post("/users/invite", Access::Users),
    post("/users/role", Access::Users),
    post("/users/disable", Access::Users),
    post("/users/enable", Access::Users),
    post("/users/unlock", Access::Users),
    post("/users/phone", Access::Users),
    post("/users/sessions", Access::Users),
];

/// The largest form. A template of a mail is the largest thing that anybody types.
pub(crate) const FORM_BYTES_MAX: usize = operations::BODY_BYTES_MAX;
/// The field of every form that binds it to its browser.
pub const TOKEN_FIELD: &str = "form";
const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// When the request came: read once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At(pub(crate) OffsetDateTime);

/// What a page's forms have to send back.
#[derive(Clone)]
pub(crate) struct FormToken(pub(crate) String);

impl FormToken {
    fn of(master: &MasterKey, kind: &[u8], hash: &[u8]) -> Self {
        Self(HEXLOWER.encode(&master.tag(Purpose::Forms, &[kind, hash])))
    }

    /// Of everything that a session shows.
    pub(crate) fn of_session(master: &MasterKey, hash: &[u8]) -> Self {
        Self::of(master, b"session", hash)
    }

    fn of_visit(master: &MasterKey, token: &Token) -> Self {
        Self::of(master, b"visit", &token.hash())
    }
}

impl<S: Sync> FromRequestParts<S> for At {
    type Rejection = ConsoleError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ConsoleError> {
        parts.extensions.get().copied().ok_or(ConsoleError::Cut)
    }
}

impl<S: Sync> FromRequestParts<S> for FormToken {
    type Rejection = ConsoleError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ConsoleError> {
        parts.extensions.get().cloned().ok_or(ConsoleError::Cut)
    }
}

impl Render for FormToken {
    /// The field of a form.
    fn render(&self) -> Markup {
        html! { input type="hidden" name=(TOKEN_FIELD) value=(self.0); }
    }
}

/// Stands before every route.
pub(crate) async fn guard(
    State(console): State<Arc<Console>>,
    reader: Reader,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(access) = access_of(request.method(), request.extensions().get()) else {
        return error::not_found(reader).await;
    };
    let now = OffsetDateTime::now_utc();
    request.extensions_mut().insert(At(now));
    let is_look = request.method() != Method::POST;
    match access {
        Access::Anyone => next.run(request).await,
        Access::Visitor => {
            let response = visit(&console, &reader, request, next).await;
            error::in_words(response, &reader, None, (is_look, now))
        }
        access => match enter(&console, access, &mut request, now).await {
            Ok(person) => {
                let response = checked(&person.reader, &person.form_token, request, next).await;
                error::in_words(response, &person.reader, Some(&person), (is_look, now))
            }
            Err(refused) => error::in_words(refused, &reader, None, (is_look, now)),
        },
    }
}

fn access_of(method: &Method, path: Option<&MatchedPath>) -> Option<Access> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let path = path?.as_str();
    ROUTES
        .iter()
        .find(|route| route.path == path && route.method == method.as_str())
        .map(|route| route.access)
}

/// Before there is a session: a visit, which a cookie keeps.
async fn visit(console: &Console, reader: &Reader, mut request: Request, next: Next) -> Response {
    let known = cookie::VISIT.read(request.headers());
    let (token, is_new) = match known {
        Some(token) => (token, false),
        None => match Token::generate() {
            Ok(token) => (token, true),
            Err(error) => return ConsoleError::from(error).into_response(),
        },
    };
    let form_token = FormToken::of_visit(&console.master, &token);
    request.extensions_mut().insert(form_token.clone());
    let mut response = checked(reader, &form_token, request, next).await;
    // A login has ended it, and set another.
    if is_new && !cookie::VISIT.is_set(response.headers()) {
        cookie::VISIT.set(&mut response, &token);
    }
    response
}

/// Who is logged in and may.
async fn enter(
    console: &Console,
    access: Access,
    request: &mut Request,
    now: OffsetDateTime,
) -> Result<Arc<Person>, Response> {
    let is_look = request.method() != Method::POST;
    let Some(token) = cookie::SESSION.read(request.headers()) else { return Err(to_login(request, is_look)) };
    let is_act = is_act(request.headers());
    let person = session::find(console, &token, is_act, now).await.map_err(IntoResponse::into_response)?;
    let Some(person) = person else { return Err(to_login(request, is_look)) };
    if !person.reaches(access) {
        return Err(error::forbidden(&person.reader));
    }
    let person = Arc::new(person);
    request.extensions_mut().insert(person.form_token.clone());
    request.extensions_mut().insert(Arc::clone(&person));
    Ok(person)
}

impl Person {
    fn reaches(&self, access: Access) -> bool {
        match access {
            Access::Anyone | Access::Visitor | Access::Person => true,
            Access::Scope(scope) => self.may(scope),
            Access::Users => self.role.manages_users(),
            Access::Operator => self.role == access::Role::Operator,
        }
    }
}

/// A page that looks again by itself keeps nobody logged in.
fn is_act(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_none_or(|mode| mode == "navigate")
}

/// Where a person wanted to go is kept for a look alone: an action is not repeated by itself.
fn to_login(request: &Request, is_look: bool) -> Response {
    let wanted = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let next = if is_look { Some(wanted) } else { None };
    crate::login::redirect("/login", next)
}

/// A POST must be of a form that we made for this browser.
async fn checked(reader: &Reader, form_token: &FormToken, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    if !is_from_us(&parts.headers) {
        return error::form_refused(reader);
    }
    let Ok(body) = to_bytes(body, FORM_BYTES_MAX).await else {
        return error::page(reader, StatusCode::PAYLOAD_TOO_LARGE, "too-large");
    };
    let sent = url::form_urlencoded::parse(&body).find(|(name, _)| name == TOKEN_FIELD);
    let fits = sent.is_some_and(|(_, sent)| {
        constant_time::verify_slices_are_equal(sent.as_bytes(), form_token.0.as_bytes()).is_ok()
    });
    if !fits {
        return error::form_refused(reader);
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// What browsers say of where a form came from (Fetch Metadata), where they say it; and no body but a form's.
fn is_from_us(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    site.is_none_or(|site| site == "same-origin") && kind.eq_ignore_ascii_case(FORM_TYPE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_route_has_two_rows() {
        let rows: BTreeSet<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
        assert_eq!(rows.len(), ROUTES.len());
        assert!(ROUTES.iter().all(|route| matches!(route.method, "GET" | "POST")));
    }

    #[test]
    fn forms_come_from_us_alone() {
        let from = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, header::HeaderValue::from_static(value));
            }
            is_from_us(&headers)
        };
        let form = ("content-type", FORM_TYPE);
        assert!(from(&[form]));
        assert!(from(&[("content-type", "application/x-www-form-urlencoded; charset=UTF-8")]));
        assert!(from(&[form, ("sec-fetch-site", "same-origin")]));
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!from(&[form, ("sec-fetch-site", site)]), "{site}");
        }
        for kind in ["text/plain", "multipart/form-data; boundary=x", "application/json", ""] {
            assert!(!from(&[("content-type", kind)]), "{kind}");
        }
        assert!(!from(&[]));
    }
}
