//! How long an old secret goes on beside the new one.

use fault::Phrase;
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::{OperationError, request::invalid};

/// Unless the request says otherwise; and the longest that it may say.
const OVERLAP_HOURS: i64 = 24;
const OVERLAP_HOURS_MAX: i64 = 720;

/// How a secret is rotated.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rotation {
    /// How long both are valid; 24 when absent.
    #[schema(minimum = 0, maximum = 720)]
    overlap_hours: Option<i64>,
}

impl Rotation {
    /// When the old one ends.
    pub(crate) fn until(&self, now: OffsetDateTime) -> Result<OffsetDateTime, OperationError> {
        let hours = self.overlap_hours.unwrap_or(OVERLAP_HOURS);
        if !(0..=OVERLAP_HOURS_MAX).contains(&hours) {
            return Err(invalid(
                "overlap_hours",
                Phrase::Between.filled([("min", &0), ("max", &OVERLAP_HOURS_MAX)]),
            ));
        }
        Ok(now + Duration::hours(hours))
    }
}
