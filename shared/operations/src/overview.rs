//! All campaigns at a glance.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::request::Parts,
};
use contract::CampaignId;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, types};
use time::{Duration, OffsetDateTime};
use utoipa::{IntoParams, ToSchema};

use crate::{
    OperationError, Services,
    answer::Listing,
    caller::Caller,
    kept::{self, ListedFigures},
    request::{Page, query, query_malformed},
};

/// Campaigns that one look has counted: the others are counted at the next one.
const COUNTED_AT_A_LOOK_MAX: usize = 10;
/// A campaign's figures may be older by so much of the time since its last launch ended: what came long ago changes slowly.
const AGE_PARTS: i32 = 100;
/// As long as a campaign's name may be.
const NAME_CHARS_MAX: usize = 100;
/// While something goes on.
const LISTED_GOOD: Duration = Duration::seconds(30);

/// Which campaigns.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// What follows this one: `next` of an earlier answer.
    after: Option<i64>,
    /// How many items at most; 100 when absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// Part of the name, in whatever case.
    #[param(max_length = 100)]
    name: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = OperationError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, OperationError> {
        let wanted: Self = query(parts)?;
        if wanted.name.as_ref().is_some_and(|name| name.chars().count() > NAME_CHARS_MAX) {
            return Err(query_malformed(format!("name: at most {NAME_CHARS_MAX} characters are possible")));
        }
        Ok(wanted)
    }
}

/// A campaign with where it stands.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Overview {
    id: i64,
    name: String,
    #[schema(pattern = "^(open|deleting|deleted)$")]
    state: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When its last launch ended.
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
    /// Imports that are not at their end.
    imports_open: i64,
    /// Of its newest launch; null without one.
    #[schema(value_type = Option<String>, pattern = "^(scheduled|preparing|running|paused|done|failed|cancelled)$")]
    launch_state: Option<String>,
    /// When its newest launch starts or started; null: when it was made.
    #[serde(with = "time::serde::rfc3339::option")]
    starts_at: Option<OffsetDateTime>,
    /// When the figures were counted; null: not yet.
    #[serde(with = "time::serde::rfc3339::option")]
    counted_at: Option<OffsetDateTime>,
    #[schema(value_type = Option<ListedFigures>)]
    figures: Option<types::Json<ListedFigures>>,
}

impl Overview {
    /// Whether what its figures say may have changed by now.
    fn is_due(&self, now: OffsetDateTime) -> bool {
        let since = self.ended_at.filter(|_| self.imports_open == 0).map_or(Duration::ZERO, |end| now - end);
        let good = LISTED_GOOD.max(since / AGE_PARTS);
        self.state == "open" && self.counted_at.is_none_or(|at| now - at >= good)
    }
}

/// Show all campaigns
///
/// The newest first, each with its newest launch and its figures, which may be some minutes old.
#[utoipa::path(
    get, path = "/overview", operation_id = "show_overview", tag = "Reports", security(("key" = ["campaigns:read"])),
    params(Wanted), responses((status = 200, description = "Some of them.", body = Listing<Overview>))
)]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    caller: Caller,
    wanted: Wanted,
) -> Result<Json<Listing<Overview>>, OperationError> {
    let page = Page { after: wanted.after, limit: wanted.limit }.checked()?;
    let mut tx = services.store.tenant(caller.tenant).await?;
    let items: Vec<Overview> = sqlx::query_as(
        "SELECT c.id, c.name, c.state, c.created_at, c.ended_at,
                (SELECT count(*) FROM broadcast.imports i WHERE i.campaign_id = c.id AND i.state IN ('waiting', 'running', 'published', 'refusing'))
                    AS imports_open,
                l.state AS launch_state, l.starts_at, f.counted_at, f.figures
         FROM broadcast.campaigns c
         LEFT JOIN LATERAL (SELECT state, starts_at FROM broadcast.launches WHERE campaign_id = c.id AND NOT test ORDER BY id DESC LIMIT 1) l ON true
         LEFT JOIN broadcast.figures f ON f.campaign_id = c.id
         WHERE c.tenant_id = $1 AND ($2 IS NULL OR c.id < $2) AND ($3 IS NULL OR strpos(lower(c.name), lower($3)) > 0)
         ORDER BY c.id DESC LIMIT $4",
    )
    .bind(caller.tenant.0)
    .bind(page.after)
    .bind(wanted.name.filter(|name| !name.is_empty() && !name.contains('\0')))
    .bind(page.limit())
    .fetch_all(&mut *tx)
    .await?;
    let due = items.iter().filter(|item| item.is_due(caller.now)).take(COUNTED_AT_A_LOOK_MAX);
    for campaign in due {
        kept::ask(&services, &mut tx, CampaignId(campaign.id), caller.now).await?;
    }
    tx.commit().await?;
    let next = page.next(&items, |campaign| campaign.id);
    Ok(Json(Listing { items, next }))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-12-01 12:00 UTC);

    #[test]
    fn figures_of_what_is_long_over_are_counted_seldom() {
        let hours = |hours: i64| Some(NOW - Duration::hours(hours));
        let minutes = |minutes: i64| Some(NOW - Duration::minutes(minutes));
        for (state, ended_at, imports_open, counted_at, expected) in [
            ("open", None, 0, None, true),
            ("open", None, 0, minutes(1), true),
            ("open", None, 0, Some(NOW - Duration::seconds(29)), false),
            ("open", hours(100), 0, minutes(59), false),
            ("open", hours(100), 0, minutes(60), true),
            ("open", hours(100), 1, minutes(1), true),
            ("deleted", hours(100), 0, minutes(90), false),
        ] {
            let overview = Overview {
                id: 1,
                name: String::new(),
                state: state.to_owned(),
                created_at: NOW,
                ended_at,
                imports_open,
                launch_state: None,
                starts_at: None,
                counted_at,
                figures: None,
            };
            assert_eq!(overview.is_due(NOW), expected, "{state} {ended_at:?} {imports_open} {counted_at:?}");
        }
    }
}
