//! What is done to somebody who is there already.

use std::sync::Arc;

use access::Role;
use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{Invitation, Tx, page};
use crate::{
    Console, ConsoleError,
    gate::At,
    limits::{CODES_OF_USER, LOGINS_OF_USER},
    login::redirect,
    look::Problems,
    notice,
    person::Person,
    record,
    visitor::Visitor,
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Chosen {
    user: i64,
    role: String,
}

/// What is done to somebody else of the same tenant, or to another operator. What is not theirs to change, or is so already, is left as it is.
pub(super) struct Deed {
    /// In the audit.
    action: &'static str,
    /// `$1` is the user's number, `$2` the tenant's or none, `$3` the time, `$4` a role or none.
    statement: &'static str,
    /// Of the mail that tells the user.
    told: Option<&'static str>,
}

const SET_ROLE: Deed = Deed {
    action: "set_role",
    statement: "UPDATE broadcast.users SET role = $4 WHERE id = $1 AND tenant_id = $2 AND role <> $4 AND $3::timestamptz IS NOT NULL",
    told: None,
};
pub(super) const DISABLE: Deed = Deed {
    action: "disable_user",
    statement: "UPDATE broadcast.users SET disabled_at = $3
                WHERE id = $1 AND tenant_id IS NOT DISTINCT FROM $2 AND disabled_at IS NULL AND $4::text IS NULL",
    told: None,
};
pub(super) const ENABLE: Deed = Deed {
    action: "enable_user",
    statement: "UPDATE broadcast.users SET disabled_at = NULL
                WHERE id = $1 AND tenant_id IS NOT DISTINCT FROM $2 AND disabled_at <= $3 AND $4::text IS NULL",
    told: None,
};
/// The next login registers one again. A trigger ends the sessions.
pub(super) const RESET_PHONE: Deed = Deed {
    action: "reset_phone",
    statement: "UPDATE broadcast.users SET phone_sealed = NULL, phone_ends = NULL, phone_verified_at = NULL
                WHERE id = $1 AND tenant_id IS NOT DISTINCT FROM $2 AND phone_verified_at <= $3 AND $4::text IS NULL",
    told: Some("phone_reset"),
};
pub(super) const END_SESSIONS: Deed = Deed {
    action: "end_sessions",
    statement: "DELETE FROM broadcast.sessions WHERE user_id IN (SELECT id FROM broadcast.users WHERE id = $1 AND tenant_id IS NOT DISTINCT FROM $2)
                AND created_at <= $3 AND $4::text IS NULL",
    told: None,
};
const UNLOCK: Deed = Deed {
    action: "unlock_user",
    statement: "UPDATE broadcast.users SET locked_until = NULL
                WHERE id = $1 AND tenant_id IS NOT DISTINCT FROM $2 AND locked_until > $3 AND $4::text IS NULL",
    told: None,
};

/// Who does something to whom.
pub(super) struct Change {
    console: Arc<Console>,
    now: OffsetDateTime,
    person: Person,
    visitor: Visitor,
    chosen: Chosen,
}

impl FromRequest<Arc<Console>> for Change {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let refuse = ConsoleError::into_response;
        let At(now) = At::from_request_parts(&mut parts, console).await.map_err(refuse)?;
        let person = Person::from_request_parts(&mut parts, console).await.map_err(refuse)?;
        let Ok(visitor) = Visitor::from_request_parts(&mut parts, console).await;
        let chosen = Form::from_request(Request::from_parts(parts, body), console).await;
        let Form(chosen) = chosen.map_err(IntoResponse::into_response)?;
        Ok(Self { console: Arc::clone(console), now, person, visitor, chosen })
    }
}

impl Change {
    async fn refuse(&self, words: &str) -> Result<Response, ConsoleError> {
        let wrong = Problems::one("email", self.person.reader.t(words));
        page(&self.console, &self.person, self.now, &Invitation::default(), &wrong).await
    }

    pub(super) async fn make(&self, deed: &Deed, role: Option<Role>) -> Result<Response, ConsoleError> {
        let Self { console, now, person, visitor, chosen } = self;
        if chosen.user == person.id {
            return self.refuse("users-not-yourself").await;
        }
        let mut tx = Tx::begin(console, person).await?;
        let done = sqlx::query(deed.statement)
            .bind(chosen.user)
            .bind(person.tenant.map(|tenant| tenant.0))
            .bind(now)
            .bind(role.map(Role::name))
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() > 0 {
            if let Some(kind) = deed.told {
                notice::write(&mut tx, chosen.user, kind, None, *now).await?;
            }
            let subject = chosen.user.to_string();
            record::of_person(&mut tx, person, visitor, deed.action, Some(&subject), *now).await?;
        }
        tx.commit().await?;
        Ok(redirect("/users", None))
    }

    /// `POST /users/role`.
    pub(super) async fn set_role(self) -> Result<Response, ConsoleError> {
        let role = self.chosen.role.parse().ok().filter(|role: &Role| Role::OF_TENANTS.contains(role));
        match role.filter(|_| self.person.tenant.is_some()) {
            Some(role) => self.make(&SET_ROLE, Some(role)).await,
            None => self.refuse("users-malformed").await,
        }
    }

    /// `POST /users/unlock`: ends a lock, and forgets what led to it.
    pub(super) async fn unlock(self) -> Result<Response, ConsoleError> {
        let Self { console, person, chosen, .. } = &self;
        let mut tx = Tx::begin(console, person).await?;
        let email: Option<String> = sqlx::query_scalar(
            "SELECT email FROM broadcast.users WHERE id = $1 AND tenant_id IS NOT DISTINCT FROM $2",
        )
        .bind(chosen.user)
        .bind(person.tenant.map(|tenant| tenant.0))
        .fetch_optional(&mut *tx)
        .await?;
        drop(tx);
        // Nobody of another tenant's.
        if let Some(email) = email.filter(|_| chosen.user != person.id) {
            LOGINS_OF_USER.forget(console, email.as_bytes()).await?;
            CODES_OF_USER.forget(console, &chosen.user.to_be_bytes()).await?;
        }
        self.make(&UNLOCK, None).await
    }
}
