//! What requests bring: ids, parts of lists, versions, JSON documents. All refuse with problem documents, and what is unknown by its name.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use fault::{Code, Notice};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_json::Value;
use utoipa::IntoParams;

use crate::OperationError;

/// How much of a list one answer has, unless the request wants less.
const PAGE_ITEMS: i64 = 100;
/// A list's longest answer: some hundred kilobytes, far below what a function may answer.
pub(crate) const PAGE_ITEMS_MAX: i64 = 1000;
/// How deep arrays and objects may stand in each other. The deepest document of the API has four levels.
const DEPTH_MAX: usize = 16;

/// 2^53: integers below it are exact as floating point numbers.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

/// The id in the path. What is no id does not exist.
pub(crate) struct Id(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = OperationError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, OperationError> {
        let Path(id) = Path::<i64>::from_request_parts(parts, state).await.map_err(|_| Code::NotFound)?;
        Ok(Self(id))
    }
}

/// The name in the path.
pub struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = OperationError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, OperationError> {
        let Path(name) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| Code::NotFound)?;
        // Postgres takes no NUL in a text, so nothing has such a name.
        if name.contains('\0') { Err(Code::NotFound.into()) } else { Ok(Self(name)) }
    }
}

/// Which part of a list.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// What follows this one: `next` of an earlier answer.
    pub(crate) after: Option<i64>,
    /// How many items at most; 100 when absent.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<i64>,
}

impl Page {
    /// How many items.
    pub(crate) fn limit(&self) -> i64 {
        self.limit.unwrap_or(PAGE_ITEMS)
    }

    /// Refuses a length that no answer has.
    pub(crate) fn checked(self) -> Result<Self, OperationError> {
        if (1..=PAGE_ITEMS_MAX).contains(&self.limit()) {
            Ok(self)
        } else {
            Err(query_malformed(format!("limit: 1 to {PAGE_ITEMS_MAX} are possible")))
        }
    }

    /// What `next` is: the last item's id, when there may be more.
    pub(crate) fn next<T>(&self, items: &[T], id: impl Fn(&T) -> i64) -> Option<i64> {
        let full = i64::try_from(items.len()).unwrap_or(i64::MAX) >= self.limit();
        items.last().filter(|_| full).map(id)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = OperationError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, OperationError> {
        query::<Self>(parts)?.checked()
    }
}

/// The URL's query.
pub(crate) fn query<T: DeserializeOwned>(parts: &Parts) -> Result<T, OperationError> {
    Query::<T>::try_from_uri(&parts.uri)
        .map(|query| query.0)
        .map_err(|error| query_malformed(error.body_text()))
}

/// The request's query is not what it must be, and why.
pub(crate) fn query_malformed(problem: impl std::fmt::Display) -> OperationError {
    Notice::new(Code::QueryMalformed).with("problem", problem).into()
}

/// The version that a change is meant for (`If-Match`, RFC 9110, 13.1.1). Without the header any is.
pub(crate) struct IfMatch(Option<String>);

impl IfMatch {
    /// Refuses a change that is meant for another version.
    pub(crate) fn check(&self, version: i32) -> Result<(), OperationError> {
        let Some(wanted) = &self.0 else { return Ok(()) };
        let current = format!("\"{version}\"");
        let meant = wanted.split(',').map(str::trim).any(|tag| tag == "*" || tag == current);
        if meant { Ok(()) } else { Err(Notice::new(Code::VersionChanged).with("version", current).into()) }
    }

    /// The same where there is no version: whatever was meant, it is gone.
    pub(crate) fn check_absent(&self) -> Result<(), OperationError> {
        if self.0.is_none() {
            Ok(())
        } else {
            Err(Notice::new(Code::VersionChanged).with("version", "none").into())
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = OperationError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, OperationError> {
        // A value that is no text is no tag of ours.
        let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let values: Vec<_> = parts.headers.get_all(header::IF_MATCH).iter().map(text).collect();
        Ok(Self(if values.is_empty() { None } else { Some(values.join(",")) }))
    }
}

/// A JSON body.
pub(crate) struct Document<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Document<T> {
    type Rejection = OperationError;

    async fn from_request(request: Request, state: &S) -> Result<Self, OperationError> {
        let document = document(request, state).await?;
        document.map(Self).ok_or_else(|| malformed("it has no body; a JSON document is needed"))
    }
}

/// A JSON body that may be left out: all of its parts may.
pub(crate) struct MaybeDocument<T>(pub(crate) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for MaybeDocument<T> {
    type Rejection = OperationError;

    async fn from_request(request: Request, state: &S) -> Result<Self, OperationError> {
        document(request, state).await.map(|document| Self(document.unwrap_or_default()))
    }
}

async fn document<T: DeserializeOwned, S: Send + Sync>(
    request: Request,
    state: &S,
) -> Result<Option<T>, OperationError> {
    let json = says(request.headers(), &["application/json"]);
    let bytes = body(request, state).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if !json {
        return Err(Notice::new(Code::MediaType).with("expected", "JSON (application/json)").into());
    }
    read(&bytes).map(Some)
}

/// A JSON text as a value of ours.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, OperationError> {
    // The library reads an array as the fields of an object, one after the other.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(malformed("it must be a JSON object"));
    }
    if depth(bytes) > DEPTH_MAX {
        return Err(malformed(format!("arrays and objects stand more than {DEPTH_MAX} deep in each other")));
    }
    serde_json::from_slice(bytes).or_else(|error| with_whole_numbers(bytes).ok_or_else(|| malformed(error)))
}

/// The same where an integer is written as `3.0`, which JSON does not tell from `3`.
fn with_whole_numbers<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    fn whole(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(whole),
            Value::Object(fields) => fields.values_mut().for_each(whole),
            Value::Number(number) => {
                let integer =
                    number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < EXACT_BELOW);
                if let Some(integer) = integer.and_then(|float| format!("{float}").parse::<i64>().ok()) {
                    *value = integer.into();
                }
            }
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    let mut value = serde_json::from_slice(bytes).ok()?;
    whole(&mut value);
    serde_json::from_value(value).ok()
}

/// The same for an object within: for `deserialize_with`.
pub(crate) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let object = Option::<serde_json::Map<String, Value>>::deserialize(deserializer)?;
    object.map(|object| serde_json::from_value(object.into()).map_err(D::Error::custom)).transpose()
}

/// The same for a list of objects.
pub(crate) fn objects<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let objects = Vec::<serde_json::Map<String, Value>>::deserialize(deserializer)?;
    let object =
        |object: serde_json::Map<_, _>| serde_json::from_value(object.into()).map_err(D::Error::custom);
    objects.into_iter().map(object).collect()
}

/// The whole body; the gate has seen to its size.
pub(crate) async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, OperationError> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Notice::new(Code::BodyTooLarge).with("max", "6 MB").into(),
        _ => malformed("it could not be read"),
    })
}

/// Whether the body's type is one of these, whatever its parameters.
pub(crate) fn says(headers: &HeaderMap, types: &[&str]) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    types.iter().any(|known| essence.eq_ignore_ascii_case(known))
}

/// How deep brackets stand in each other, outside of strings. Of a text that is no JSON it is some number.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The request is not what it must be, and why.
pub(crate) fn malformed(problem: impl std::fmt::Display) -> OperationError {
    Notice::new(Code::BodyMalformed).with("problem", problem).into()
}

/// A field of a well-formed request has a value that is not possible, and why: a [`fault::Phrase`] wherever a form of the console can bring
/// it about, which then says it in its reader's language.
pub(crate) fn invalid(field: &str, problem: impl std::fmt::Display) -> OperationError {
    // Where it is a notice of its own, its full stop is this one's.
    let problem = problem.to_string();
    Notice::new(Code::FieldInvalid).with("field", field).with("problem", problem.trim_end_matches('.')).into()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use fault::{Disposition, Fault};

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Call {
        #[serde(default)]
        launch: bool,
    }

    fn notice(error: &OperationError) -> (Code, String) {
        match error.disposition() {
            Disposition::Customer(notice) => (notice.code, notice.words()),
            other => panic!("{other:?}"),
        }
    }

    async fn document(content_type: &str, body: &str) -> Result<Call, (Code, String)> {
        let request = || {
            let request = Request::post("/").header("content-type", content_type);
            request.body(Body::from(body.to_owned())).unwrap()
        };
        let maybe = MaybeDocument::<Call>::from_request(request(), &()).await.map(|document| document.0);
        let document = Document::<Call>::from_request(request(), &()).await.map(|document| document.0);
        assert_eq!(document.is_ok(), maybe.is_ok() && !body.is_empty());
        maybe.map_err(|error| notice(&error))
    }

    #[tokio::test]
    async fn a_body_is_a_document_or_refused_by_name() {
        let json = "application/json; charset=utf-8";
        assert_eq!(document("", "").await, Ok(Call { launch: false }));
        assert_eq!(document(json, r#"{"launch": true}"#).await, Ok(Call { launch: true }));
        assert!(document(json, r#"{"lunch": true}"#).await.unwrap_err().1.contains("`lunch`"));
        assert_eq!(document(json, "{").await.unwrap_err().0, Code::BodyMalformed);
        assert_eq!(document("text/plain", "{}").await.unwrap_err().0, Code::MediaType);
        assert_eq!(document(json, "[true]").await.unwrap_err().0, Code::BodyMalformed);
        let deep = format!("{{\"x\": {}{}}}", "[".repeat(17), "]".repeat(17));
        assert!(document(json, &deep).await.unwrap_err().1.contains("16 deep"));
    }

    #[test]
    fn a_whole_number_is_an_integer_however_it_is_written() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Size {
            size: i64,
        }
        for (text, expected) in
            [("{\"size\": 3104.0}", Some(3104)), ("{\"size\": 3e3}", Some(3000)), ("{\"size\": 1.5}", None)]
        {
            assert_eq!(read::<Size>(text.as_bytes()).ok().map(|read| read.size), expected, "{text}");
        }
    }

    #[test]
    fn depth_is_of_brackets_outside_of_strings() {
        for (text, expected) in
            [("", 0), ("{}", 1), ("[{}, {\"a\": [1]}]", 3), (r#"{"a[\"[": "[[["}"#, 1), ("]]][", 1)]
        {
            assert_eq!(depth(text.as_bytes()), expected, "{text}");
        }
    }

    async fn page(query: &str) -> Result<Page, OperationError> {
        let (mut parts, ()) = Request::get(format!("/v1/files?{query}")).body(()).unwrap().into_parts();
        Page::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn pages_are_bounded() {
        assert_eq!(page("").await.unwrap().limit(), PAGE_ITEMS);
        let two = page("limit=2&after=7").await.unwrap();
        assert_eq!((two.limit(), two.after), (2, Some(7)));
        assert_eq!((two.next(&[1, 2], |id| *id), two.next(&[1], |id| *id)), (Some(2), None));
        for query in ["limit=1001", "limit=0", "limit=-1", "limit=all", "offset=1", "after=x"] {
            assert_eq!(notice(&page(query).await.unwrap_err()).0, Code::QueryMalformed, "{query}");
        }
    }

    #[test]
    fn a_change_is_meant_for_one_version() {
        let check = |value: Option<&str>| IfMatch(value.map(str::to_owned)).check(3).is_ok();
        assert!(check(None) && check(Some("\"3\"")) && check(Some("\"1\", \"3\"")) && check(Some("*")));
        assert!(!check(Some("\"2\"")) && !check(Some("3")) && !check(Some("W/\"3\"")) && !check(Some("")));
    }
}
