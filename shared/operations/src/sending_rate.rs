//! How many mails the account hands over in an hour.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use store::pacing::{Pace, Rate};
use time::Date;
use utoipa::ToSchema;

use crate::{OperationError, Services, caller::Caller};

time::serde::format_description!(day, Date, "[year]-[month]-[day]");

/// What limits the account's sending.
#[derive(Serialize, ToSchema)]
pub(crate) struct SendingRate {
    /// What counts now, the smaller one of the account's limit and today's of the warm-up; `null` without a limit.
    mails_per_hour_now: Option<i32>,
    /// The account's limit; `null` without one.
    mails_per_hour: Option<i32>,
    /// The limits of the days of a warm-up, one for each day (UTC); `null` without one.
    warm_up: Option<Vec<i32>>,
    /// The first day of the warm-up.
    #[serde(with = "day::option")]
    #[schema(format = Date, value_type = Option<String>)]
    warm_up_from: Option<Date>,
}

/// Show the sending rate
///
/// How many mails of the account are handed over in an hour, over all its launches. What is more waits and goes on by itself. Your operator
/// changes it.
#[utoipa::path(
    get, path = "/sending-rate", operation_id = "show_sending_rate", tag = "Account", security(("key" = ["account:read"])),
    responses((status = 200, description = "The limits.", body = SendingRate))
)]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    caller: Caller,
) -> Result<Json<SendingRate>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let pace: Pace =
        sqlx::query_as("SELECT mails_per_hour, warm_up, warm_up_from FROM broadcast.tenants WHERE id = $1")
            .bind(caller.tenant.0)
            .fetch_one(&mut *tx)
            .await?;
    let now = pace.rate(caller.now).map(Rate::mails_per_hour);
    let Pace { mails_per_hour, warm_up, warm_up_from } = pace;
    Ok(Json(SendingRate { mails_per_hour_now: now, mails_per_hour, warm_up, warm_up_from }))
}
