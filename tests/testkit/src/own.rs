//! A deployment of a test's own beside the main one, whose schedules look at every launch of the main database: here functions may be stopped and
//! killed, the relay is another one, and schedules fire when the test fires them.

use std::process::Command;

use localstack::{Deploy, Stack};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::NamedTempFile;

use crate::{tenant::admin, unique};

/// Queues, functions, keys, buckets and a database of its own; the servers and their roles are the main deployment's. `admin` and `api` come with
/// the named functions. Links of mails lead to the main deployment, because the one to `collect` is known when the others are made.
pub async fn deploy(main: &Stack, name: &str, functions: &[&str]) -> Stack {
    deploy_with(main, name, functions, &[]).await
}

/// The same with variables of their own.
pub async fn deploy_with(
    main: &Stack,
    name: &str,
    functions: &[&str],
    variables: &[(&str, String)],
) -> Stack {
    let prefix = unique(name);
    let database = database_of(&prefix);
    create(main, &database).await;
    let mut stack = Stack {
        database_url: at_database(&main.database_url, &database),
        admin_database_url: at_database(&main.admin_database_url, &database),
        superuser_database_url: at_database(&main.superuser_database_url, &database),
        ..main.clone()
    };
    let environment = [("DATABASE_URL", stack.database_url.clone())].into_iter().chain(variables.to_vec());
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).collect();
    let only = ["admin", "api"].iter().chain(functions).map(|name| (*name).to_owned()).collect();
    let deploy = Deploy { environment, only, schedules: false };
    stack.deployment = localstack::deploy(&stack, &prefix, &deploy).unwrap();
    let url =
        |function: &str| stack.deployment.urls.get(function).map(|url| url.trim_end_matches('/').to_owned());
    (stack.api_url, stack.collect_url) = (url("api").unwrap(), url("collect").unwrap_or_default());
    stack.console_url = url("console").unwrap_or_default();
    admin(&stack, json!({"command": "migrate"})).await;
    // A tenant's role belongs to the server: no two of its databases have a tenant of the same number.
    let numbers = "SELECT setval(pg_get_serial_sequence('broadcast.tenants', 'id'), oid::bigint * 1000000)
                   FROM pg_database WHERE datname = current_database()";
    execute(&stack.superuser_database_url, numbers).await;
    stack
}

/// Takes a deployment away, with all that it has.
pub async fn undeploy(stack: &Stack) {
    localstack::undeploy(stack, &stack.deployment.prefix).unwrap();
    let main = Stack::from_env().unwrap();
    let drop = format!("DROP DATABASE {} WITH (FORCE)", database_of(&stack.deployment.prefix));
    execute(&main.superuser_database_url, &drop).await;
}

/// An empty database with the rights of ours.
async fn create(main: &Stack, database: &str) {
    execute(&main.superuser_database_url, &format!("CREATE DATABASE {database} OWNER broadcast_owner")).await;
    let rights = format!(
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC; GRANT CONNECT ON DATABASE {database} TO broadcast_app"
    );
    execute(&main.superuser_database_url, &rights).await;
}

/// A dump of a deployment's database, as an operator makes one.
pub struct Backup(NamedTempFile);

/// Makes one.
pub fn back_up(stack: &Stack) -> Backup {
    let file = NamedTempFile::new().unwrap();
    let mut dump = Command::new("pg_dump");
    dump.arg("--format=custom").arg("--file").arg(file.path()).arg(&stack.superuser_database_url);
    assert!(dump.status().unwrap().success(), "pg_dump");
    Backup(file)
}

/// Puts the database back to what it was then.
pub async fn restore(stack: &Stack, backup: &Backup) {
    let (main, database) = (Stack::from_env().unwrap(), database_of(&stack.deployment.prefix));
    execute(&main.superuser_database_url, &format!("DROP DATABASE {database} WITH (FORCE)")).await;
    create(&main, &database).await;
    let mut restore = Command::new("pg_restore");
    restore.arg("--exit-on-error").arg("--dbname").arg(&stack.superuser_database_url).arg(backup.0.path());
    assert!(restore.status().unwrap().success(), "pg_restore");
}

fn database_of(prefix: &str) -> String {
    prefix.replace('-', "_")
}

/// The URL of another database of the same server.
pub fn at_database(url: &str, name: &str) -> String {
    let (path, options) = url.find('?').map_or((url, ""), |at| url.split_at(at));
    let (server, _) = path.rsplit_once('/').unwrap();
    format!("{server}/{name}{options}")
}

async fn execute(url: &str, statements: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
