//! The rules by which opens and clicks of programs are told from people's: a document in the bucket of settings, or that of the release.

use aws_sdk_s3::operation::get_object::GetObjectError;
use contract::ACTOR_RULES_KEY;
use mail::ActorRules;
use runtime::AwsError;
use serde_json::{Value, json};

use crate::{Admin, AdminError};

/// Puts the document where functions find it within ten minutes, if every entry of it is well.
pub(crate) async fn set(admin: &Admin, rules: &Value) -> Result<Value, AdminError> {
    let document = serde_json::to_vec_pretty(rules).map_err(|_| AdminError::NotJson)?;
    ActorRules::from_json(&document)?;
    let object = admin.clients.s3.put_object().bucket(&admin.settings_bucket).key(ACTOR_RULES_KEY);
    let put = object.content_type("application/json").body(document.into()).send().await;
    put.map_err(|error| AwsError::of("PutObject", &error))?;
    show(admin).await
}

/// The document in use, and whose it is.
pub(crate) async fn show(admin: &Admin) -> Result<Value, AdminError> {
    let get = admin.clients.s3.get_object().bucket(&admin.settings_bucket).key(ACTOR_RULES_KEY);
    let (of, document) = match get.send().await {
        Ok(object) => {
            let body = object.body.collect().await.map_err(|_| AdminError::Request("the document's body"))?;
            ("operator", body.to_vec())
        }
        Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
            ("release", ActorRules::built_in().as_bytes().to_vec())
        }
        Err(error) => return Err(AwsError::of("GetObject", &error).into()),
    };
    let rules: Value = serde_json::from_slice(&document).map_err(|_| AdminError::NotJson)?;
    Ok(json!({"of": of, "rules": rules}))
}

/// Takes the operator's document away.
pub(crate) async fn reset(admin: &Admin) -> Result<Value, AdminError> {
    let object = admin.clients.s3.delete_object().bucket(&admin.settings_bucket).key(ACTOR_RULES_KEY);
    object.send().await.map_err(|error| AwsError::of("DeleteObject", &error))?;
    show(admin).await
}
