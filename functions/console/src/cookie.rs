//! Our cookies. Each holds a token and nothing else; `__Host-` keeps them to this host, to TLS and to whole paths (RFC 6265bis, 4.1.3.2).

use access::Token;
use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};

/// One of them.
pub(crate) struct Cookie(&'static str);

/// Of whoever is logged in.
pub(crate) const SESSION: Cookie = Cookie("__Host-session");
/// Of whoever has proved the password and not yet the second factor.
pub(crate) const CHALLENGE: Cookie = Cookie("__Host-login");
/// Of a browser that has seen the login's page: its forms are bound to it.
pub(crate) const VISIT: Cookie = Cookie("__Host-visit");

/// Scripts see none, and no other site's request carries one, but for a link that a person follows.
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

impl Cookie {
    /// The token that a browser sent.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Option<Token> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == self.0)?;
        Token::parse(value)
    }

    /// Gives the browser a token, until it is closed: the database knows when it ends.
    pub(crate) fn set(&self, response: &mut Response, token: &Token) {
        append(response, &format!("{}={}; {ATTRIBUTES}", self.0, token.text()));
    }

    /// Takes it away.
    pub(crate) fn clear(&self, response: &mut Response) {
        append(response, &format!("{}=; {ATTRIBUTES}; Max-Age=0", self.0));
    }

    /// Whether a response sets it, or takes it away.
    pub(crate) fn is_set(&self, headers: &HeaderMap) -> bool {
        headers.get_all(header::SET_COOKIE).iter().any(|line| {
            line.as_bytes().strip_prefix(self.0.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
        })
    }
}

fn append(response: &mut Response, line: &str) {
    // Names, attributes and tokens are plain ASCII.
    if let Ok(mut value) = HeaderValue::from_str(line) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[test]
    fn a_cookie_is_read_back() {
        let token = Token::generate().unwrap();
        let mut response = ().into_response();
        SESSION.set(&mut response, &token);
        let line = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        assert!(
            line.starts_with("__Host-session=") && line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax")
        );
        assert!(SESSION.is_set(response.headers()) && !VISIT.is_set(response.headers()));
        let sent = format!("a=b; {}; __Host-visit=x", line.split(';').next().unwrap());
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&sent).unwrap())]);
        assert_eq!(SESSION.read(&headers).unwrap().hash(), token.hash());
        assert!(VISIT.read(&headers).is_none() && CHALLENGE.read(&headers).is_none());
    }
}
