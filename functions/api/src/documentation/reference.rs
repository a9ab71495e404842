//! The reference, from the API's description.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use fault::Code;
use minijinja::{Environment, context, value::Serde};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::openapi::OpenApi;

use super::{
    fields::{Field, Schemas},
    markdown, problems,
};
use operations::operations_of;

/// Within a path: what makes a thing, shows, changes and ends it.
const METHODS: [&str; 5] = ["post", "get", "put", "patch", "delete"];

/// The whole page.
#[derive(Debug, Serialize)]
pub(super) struct Reference {
    title: String,
    /// HTML.
    introduction: String,
    groups: Vec<Group>,
}

/// The operations of one tag.
#[derive(Debug, Serialize)]
struct Group {
    name: String,
    anchor: String,
    /// HTML.
    description: String,
    operations: Vec<Operation>,
}

#[derive(Debug, Serialize)]
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    /// HTML.
    description: String,
    scope: String,
    /// In the path, the query, the header; HTML of their fields.
    parameters: Vec<(&'static str, String)>,
    request: Option<Body>,
    /// A command.
    example: String,
    responses: Vec<Answer>,
    problems: Vec<(u16, Vec<&'static str>)>,
}

/// What a request or a response has.
#[derive(Debug, Serialize)]
struct Body {
    media_type: String,
    required: bool,
    /// HTML.
    description: String,
    /// HTML.
    fields: String,
}

#[derive(Debug, Serialize)]
struct Answer {
    status: String,
    title: &'static str,
    /// HTML.
    description: String,
    /// Of its own, beside those of every response.
    headers: Vec<String>,
    body: Option<Body>,
}

/// Reads the document.
pub(super) fn view(document: &Value, environment: &Environment<'_>) -> Result<Reference, minijinja::Error> {
    let none = Map::new();
    let handlers = operations::description();
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&none);
    let writer = Writer { schemas: Schemas::new(schemas, &handlers), environment };
    let places = places(&handlers);
    let mut sorted: Vec<_> = operations_of(document).collect();
    let method_rank =
        |method: &str| METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len());
    sorted.sort_by_key(|(path, method, _)| {
        (places.get(*path).copied().unwrap_or(usize::MAX), method_rank(method))
    });
    let mut groups = Vec::new();
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = tag["name"].as_str().unwrap_or_default();
        let of_tag = sorted.iter().filter(|(_, _, operation)| operation["tags"][0] == name);
        let operations = of_tag.map(|(path, method, operation)| writer.operation(path, method, operation));
        let operations = operations.collect::<Result<Vec<_>, _>>()?;
        if !operations.is_empty() {
            let description = markdown::text(tag["description"].as_str().unwrap_or_default());
            groups.push(Group {
                name: name.to_owned(),
                anchor: format!("group-{}", markdown::slug(name)),
                description,
                operations,
            });
        }
    }
    let text = |name: &str| document["info"][name].as_str().unwrap_or_default();
    Ok(Reference {
        title: text("title").to_owned(),
        introduction: markdown::text(text("description")),
        groups,
    })
}

/// Where each path stands: as the handlers are declared, in the order of a mailing.
fn places(handlers: &OpenApi) -> BTreeMap<String, usize> {
    handlers.paths.paths.keys().enumerate().map(|(place, path)| (path.clone(), place)).collect()
}

struct Writer<'d> {
    schemas: Schemas<'d>,
    environment: &'d Environment<'d>,
}

impl<'d> Writer<'d> {
    fn operation(
        &self,
        path: &str,
        method: &str,
        operation: &'d Value,
    ) -> Result<Operation, minijinja::Error> {
        let text = |name: &str| operation[name].as_str().unwrap_or_default();
        let mut problems: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
        for code in problems::codes_of(operation) {
            problems.entry(Code::http_status(code)).or_default().push(code.slug());
        }
        Ok(Operation {
            id: text("operationId").to_owned(),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text("summary").to_owned(),
            description: markdown::text(text("description")),
            scope: operation
                .pointer("/security/0/key/0")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            parameters: self.parameters(operation)?,
            request: self.body(&operation["requestBody"])?,
            example: example(path, method, operation),
            responses: self.responses(operation)?,
            problems: problems.into_iter().collect(),
        })
    }

    fn parameters(&self, operation: &'d Value) -> Result<Vec<(&'static str, String)>, minijinja::Error> {
        let mut all = Vec::new();
        for (place, title) in [("path", "Path"), ("query", "Query"), ("header", "Headers")] {
            let of_place =
                operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == place);
            let fields: Vec<Field> = of_place.map(|parameter| self.schemas.parameter(parameter)).collect();
            if !fields.is_empty() {
                all.push((title, self.fields(&fields, true)?));
            }
        }
        Ok(all)
    }

    /// Of a request or a response, where it has one.
    fn body(&self, holder: &'d Value) -> Result<Option<Body>, minijinja::Error> {
        let content = holder["content"].as_object().and_then(|content| content.iter().next());
        let Some((media_type, content)) = content else { return Ok(None) };
        let is_request = holder.get("description").is_none();
        let fields = self.schemas.fields(&content["schema"]);
        Ok(Some(Body {
            media_type: media_type.clone(),
            required: holder["required"] == true,
            description: markdown::text(self.schemas.description(&content["schema"])),
            fields: self.fields(&fields, is_request)?,
        }))
    }

    fn responses(&self, operation: &'d Value) -> Result<Vec<Answer>, minijinja::Error> {
        let all = operation["responses"].as_object().into_iter().flatten();
        let successes = all.filter(|(status, _)| status.starts_with('2'));
        let answer = |(status, response): (&String, &'d Value)| {
            let headers = response["headers"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
            let title = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
            Ok(Answer {
                status: status.clone(),
                title: title.and_then(|status| status.canonical_reason()).unwrap_or_default(),
                description: markdown::text(response["description"].as_str().unwrap_or_default()),
                headers: headers.filter(|name| !name.starts_with("RateLimit")).collect(),
                body: self.body(response)?,
            })
        };
        successes.map(answer).collect()
    }

    fn fields(&self, fields: &[Field], is_request: bool) -> Result<String, minijinja::Error> {
        self.environment.get_template("fields.html")?.render(context! { fields => Serde(fields), is_request })
    }
}

/// The request as a command, with the values of the operation's example.
fn example(path: &str, method: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut path = path.to_owned();
    for parameter in parameters.iter().filter(|parameter| parameter["in"] == "path") {
        let name = parameter["name"].as_str().unwrap_or_default();
        let value = match name {
            "domain" => "acme.example",
            _ if parameter["schema"]["type"] == "integer" => "17",
            _ => "crm",
        };
        path = path.replace(&format!("{{{name}}}"), value);
    }
    let method = if method == "get" { String::new() } else { format!(" -X {}", method.to_uppercase()) };
    let mut lines =
        vec![format!("curl{method} \"$api{path}\""), "-H \"Authorization: Bearer $key\"".to_owned()];
    for (name, value) in [("If-Match", "\"3\""), ("Idempotency-Key", "9b2d6a1e-6c1f-4d0e-8a53-2f6f0e1c7d44")]
    {
        if parameters.iter().any(|parameter| parameter["name"] == name) {
            lines.push(format!("-H '{name}: {value}'"));
        }
    }
    let content = operation["requestBody"]["content"].as_object().and_then(|content| content.iter().next());
    if let Some((media_type, content)) = content {
        lines.push(format!("-H 'Content-Type: {media_type}'"));
        let body = match &content["example"] {
            Value::String(text) => text.clone(),
            document => serde_json::to_string_pretty(document).unwrap_or_default(),
        };
        lines.push(format!("-d '{}'", body.replace('\'', r"'\''")));
    }
    lines.join(" \\\n  ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_example_is_a_command() {
        let operation = json!({
            "parameters": [
                {"in": "path", "name": "id", "schema": {"type": "integer"}},
                {"in": "header", "name": "If-Match", "schema": {"type": "string"}},
            ],
            "requestBody": {"content": {"application/json": {"example": {"name": "Ann's"}}}},
        });
        let expected = "curl -X PATCH \"$api/v1/campaigns/17\" \\\n  -H \"Authorization: Bearer $key\" \\\n  -H 'If-Match: \"3\"' \\\n  \
                        -H 'Content-Type: application/json' \\\n  -d '{\n  \"name\": \"Ann'\\''s\"\n}'";
        assert_eq!(example("/v1/campaigns/{id}", "patch", &operation), expected);
        assert_eq!(
            example("/v1/files", "get", &json!({})),
            "curl \"$api/v1/files\" \\\n  -H \"Authorization: Bearer $key\""
        );
    }
}
