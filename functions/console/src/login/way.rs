//! Where a browser goes next.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{Markup, Render, html};
use serde::Deserialize;
use url::form_urlencoded;

/// The longest path that is kept over a login.
const PATH_BYTES_MAX: usize = 500;

/// What pages of the login take in their address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Way {
    /// Where the person wanted to go.
    pub(crate) next: String,
    /// What there is to say: the end of a key of the catalogue.
    pub(crate) said: String,
}

impl Way {
    /// The wanted path, if it is one of ours.
    pub(crate) fn next(&self) -> Option<&str> {
        local(&self.next)
    }
}

impl Render for Way {
    /// The field of a form that takes the wanted path along.
    fn render(&self) -> Markup {
        html! { @if let Some(next) = self.next() { input type="hidden" name="next" value=(next); } }
    }
}

/// A path of ours and nothing else: what a browser could read as another host (`//host`, `/\host`) is none.
pub(crate) fn local(path: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let mut bytes = path.bytes();
    let begins = bytes.next() == Some(b'/') && bytes.next() != Some(b'/');
    (begins && path.len() <= PATH_BYTES_MAX && path.bytes().all(plain)).then_some(path)
}

/// 303, which makes a GET of everything. The wanted path goes along.
pub(crate) fn redirect(path: &str, next: Option<&str>) -> Response {
    let next = next.and_then(local).filter(|next| *next != "/");
    let query = next.map(|next| {
        form_urlencoded::Serializer::for_suffix("?".to_owned(), 1).append_pair("next", next).finish()
    });
    to(&format!("{path}{}", query.unwrap_or_default()))
}

/// To the beginning, which says why.
pub(crate) fn redirect_saying(said: &str) -> Response {
    to(&format!("/login?said={said}"))
}

fn to(location: &str) -> Response {
    let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/login"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_kept() {
        for path in ["/", "/campaigns/7?page=2", "/a//b"] {
            assert_eq!(local(path), Some(path));
        }
        for path in [
            "",
            "campaigns",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "/a b",
            "/a\r\nX: y",
            "/\u{e4}",
            &"/a".repeat(300),
        ] {
            assert_eq!(local(path), None, "{path}");
        }
    }

    #[test]
    fn the_wanted_path_goes_along() {
        let location = |response: Response| response.headers()[header::LOCATION].to_str().unwrap().to_owned();
        assert_eq!(
            location(redirect("/login", Some("/campaigns?a=1&b=2"))),
            "/login?next=%2Fcampaigns%3Fa%3D1%26b%3D2"
        );
        assert_eq!(location(redirect("/login", Some("//evil.example"))), "/login");
        assert_eq!(location(redirect("/login", Some("/"))), "/login");
        assert_eq!(location(redirect("/login/code", None)), "/login/code");
    }
}
