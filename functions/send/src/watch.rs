//! Whether this database is the newest, and the journal that tells.
//!
//! Each object of the journal has a number, and the database has counted that number before the object is put. So a bucket that has a higher one
//! than the database has seen a later time: the database is a copy from a backup, and mails wait for a person (`admin`). An object is put each minute,
//! also where it has nothing to say: what a restore loses of the last minute it does not tell from a restart.

use serde_json::Value;

use crate::{Error, Send};

/// Entries of one object. A receipt has some 40 KB at most.
const ENTRIES_MAX: i64 = 1000;
/// Objects of one look. What is more comes with the next.
const OBJECTS_MAX: usize = 100;

/// Compares the database with the bucket, then takes into it what the database has for it.
pub(crate) async fn look(send: &Send) -> Result<(), Error> {
    for _ in 0..OBJECTS_MAX {
        let Some(number) = next_number(send).await? else { return Ok(()) };
        if put(send, number).await? < ENTRIES_MAX {
            return Ok(());
        }
    }
    Ok(())
}

/// Counts one up. `None`: somebody else is about it, or the database is behind.
async fn next_number(send: &Send) -> Result<Option<i64>, Error> {
    let mut tx = send.store.pool().begin().await?;
    // While it is locked no other look counts on.
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT beat FROM broadcast.database FOR UPDATE SKIP LOCKED")
            .fetch_optional(&mut *tx)
            .await?;
    let Some(ours) = newest else { return Ok(None) };
    let theirs = newest_object(send, ours).await?;
    if theirs > ours {
        sqlx::query("SELECT broadcast.note_restored($1)").bind(theirs).execute(&mut *tx).await?;
        tx.commit().await?;
        tracing::error!(
            ours,
            theirs,
            "the database was restored from a backup: mails wait for an operator (`release_mails`)"
        );
        return Ok(None);
    }
    let number = sqlx::query_scalar(
        "UPDATE broadcast.database SET beat = beat + 1, beat_at = now(), compared = broadcast.incarnation() RETURNING beat",
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Some(number))
}

async fn newest_object(send: &Send, after: i64) -> Result<i64, Error> {
    let mut newest = after;
    while let Some(last) = send.journal.after(newest).await?.last() {
        newest = *last;
    }
    Ok(newest)
}

/// Puts the object of this number with what is there for it; says how many entries these were.
async fn put(send: &Send, number: i64) -> Result<i64, Error> {
    let mut tx = send.store.pool().begin().await?;
    let entries: Vec<(i64, Value)> =
        sqlx::query_as("SELECT id, entry FROM broadcast.journal ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED")
            .bind(ENTRIES_MAX)
            .fetch_all(&mut *tx)
            .await?;
    let (ids, lines): (Vec<i64>, Vec<String>) =
        entries.into_iter().map(|(id, entry)| (id, format!("{entry}\n"))).unzip();
    // An object of this number is there only when an attempt before this one was not answered. Its entries come again with the next.
    if send.journal.put(number, lines.concat()).await? {
        sqlx::query("DELETE FROM broadcast.journal WHERE id = ANY ($1)").bind(&ids).execute(&mut *tx).await?;
        tx.commit().await?;
    }
    Ok(i64::try_from(ids.len()).unwrap_or(i64::MAX))
}
