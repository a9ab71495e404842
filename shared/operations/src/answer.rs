//! What is answered, in a form that can be kept for a repeated request.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::OperationError;

/// A JSON document with its status and the headers that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// 200 with a document.
    pub(crate) fn ok(document: &impl Serialize) -> Result<Self, OperationError> {
        let body = serde_json::to_vec(document).map_err(|_| OperationError::Document)?;
        Ok(Self { status: StatusCode::OK, location: None, etag: None, body })
    }

    /// 201: it stands there.
    pub(crate) fn created(place: String, document: &impl Serialize) -> Result<Self, OperationError> {
        Ok(Self { status: StatusCode::CREATED, location: Some(place), ..Self::ok(document)? })
    }

    /// 202: how far it is, is told there.
    pub(crate) fn accepted(place: String, document: &impl Serialize) -> Result<Self, OperationError> {
        Ok(Self { status: StatusCode::ACCEPTED, location: Some(place), ..Self::ok(document)? })
    }

    /// 204.
    pub(crate) fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT, location: None, etag: None, body: Vec::new() }
    }

    /// With the version of what it shows (RFC 9110, 8.8.3).
    pub(crate) fn of_version(self, version: i32) -> Self {
        Self { etag: Some(format!("\"{version}\"")), ..self }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: Option<String>| {
            // What is no header value cannot be one of ours.
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name, value);
            }
        };
        set(header::LOCATION, self.location);
        set(header::ETAG, self.etag);
        if self.status == StatusCode::NO_CONTENT {
            headers.remove(header::CONTENT_TYPE);
        } else {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        response
    }
}

/// Part of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    pub(crate) items: Vec<T>,
    /// `after` of the request for what follows; null at the end.
    pub(crate) next: Option<i64>,
}
