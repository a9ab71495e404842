//! Secrets of authenticator apps, as users' rows have them.

use access::{Purpose, Totp};
use sqlx::PgConnection;

use crate::{Console, ConsoleError};

/// What a sealed one begins with.
const TOTP_HEADER: &[u8; access::HEADER_BYTES] = b"TOTP\x01";

fn name(user: i64) -> String {
    format!("user/{user}/totp")
}

/// Seals one for its user.
pub(crate) fn seal(console: &Console, user: i64, totp: &Totp) -> Result<Vec<u8>, ConsoleError> {
    let key = console.master.derive(access::NO_TENANT, Purpose::Users, 0);
    Ok(access::seal(TOTP_HEADER, &key, 0, &name(user), totp.bytes().to_vec())?)
}

/// Opens a user's.
pub(crate) fn open(console: &Console, user: i64, mut sealed: Vec<u8>) -> Result<Totp, ConsoleError> {
    let key = |id| console.master.derive(access::NO_TENANT, Purpose::Users, id);
    let bytes = access::open(TOTP_HEADER, &mut sealed, &name(user), key)?;
    Totp::from_bytes(bytes).ok_or(ConsoleError::Sealing(access::SealingError::Malformed))
}

/// Uses a step up; false when it, or a later one, was used already.
pub(crate) async fn use_step(db: &mut PgConnection, user: i64, step: i64) -> Result<bool, ConsoleError> {
    let updated = sqlx::query(
        "UPDATE broadcast.users SET totp_step = $2 WHERE id = $1 AND totp_sealed IS NOT NULL AND (totp_step IS NULL OR totp_step < $2)",
    )
    .bind(user)
    .bind(step)
    .execute(db)
    .await?;
    Ok(updated.rows_affected() == 1)
}
