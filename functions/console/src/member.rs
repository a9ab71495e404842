//! A person of a tenant, as operations know who asks.

use std::sync::Arc;

use access::Scope;
use axum::{extract::FromRequestParts, http::request::Parts};
use maud::{Markup, html};
use operations::Identity;
use runtime::ClientAddress;
use uuid::Uuid;

use crate::{ConsoleError, person::Person};

/// Somebody who is logged in and belongs to a tenant.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) person: Person,
    pub(crate) identity: Identity,
}

impl Member {
    /// Whether the person's role has a scope.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.person.may(scope)
    }

    /// The field that makes a form one deed: however often it is sent, it is done once.
    #[expect(clippy::unused_self, reason = "only a member has deeds to be done once")]
    pub(crate) fn once(&self) -> Markup {
        html! { input type="hidden" name="once" value=(Uuid::new_v4()); }
    }
}

impl<S: Sync> FromRequestParts<S> for Member {
    type Rejection = ConsoleError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ConsoleError> {
        let person = Person::from_request_parts(parts, state).await?;
        // The gate lets nobody else to such a route.
        let (Some(tenant), Some(bucket)) = (person.tenant, person.bucket.clone()) else {
            return Err(ConsoleError::Cut);
        };
        let identity = Identity {
            tenant,
            bucket: bucket.into(),
            actor: format!("user {}", person.id).into(),
            scopes: Arc::from(person.role.scopes()),
            source: parts.extensions.get().map(|ClientAddress(address)| *address),
            notes_looks: false,
        };
        Ok(Self { person, identity })
    }
}
