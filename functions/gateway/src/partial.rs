//! Uploads that are not complete: rows of `broadcast.uploads`, which outlive the session that writes them.
//!
//! A row says how much of an upload is kept: whole parts of a multipart upload, and after them a tail that stands sealed in the spool. It is
//! made at the first part, or when a session breaks off. Whoever opens the name next takes the row over as its `holder`; every change of
//! the row names the holder that it was made for, so that an earlier one changes nothing any more.

mod content;
mod moment;
mod writers;

use access::MasterKey;
use contract::UploadId;
use exchange::{Left, TenantFiles};
use sqlx::{FromRow, types::Uuid};
use store::{Store, TenantTx};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::Error;

pub use moment::Moment;
use moment::{Quiet, Rows};
pub use writers::Writer;
use writers::Writers;

/// Rows of one tenant. A customer has a few; this is against a client that begins and never ends. Above it, uploads work and cannot be
/// resumed.
const UPLOADS_UNFINISHED_MAX: i64 = 1000;

/// The unfinished uploads of all tenants, and who writes them in this process.
pub struct Partials {
    store: Store,
    master: MasterKey,
    writers: Writers,
    rows: Rows,
}

impl Partials {
    pub fn new(store: Store, master: MasterKey) -> Self {
        Self { store, master, writers: Writers::default(), rows: Rows::default() }
    }

    /// Those of one tenant.
    pub fn of(&self, files: TenantFiles) -> TenantPartials {
        let (store, master, writers) = (self.store.clone(), self.master.clone(), self.writers.clone());
        TenantPartials { store, master, writers, rows: self.rows.clone(), quiet: Quiet::default(), files }
    }
}

/// The unfinished uploads of one tenant. Names are below Incoming.
#[derive(Clone)]
pub struct TenantPartials {
    store: Store,
    master: MasterKey,
    writers: Writers,
    rows: Rows,
    quiet: Quiet,
    files: TenantFiles,
}

/// An unfinished upload as its row describes it.
#[derive(Clone)]
pub struct Partial {
    pub id: UploadId,
    /// As the client sees it.
    pub name: String,
    /// Under which the multipart upload was begun.
    pub begun_as: String,
    pub upload_id: Option<String>,
    /// Bytes that are kept, the tail included.
    pub size: u64,
    pub tail_bytes: u64,
    pub started_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    holder: Option<Uuid>,
}

impl Partial {
    /// The right to change the row, of one that was [claimed](TenantPartials::claim).
    pub fn hold(&self) -> Option<Hold> {
        self.holder.map(|holder| Hold { id: self.id, holder })
    }

    /// The same upload as it was when it had fewer bytes: more came after the client had asked for its size. `false`: it had not.
    pub fn go_back(&mut self, size: u64) -> bool {
        let less = size < self.size;
        if less {
            self.tail_bytes = size.saturating_sub(self.size - self.tail_bytes);
            self.size = size;
        }
        less
    }

    /// As S3 knows it.
    pub fn left(&self) -> Left<'_> {
        let Self { name, begun_as, upload_id, started_at, .. } = self;
        Left { name, begun_as, upload_id: upload_id.as_deref(), begun_at: *started_at }
    }

    /// Under which an upload that goes on from here becomes an object.
    pub fn key_name(&self) -> &str {
        if self.upload_id.is_some() { &self.begun_as } else { &self.name }
    }
}

#[derive(FromRow)]
struct Row {
    id: i64,
    name: String,
    begun_as: String,
    upload_id: Option<String>,
    size: i64,
    tail_bytes: i64,
    holder: Option<Uuid>,
    started_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl From<Row> for Partial {
    fn from(row: Row) -> Self {
        Self {
            id: UploadId(row.id),
            name: row.name,
            begun_as: row.begun_as,
            upload_id: row.upload_id,
            size: row.size.unsigned_abs(),
            tail_bytes: row.tail_bytes.unsigned_abs(),
            started_at: row.started_at,
            updated_at: row.updated_at,
            holder: row.holder,
        }
    }
}

/// The right to change a row, until the next opener takes it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    pub id: UploadId,
    holder: Uuid,
}

/// What a row is to say of an upload.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    pub begun_as: &'a str,
    pub upload_id: Option<&'a str>,
    pub size: u64,
    pub tail_bytes: u64,
}

/// What came of making a row.
pub enum Begun {
    Held(Hold),
    /// The tenant has too many.
    Full,
    /// A handle that was opened later has made one.
    Taken,
}

impl TenantPartials {
    /// Says that this process now writes the name.
    pub fn writer(&self, name: &str) -> Writer {
        self.writers.enter(self.files.tenant(), name)
    }

    pub fn files(&self) -> &TenantFiles {
        &self.files
    }

    /// Now, and how much this process has changed so far.
    pub fn now(&self) -> Moment {
        Moment::now(self.files.changes(), &self.rows)
    }

    async fn tx(&self) -> Result<TenantTx, Error> {
        Ok(self.store.tenant(self.files.tenant()).await?)
    }

    /// The unfinished upload of a name. One that is just being put aside is waited for: whoever asks wants to go on with it.
    pub async fn find(&self, name: &str) -> Result<Option<Partial>, Error> {
        self.writers.settled(self.files.tenant(), name).await;
        if self.quiet.holds(Instant::now(), self.rows.changes()) {
            return Ok(None);
        }
        self.look(name).await
    }

    async fn look(&self, name: &str) -> Result<Option<Partial>, Error> {
        let (begun, changes) = (Instant::now(), self.rows.changes());
        let mut tx = self.tx().await?;
        // The second half tells whether there are any.
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, name, begun_as, upload_id, size, tail_bytes, holder, started_at, updated_at
             FROM broadcast.uploads WHERE tenant_id = $1 AND name = $2
             UNION ALL
             (SELECT id, name, begun_as, upload_id, size, tail_bytes, holder, started_at, updated_at
              FROM broadcast.uploads WHERE tenant_id = $1 LIMIT 1)",
        )
        .bind(self.files.tenant().0)
        .bind(name)
        .fetch_all(&mut *tx)
        .await?;
        if rows.is_empty() {
            self.quiet.found_none(begun, changes);
        }
        Ok(rows.into_iter().find(|row| row.name == name).map(Partial::from))
    }

    /// Those whose name begins so, all of them: name, bytes, time of the last change.
    pub async fn below(&self, prefix: &str) -> Result<Vec<(String, u64, OffsetDateTime)>, Error> {
        let mut tx = self.tx().await?;
        let rows: Vec<(String, i64, OffsetDateTime)> = sqlx::query_as(
            "SELECT name, size, updated_at FROM broadcast.uploads WHERE tenant_id = $1 AND starts_with(name, $2)",
        )
        .bind(self.files.tenant().0)
        .bind(prefix)
        .fetch_all(&mut *tx)
        .await?;
        Ok(rows.into_iter().map(|(name, size, time)| (name, size.unsigned_abs(), time)).collect())
    }

    /// Takes over the unfinished upload of a name: whoever held it is refused from now on.
    pub async fn claim(&self, name: &str) -> Result<Option<Partial>, Error> {
        let mut tx = self.tx().await?;
        let row: Option<Row> = sqlx::query_as(
            "UPDATE broadcast.uploads SET holder = gen_random_uuid() WHERE tenant_id = $1 AND name = $2
             RETURNING id, name, begun_as, upload_id, size, tail_bytes, holder, started_at, updated_at",
        )
        .bind(self.files.tenant().0)
        .bind(name)
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(row.map(Partial::from))
    }

    /// Makes a row for an upload that was opened at `opened_at`. One that an earlier opener of the name has made since goes.
    pub async fn begin(&self, name: &str, opened_at: OffsetDateTime, kept: Kept<'_>) -> Result<Begun, Error> {
        if let Some(hold) = self.insert(name, opened_at, kept).await? {
            return Ok(Begun::Held(hold));
        }
        match self.look(name).await? {
            None => return Ok(Begun::Full),
            Some(other) if other.started_at >= opened_at => return Ok(Begun::Taken),
            Some(_) => self.discard(name).await?,
        };
        Ok(self.insert(name, opened_at, kept).await?.map_or(Begun::Taken, Begun::Held))
    }

    async fn insert(
        &self,
        name: &str,
        opened_at: OffsetDateTime,
        kept: Kept<'_>,
    ) -> Result<Option<Hold>, Error> {
        self.rows.change();
        let mut tx = self.tx().await?;
        let row: Option<(i64, Uuid)> = sqlx::query_as(
            "INSERT INTO broadcast.uploads
                (tenant_id, name, begun_as, upload_id, size, tail_bytes, holder, started_at)
             SELECT $1, $2, $3, $4, $5, $6, gen_random_uuid(), $7
             WHERE (SELECT count(*) FROM broadcast.uploads WHERE tenant_id = $1) < $8
             ON CONFLICT (tenant_id, name) DO NOTHING
             RETURNING id, holder",
        )
        .bind(self.files.tenant().0)
        .bind(name)
        .bind(kept.begun_as)
        .bind(kept.upload_id)
        .bind(kept.size.cast_signed())
        .bind(kept.tail_bytes.cast_signed())
        .bind(opened_at)
        .bind(UPLOADS_UNFINISHED_MAX)
        .fetch_optional(&mut *tx)
        .await?;
        let committed = tx.commit().await;
        self.rows.change();
        committed?;
        Ok(row.map(|(id, holder)| Hold { id: UploadId(id), holder }))
    }

    /// Changes a row; `parked`: nobody writes it from now on. `false`: it was taken over or removed.
    pub async fn record(&self, hold: Hold, kept: Kept<'_>, parked: bool) -> Result<bool, Error> {
        let mut tx = self.tx().await?;
        let changed = sqlx::query(
            "UPDATE broadcast.uploads
             SET begun_as = $4, upload_id = $5, size = $6, tail_bytes = $7, updated_at = now(),
                 holder = CASE WHEN $8 THEN NULL ELSE holder END
             WHERE tenant_id = $1 AND id = $2 AND holder = $3",
        )
        .bind(self.files.tenant().0)
        .bind(hold.id.0)
        .bind(hold.holder)
        .bind(kept.begun_as)
        .bind(kept.upload_id)
        .bind(kept.size.cast_signed())
        .bind(kept.tail_bytes.cast_signed())
        .bind(parked)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(changed.rows_affected() > 0)
    }

    /// The name that an upload has by now, or `None` when it was taken over or removed. Whoever asks is about to end it: sweep leaves its
    /// row alone for some time.
    pub async fn name_of(&self, hold: Hold) -> Result<Option<String>, Error> {
        let mut tx = self.tx().await?;
        let name = sqlx::query_scalar(
            "UPDATE broadcast.uploads SET updated_at = now() WHERE tenant_id = $1 AND id = $2 AND holder = $3 RETURNING name",
        )
        .bind(self.files.tenant().0)
        .bind(hold.id.0)
        .bind(hold.holder)
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(name)
    }

    /// Gives an unfinished upload another name, which no other one has. `false`: there is none with the first.
    pub async fn rename(&self, from: &str, to: &str) -> Result<bool, Error> {
        self.rows.change();
        let mut tx = self.tx().await?;
        let changed = sqlx::query(
            "UPDATE broadcast.uploads SET name = $3, updated_at = now() WHERE tenant_id = $1 AND name = $2",
        )
        .bind(self.files.tenant().0)
        .bind(from)
        .bind(to)
        .execute(&mut *tx)
        .await?;
        let committed = tx.commit().await;
        self.rows.change();
        committed?;
        Ok(changed.rows_affected() > 0)
    }

    async fn delete_row(&self, id: UploadId) -> Result<(), Error> {
        let mut tx = self.tx().await?;
        sqlx::query("DELETE FROM broadcast.uploads WHERE tenant_id = $1 AND id = $2")
            .bind(self.files.tenant().0)
            .bind(id.0)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }
}
