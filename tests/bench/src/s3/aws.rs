//! As much of STS and Secrets Manager as the gateway meets.

use std::path::Path;

use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header};
use s3s::{Body, HttpResponse};
use serde_json::{Value, json};

/// What STS answers: the credentials that everybody has.
pub const ASSUMED_ROLE: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
    <AssumedRoleUser><Arn>arn:aws:sts::000000000000:assumed-role/tenant/bench</Arn>\
    <AssumedRoleId>bench:bench</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>bench</AccessKeyId>\
    <SecretAccessKey>bench</SecretAccessKey><SessionToken>bench</SessionToken>\
    <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";

/// Whether a request is not for S3.
pub fn is_other(request: &Request<Incoming>) -> bool {
    request.method() == Method::POST && request.uri().path() == "/" && request.uri().query().is_none()
}

/// Credentials that everybody has; a secret is a file of the folder `secrets`.
pub async fn answer(request: Request<Incoming>, secrets: &Path) -> HttpResponse {
    if !request.headers().contains_key("x-amz-target") {
        return respond("text/xml", ASSUMED_ROLE.to_owned());
    }
    let body =
        request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let name = asked["SecretId"].as_str().unwrap_or_default();
    match std::fs::read_to_string(secrets.join(name)) {
        Ok(secret) => respond("application/x-amz-json-1.1", json!({ "SecretString": secret }).to_string()),
        Err(_) => failed(),
    }
}

pub fn failed() -> HttpResponse {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    answer
}

fn respond(content_type: &'static str, body: String) -> HttpResponse {
    let mut answer = Response::new(Body::from(body));
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    answer
}
