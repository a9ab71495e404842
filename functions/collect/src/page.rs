//! The pages that a recipient sees. Plain HTML without scripts, styles, images or a word about the recipient.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

/// Nothing is loaded, nothing may frame it, and its form goes back to us alone.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the recipient reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
}

impl Language {
    /// The better liked one of `Accept-Language` (RFC 9110, 12.5.4); English when it names neither.
    pub(crate) fn of(accepted: &str) -> Self {
        let mut best = (0.0, Self::English);
        for range in accepted.split(',') {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
            let language = match primary.as_str() {
                "de" => Self::German,
                "en" => Self::English,
                _ => continue,
            };
            let weight =
                parameters.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.trim().parse().ok());
            let weight: f32 = weight.unwrap_or(0.0);
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }
}

/// The question with its button.
pub(crate) fn ask(language: Language) -> Response {
    let (title, text, button) = match language {
        Language::English => {
            ("Unsubscribe", "Do you want to receive no more mail from this sender?", "Unsubscribe")
        }
        Language::German => {
            ("Abmelden", "Möchten Sie von diesem Absender keine E-Mails mehr erhalten?", "Abmelden")
        }
    };
    let form = format!(
        "<p>{text}</p>\n<form method=\"post\">\n<input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\n\
         <button type=\"submit\">{button}</button>\n</form>"
    );
    page(StatusCode::OK, language, title, &form)
}

/// It is on the queue.
pub(crate) fn done(language: Language) -> Response {
    let (title, text) = match language {
        Language::English => ("Unsubscribed", "You will receive no more mail from this sender."),
        Language::German => ("Abgemeldet", "Sie erhalten von diesem Absender keine E-Mails mehr."),
    };
    page(StatusCode::OK, language, title, &format!("<p>{text}</p>"))
}

/// It is not, and the recipient or the mailbox provider has to try again.
pub(crate) fn unavailable(language: Language) -> Response {
    let (title, text) = match language {
        Language::English => {
            ("Not possible at the moment", "You are not unsubscribed yet. Please try again in a minute.")
        }
        Language::German => (
            "Im Moment nicht möglich",
            "Sie sind noch nicht abgemeldet. Bitte versuchen Sie es in einer Minute noch einmal.",
        ),
    };
    let mut response = page(StatusCode::SERVICE_UNAVAILABLE, language, title, &format!("<p>{text}</p>"));
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("60"));
    response
}

fn page(status: StatusCode, language: Language, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n",
        language.tag()
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_LANGUAGE, language.tag()),
        (header::VARY, "Accept-Language"),
        (header::CACHE_CONTROL, "no-store, private"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    (status, headers, html).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_liked_language_is_chosen() {
        let table = [
            ("", Language::English),
            ("de", Language::German),
            ("de-AT,de;q=0.9,en;q=0.8", Language::German),
            ("en-US,en;q=0.9,de;q=0.8", Language::English),
            ("fr, de;q=0.3, en;q=0.7", Language::English),
            ("fr, DE;q=0.7, en;q=0.3", Language::German),
            ("de;q=0", Language::English),
            ("de;q=x, *", Language::English),
        ];
        for (accepted, language) in table {
            assert_eq!(Language::of(accepted), language, "{accepted}");
        }
    }
}
