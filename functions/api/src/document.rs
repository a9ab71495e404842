//! The API's description (`OpenAPI` 3.1): what the handlers say of themselves, and what is true of every operation.

use std::collections::{BTreeMap, BTreeSet};

use access::Scope;
use fault::{Code, Notice};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use operations::operations_of;

/// Of every operation: who asks, and that it may be too often or at the wrong time.
const ALWAYS: [Code; 8] = [
    Code::KeyMissing,
    Code::KeyInvalid,
    Code::KeyExpired,
    Code::KeyNetwork,
    Code::ScopeMissing,
    Code::TenantSuspended,
    Code::RateLimited,
    Code::Unavailable,
];
/// Of one that has something in its path: an id that has a slash or a number sign in it makes another path.
const WITH_PATH: [Code; 2] = [Code::NotFound, Code::MethodUnknown];
/// Of one that takes a body.
const WITH_BODY: [Code; 4] = [Code::BodyMalformed, Code::BodyTooLarge, Code::MediaType, Code::FieldInvalid];
/// Of one that takes a query.
const WITH_QUERY: [Code; 1] = [Code::QueryMalformed];
/// Of a POST.
const WITH_IDEMPOTENCY_KEY: [Code; 2] = [Code::HeaderMalformed, Code::IdempotencyReused];
/// Of a change that may be meant for a version.
const WITH_VERSION: [Code; 1] = [Code::VersionChanged];

/// Operations that make something, and the path of all operations on what they made: its id is in their answer.
const MAKERS: [(&str, &str); 5] = [
    ("create_campaign", "/v1/campaigns/{id}"),
    ("create_import", "/v1/imports/{id}"),
    ("create_launch", "/v1/launches/{id}"),
    ("create_key", "/v1/keys/{id}"),
    ("create_webhook", "/v1/webhooks/{id}"),
];

const INTRODUCTION: &str = include_str!("introduction.md");
/// In the order of a mailing.
const TAGS: [(&str, &str); 10] = [
    (
        "Campaigns",
        "A campaign has a template, recipients, launches and responses, and a lifetime after which all of it is deleted.",
    ),
    (
        "Templates",
        "What is mailed. Every change is a new version; a launch keeps the version that it began with.",
    ),
    (
        "Imports",
        "Recipients come in as files in Incoming, over SFTP. An import reads one of them into its campaign.",
    ),
    ("Launches", "A launch mails everybody who was imported and not mailed yet."),
    ("Reports", "What became of every row, every address and every mail."),
    ("Files", "The File Exchange, and the exports in it."),
    ("Recipients", "Single people: whether they are suppressed, what is held of them."),
    ("Account", "Sender domains, keys, the sending rate, retention and its receipts, the audit."),
    ("Webhooks", "Small signed messages to you when something is at its end."),
    (
        "Version 2",
        "The XML import call of the system that came before. Use it to move over; it does no more than that system's own.",
    ),
];

/// Completes what the handlers say.
pub(crate) fn complete(handlers: &OpenApi) -> Value {
    // What the library made can be written: it has no maps with other keys than texts.
    let mut document = serde_json::to_value(handlers).unwrap_or_default();
    document["openapi"] = json!("3.1.0");
    document["info"] = json!({
        "title": "Broadcast",
        "version": "1",
        "description": INTRODUCTION,
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    });
    document["servers"] = json!([{"url": "/"}]);
    document["tags"] =
        TAGS.iter().map(|(name, description)| json!({"name": name, "description": description})).collect();
    let scopes: Vec<_> = Scope::ALL.iter().map(|scope| format!("\n- `{scope}`")).collect();
    document["components"]["securitySchemes"] = json!({"key": {
        "type": "http",
        "scheme": "bearer",
        "description": format!("An API key, `bk_...`. It names the account, and has scopes of these:{}", scopes.concat()),
    }});
    document["components"]["headers"] = json!({
        "RateLimit": {"description": "How many requests the key has left, and for how many seconds.", "schema": {"type": "string"},
                      "example": "\"key\";r=2999;t=42"},
        "RateLimit-Policy": {"description": "How many requests the key has in a minute.", "schema": {"type": "string"},
                             "example": "\"key\";q=3000;w=60"},
    });
    let schemas = document["components"]["schemas"].as_object_mut();
    schemas.map(|schemas| schemas.insert("Problem".to_owned(), problem_schema()));
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                complete_operation(path, method, operation);
            }
        }
    }
    link(&mut document);
    document
}

/// Says of what an operation made which other operations are about it.
fn link(document: &mut Value) {
    let mut links = BTreeMap::new();
    for (maker, place) in MAKERS {
        let about = operations_of(document).filter(|(path, ..)| path.starts_with(place));
        let link = |operation: &Value| json!({"operationId": operation["operationId"], "parameters": {"id": "$response.body#/id"}});
        let about = about.filter_map(|(.., operation)| {
            Some((operation["operationId"].as_str()?.to_owned(), link(operation)))
        });
        links.insert(maker, about.collect::<Map<String, Value>>());
    }
    let items = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in
        items.flat_map(|item| item.as_object_mut().into_iter().flat_map(|item| item.values_mut()))
    {
        let Some(links) = operation["operationId"].as_str().and_then(|id| links.get(id)) else { continue };
        let links = Value::Object(links.clone());
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            if status.starts_with('2') {
                response["links"] = links.clone();
            }
        }
    }
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "What is wrong (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference", "description": "The page that says what to do."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "For people."},
            "code": {"type": "string", "description": "For programs: it never changes.", "enum": Code::ALL.iter().map(|code| code.slug()).collect::<Vec<_>>()},
        },
    })
}

fn complete_operation(path: &str, method: &str, operation: &mut Value) {
    let mut codes: BTreeSet<&str> = ALWAYS.iter().map(|code| code.slug()).collect();
    let mut add = |more: &[Code]| codes.extend(more.iter().map(|code| code.slug()));
    let mut parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    for name in path_parameters(path) {
        add(&WITH_PATH);
        let declared = |parameter: &Value| parameter["in"] == "path" && parameter["name"] == name;
        if !parameters.iter().any(declared) {
            parameters.push(json!({"name": name, "in": "path", "required": true, "schema": {"type": "integer", "format": "int64", "minimum": 1}}));
        }
    }
    if parameters.iter().any(|parameter| parameter["in"] == "query") {
        add(&WITH_QUERY);
    }
    if parameters.iter().any(|parameter| parameter["name"] == "If-Match") {
        add(&WITH_VERSION);
    }
    if let Some(body) = operation.get_mut("requestBody") {
        add(&WITH_BODY);
        may_be_left_out(body);
    }
    if method == "post" {
        add(&WITH_IDEMPOTENCY_KEY);
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Sent again with the same key within 24 hours, the request has no second effect and is answered as the first one.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        }));
    }
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    let own = operation.as_object_mut().and_then(|operation| operation.remove("x-problems"));
    let own: Vec<String> = own
        .into_iter()
        .flat_map(|own| own.as_array().cloned().unwrap_or_default())
        .filter_map(|slug| slug.as_str().map(str::to_owned))
        .collect();
    let codes = codes.iter().copied().chain(own.iter().map(String::as_str));
    let responses = problem_responses(codes);
    let Some(all) = operation["responses"].as_object_mut() else { return };
    for (status, response) in responses {
        all.entry(status).or_insert(response);
    }
    for response in all.values_mut() {
        if !response["headers"].is_object() {
            response["headers"] = Value::Object(Map::new());
        }
        for name in ["RateLimit", "RateLimit-Policy"] {
            response["headers"][name] = json!({"$ref": format!("#/components/headers/{name}")});
        }
    }
}

/// A body that may be left out is, where it is there, what it is: not null.
fn may_be_left_out(body: &mut Value) {
    for content in body["content"].as_object_mut().into_iter().flat_map(|content| content.values_mut()) {
        let choice = content.pointer("/schema/oneOf").and_then(Value::as_array).cloned();
        let document = choice.and_then(|choice| choice.into_iter().find(|schema| schema["type"] != "null"));
        if let Some(document) = document {
            content["schema"] = document;
            body["required"] = Value::Bool(false);
            return;
        }
    }
}

/// Problems by status, each with the codes that it may have.
fn problem_responses<'c>(codes: impl Iterator<Item = &'c str>) -> BTreeMap<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for slug in codes {
        if let Some(code) = Code::of(slug) {
            by_status.entry(code.http_status()).or_default().push(code);
        }
    }
    let response = |codes: &[Code]| {
        let lines = codes
            .iter()
            .map(|code| format!("- [`{code}`](/docs/problems/{code}): {}\n", Notice::new(*code).words()));
        json!({
            "description": lines.collect::<Vec<_>>().concat(),
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        })
    };
    by_status.iter().map(|(status, codes)| (status.to_string(), response(codes))).collect()
}

/// The names between braces.
fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        crate::description()
    }

    #[test]
    fn every_operation_is_described_whole() {
        let document = document();
        let tags: Vec<_> = TAGS.iter().map(|tag| tag.0).collect();
        let mut ids = BTreeSet::new();
        for (path, method, operation) in operations_of(&document) {
            let place = format!("{method} {path}");
            let text = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
            assert!(ids.insert(text("operationId")), "{place}: its id is not its own");
            assert!(!text("summary").is_empty(), "{place} has no summary");
            let tag = operation.pointer("/tags/0").and_then(Value::as_str).unwrap_or_default();
            assert!(tags.contains(&tag), "{place} is in no group");
            let scope = operation.pointer("/security/0/key/0").and_then(Value::as_str).unwrap_or_default();
            assert!(scope.parse::<Scope>().is_ok(), "{place} needs no scope");
            let json = &operation["requestBody"]["content"]["application/json"];
            assert!(json.is_null() || json["example"].is_object(), "{place} has no example");
            let mut statuses = operation["responses"].as_object().unwrap().keys();
            assert!(statuses.any(|status| status.starts_with('2')), "{place} never succeeds");
        }
        assert!(ids.len() > 40, "{ids:?}");
    }

    #[test]
    fn problems_that_operations_name_are_in_the_catalogue() {
        let handlers = serde_json::to_value(operations::description()).unwrap();
        for (path, method, operation) in operations_of(&handlers) {
            for slug in operation["x-problems"].as_array().into_iter().flatten() {
                let slug = slug.as_str().unwrap();
                assert!(Code::ALL.iter().any(|code| code.slug() == slug), "{method} {path}: {slug}");
            }
        }
    }
}
