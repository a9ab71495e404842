//! The description, the reference and the guide as pages, and a page for each problem. Nothing of it needs a key, and nothing is loaded from
//! elsewhere.
//!
//! The reference is made of the description alone, the guide is this function's README: neither can say something else than they do.

mod fields;
mod markdown;
mod problems;
mod reference;

use std::{collections::BTreeMap, sync::LazyLock};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use data_encoding::BASE64;
use fault::Code;
use minijinja::{Environment, Value as Shown, context, syntax::SyntaxConfig, value::Serde};
use operations::{Name, OperationError};
use serde_json::Value;

use crate::description;

const STYLE: &str = include_str!("documentation/style.css");
const PAGE: &str = include_str!("documentation/page.html");
const REFERENCE: &str = include_str!("documentation/reference.html");
const PROBLEMS: &str = include_str!("documentation/problems.html");
const PROBLEM: &str = include_str!("documentation/problem.html");
const FIELDS: &str = include_str!("documentation/fields.html");
const GUIDE: &str = include_str!("../README.md");

/// A changed document or page is seen everywhere after five minutes.
const CACHED: &str = "public, max-age=300";

static DESCRIPTION: LazyLock<String> = LazyLock::new(|| description().to_string());
/// Nothing where a template is wrong, which the tests would have seen.
static PAGES: LazyLock<Option<Pages>> = LazyLock::new(|| Pages::render(&description()).ok());
/// Pages are text and one style: no script, no font, no image, no frame, no form.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64.encode(digest(&SHA256, STYLE.as_bytes()).as_ref());
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// Everything that is shown to people, whole.
struct Pages {
    reference: String,
    guide: String,
    problems: String,
    problem: BTreeMap<&'static str, String>,
}

impl Pages {
    fn render(document: &Value) -> Result<Self, minijinja::Error> {
        let environment = environment()?;
        let page = |title: &str, body: String| {
            environment.get_template("page.html")?.render(context! { title, body, style => STYLE })
        };
        let part = |name: &str, view: Shown| environment.get_template(name)?.render(view);
        let view = Serde(reference::view(document, &environment)?);
        let answered_by = problems::operations_by_code(document);
        let mut problem = BTreeMap::new();
        for code in Code::ALL {
            let body =
                part("problem.html", context! { problem => Serde(problems::view(*code, &answered_by)) })?;
            problem.insert(code.slug(), page(code.slug(), body)?);
        }
        let all: Vec<_> = Code::ALL.iter().map(|code| problems::view(*code, &answered_by)).collect();
        let all = Shown::from(Serde(all));
        Ok(Self {
            reference: page(
                "Reference",
                part("reference.html", context! { reference => view, problems => all.clone() })?,
            )?,
            guide: page("Guide", format!("<main id=\"main\">{}</main>", markdown::page(GUIDE)))?,
            problems: page("Problems", part("problems.html", context! { problems => all })?)?,
            problem,
        })
    }
}

/// The templates. What they are given is escaped, except what a template itself says is HTML of ours.
fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    // A line of a statement alone leaves no line behind.
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).build()?);
    let templates = [
        ("page.html", PAGE),
        ("reference.html", REFERENCE),
        ("problems.html", PROBLEMS),
        ("problem.html", PROBLEM),
        ("fields.html", FIELDS),
    ];
    for (name, source) in templates {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

/// `GET /openapi.json`
pub(crate) async fn openapi() -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, CACHED)];
    (headers, DESCRIPTION.as_str()).into_response()
}

/// `GET /docs`
pub(crate) async fn reference() -> Result<Response, OperationError> {
    Ok(html(&pages()?.reference))
}

/// `GET /docs/guide`
pub(crate) async fn guide() -> Result<Response, OperationError> {
    Ok(html(&pages()?.guide))
}

/// `GET /docs/problems`
pub(crate) async fn problems() -> Result<Response, OperationError> {
    Ok(html(&pages()?.problems))
}

/// `GET /docs/problems/{code}`
pub(crate) async fn problem(Name(code): Name) -> Result<Response, OperationError> {
    let page = pages()?.problem.get(code.as_str()).ok_or(Code::NotFound)?;
    Ok(html(page))
}

fn pages() -> Result<&'static Pages, OperationError> {
    PAGES.as_ref().ok_or(OperationError::Document)
}

fn html(page: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, CACHED),
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    (headers, page).into_response()
}

#[cfg(test)]
mod tests;
