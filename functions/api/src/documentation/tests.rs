use std::collections::BTreeSet;

use access::Scope;

use super::*;
use operations::operations_of;

/// Every page with its path.
fn all() -> Vec<(String, &'static str)> {
    let pages = pages().expect("the templates render");
    let mut all = vec![
        ("/docs".to_owned(), pages.reference.as_str()),
        ("/docs/guide".to_owned(), pages.guide.as_str()),
        ("/docs/problems".to_owned(), pages.problems.as_str()),
    ];
    all.extend(pages.problem.iter().map(|(code, page)| (format!("/docs/problems/{code}"), page.as_str())));
    all
}

/// Names and values of all attributes.
fn attributes(page: &str) -> Vec<(&str, &str)> {
    let tags = page.split('<').filter_map(|piece| piece.split_once('>')).map(|(tag, _)| tag);
    let mut found = Vec::new();
    for tag in tags {
        let mut rest = tag;
        while let Some((name, behind)) = rest.split_once("=\"") {
            let (value, after) = behind.split_once('"').unwrap_or((behind, ""));
            found.push((name.rsplit(' ').next().unwrap_or_default(), value));
            rest = after;
        }
    }
    found
}

#[test]
fn the_reference_names_every_operation_and_the_problems_every_code() {
    let pages = pages().unwrap();
    for (path, method, operation) in operations_of(&description()) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(pages.reference.contains(&format!("<h3 id=\"{id}\">")), "{id}");
        let (method, path) = (method.to_uppercase(), path.replace('/', "&#x2f;"));
        let line = format!("<p class=\"request\"><strong>{method}</strong> <code>{path}</code></p>");
        assert!(pages.reference.contains(&line), "{line}");
    }
    for code in Code::ALL {
        let code = code.slug();
        let link = format!("href=\"/docs/problems/{code}\"");
        assert!(pages.reference.contains(&link) && pages.problems.contains(&link), "{code}");
        assert!(pages.problem[code].contains("What to do"), "{code}");
    }
}

#[test]
fn the_guide_names_every_scope() {
    for scope in Scope::ALL {
        assert!(GUIDE.contains(&format!("| `{scope}` |")), "{scope}");
    }
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    for (path, page) in all() {
        for part in [
            "<script",
            "<link",
            "<img",
            "<iframe",
            "<form",
            "@import",
            "url(",
            " style=\"",
            " src=",
            " onload=",
        ] {
            assert!(!page.contains(part), "{path} has {part}");
        }
        for (name, value) in attributes(page) {
            assert!(name == "href" || !value.contains("://"), "{path}: {name}={value}");
        }
    }
}

#[test]
fn every_link_within_leads_somewhere() {
    let pages = all();
    let ids: BTreeSet<(String, String)> = pages
        .iter()
        .flat_map(|(path, page)| attributes(page).into_iter().map(move |(name, value)| (path, name, value)))
        .filter(|(_, name, _)| *name == "id")
        .map(|(path, _, value)| (path.clone(), value.to_owned()))
        .collect();
    for (path, page) in &pages {
        for (_, link) in attributes(page).iter().filter(|(name, _)| *name == "href") {
            if link.starts_with("https://") || *link == "/openapi.json" {
                continue;
            }
            let (target, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if target.is_empty() { path } else { target };
            assert!(pages.iter().any(|(known, _)| known == target), "{path}: {link}");
            assert!(
                place.is_empty() || ids.contains(&(target.to_owned(), place.to_owned())),
                "{path}: {link}"
            );
        }
    }
}

#[test]
fn ids_are_unique() {
    for (path, page) in all() {
        let mut ids = BTreeSet::new();
        for (_, id) in attributes(page).iter().filter(|(name, _)| *name == "id") {
            assert!(ids.insert(*id), "{path}: {id} twice");
        }
    }
}

#[tokio::test]
async fn the_style_is_the_one_that_the_policy_allows() {
    for response in
        [reference().await, guide().await, problems().await, problem(Name("not_found".to_owned())).await]
    {
        let response = response.unwrap();
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let page = axum::body::to_bytes(response.into_body(), 4 << 20).await.unwrap();
        let page = String::from_utf8(page.to_vec()).unwrap();
        let (_, behind) = page.split_once("<style>").unwrap();
        let (style, behind) = behind.split_once("</style>").unwrap();
        assert!(!behind.contains("<style"));
        let hash = BASE64.encode(digest(&SHA256, style.as_bytes()).as_ref());
        assert!(
            policy.contains(&format!("style-src 'sha256-{hash}';")) && !policy.contains("unsafe"),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn an_unknown_problem_is_not_found() {
    let error = problem(Name("no_such_thing".to_owned())).await.err().unwrap();
    assert!(matches!(error, OperationError::Refused(notice) if notice.code == Code::NotFound));
}
