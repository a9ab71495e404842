//! Mails to users of the console: invitations, links to choose a password, and what happened to their accounts.
//!
//! A row of `broadcast.notices` is one mail. It goes when the relay has taken it, or when it was tried for about two days. Before an attempt its `due_at`
//! is moved beyond the attempt's end, committed, so two invocations never make the same one; one that dies between the relay's answer and the row's end
//! makes a second mail, which tells the same.
//!
//! A link's token is made here, when its mail is: nothing that waits holds one. Its digest is committed before the mail goes.

mod words;

use std::time::Duration;

use access::Token;
use lettre::{
    Address,
    address::Envelope,
    transport::smtp::{Error as SmtpError, client::AsyncSmtpConnection},
};
use mail_builder::{MessageBuilder, headers::raw::Raw};
use runtime::{ConnectError, Relay, Tick};
use sqlx::Row;
use store::{Store, StoreError};
use time::OffsetDateTime;
use tokio::time::timeout;

use crate::Error;
use words::Words;

/// Of one tick. A person causes a handful; the next tick has the others.
const AT_ONCE_MAX: i64 = 100;
/// Connecting to the relay, and then each mail.
const STEP_MAX: Duration = Duration::from_secs(8);
/// A mail is not begun with less time left than this.
const BEGIN_MIN: Duration = Duration::from_secs(12);
/// Longer than an invocation: what one leaves that dies is due again then.
const LEASE: Duration = Duration::from_mins(2);
/// After a failed attempt it doubles, up to six hours; about two days in all.
const WAIT: Duration = Duration::from_mins(1);
const WAIT_MAX: Duration = Duration::from_hours(6);
const ATTEMPTS_MAX: i32 = 16;
/// For whoever asked for it just now.
const LINK_LIFETIME: Duration = Duration::from_hours(1);
/// For whoever did not know that it comes, over a weekend.
const INVITATION_LIFETIME: Duration = Duration::from_hours(72);

/// Where mails go, and what they say of us.
pub(crate) struct Post {
    pub(crate) relay: Relay,
    /// The sender's address.
    pub(crate) from: Address,
    /// Where people reach the console, without a slash at its end.
    pub(crate) console_url: String,
}

/// One that is leased.
struct Notice {
    id: i64,
    user: i64,
    attempts: i32,
    email: String,
    words: Words,
}

/// Mails what is due.
pub(crate) async fn send_due(post: &Post, store: &Store, tick: Tick) -> Result<(), Error> {
    let due = claim(store, tick.now).await?;
    if due.is_empty() {
        return Ok(());
    }
    let mut kept = None;
    for notice in &due {
        let now = OffsetDateTime::now_utc();
        if tick.deadline - now < BEGIN_MIN {
            break;
        }
        let connection = match kept.take() {
            Some(connection) => Some(connection),
            None => connect(&post.relay).await,
        };
        let Some(mut connection) = connection else {
            // They are due again when their leases end.
            tracing::warn!("the relay cannot be reached: mails to users wait");
            break;
        };
        let message = compose(post, store, notice, now).await?;
        let answer = hand_over(post, &mut connection, notice, &message).await;
        record(store, notice, answer, now).await?;
        // The library closes one that has seen a failure.
        kept = Some(connection).filter(|_| answer == Answer::Taken);
    }
    if let Some(mut connection) = kept {
        let _ = timeout(STEP_MAX, connection.quit()).await;
    }
    Ok(())
}

async fn connect(relay: &Relay) -> Option<AsyncSmtpConnection> {
    match timeout(STEP_MAX, relay.connect()).await {
        Ok(Ok(connection)) => Some(connection),
        Ok(Err(ConnectError::Socket(error))) => {
            tracing::warn!(kind = %error.kind(), "no connection to the relay");
            None
        }
        // What it said may hold an address.
        Ok(Err(ConnectError::Smtp(_))) | Err(_) => None,
    }
}

/// Leases what is due, the longest due first. What is for somebody disabled is for nobody.
async fn claim(store: &Store, now: OffsetDateTime) -> Result<Vec<Notice>, StoreError> {
    let rows = sqlx::query(
        "WITH due AS (SELECT id FROM broadcast.notices WHERE due_at <= $1 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED),
              gone AS (DELETE FROM broadcast.notices n USING due, broadcast.users u
                       WHERE n.id = due.id AND u.id = n.user_id AND u.disabled_at IS NOT NULL)
         UPDATE broadcast.notices n SET due_at = $2, attempts = n.attempts + 1
         FROM due, broadcast.users u LEFT JOIN broadcast.tenants t ON t.id = u.tenant_id
         WHERE n.id = due.id AND u.id = n.user_id AND u.disabled_at IS NULL
         RETURNING n.id, n.kind, n.at, n.source, n.browser, n.attempts, u.id AS user_id, u.email, u.language, u.zone, t.name",
    )
    .bind(now)
    .bind(now + LEASE)
    .bind(AT_ONCE_MAX)
    .fetch_all(store.pool())
    .await?;
    let notices = rows.into_iter().map(|row| Notice {
        id: row.get("id"),
        user: row.get("user_id"),
        attempts: row.get("attempts"),
        email: row.get("email"),
        words: Words {
            kind: row.get("kind"),
            language: row.get("language"),
            zone: row.get("zone"),
            at: row.get("at"),
            source: row.get("source"),
            browser: row.get("browser"),
            tenant: row.get("name"),
        },
    });
    Ok(notices.collect())
}

/// The whole message. One with a link makes the link's token, in the place of that of an earlier attempt.
async fn compose(post: &Post, store: &Store, notice: &Notice, now: OffsetDateTime) -> Result<Vec<u8>, Error> {
    let lifetime = match notice.words.kind.as_str() {
        "invitation" => Some(INVITATION_LIFETIME),
        "password_link" => Some(LINK_LIFETIME),
        _ => None,
    };
    let link = match lifetime {
        Some(lifetime) => {
            let token = Token::generate()?;
            sqlx::query(
                "INSERT INTO broadcast.password_links (notice_id, user_id, token_hash, ends_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (notice_id) DO UPDATE SET token_hash = excluded.token_hash, ends_at = excluded.ends_at",
            )
            .bind(notice.id)
            .bind(notice.user)
            .bind(&token.hash()[..])
            .bind(now + lifetime)
            .execute(store.pool())
            .await?;
            format!("{}/password/{}", post.console_url, token.text())
        }
        None => format!("{}/account", post.console_url),
    };
    let message = MessageBuilder::new()
        .from(("Broadcast", post.from.as_ref()))
        .to(notice.email.as_str())
        .subject(notice.words.subject())
        .date(now.unix_timestamp())
        .message_id(format!("notice.{}.{}@{}", notice.id, notice.attempts, post.from.domain()))
        // RFC 3834: no absence note answers it.
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .text_body(notice.words.text(&link));
    message.write_to_vec().map_err(|_| Error::Unwritten)
}

/// What the relay made of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Taken,
    /// 4xx.
    Later,
    /// 5xx.
    Refused,
    /// The connection broke, or nothing came in time.
    Lost,
}

async fn hand_over(
    post: &Post,
    connection: &mut AsyncSmtpConnection,
    notice: &Notice,
    message: &[u8],
) -> Answer {
    let Ok(to) = notice.email.parse::<Address>() else { return Answer::Refused };
    let Ok(envelope) = Envelope::new(Some(post.from.clone()), vec![to]) else { return Answer::Refused };
    match timeout(STEP_MAX, connection.send(&envelope, message)).await {
        Ok(Ok(_)) => Answer::Taken,
        Ok(Err(error)) => of_error(&error),
        Err(_) => Answer::Lost,
    }
}

fn of_error(error: &SmtpError) -> Answer {
    if error.is_permanent() {
        Answer::Refused
    } else if error.is_transient() {
        Answer::Later
    } else {
        Answer::Lost
    }
}

/// When the next attempt is due; `None`: there is none.
fn next(answer: Answer, attempts: i32) -> Option<Duration> {
    let goes_on = matches!(answer, Answer::Later | Answer::Lost) && attempts < ATTEMPTS_MAX;
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or_default();
    goes_on.then(|| WAIT.saturating_mul(2_u32.saturating_pow(doublings)).min(WAIT_MAX))
}

async fn record(
    store: &Store,
    notice: &Notice,
    answer: Answer,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    tracing::info!(
        notice = notice.id,
        kind = notice.words.kind,
        attempt = notice.attempts,
        ?answer,
        "mailed to a user"
    );
    let statement = match next(answer, notice.attempts) {
        Some(wait) => sqlx::query("UPDATE broadcast.notices SET due_at = $2 WHERE id = $1")
            .bind(notice.id)
            .bind(now + wait),
        None => sqlx::query("DELETE FROM broadcast.notices WHERE id = $1").bind(notice.id),
    };
    statement.execute(store.pool()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_are_tried_for_two_days() {
        for (answer, attempts, expected) in [
            (Answer::Taken, 1, None),
            (Answer::Refused, 1, None),
            (Answer::Later, 1, Some(Duration::from_mins(1))),
            (Answer::Lost, 3, Some(Duration::from_mins(4))),
            (Answer::Later, 12, Some(WAIT_MAX)),
            (Answer::Later, ATTEMPTS_MAX, None),
        ] {
            assert_eq!(next(answer, attempts), expected, "{answer:?} {attempts}");
        }
        let all: Duration = (1..ATTEMPTS_MAX).filter_map(|attempt| next(Answer::Later, attempt)).sum();
        assert!((Duration::from_hours(40)..Duration::from_hours(56)).contains(&all), "{all:?}");
    }
}
