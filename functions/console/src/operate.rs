//! The operations of `operations`, asked for in this process by the person who is logged in: what the API can do, with the same checks,
//! the same words for what is wrong, and the same lines in the audit.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use fault::{Code, Notice};
use operations::{Identity, Services};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tower::ServiceExt;

use crate::{ConsoleError, person::Reader};

/// The largest answer: a list of a thousand items, or a statement.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The operations.
pub(crate) struct Operations(Router);

/// What was asked for was not done, and why: a problem document's code and words, which are English.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    detail: String,
}

impl Refusal {
    /// Why, in the reader's language.
    pub(crate) fn words(&self, reader: &Reader) -> String {
        reader.fault(&self.code, &self.detail)
    }

    /// What fills a gap of its words: the `field` that is not valid, the `part` of a template.
    pub(crate) fn gap(&self, name: &str) -> Option<String> {
        let notice = Notice::read(Code::of(&self.code)?, &self.detail)?;
        notice.value(name).map(str::to_owned)
    }

    /// Which of a form's fields is not valid, where it says so of one.
    pub(crate) fn field_among(&self, fields: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
        let field = self.gap("field").filter(|_| self.code == Code::FieldInvalid.slug())?;
        fields.into_iter().find(|name| *name == field)
    }

    /// Whether it is about what was entered or where something stands, and so belongs beside the form, rather than there being no such thing.
    pub(crate) fn is_of_the_form(&self) -> bool {
        matches!(self.status, 400 | 409 | 413 | 422)
    }
}

/// Part of a list.
#[derive(Deserialize)]
pub(crate) struct Listing<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<i64>,
}

/// What an operation answered.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Its document.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ConsoleError> {
        serde_json::from_slice(&self.body).map_err(|_| ConsoleError::Document)
    }
}

/// One request to an operation.
pub(crate) struct Asked<'a> {
    identity: &'a Identity,
    method: Method,
    path: String,
    body: Option<Value>,
    once: Option<&'a str>,
    version: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// To look at something.
    pub(crate) fn get(identity: &'a Identity, path: impl Into<String>) -> Self {
        Self { identity, method: Method::GET, path: path.into(), body: None, once: None, version: None }
    }

    /// To do something.
    pub(crate) fn to(method: Method, identity: &'a Identity, path: impl Into<String>) -> Self {
        Self { method, ..Self::get(identity, path) }
    }

    /// With a document.
    pub(crate) fn with(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Once, however often the form is sent: the form's number.
    pub(crate) fn once(self, number: &'a str) -> Self {
        Self { once: Some(number), ..self }
    }

    /// For this version alone.
    pub(crate) fn of_version(self, version: &'a str) -> Self {
        Self { version: Some(version), ..self }
    }
}

impl Operations {
    pub(crate) fn new(services: Arc<Services>) -> Self {
        Self(operations::router(services))
    }

    /// What an operation that looks answers.
    pub(crate) async fn look<T: DeserializeOwned>(
        &self,
        identity: &Identity,
        path: impl Into<String>,
    ) -> Result<T, ConsoleError> {
        self.ask(Asked::get(identity, path)).await?.read()
    }

    /// The answer of a success. A refusal is an error that names it.
    pub(crate) async fn ask(&self, asked: Asked<'_>) -> Result<Answer, ConsoleError> {
        let mut request = Request::builder().method(asked.method).uri(asked.path);
        if let Some(once) = asked.once {
            request = request.header("idempotency-key", once);
        }
        if let Some(version) = asked.version {
            request = request.header(header::IF_MATCH, version);
        }
        let body = match asked.body {
            Some(document) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(document.to_string())
            }
            None => Body::empty(),
        };
        let mut request = request.body(body).map_err(|_| ConsoleError::Document)?;
        request.extensions_mut().insert(asked.identity.clone());
        let response = match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, ANSWER_BYTES_MAX).await.map_err(|_| ConsoleError::Document)?;
        if parts.status.is_success() {
            return Ok(Answer { headers: parts.headers, body });
        }
        let refusal: Refusal = serde_json::from_slice(&body).map_err(|_| ConsoleError::Document)?;
        Err(match parts.status {
            // Logged where it failed.
            StatusCode::SERVICE_UNAVAILABLE => ConsoleError::Unavailable,
            _ => ConsoleError::Refused(refusal),
        })
    }
}
