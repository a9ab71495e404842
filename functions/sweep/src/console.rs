//! What the console keeps of logins: over all tenants, since operators have none. It goes without receipts: a session says who worked when, and no customer
//! has anything to prove by its end.

use sqlx::PgPool;
use store::StoreError;
use time::{Duration, OffsetDateTime};

/// As the console takes a session for over that does nothing.
const SESSION_IDLE_MAX: Duration = Duration::minutes(30);
/// A place that was not seen for so long is new again.
const PLACES_KEPT: Duration = Duration::days(90);
/// `notify` gives up after two days.
const NOTICES_KEPT: Duration = Duration::days(3);
/// Counts of texts: of today, and of the day that has just ended somewhere.
const TEXTS_KEPT: Duration = Duration::days(2);

/// Deletes what is over. By the real clock: who moves the other one forward stays logged in.
pub async fn forget(pool: &PgPool, now: OffsetDateTime) -> Result<(), StoreError> {
    let over: [(&str, OffsetDateTime); 9] = [
        ("DELETE FROM broadcast.sessions WHERE ends_at <= $1", now),
        ("DELETE FROM broadcast.sessions WHERE seen_at <= $1", now - SESSION_IDLE_MAX),
        ("DELETE FROM broadcast.challenges WHERE ends_at <= $1", now),
        ("DELETE FROM broadcast.ceremonies WHERE ends_at <= $1", now),
        ("DELETE FROM broadcast.attempts WHERE ends_at <= $1", now),
        ("DELETE FROM broadcast.password_links WHERE ends_at <= $1", now),
        ("DELETE FROM broadcast.texts WHERE day <= ($1 AT TIME ZONE 'UTC')::date", now - TEXTS_KEPT),
        ("DELETE FROM broadcast.places WHERE seen_at <= $1", now - PLACES_KEPT),
        ("DELETE FROM broadcast.notices WHERE at <= $1", now - NOTICES_KEPT),
    ];
    for (statement, until) in over {
        sqlx::query(statement).bind(until).execute(pool).await?;
    }
    Ok(())
}
