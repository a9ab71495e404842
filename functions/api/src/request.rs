//! What requests bring: ids, pages of lists, JSON documents. All refuse with problem documents, and unknown fields by their names.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{StatusCode, request::Parts},
};
use fault::{Code, Notice};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{ApiError, BODY_BYTES_MAX};

/// How much of a list one answer has, unless the request wants less.
const PAGE_ITEMS: i64 = 100;
/// A list's longest answer: some hundred kilobytes, far below what a function may answer.
const PAGE_ITEMS_MAX: i64 = 1000;

/// The id in the path. What is no id does not exist.
pub(crate) struct Id(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(id) = Path::<i64>::from_request_parts(parts, state).await.map_err(|_| Code::NotFound)?;
        Ok(Self(id))
    }
}

/// Which part of a list.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Page {
    /// Items after this one, as `next` of an earlier answer says.
    pub(crate) after: Option<i64>,
    limit: Option<i64>,
    /// Of files alone: those of one folder.
    pub(crate) folder: Option<String>,
}

impl Page {
    /// How many items.
    pub(crate) fn limit(&self) -> i64 {
        self.limit.unwrap_or(PAGE_ITEMS).clamp(1, PAGE_ITEMS_MAX)
    }

    /// What `next` is: the last item's id, when there may be more.
    pub(crate) fn next<T>(&self, items: &[T], id: impl Fn(&T) -> i64) -> Option<i64> {
        let full = i64::try_from(items.len()).unwrap_or(i64::MAX) >= self.limit();
        items.last().filter(|_| full).map(id)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let page = Query::<Self>::try_from_uri(&parts.uri).map_err(|error| malformed(error.body_text()))?;
        Ok(page.0)
    }
}

/// A JSON body. No body is an empty document.
pub(crate) struct Document<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Document<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                let max = format!("{} MiB", BODY_BYTES_MAX / (1024 * 1024));
                ApiError::from(Notice::new(Code::BodyTooLarge).with("max", max))
            } else {
                malformed("it could not be read")
            }
        })?;
        let bytes = if bytes.is_empty() { b"{}" } else { bytes.as_ref() };
        serde_json::from_slice(bytes).map(Self).map_err(malformed)
    }
}

/// The request is not what it must be, and why.
pub(crate) fn malformed(problem: impl std::fmt::Display) -> ApiError {
    Notice::new(Code::BodyMalformed).with("problem", problem).into()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use fault::{Disposition, Fault};

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Call {
        #[serde(default)]
        launch: bool,
    }

    async fn document(body: &str) -> Result<Call, String> {
        let request = Request::post("/").body(Body::from(body.to_owned())).unwrap();
        match Document::<Call>::from_request(request, &()).await {
            Ok(Document(call)) => Ok(call),
            Err(error) => match error.disposition() {
                Disposition::Customer(notice) => Err(notice.words()),
                other => panic!("{other:?}"),
            },
        }
    }

    #[tokio::test]
    async fn a_body_is_a_document_or_refused_by_name() {
        assert_eq!(document("").await, Ok(Call { launch: false }));
        assert_eq!(document(r#"{"launch": true}"#).await, Ok(Call { launch: true }));
        assert!(document(r#"{"lunch": true}"#).await.unwrap_err().contains("`lunch`"));
        assert!(document("{").await.is_err());
    }

    async fn page(query: &str) -> Result<Page, ApiError> {
        let (mut parts, ()) = Request::get(format!("/v1/files?{query}")).body(()).unwrap().into_parts();
        Page::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn pages_are_bounded() {
        assert_eq!(page("").await.unwrap().limit(), PAGE_ITEMS);
        let two = page("limit=2&after=7").await.unwrap();
        assert_eq!((two.limit(), two.after), (2, Some(7)));
        assert_eq!((two.next(&[1, 2], |id| *id), two.next(&[1], |id| *id)), (Some(2), None));
        assert_eq!(page("limit=1000000").await.unwrap().limit(), PAGE_ITEMS_MAX);
        assert!(page("offset=1").await.is_err());
        assert!(page("limit=all").await.is_err());
    }
}
