//! A `PostgreSQL` server of the instance's own, or databases on the one that `DATABASE_URL` names.

use std::fmt::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, IoContext, Result};
use crate::paths;
use crate::process::{self, Process};

/// The login role that owns the database: what the function admin uses.
const OWNER: &str = "broadcast_owner";
/// The login role of every other function.
const APP: &str = "broadcast_app";
/// Starting takes under a second; a machine under load gets more.
const START: Duration = Duration::from_mins(2);
/// A fast shutdown writes a checkpoint.
pub const STOP: Duration = Duration::from_secs(15);

/// Where a server is and who may do everything on it.
pub struct Server {
    host: String,
    user: String,
    password: String,
    /// What follows the database in the URL, with its question mark.
    options: String,
    /// The database that exists already.
    database: String,
}

/// The URLs of one instance's database.
pub struct Urls {
    /// As `broadcast_app`.
    pub app: String,
    /// As `broadcast_owner`.
    pub owner: String,
    /// As the superuser.
    pub superuser: String,
}

impl Server {
    /// A server that someone else runs, from `postgres://user:password@host:port/database?options`.
    pub fn from_url(url: &str) -> Result<Self> {
        let parse = || {
            let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"))?;
            let (rest, options) =
                rest.split_once('?').map_or((rest, String::new()), |(r, o)| (r, format!("?{o}")));
            let (authority, database) = rest.split_once('/').unwrap_or((rest, "postgres"));
            let (login, host) = authority.rsplit_once('@')?;
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            Some(Self {
                host: host.to_owned(),
                user: user.to_owned(),
                password: password.to_owned(),
                options,
                database: if database.is_empty() { "postgres" } else { database }.to_owned(),
            })
        };
        parse().ok_or_else(|| {
            Error::failed(
                "DATABASE_URL is not postgres://user:password@host:port/database",
                "Name a superuser, or a role that may create roles and databases.",
            )
        })
    }

    fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@{}/{database}{}", self.host, self.options)
    }

    /// Asks the URL's own database; the first column of each row is a line.
    pub async fn query(&self, what: &str, query: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.sql(what, &self.database, query).await?).into_owned())
    }

    async fn sql(&self, what: &str, database: &str, statements: &str) -> Result<Vec<u8>> {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
        psql.arg(self.url(&self.user, "", database));
        // The password goes by the environment: a command line is everybody's to read.
        psql.env("PGPASSWORD", &self.password);
        process::run(what, psql, statements).await
    }

    /// Makes the login roles and an empty `database` that `broadcast_owner` owns; an older one of this name goes.
    pub async fn prepare(&self, database: &str) -> Result<Urls> {
        let (owner_password, app_password) = (secret()?, secret()?);
        let mut roles = String::new();
        for (role, password, rights) in
            [(OWNER, &owner_password, "INHERIT CREATEROLE CREATEDB"), (APP, &app_password, "NOINHERIT")]
        {
            let _ = write!(
                roles,
                "SELECT 'CREATE ROLE {role}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}')\\gexec\n\
                 ALTER ROLE {role} LOGIN {rights} PASSWORD '{password}';\n"
            );
        }
        // Dropping and creating a database cannot share a transaction with anything: psql sends them one by one.
        let _ = write!(
            roles,
            "DROP DATABASE IF EXISTS {database} WITH (FORCE);\n\
             CREATE DATABASE {database} OWNER {OWNER};\n\
             REVOKE ALL ON DATABASE {database} FROM PUBLIC;\n\
             GRANT CONNECT ON DATABASE {database} TO {APP};\n"
        );
        self.sql("make the roles and the database", &self.database, &roles).await?;
        Ok(Urls {
            app: self.url(APP, &app_password, database),
            owner: self.url(OWNER, &owner_password, database),
            superuser: self.url(&self.user, &self.password, database),
        })
    }
}

/// Starts a new server on `port` with its files in `<state>/pg`; it does not answer yet.
pub async fn start(state: &Path, port: u16, log: &Path) -> Result<(Process, Server)> {
    let (bin, dir, password) = (binaries()?, state.join("pg"), secret()?);
    std::fs::create_dir(&dir).or_cannot(|| format!("make {}", dir.display()))?;
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))
        .or_cannot(|| format!("close {}", dir.display()))?;
    let password_file = dir.join("password");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&password_file)
        .or_cannot(|| format!("write {}", password_file.display()))?;
    std::io::Write::write_all(&mut file, password.as_bytes())
        .or_cannot(|| "write the password".to_owned())?;
    if paths::uid() == 0 {
        // initdb and the server refuse root.
        let mut chown = Command::new("chown");
        chown.args(["-R", "postgres:"]).arg(&dir);
        process::run("give the database's folder to postgres", chown, "").await?;
    }
    let data = dir.join("data");
    let mut initdb = as_postgres(&bin.join("initdb"));
    initdb
        .args(["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres"])
        .args(["--auth=scram-sha-256", "--no-instructions"])
        .arg(format!("--pwfile={}", password_file.display()))
        .arg(format!("--pgdata={}", data.display()));
    process::run("initialise a PostgreSQL server", initdb, "").await?;

    let mut server = as_postgres(&bin.join("postgres"));
    server.arg("-D").arg(&data);
    for setting in SETTINGS {
        server.arg("-c").arg(setting);
    }
    server.arg("-c").arg(format!("port={port}"));
    let process = process::spawn(server, port, log, false)?;
    let server = Server {
        host: format!("127.0.0.1:{port}"),
        user: "postgres".to_owned(),
        password,
        options: String::new(),
        database: "postgres".to_owned(),
    };
    Ok((process, server))
}

/// Durable as a real one (fsync is on). Errors are logged without the rows and values that they met.
const SETTINGS: [&str; 12] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=400",
    "shared_buffers=256MB",
    "max_wal_size=4GB",
    // Thousands of campaign schemas in one dump or drop.
    "max_locks_per_transaction=256",
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
    "log_parameter_max_length=0",
    "log_parameter_max_length_on_error=0",
    "log_checkpoints=off",
    "log_line_prefix=%m [%p] %u ",
];

/// Waits until the server takes statements.
pub async fn until_ready(server: &Server, process: &Process) -> Result<()> {
    process::until_listening("PostgreSQL", process, START).await?;
    let deadline = std::time::Instant::now() + START;
    loop {
        match server.sql("reach the new server", &server.database, "SELECT 1").await {
            Ok(_) => return Ok(()),
            Err(_) if !process.alive() => {
                return Err(Error::with_log("PostgreSQL ended at its start", &process.log));
            }
            Err(error) if std::time::Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// The newest server's programs, as Debian installs them, or those that `pg_config` names.
pub fn binaries() -> Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let bin = entry.path().join("bin");
            Some((entry.file_name().to_str()?.parse().ok()?, bin))
                .filter(|(_, bin)| bin.join("initdb").exists())
        })
        .collect();
    versions.sort();
    if let Some((_, bin)) = versions.pop() {
        return Ok(bin);
    }
    let output = Command::new("pg_config").arg("--bindir").output();
    output
        .ok()
        .map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
        .filter(|bin| bin.join("initdb").exists())
        .ok_or_else(|| Error::failed("no PostgreSQL server is installed", "Install the package postgresql."))
}

/// setpriv becomes the program, so that the pid is the server's own (runuser stays as its parent).
fn as_postgres(program: &Path) -> Command {
    if paths::uid() != 0 {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
    command.current_dir("/");
    command
}

/// 128 random bits in hexadecimal: needs no quoting in SQL or in a URL.
fn secret() -> Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes))
        .or_cannot(|| "read /dev/urandom".to_owned())?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_put_together() {
        let server = Server::from_url("postgresql://me:s3@db.example:5433/main?sslmode=require").unwrap();
        assert_eq!(server.database, "main");
        assert_eq!(server.url("a", "b", "c"), "postgres://a:b@db.example:5433/c?sslmode=require");
        assert_eq!(Server::from_url("postgres://me@h").unwrap().database, "postgres");
        assert!(Server::from_url("mysql://me@h").is_err());
    }

    #[test]
    fn a_secret_is_32_hexadecimal_digits() {
        let text = secret().unwrap();
        assert!(text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
