//! Import profiles: how a customer's files are read.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use contract::Profile;
use fault::{Code, Notice, Phrase};
use serde::Serialize;
use sqlx::{FromRow, types};
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::{Answer, Listing},
    caller::Caller,
    request::{Document, IfMatch, Name, invalid},
};

/// Of a profile's name, in characters. The file name of an upload may carry it, between hyphens.
const NAME_CHARS_MAX: usize = 64;
/// Of one account: each customer's system has a few.
const PROFILES_MAX: i64 = 1_000;

/// A profile with its name.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct NamedProfile {
    name: String,
    #[schema(value_type = Profile)]
    profile: types::Json<Profile>,
    #[serde(skip)]
    version: i32,
}

const SELECT: &str = "SELECT name, profile, version FROM broadcast.import_profiles";

/// List import profiles
///
/// All of them, by name: `next` is always null.
#[utoipa::path(
    get, path = "/profiles", operation_id = "list_profiles", tag = "Imports", security(("key" = ["campaigns:read"])),
    responses((status = 200, description = "All of them.", body = Listing<NamedProfile>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
) -> Result<Json<Listing<NamedProfile>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let statement = format!("{SELECT} ORDER BY name");
    let items = sqlx::query_as(sqlx::AssertSqlSafe(statement)).fetch_all(&mut *tx).await?;
    Ok(Json(Listing { items, next: None }))
}

/// Show an import profile
#[utoipa::path(
    get, path = "/profiles/{name}", operation_id = "show_profile", tag = "Imports", security(("key" = ["campaigns:read"])),
    params(("name" = String, Path, min_length = 1)),
    responses((status = 200, description = "The profile.", body = Profile, headers(("ETag" = String))))
)]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(name): Name,
) -> Result<Answer, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let profile: Option<NamedProfile> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE name = $1")))
            .bind(name)
            .fetch_optional(&mut *tx)
            .await?;
    let profile = profile.ok_or(Code::NotFound)?;
    Ok(Answer::ok(&profile.profile.0)?.of_version(profile.version))
}

/// Make or replace an import profile
///
/// All of it: parts that are absent are detected in the file, or have their defaults. The one named `default` is for calls that name none.
#[utoipa::path(
    put, path = "/profiles/{name}", operation_id = "replace_profile", tag = "Imports", security(("key" = ["campaigns:write"])),
    params(("name" = String, Path, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_.]+$"),
           ("If-Match" = Option<String>, Header, description = "The version that you read.")),
    request_body(content = Profile, example = json!({"delimiter": ";", "charset": "windows-1252", "key_column": "customer"})),
    responses((status = 200, description = "Replaced.", body = Profile, headers(("ETag" = String))),
              (status = 201, description = "Made.", body = Profile, headers(("ETag" = String), ("Location" = String))))
)]
pub(crate) async fn replace(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(name): Name,
    if_match: IfMatch,
    Document(profile): Document<Profile>,
) -> Result<Answer, OperationError> {
    check_name(&name)?;
    check(&profile)?;
    let mut tx = services.store.tenant(caller.tenant).await?;
    let before: Option<i32> =
        sqlx::query_scalar("SELECT version FROM broadcast.import_profiles WHERE name = $1 FOR UPDATE")
            .bind(&name)
            .fetch_optional(&mut *tx)
            .await?;
    match before {
        Some(version) => if_match.check(version)?,
        None => if_match.check_absent()?,
    }
    let version: Option<i32> = sqlx::query_scalar(
        "INSERT INTO broadcast.import_profiles AS p (tenant_id, name, profile)
         SELECT $1, $2, $3 WHERE $4 OR (SELECT count(*) FROM broadcast.import_profiles) < $5
         ON CONFLICT (tenant_id, name) DO UPDATE SET profile = excluded.profile, version = p.version + 1 RETURNING version",
    )
    .bind(caller.tenant.0)
    .bind(&name)
    .bind(types::Json(&profile))
    .bind(before.is_some())
    .bind(PROFILES_MAX)
    .fetch_optional(&mut *tx)
    .await?;
    let version =
        version.ok_or_else(|| invalid("name", Phrase::ProfilesMax.filled([("max", &PROFILES_MAX)])))?;
    caller.note(&mut tx, &name).await?;
    tx.commit().await?;
    let answer = Answer::ok(&profile)?.of_version(version);
    Ok(if before.is_some() {
        answer
    } else {
        Answer { status: StatusCode::CREATED, location: Some(format!("/v1/profiles/{name}")), ..answer }
    })
}

/// Delete an import profile
///
/// Refused while imports that name it are not at their end.
#[utoipa::path(
    delete, path = "/profiles/{name}", operation_id = "delete_profile", tag = "Imports", security(("key" = ["campaigns:write"])),
    params(("name" = String, Path, min_length = 1), ("If-Match" = Option<String>, Header, description = "The version that you read.")),
    responses((status = 204, description = "Deleted.")), extensions(("x-problems" = json!(["profile_in_use"])))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(name): Name,
    if_match: IfMatch,
) -> Result<Answer, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let before: Option<i32> =
        sqlx::query_scalar("SELECT version FROM broadcast.import_profiles WHERE name = $1 FOR UPDATE")
            .bind(&name)
            .fetch_optional(&mut *tx)
            .await?;
    if_match.check(before.ok_or(Code::NotFound)?)?;
    let used: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM broadcast.imports WHERE state NOT IN ('finished', 'refused') AND call->>'profile' = $1)",
    )
    .bind(&name)
    .fetch_one(&mut *tx)
    .await?;
    if used {
        return Err(Notice::new(Code::ProfileInUse).with("profile", name).into());
    }
    sqlx::query("DELETE FROM broadcast.import_profiles WHERE name = $1")
        .bind(&name)
        .execute(&mut *tx)
        .await?;
    caller.note(&mut tx, &name).await?;
    tx.commit().await?;
    Ok(Answer::nothing())
}

fn check_name(name: &str) -> Result<(), OperationError> {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.bytes().all(usual) {
        return Err(invalid("name", Phrase::ProfileName.filled([("max", &NAME_CHARS_MAX)])));
    }
    Ok(())
}

/// What of a profile would refuse every file.
pub(crate) fn check(profile: &Profile) -> Result<(), OperationError> {
    if profile.delimiter.is_some_and(|delimiter| !"\t,;|".contains(delimiter)) {
        return Err(invalid("delimiter", Phrase::Delimiter));
    }
    let label = profile.charset.as_ref().map(|label| label.trim());
    // As an import reads it.
    if label.is_some_and(|label| encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()).is_none())
    {
        return Err(invalid("charset", Phrase::Charset));
    }
    if profile.bad_rows_max_percent.is_some_and(|percent| percent > 100) {
        return Err(invalid("bad_rows_max_percent", Phrase::Between.filled([("min", &0), ("max", &100)])));
    }
    let texts = [&profile.address_column, &profile.key_column].into_iter().flatten();
    let texts = texts.chain(profile.mapping.keys()).chain(profile.mapping.values());
    // Postgres keeps no NUL in a text.
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(invalid("profile", Phrase::Nul));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_between_the_hyphens_of_a_file_name() {
        for name in ["default", "crm_2", "v1.2", &"x".repeat(64)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a-b", "a b", "größe", "a/b", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_profile_that_refuses_every_file_is_refused() {
        assert!(check(&Profile { delimiter: Some('|'), ..Profile::default() }).is_ok());
        assert!(check(&Profile { delimiter: Some(':'), ..Profile::default() }).is_err());
        assert!(check(&Profile { bad_rows_max_percent: Some(101), ..Profile::default() }).is_err());
        assert!(check(&Profile { charset: Some("\0".to_owned()), ..Profile::default() }).is_err());
    }
}
