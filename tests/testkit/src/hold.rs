//! Stopping a function where a test wants it: at a lock of the database, or by a signal. Neither needs a sleep.

use std::process::Command;

use localstack::{Stack, processes_of};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{Tenant, wait};

/// A transaction that keeps a lock until it is released.
pub struct Hold {
    connection: PgConnection,
    pid: i32,
}

impl Hold {
    /// Takes the locks of a statement.
    pub async fn new(tenant: &Tenant, statement: impl Into<String>) -> Self {
        let mut connection = tenant.superuser().await;
        sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement.into())).execute(&mut connection).await.unwrap();
        let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await.unwrap();
        Self { connection, pid }
    }

    /// How many wait for these locks with a statement that begins so.
    pub async fn blocked(&mut self, statement: &str) -> usize {
        // A transaction sees the sessions as they were when it first looked.
        sqlx::raw_sql("SELECT pg_stat_clear_snapshot()").execute(&mut self.connection).await.unwrap();
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)) AND starts_with(query, $2)",
        )
        .bind(self.pid)
        .bind(statement)
        .fetch_one(&mut self.connection)
        .await
        .unwrap();
        usize::try_from(count).unwrap()
    }

    /// Waits until somebody does.
    pub async fn until_blocked(&mut self, statement: &str) {
        let what = format!("{statement} to wait for a lock");
        wait::until(&what, async || (self.blocked(statement).await > 0).then_some(())).await;
    }

    /// Lets go.
    pub async fn release(self) {
        self.connection.close().await.unwrap();
    }
}

/// Invokes a function and kills it where it waits for these locks with a statement that begins so. `tenant` is any of the function's own stack,
/// which is no other test's. Returns when the database has forgotten the dead as well: whoever comes next meets no lock of theirs.
pub async fn killed(
    tenant: &Tenant,
    (function, event): (&str, &Value),
    lock: impl Into<String>,
    statement: &str,
) {
    let stack = &tenant.stack;
    let (lock, event) = (lock.into(), event.to_string());
    let mut hold = Hold::new(tenant, lock.clone()).await;
    let (answer, ()) = tokio::join!(Box::pin(localstack::invoke(stack, function, &event)), async {
        hold.until_blocked(statement).await;
        signal("KILL", &processes_of(&stack.deployment.functions[function]));
        hold.release().await;
    });
    assert!(!answer.is_ok_and(|answer| !answer.failed), "{lock}: {function} was not killed");
    forgotten(stack).await;
}

/// Waits until no session of the stack's database works, or holds what it had done.
async fn forgotten(stack: &Stack) {
    let mut database = PgConnection::connect(&stack.superuser_database_url).await.unwrap();
    wait::until("the sessions of the dead to end", async || {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND state <> 'idle'
             AND pid <> pg_backend_pid()",
        )
        .fetch_one(&mut database)
        .await
        .unwrap();
        (count == 0).then_some(())
    })
    .await;
}

/// Locks that an import meets on its way, in the order in which it meets them.
pub mod lock {
    use crate::Tenant;

    /// What the import does when it finds the campaign, and what waits for it.
    pub fn finding_campaign(campaign: i64) -> (String, &'static str) {
        let lock = format!("SELECT FROM broadcast.campaigns WHERE id = {campaign} FOR UPDATE");
        (lock, "UPDATE broadcast.imports SET campaign_id")
    }

    /// The table is filled and committed, and not published.
    pub fn publishing(campaign: i64) -> (String, &'static str) {
        let lock = format!("SELECT FROM broadcast.campaigns WHERE id = {campaign} FOR NO KEY UPDATE");
        (lock, "SELECT state = 'open' FROM broadcast.campaigns")
    }

    /// A file of this name comes into the index, where it is not yet.
    pub fn indexing(tenant: &Tenant, folder: &str, name: &str) -> (String, &'static str) {
        let lock = format!(
            "INSERT INTO broadcast.files (tenant_id, folder, name, etag, size, arrived_at)
             VALUES ({}, '{folder}', '{name}', '', 0, now())",
            tenant.id
        );
        (lock, "INSERT INTO broadcast.files AS f")
    }

    /// A file that left Incoming goes out of the index.
    pub fn forgetting(tenant: &Tenant, name: &str) -> (String, &'static str) {
        let lock = format!(
            "SELECT FROM broadcast.files WHERE tenant_id = {} AND folder = 'Incoming' AND name = '{name}' FOR UPDATE",
            tenant.id
        );
        (lock, "DELETE FROM broadcast.files")
    }
}

/// Sends processes a signal: `KILL`, `STOP`, `CONT`.
pub fn signal(name: &str, processes: &[u32]) {
    let pids: Vec<String> = processes.iter().map(ToString::to_string).collect();
    // The shell's own: a bare system has no program of this name.
    let script = format!("kill -{name} \"$@\"");
    let status = Command::new("sh").args(["-c", &script, "kill"]).args(&pids).status().unwrap();
    assert!(status.success(), "kill -{name} {pids:?}");
}
