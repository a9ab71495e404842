//! The fields of a schema as lines: those of objects within it stand behind a dot, those of a list's items behind `[]`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::openapi::{OpenApi, RefOr, Schema};

use super::markdown;

/// The deepest document has four levels of objects; a schema that holds itself ends here.
const DEPTH_MAX: usize = 6;

/// A field or a parameter.
#[derive(Debug, Serialize)]
pub(super) struct Field {
    name: String,
    kind: String,
    required: bool,
    /// HTML.
    text: String,
}

/// The schemas of a document.
pub(super) struct Schemas<'d> {
    all: &'d Map<String, Value>,
    /// The order in which an object declares its fields, by their names in alphabetical order: the document has no order of its own.
    orders: BTreeMap<Vec<String>, Vec<String>>,
}

/// A schema, found behind references.
#[derive(Clone, Copy)]
struct Found<'d> {
    schema: &'d Value,
    nullable: bool,
    description: &'d str,
}

impl<'d> Schemas<'d> {
    /// Those of `document`, which was made of what `handlers` declare.
    pub(super) fn new(all: &'d Map<String, Value>, handlers: &OpenApi) -> Self {
        let mut orders = BTreeMap::new();
        let declared = handlers.components.iter().flat_map(|components| components.schemas.values());
        for schema in declared {
            if let RefOr::T(Schema::Object(object)) = schema {
                let order: Vec<String> = object.properties.keys().cloned().collect();
                let mut names = order.clone();
                names.sort();
                orders.insert(names, order);
            }
        }
        Self { all, orders }
    }

    /// All fields of a body.
    pub(super) fn fields(&self, schema: &'d Value) -> Vec<Field> {
        let mut fields = Vec::new();
        self.push_inside(&mut fields, "", self.find(schema, 0).schema, 0);
        fields
    }

    /// What stands in a path, a query or a header.
    pub(super) fn parameter(&self, parameter: &'d Value) -> Field {
        let own = parameter["description"].as_str();
        let required = parameter["required"] == true;
        let name = parameter["name"].as_str().unwrap_or_default();
        let found = self.find(&parameter["schema"], 0);
        // An absent parameter is not null.
        self.field(
            name,
            Found { nullable: false, description: own.unwrap_or(found.description), ..found },
            required,
        )
    }

    /// What the schema as a whole is.
    pub(super) fn description(&self, schema: &'d Value) -> &'d str {
        self.find(schema, 0).description
    }

    fn find(&self, schema: &'d Value, depth: usize) -> Found<'d> {
        let own = schema["description"].as_str();
        let behind = |behind: Found<'d>, nullable: bool| Found {
            nullable: behind.nullable || nullable,
            description: own.unwrap_or(behind.description),
            ..behind
        };
        if depth < DEPTH_MAX {
            let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
            if let Some(target) = name.and_then(|name| self.all.get(name)) {
                return behind(self.find(target, depth + 1), false);
            }
            let choices = schema["oneOf"].as_array();
            if let Some(choice) =
                choices.and_then(|choices| choices.iter().find(|choice| choice["type"] != "null"))
            {
                return behind(
                    self.find(choice, depth + 1),
                    choices.is_some_and(|choices| choices.len() > 1),
                );
            }
        }
        let nullable = schema["type"].as_array().is_some_and(|types| types.iter().any(|name| name == "null"));
        Found { schema, nullable, description: own.unwrap_or_default() }
    }

    /// The fields of an object, or of the items of a list.
    fn push_inside(&self, fields: &mut Vec<Field>, prefix: &str, schema: &'d Value, depth: usize) {
        if depth >= DEPTH_MAX {
            return;
        }
        if let Some(properties) = schema["properties"].as_object() {
            for name in self.ordered(properties) {
                let Some(property) = properties.get(name) else { continue };
                let found = self.find(property, 0);
                let required =
                    schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
                let path = format!("{prefix}{name}");
                fields.push(self.field(&path, found, required));
                self.push_inside(fields, &format!("{path}."), found.schema, depth + 1);
            }
        } else if schema["items"].is_object() {
            let path = prefix.strip_suffix('.').unwrap_or(prefix);
            let items = self.find(&schema["items"], 0);
            self.push_inside(fields, &format!("{path}[]."), items.schema, depth + 1);
        }
    }

    fn ordered<'o>(&'o self, properties: &'o Map<String, Value>) -> Vec<&'o String> {
        let mut names: Vec<&String> = properties.keys().collect();
        names.sort();
        let key: Vec<String> = names.iter().map(|name| (*name).clone()).collect();
        self.orders.get(&key).map_or(names, |order| order.iter().collect())
    }

    fn field(&self, name: &str, found: Found<'d>, required: bool) -> Field {
        let or_null = if found.nullable { " or null" } else { "" };
        let mut text = bounds(found.schema).map(|bounds| format!("{bounds}. ")).unwrap_or_default();
        text.push_str(found.description);
        Field {
            name: name.to_owned(),
            kind: format!("{}{or_null}", self.kind(found.schema)),
            required,
            text: markdown::text(&text),
        }
    }

    fn kind(&self, schema: &'d Value) -> String {
        match kind_of(schema) {
            Some("array") => format!("list of {}s", self.kind(self.find(&schema["items"], 0).schema)),
            Some("object") if schema["additionalProperties"].is_object() => {
                format!(
                    "object of {}s by name",
                    self.kind(self.find(&schema["additionalProperties"], 0).schema)
                )
            }
            Some("string") if schema["format"] == "date-time" => "time (RFC 3339)".to_owned(),
            Some(kind) => kind.to_owned(),
            None => "anything".to_owned(),
        }
    }
}

/// The type that is not null.
fn kind_of(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        other => other.as_str(),
    }
}

/// What values are possible, in Markdown.
fn bounds(schema: &Value) -> Option<String> {
    let choices: Vec<&str> = match (&schema["enum"], schema["pattern"].as_str()) {
        (Value::Array(values), _) => values.iter().filter_map(Value::as_str).collect(),
        (_, Some(pattern)) => alternatives(pattern),
        _ => Vec::new(),
    };
    if !choices.is_empty() {
        let quoted: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
        return Some(format!("One of {}", quoted.join(", ")));
    }
    let ranges = [
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minimum", "maximum", ""),
    ];
    let range = ranges.iter().find_map(|(least, most, unit)| range(&schema[*least], &schema[*most], unit));
    let pattern = schema["pattern"].as_str().map(|pattern| format!("as the expression `{pattern}`"));
    let all: Vec<String> = range.into_iter().chain(pattern).collect();
    let mut text = all.join(", ");
    // Each begins in ASCII.
    text.get_mut(..1)?.make_ascii_uppercase();
    Some(text)
}

fn range(least: &Value, most: &Value, unit: &str) -> Option<String> {
    match (least.as_i64(), most.as_i64()) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("{least}{unit} or more")),
        (None, Some(1)) => Some(format!("at most 1{}", unit.strip_suffix('s').unwrap_or(unit))),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    }
}

/// The words of a pattern that is nothing but a choice of words.
fn alternatives(pattern: &str) -> Vec<&str> {
    let inside = pattern.strip_prefix("^(").and_then(|rest| rest.strip_suffix(")$"));
    let words: Vec<&str> = inside.map(|inside| inside.split('|').collect()).unwrap_or_default();
    let plain = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if words.iter().all(plain) { words } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bounds_are_words() {
        for (schema, expected) in [
            (json!({"type": "string", "minLength": 1, "maxLength": 100}), Some("1 to 100 characters")),
            (json!({"type": "array", "maxItems": 32}), Some("At most 32 items")),
            (json!({"type": "string", "maxLength": 1}), Some("At most 1 character")),
            (json!({"type": "integer", "minimum": 1}), Some("1 or more")),
            (json!({"type": "string", "pattern": "^(open|deleted)$"}), Some("One of `open`, `deleted`")),
            (
                json!({"type": "string", "maxLength": 9, "pattern": "^[a-z]+$"}),
                Some("At most 9 characters, as the expression `^[a-z]+$`"),
            ),
            (json!({"type": "string"}), None),
        ] {
            assert_eq!(bounds(&schema).as_deref(), expected, "{schema}");
        }
    }

    #[test]
    fn what_stands_within_is_found() {
        let schemas = json!({
            "Inner": {"type": "object", "description": "Within.", "properties": {"at": {"type": ["string", "null"], "format": "date-time"}}},
            "Itself": {"type": "object", "properties": {"again": {"$ref": "#/components/schemas/Itself"}}},
        });
        let schemas = Schemas { all: schemas.as_object().unwrap(), orders: BTreeMap::new() };
        let schema = json!({"type": "object", "required": ["list"], "properties": {
            "list": {"type": "array", "items": {"$ref": "#/components/schemas/Inner"}},
            "one": {"oneOf": [{"$ref": "#/components/schemas/Inner", "description": "Its own."}, {"type": "null"}]},
            "sums": {"type": "object", "additionalProperties": {"type": "integer"}},
        }});
        let lines: Vec<_> = schemas
            .fields(&schema)
            .iter()
            .map(|f| format!("{} {} {} {}", f.name, f.kind, f.required, f.text.trim()))
            .collect();
        assert_eq!(
            lines,
            [
                "list list of objects true ",
                "list[].at time (RFC 3339) or null false ",
                "one object or null false <p>Its own.</p>",
                "one.at time (RFC 3339) or null false ",
                "sums object of integers by name false ",
            ]
        );
        let itself = json!({"$ref": "#/components/schemas/Itself"});
        assert_eq!(schemas.fields(&itself).len(), DEPTH_MAX);
    }
}
