//! Passkeys (WebAuthn), each of them a second factor behind the password: what an authenticator is asked, what its answer is worth, and the rows.
//!
//! What was asked waits in the database until it is answered. It is taken out to judge the answer, so no answer is judged twice.

use std::time::Duration;

use access::Purpose;
use maud::{Markup, html};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{PgConnection, Row, types::Json};
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;
use webauthn_rs::{
    Webauthn, WebauthnBuilder,
    prelude::{
        CreationChallengeResponse, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
        RegisterPublicKeyCredential, RequestChallengeResponse,
    },
};

use crate::{Console, ConsoleError, assets, gate::FormToken, person::Reader};

/// Of one user: a few machines and a key in a drawer. All of them are named in each question.
pub(crate) const PASSKEYS_MAX: usize = 10;
/// An answer that comes later is none. As long as a code is good, and what WebAuthn recommends (level 3, 15.1).
pub(crate) const CEREMONY_LIFETIME: Duration = Duration::from_mins(5);
/// The largest answer that is looked at. Without attestation they have one kilobyte or two.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// As the column of the database.
pub(crate) const NAME_CHARS_MAX: usize = 60;

/// Whose question it is. It goes with its owner.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner {
    /// Half a login.
    Challenge(i64),
    /// Of somebody logged in.
    Session(i64),
}

/// Who asks: the name in our address. `None` where that is a number: passkeys belong to names. Nothing is computed here, so it is made for each use.
pub(crate) fn relying_party(console: &Console) -> Option<Webauthn> {
    let url = Url::parse(&console.url).ok()?;
    let builder = WebauthnBuilder::new(url.domain()?, &url).ok()?;
    builder.rp_name("Broadcast").timeout(CEREMONY_LIFETIME).build().ok()
}

/// What an authenticator knows a user by: the same at each passkey of a user, and nobody's number.
fn handle(console: &Console, user: i64) -> Uuid {
    let tag = console.master.tag(Purpose::Passkeys, &[&user.to_be_bytes()]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&tag[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// A name as a person typed it, in the form that is kept.
pub(crate) fn name(typed: &str) -> Option<&str> {
    let name = typed.trim();
    let fits = !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX;
    (fits && !name.chars().any(char::is_control)).then_some(name)
}

/// Whether a count goes on. An authenticator either counts each use, or says 0 for ever; what says an old number is a copy (WebAuthn, 7.2, 22).
const fn goes_on(stored: i64, shown: i64) -> bool {
    shown > stored || (shown == 0 && stored == 0)
}

/// Keeps what was asked, in the place of what was asked before.
async fn keep(
    db: &mut PgConnection,
    owner: Owner,
    state: &impl Serialize,
    now: OffsetDateTime,
) -> Result<(), ConsoleError> {
    let (statement, id) = match owner {
        Owner::Challenge(id) => (
            "INSERT INTO broadcast.ceremonies (challenge_id, state, ends_at) VALUES ($1, $2, $3)
             ON CONFLICT (challenge_id) DO UPDATE SET state = excluded.state, ends_at = excluded.ends_at",
            id,
        ),
        Owner::Session(id) => (
            "INSERT INTO broadcast.ceremonies (session_id, state, ends_at) VALUES ($1, $2, $3)
             ON CONFLICT (session_id) DO UPDATE SET state = excluded.state, ends_at = excluded.ends_at",
            id,
        ),
    };
    let state = serde_json::to_value(state).map_err(|_| ConsoleError::Document)?;
    sqlx::query(statement).bind(id).bind(state).bind(now + CEREMONY_LIFETIME).execute(db).await?;
    Ok(())
}

/// Takes out what was asked, if it is still worth an answer. Of two requests, one gets it.
async fn take<T: DeserializeOwned>(
    db: &mut PgConnection,
    owner: Owner,
    now: OffsetDateTime,
) -> Result<Option<T>, ConsoleError> {
    let (statement, id) = match owner {
        Owner::Challenge(id) => {
            ("DELETE FROM broadcast.ceremonies WHERE challenge_id = $1 RETURNING state, ends_at", id)
        }
        Owner::Session(id) => {
            ("DELETE FROM broadcast.ceremonies WHERE session_id = $1 RETURNING state, ends_at", id)
        }
    };
    let Some(row) = sqlx::query(statement).bind(id).fetch_optional(db).await? else { return Ok(None) };
    let is_open = row.get::<OffsetDateTime, _>("ends_at") > now;
    // One that an older release wrote in another form is over, too.
    Ok(is_open.then(|| serde_json::from_value(row.get("state")).ok()).flatten())
}

/// An answer as the script sends it. What cannot be read is wrong.
fn read<T: DeserializeOwned>(answer: &str) -> Option<T> {
    if answer.len() > ANSWER_BYTES_MAX {
        return None;
    }
    serde_json::from_str(answer).ok()
}

async fn of_user(db: &mut PgConnection, user: i64) -> Result<Vec<Passkey>, ConsoleError> {
    let rows = sqlx::query_scalar("SELECT credential FROM broadcast.passkeys WHERE user_id = $1 ORDER BY id");
    let found: Vec<Json<Passkey>> = rows.bind(user).fetch_all(db).await?;
    Ok(found.into_iter().map(|Json(passkey)| passkey).collect())
}

/// Asks for a new passkey. The authenticators that have one already say so.
pub(crate) async fn ask_new(
    console: &Console,
    db: &mut PgConnection,
    (session, user, email): (i64, i64, &str),
    now: OffsetDateTime,
) -> Result<Option<CreationChallengeResponse>, ConsoleError> {
    let Some(party) = relying_party(console) else { return Ok(None) };
    let known = of_user(db, user).await?.iter().map(|passkey| passkey.cred_id().clone()).collect();
    let asked = party.start_passkey_registration(handle(console, user), email, email, Some(known));
    let (options, state) = asked.map_err(|_| ConsoleError::Cut)?;
    keep(db, Owner::Session(session), &state, now).await?;
    Ok(Some(options))
}

/// What became of an answer with a new passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is a user's, under this number.
    Done(i64),
    /// It answers nothing that was asked.
    Wrong,
    /// Nothing was asked, or not any more.
    Over,
    /// There are as many as there may be.
    TooMany,
}

/// Judges the answer with a new passkey, and keeps it.
pub(crate) async fn add(
    console: &Console,
    db: &mut PgConnection,
    (session, user): (i64, i64),
    (name, answer): (&str, &str),
    now: OffsetDateTime,
) -> Result<Added, ConsoleError> {
    let (Some(party), Some(state)) =
        (relying_party(console), take::<PasskeyRegistration>(db, Owner::Session(session), now).await?)
    else {
        return Ok(Added::Over);
    };
    let made = read::<RegisterPublicKeyCredential>(answer)
        .and_then(|answer| party.finish_passkey_registration(&answer, &state).ok());
    let Some(made) = made else { return Ok(Added::Wrong) };
    // Of two that are added at once, the second counts the first.
    sqlx::query("SELECT FROM broadcast.users WHERE id = $1 FOR UPDATE").bind(user).execute(&mut *db).await?;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM broadcast.passkeys WHERE user_id = $1")
        .bind(user)
        .fetch_one(&mut *db)
        .await?;
    if usize::try_from(count).is_ok_and(|count| count >= PASSKEYS_MAX) {
        return Ok(Added::TooMany);
    }
    // One that is somebody's is nobody else's (WebAuthn, 7.1, 26).
    let id: Option<i64> = sqlx::query_scalar(
        "INSERT INTO broadcast.passkeys (user_id, credential_id, credential, name, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (credential_id) DO NOTHING RETURNING id",
    )
    .bind(user)
    .bind(made.cred_id().as_slice())
    .bind(Json(&made))
    .bind(name)
    .bind(now)
    .fetch_optional(db)
    .await?;
    Ok(id.map_or(Added::Wrong, Added::Done))
}

/// Asks for any passkey of a user who is half logged in.
pub(crate) async fn ask_any(
    console: &Console,
    db: &mut PgConnection,
    (challenge, user): (i64, i64),
    now: OffsetDateTime,
) -> Result<Option<RequestChallengeResponse>, ConsoleError> {
    let (Some(party), known) = (relying_party(console), of_user(db, user).await?) else { return Ok(None) };
    if known.is_empty() {
        return Ok(None);
    }
    let (options, state) = party.start_passkey_authentication(&known).map_err(|_| ConsoleError::Cut)?;
    keep(db, Owner::Challenge(challenge), &state, now).await?;
    Ok(Some(options))
}

/// What a user's answer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It is the passkey.
    Right,
    /// It is not.
    Wrong,
    /// Nothing was asked, or not any more.
    Over,
}

/// Judges the answer of somebody who is half logged in, and writes down what the passkey says of itself.
pub(crate) async fn prove(
    console: &Console,
    db: &mut PgConnection,
    (challenge, user): (i64, i64),
    answer: &str,
    now: OffsetDateTime,
) -> Result<Proof, ConsoleError> {
    let (Some(party), Some(state)) =
        (relying_party(console), take::<PasskeyAuthentication>(db, Owner::Challenge(challenge), now).await?)
    else {
        return Ok(Proof::Over);
    };
    let shown = read::<PublicKeyCredential>(answer)
        .and_then(|answer| party.finish_passkey_authentication(&answer, &state).ok());
    let Some(shown) = shown else { return Ok(Proof::Wrong) };
    // Not as it was when it was asked for: it may be removed, or have counted on in another login.
    let row = sqlx::query(
        "SELECT id, credential, sign_count FROM broadcast.passkeys WHERE user_id = $1 AND credential_id = $2 FOR UPDATE",
    )
    .bind(user)
    .bind(shown.cred_id().as_slice())
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(Proof::Wrong) };
    let count = i64::from(shown.counter());
    if !goes_on(row.get("sign_count"), count) {
        return Ok(Proof::Wrong);
    }
    let Json(mut passkey): Json<Passkey> = row.get("credential");
    passkey.update_credential(&shown);
    sqlx::query(
        "UPDATE broadcast.passkeys SET credential = $2, sign_count = $3, last_used_at = $4 WHERE id = $1",
    )
    .bind(row.get::<i64, _>("id"))
    .bind(Json(&passkey))
    .bind(count)
    .bind(now)
    .execute(db)
    .await?;
    Ok(Proof::Right)
}

/// What a page asks the browser for.
pub(crate) struct Question<'a, T> {
    /// Where the answer goes.
    pub(crate) action: &'a str,
    /// The method of `navigator.credentials`.
    pub(crate) method: &'a str,
    pub(crate) options: &'a T,
    /// What goes along.
    pub(crate) hidden: Markup,
    /// Where the way back leads, and what it is called.
    pub(crate) back: (&'a str, &'a str),
}

impl<T: Serialize> Question<'_, T> {
    /// The form whose answer the script gets from the browser: at once, and again when a person asks for it.
    pub(crate) fn render(&self, reader: &Reader, form_token: &FormToken) -> Result<Markup, ConsoleError> {
        let options = serde_json::to_string(self.options).map_err(|_| ConsoleError::Document)?;
        let (back, name) = self.back;
        Ok(html! {
            form method="post" action=(self.action) data-passkey=(self.method) data-options=(options)
                data-failed=(reader.t("passkey-failed")) data-known=(reader.t("passkey-known")) {
                (form_token)
                (self.hidden)
                input type="hidden" name="answer" value="";
                p { (reader.t("passkey-confirm")) }
                noscript { p { (reader.t("passkey-needs-script")) } }
                div.wrong role="alert" hidden {}
                div.row {
                    button.button.main type="button" disabled hidden { (reader.t("passkey-again")) }
                    a.button href=(back) { (name) }
                }
            }
            script type="module" src=(assets::passkey()) {}
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_printable() {
        let long = "ä".repeat(NAME_CHARS_MAX);
        for (typed, expected) in [
            ("Laptop", Some("Laptop")),
            ("  My YubiKey, at home ", Some("My YubiKey, at home")),
            (long.as_str(), Some(long.as_str())),
            (&"a".repeat(NAME_CHARS_MAX + 1), None),
            ("", None),
            (" \n", None),
            ("a\u{0}b", None),
            ("a\nb", None),
        ] {
            assert_eq!(name(typed), expected, "{typed:?}");
        }
    }

    #[test]
    fn a_count_goes_on_or_is_none() {
        for (stored, shown, expected) in [
            (0, 0, true),
            (0, 1, true),
            (1, 2, true),
            (1, 900, true),
            (i64::from(u32::MAX) - 1, i64::from(u32::MAX), true),
            (1, 1, false),
            (2, 1, false),
            // It counted once: a copy that does not is another one.
            (1, 0, false),
        ] {
            assert_eq!(goes_on(stored, shown), expected, "{stored} {shown}");
        }
    }

    #[test]
    fn answers_have_an_end() {
        let fits = format!("\"{}\"", "a".repeat(ANSWER_BYTES_MAX - 2));
        let cases = [(fits.as_str(), true), (&format!("{fits} "), false), ("", false), ("{", false)];
        for (answer, expected) in cases {
            assert_eq!(read::<String>(answer).is_some(), expected, "{}", answer.len());
        }
    }
}
