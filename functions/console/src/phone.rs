//! Phones of users, and the codes that go to them.

use access::{Phone, Purpose, code::Code, code::Expected};
use contract::TenantId;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError,
    limits::{Limit, TEXTS_OF_ADDRESS, TEXTS_OF_PHONE, TEXTS_OF_USER, TooMany},
    person::Reader,
    visitor::Visitor,
};

/// What a sealed number begins with.
const PHONE_HEADER: &[u8; access::HEADER_BYTES] = b"PHON\x01";
/// Texts of all operators in a day: there are a handful.
const OPERATOR_TEXTS_PER_DAY: i32 = 100;

/// Seals a number for its user.
pub(crate) fn seal(console: &Console, user: i64, phone: &Phone) -> Result<Vec<u8>, ConsoleError> {
    let key = console.master.derive(access::NO_TENANT, Purpose::Users, 0);
    Ok(access::seal(PHONE_HEADER, &key, 0, &name(user), phone.e164().as_bytes().to_vec())?)
}

/// Opens a user's number, in E.164.
fn open(console: &Console, user: i64, mut sealed: Vec<u8>) -> Result<String, ConsoleError> {
    let key = |id| console.master.derive(access::NO_TENANT, Purpose::Users, id);
    let e164 = access::open(PHONE_HEADER, &mut sealed, &name(user), key)?;
    Ok(String::from_utf8_lossy(e164).into_owned())
}

fn name(user: i64) -> String {
    format!("user/{user}/phone")
}

/// A code that is to be sent.
pub(crate) struct Text<'a> {
    pub(crate) challenge: i64,
    pub(crate) user: i64,
    pub(crate) tenant: Option<TenantId>,
    /// Over all codes of the challenge.
    pub(crate) wrong: i32,
    pub(crate) phone_sealed: Vec<u8>,
    pub(crate) reader: &'a Reader,
    pub(crate) visitor: &'a Visitor,
}

/// Sends a new code, which voids the one before it. Its hash is committed before the text goes.
pub(crate) async fn send(
    console: &Console,
    text: &Text<'_>,
    now: OffsetDateTime,
) -> Result<(), ConsoleError> {
    let phone = open(console, text.user, text.phone_sealed.clone())?;
    let limits: [(Limit, &[u8]); 3] = [
        (TEXTS_OF_USER, &text.user.to_be_bytes()),
        (TEXTS_OF_PHONE, phone.as_bytes()),
        (TEXTS_OF_ADDRESS, &text.visitor.address_key()),
    ];
    for (limit, whose) in limits {
        limit.spend(console, whose, now).await?;
    }
    if !spend_of_day(console, text.tenant, now).await? {
        return Err(TooMany { words: "text-day", until: next_day(now) }.into());
    }
    let code = Code::generate()?;
    let expected = Expected::new(code.hash(&console.master, text.challenge), text.wrong, now);
    sqlx::query(
        "UPDATE broadcast.challenges SET code_hash = $2, code_ends_at = $3 WHERE id = $1 AND used_at IS NULL",
    )
    .bind(text.challenge)
    .bind(&expected.hash)
    .bind(expected.ends_at)
    .execute(console.store.pool())
    .await?;
    console.clients.send_text(&phone, &words(console, text.reader, &code)).await?;
    Ok(())
}

/// The last line binds the code to our address: phones fill it in there alone (W3C, origin-bound one-time codes).
fn words(console: &Console, reader: &Reader, code: &Code) -> String {
    let host = console.url.split_once("://").map_or(console.url.as_str(), |(_, host)| host);
    let host = host.split(':').next().unwrap_or(host);
    let said = reader.t_with("code-text", &[("code", code.digits().into())]);
    format!("{said}\n\n@{host} #{}", code.digits())
}

/// One text of the tenant's day, if it has one left.
async fn spend_of_day(
    console: &Console,
    tenant: Option<TenantId>,
    now: OffsetDateTime,
) -> Result<bool, ConsoleError> {
    let spent: Option<i32> = sqlx::query_scalar(
        "WITH cap AS (SELECT coalesce((SELECT texts_per_day FROM broadcast.tenants WHERE id = $1), $3) AS most)
         INSERT INTO broadcast.texts AS t (tenant_id, day, count) SELECT $1, $2, 1 FROM cap WHERE most > 0
         ON CONFLICT (tenant_id, day) DO UPDATE SET count = t.count + 1 WHERE t.count < (SELECT most FROM cap)
         RETURNING count",
    )
    .bind(tenant.map(|tenant| tenant.0))
    .bind(now.date())
    .bind(OPERATOR_TEXTS_PER_DAY)
    .fetch_optional(console.store.pool())
    .await?;
    Ok(spent.is_some())
}

fn next_day(now: OffsetDateTime) -> OffsetDateTime {
    now.date().next_day().map_or(now, |day| day.midnight().assume_utc())
}
