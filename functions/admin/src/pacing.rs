//! A tenant's rate and warm-up.

use contract::TenantId;
use serde::Deserialize;
use sqlx::PgConnection;
use time::Date;

use crate::{AdminError, TenantSpec};

/// What becomes of a limit: `null` ends it, and where nothing is given it stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Option<i32>")]
pub enum Limit {
    /// Nothing was given.
    #[default]
    AsItIs,
    /// No limit.
    Off,
    /// This one.
    At(i32),
}

impl From<Option<i32>> for Limit {
    fn from(given: Option<i32>) -> Self {
        given.map_or(Self::Off, Self::At)
    }
}

/// A new warm-up: the limits of its days and the first day; `None` ends the one there is.
type WarmUp<'a> = Option<(&'a [i32], Date)>;

/// What is given of a warm-up. Its limits and its first day come together, and without limits there is none.
fn warm_up(spec: &TenantSpec) -> Result<Option<WarmUp<'_>>, AdminError> {
    match (spec.warm_up.as_deref(), spec.warm_up_from) {
        (None, None) => Ok(None),
        (Some([]), None) => Ok(Some(None)),
        (Some(limits @ [_, ..]), Some(from)) => Ok(Some(Some((limits, from)))),
        (Some([_, ..]), None) | (Some([]) | None, Some(_)) => Err(AdminError::WarmUp),
    }
}

/// Changes what is given.
pub(crate) async fn set(
    db: &mut PgConnection,
    tenant: TenantId,
    spec: &TenantSpec,
) -> Result<(), AdminError> {
    let warm_up = warm_up(spec)?;
    let mails_per_hour = match spec.mails_per_hour {
        Limit::AsItIs => None,
        Limit::Off => Some(None),
        Limit::At(limit) => Some(Some(limit)),
    };
    if let Some(mails_per_hour) = mails_per_hour {
        sqlx::query("UPDATE broadcast.tenants SET mails_per_hour = $2 WHERE id = $1")
            .bind(tenant.0)
            .bind(mails_per_hour)
            .execute(&mut *db)
            .await?;
    }
    if let Some(warm_up) = warm_up {
        let (limits, from) = warm_up.unzip();
        sqlx::query("UPDATE broadcast.tenants SET warm_up = $2, warm_up_from = $3 WHERE id = $1")
            .bind(tenant.0)
            .bind(limits)
            .bind(from)
            .execute(db)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::macros::date;

    use super::*;

    fn spec(mut settings: Value) -> TenantSpec {
        settings["slug"] = json!("acme");
        serde_json::from_value(settings).unwrap()
    }

    #[test]
    fn null_ends_the_limit_and_absence_leaves_it() {
        for (settings, expected) in [
            (json!({}), Limit::AsItIs),
            (json!({"mails_per_hour": null}), Limit::Off),
            (json!({"mails_per_hour": 5}), Limit::At(5)),
        ] {
            assert_eq!(spec(settings.clone()).mails_per_hour, expected, "{settings}");
        }
    }

    #[test]
    fn limits_and_first_day_come_together() {
        let from = date!(2026 - 12 - 01);
        for (settings, expected) in [
            (json!({}), Some(None)),
            (json!({"warm_up": []}), Some(Some(None))),
            (
                json!({"warm_up": [10, 20], "warm_up_from": "2026-12-01"}),
                Some(Some(Some((&[10, 20][..], from)))),
            ),
            (json!({"warm_up": [10]}), None),
            (json!({"warm_up_from": "2026-12-01"}), None),
            (json!({"warm_up": [], "warm_up_from": "2026-12-01"}), None),
        ] {
            assert_eq!(warm_up(&spec(settings.clone())).ok(), expected, "{settings}");
        }
    }
}
