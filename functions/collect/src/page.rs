//! The pages that a recipient sees. Plain HTML without scripts and images, and without a word about the recipient.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use mail::Imprint;

use crate::words::{self, Words};

/// The one style. The policy knows it by its digest: change both.
const STYLE: &str = ":root{color-scheme:light dark}body{max-width:36rem;margin:10vh auto;padding:0 1rem;\
                     font:1.125rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}button{font:inherit;padding:.75rem 1.5rem}";

/// Nothing is loaded, nothing may frame it, and its form goes back to us alone.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'sha256-BX6ODa9/6ckojexWZNQAUlu6HdmnDBODdYruAgIYehA='; \
                                       form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The pages of one request.
#[derive(Clone, Copy)]
pub(crate) struct Page<'a> {
    words: &'static Words,
    sender: &'a str,
}

impl<'a> Page<'a> {
    /// For a reader with such an `Accept-Language`, about a mail with such an imprint.
    pub fn new(accepted: &str, imprint: Imprint<'a>) -> Self {
        Self { words: words::choose(accepted, imprint.language), sender: imprint.sender }
    }

    /// The question with its button.
    pub fn ask(self) -> Response {
        let Words { unsubscribe, question, .. } = self.words;
        let body = format!(
            "<p>{}</p>\n<form method=\"post\">\n\
             <input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\n\
             <button type=\"submit\">{unsubscribe}</button>\n</form>",
            self.text(question)
        );
        self.respond(StatusCode::OK, unsubscribe, &body)
    }

    /// It is on the queue.
    pub fn done(self) -> Response {
        let text = self.text(self.words.done_text);
        self.respond(StatusCode::OK, self.words.done, &format!("<p>{text}</p>"))
    }

    /// It is not, and the recipient or the mailbox provider has to try again.
    pub fn unavailable(self) -> Response {
        let Words { unavailable, unavailable_text, .. } = self.words;
        let body = format!("<p>{unavailable_text}</p>");
        let mut response = self.respond(StatusCode::SERVICE_UNAVAILABLE, unavailable, &body);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
        response
    }

    /// A text that names the sender. A name may be written in another direction than the text.
    fn text(self, text: &str) -> String {
        let Words { from, from_unnamed, .. } = self.words;
        let from = if self.sender.is_empty() {
            (*from_unnamed).to_owned()
        } else {
            format!("{from} <bdi>{}</bdi>", escape(self.sender))
        };
        text.replace("{from}", &from)
    }

    fn respond(self, status: StatusCode, title: &str, body: &str) -> Response {
        let tag = self.words.tag;
        let sender =
            if self.sender.is_empty() { String::new() } else { format!(" – {}", escape(self.sender)) };
        let html = format!(
            "<!doctype html>\n<html lang=\"{tag}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}{sender}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
        );
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_LANGUAGE, tag),
            (header::VARY, "Accept-Language"),
            (header::CACHE_CONTROL, "no-store, private"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::HeaderName::from_static("x-robots-tag"), "noindex"),
        ];
        (status, headers, html).into_response()
    }
}

/// For the text of an element.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest;

    use super::*;

    #[test]
    fn the_policy_allows_this_style_alone() {
        let digest = digest::digest(&digest::SHA256, STYLE.as_bytes());
        let source = format!("style-src 'sha256-{}';", data_encoding::BASE64.encode(digest.as_ref()));
        assert!(CONTENT_SECURITY_POLICY.contains(&source), "{source}");
    }

    #[test]
    fn a_senders_name_is_text() {
        let name = |sender| Page { words: &words::ALL[0], sender }.text("no more e-mail {from}.");
        assert_eq!(name("A&B <i>"), "no more e-mail from <bdi>A&amp;B &lt;i&gt;</bdi>.");
        assert_eq!(name("{from}"), "no more e-mail from <bdi>{from}</bdi>.");
        assert_eq!(name(""), "no more e-mail from this sender.");
    }
}
