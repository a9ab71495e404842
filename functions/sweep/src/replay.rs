//! A database that was restored from a backup, as far as it concerns all tenants: what the journal has beyond it is done again, before anything
//! is deleted. A hold counts before a lifetime does.

use runtime::Tick;
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::{Error, Sweep};

/// Another object is not begun with less time left than this; the next tick goes on.
const BEGIN_MIN: Duration = Duration::seconds(8);

/// What is to be replayed, from the first to the last.
struct Due {
    from: i64,
    to: i64,
}

/// Replays what is due; `false` when the next tick has to go on. A database that was not restored has nothing due.
pub async fn go_on(sweep: &Sweep, tick: Tick) -> Result<bool, Error> {
    let Some(due) = due(sweep).await? else { return Ok(true) };
    let mut last = due.from - 1;
    loop {
        let page: Vec<i64> =
            sweep.journal.after(last).await?.into_iter().filter(|number| *number <= due.to).collect();
        if page.is_empty() {
            break;
        }
        for number in page {
            if OffsetDateTime::now_utc() > tick.deadline - BEGIN_MIN {
                return Ok(false);
            }
            replay(sweep, number).await?;
            last = number;
        }
    }
    sqlx::query("UPDATE broadcast.database SET replayed_at = now() WHERE restored_at IS NOT NULL")
        .execute(sweep.store.pool())
        .await?;
    tracing::warn!(objects = last + 1 - due.from, "the journal was replayed");
    Ok(true)
}

async fn due(sweep: &Sweep) -> Result<Option<Due>, Error> {
    let due: Option<(i64, i64)> = sqlx::query_as(
        "SELECT replay_from, replay_to FROM broadcast.database
         WHERE restored_at IS NOT NULL AND replayed_at IS NULL AND compared = broadcast.incarnation()",
    )
    .fetch_optional(sweep.store.pool())
    .await?;
    Ok(due.map(|(from, to)| Due { from, to }))
}

/// One object's entries, all or none, and that they were.
async fn replay(sweep: &Sweep, number: i64) -> Result<(), Error> {
    let bytes = sweep.journal.read(number).await?;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let entries: Vec<Value> =
        lines.map(serde_json::from_slice).collect::<Result<_, _>>().map_err(|_| Error::Journal(number))?;
    let mut tx = sweep.store.pool().begin().await?;
    sqlx::query("SELECT broadcast.replay($1)").bind(Value::Array(entries)).execute(&mut *tx).await?;
    sqlx::query("UPDATE broadcast.database SET replay_from = $1").bind(number + 1).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}
