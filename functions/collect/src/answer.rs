//! What a request comes to: its answer, and the response that it tells. Decided from the request and the master key alone.

use std::net::IpAddr;

use access::{MasterKey, Purpose};
use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use contract::{Actor, ResponseKind, TrackMessage};
use mail::{ActorRules, Caller, Claim, Imprint, Kind};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::page::Page;

/// One transparent pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";
/// Nothing between the reader and us may answer in our place.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store, private");

/// Headers by which browsers and proxies say that nobody has asked yet.
static PURPOSES: [HeaderName; 4] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("x-moz"),
];

/// What a request says, but for its body.
#[derive(Clone, Copy)]
pub struct Visit<'r> {
    /// GET, HEAD or POST.
    pub method: &'r Method,
    /// All of them.
    pub headers: &'r HeaderMap,
    /// Where it comes from, as the platform saw it. For the judgment alone.
    pub address: Option<IpAddr>,
    /// The token of its path; empty: none that could be read.
    pub token: &'r str,
    /// The text that is sealed with the token: a click's URL, an unsubscribe's imprint. Empty without one.
    pub sealed: &'r str,
    /// When it came.
    pub at: OffsetDateTime,
}

/// An answer, and what goes on the track queue.
pub struct Answer {
    /// For the client.
    pub response: Response,
    /// For the queue. `None`: nothing happened.
    pub message: Option<TrackMessage>,
}

impl Answer {
    fn not_found() -> Self {
        Self { response: not_found(), message: None }
    }
}

impl<'r> Visit<'r> {
    /// The pixel.
    pub fn open(self, master: &MasterKey, rules: &ActorRules) -> Answer {
        let Some(claim @ Claim { kind: Kind::Open, .. }) = self.claim(master) else {
            return Answer::not_found();
        };
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("image/gif"))];
        let response = (headers, [(header::CACHE_CONTROL, NO_STORE)], PIXEL).into_response();
        Answer { response, message: message(claim, self.actor(rules), self.at) }
    }

    /// A link of a mail.
    pub fn click(self, master: &MasterKey, rules: &ActorRules) -> Answer {
        let claim = self.claim(master);
        let (Some(claim @ Claim { kind: Kind::Click { .. }, .. }), Ok(location)) =
            (claim, HeaderValue::from_str(self.sealed))
        else {
            return Answer::not_found();
        };
        let headers = [
            (header::LOCATION, location),
            (header::CACHE_CONTROL, NO_STORE),
            // Our URL must not reach the site behind it: whoever has it can make it count again.
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ];
        let response = (StatusCode::FOUND, headers).into_response();
        Answer { response, message: message(claim, self.actor(rules), self.at) }
    }

    /// The claim of an unsubscribe link, and its pages.
    pub(crate) fn unsubscribe(self, master: &MasterKey) -> Option<(Claim, Page<'r>)> {
        let claim = self.claim(master)?;
        let Kind::Unsubscribe { .. } = claim.kind else { return None };
        let page = Page::new(self.header(&header::ACCEPT_LANGUAGE), Imprint::read(self.sealed));
        Some((claim, page))
    }

    fn claim(self, master: &MasterKey) -> Option<Claim> {
        let key = |token: &mail::Unverified| master.derive(token.tenant(), Purpose::Links, token.key_id());
        mail::verify_link(self.token, self.sealed, key).ok()
    }

    /// Of an open or a click. Nothing is left out: what no person did is counted as that.
    fn actor(self, rules: &ActorRules) -> Actor {
        let values = PURPOSES.iter().flat_map(|name| self.headers.get_all(name));
        let speculative = values.filter_map(|value| value.to_str().ok()).any(mail::is_speculative);
        rules.judge(&Caller {
            method: self.method.as_str(),
            user_agent: self.header(&header::USER_AGENT),
            speculative,
            address: self.address,
        })
    }

    fn header(self, name: &HeaderName) -> &'r str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// `None` for a return path, which no request has.
pub(crate) fn message(claim: Claim, actor: Actor, at: OffsetDateTime) -> Option<TrackMessage> {
    let (kind, link, address_key) = match claim.kind {
        Kind::Open => (ResponseKind::Opened, None, None),
        Kind::Click { link } => (ResponseKind::Clicked, i32::try_from(link).ok(), None),
        Kind::Unsubscribe { address_key } => (ResponseKind::Unsubscribed, None, Some(address_key.to_hex())),
        Kind::Return => return None,
    };
    let (Claim { tenant, campaign, mail, .. }, event) = (claim, Uuid::now_v7());
    Some(TrackMessage::Response { event, at, tenant, campaign, mail, kind, link, actor, address_key })
}

/// RFC 8058, 3.2: form data, urlencoded or multipart.
pub(crate) fn is_one_click(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body);
    let urlencoded = body.split('&').any(|pair| pair.trim() == "List-Unsubscribe=One-Click");
    let multipart =
        body.split_once("name=\"List-Unsubscribe\"").or_else(|| body.split_once("name=List-Unsubscribe"));
    let multipart = multipart.and_then(|(_, rest)| rest.split_once("\r\n\r\n"));
    urlencoded || multipart.is_some_and(|(_, value)| value.lines().next() == Some("One-Click"))
}

/// The same for every token that is not ours, whatever is wrong with it.
pub(crate) fn not_found() -> Response {
    (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, "no-store")], "Not found.\n").into_response()
}
