//! One instance of the stack: up, down, and what is running.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, IoContext, Result};
use crate::process::{self, Parts, Process};
use crate::progress::Step;
use crate::stack::{Deployment, Stack};
use crate::start::{Ports, Starting, migrate};
use crate::{aws, paths, postfix, postgres};

/// How often the data's removal is tried again.
const REMOVALS: usize = 4;

/// How each part is asked to end, in this order: who uses another part ends before it.
const ENDING: [(&str, &str, Duration); 7] = [
    ("gateway", "TERM", Duration::from_secs(5)),
    ("proxy", "TERM", Duration::from_secs(2)),
    ("localstack", "TERM", aws::STOP),
    ("postfix", "TERM", postfix::STOP),
    ("postfix-log", "TERM", Duration::from_secs(2)),
    ("sink", "TERM", Duration::from_secs(2)),
    ("postgres", "INT", postgres::STOP),
];

/// An instance by name, whether or not it runs.
pub struct Instance {
    name: String,
    state: PathBuf,
}

/// What shall not run.
#[derive(Debug, Clone, Default)]
pub struct Without {
    /// The gateway: to run it by hand, or while it is being built.
    pub gateway: bool,
    /// The migrations, with which the database stays empty.
    pub migrations: bool,
    /// All but the database: what a benchmark of the import needs.
    pub all_but_database: bool,
}

/// A file that one driver at a time holds; it is let go when it is closed.
struct Lock(#[expect(dead_code, reason = "the file's lock ends when it is closed")] File);

impl Lock {
    async fn take(path: &Path, waiting_for: &str) -> Result<Self> {
        let file = File::create(path).or_cannot(|| format!("write {}", path.display()))?;
        let mut told = false;
        while file.try_lock().is_err() {
            if !told {
                eprintln!("Waiting for another `cargo local` that is {waiting_for} ...");
                told = true;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(Self(file))
    }
}

impl Instance {
    /// The instance of this checkout with this name.
    pub fn named(name: &str) -> Result<Self> {
        if name.is_empty()
            || name.len() > 12
            || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        {
            return Err(Error::failed(
                format!("\"{name}\" cannot name an instance"),
                "Up to twelve lower case letters and digits, please.",
            ));
        }
        Ok(Self { name: name.to_owned(), state: paths::state_dir(name) })
    }

    /// The running stack, or what to do about it.
    pub fn stack(&self) -> Result<Stack> {
        let path = self.state.join("stack.json");
        if !path.exists() {
            let up = if self.name == "dev" { String::new() } else { format!(" --instance {}", self.name) };
            return Err(Error::failed(
                format!("the instance \"{}\" is not up", self.name),
                format!("`cargo local up{up}` starts it."),
            ));
        }
        Stack::load(&path)
    }

    /// Its parts as they were started.
    pub fn parts(&self) -> Parts {
        Parts::load(&self.state)
    }

    /// Where its logs are, also after it went down.
    pub fn log_dir(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// Starts what is not running. True when everything ran already.
    pub async fn up(&self, without: &Without) -> Result<(Stack, bool)> {
        let _lock = self.lock().await?;
        let parts = self.parts();
        if !parts.parts.is_empty() {
            let whole = parts.parts.values().all(Process::alive) && self.state.join("stack.json").exists();
            let answers = match parts.parts.get("localstack") {
                Some(localstack) => aws::healthy(localstack.port).await,
                None => without.all_but_database,
            };
            if whole && answers {
                let stack = self.stack()?;
                self.renew_gateway(parts, &stack).await?;
                return Ok((stack, true));
            }
            let step = Step::begin("Clearing a stale instance away");
            self.end_all().await?;
            step.done("cleared");
        }
        let started = self.start(without).await;
        if started.is_err() {
            self.end_all().await?;
        }
        Ok((started?, false))
    }

    /// Functions are renewed at their next invocation; the gateway stays up, so a rebuilt one is started here.
    async fn renew_gateway(&self, parts: Parts, stack: &Stack) -> Result<()> {
        let Some(gateway) = parts.parts.get("gateway").cloned() else { return Ok(()) };
        if !gateway.outdated() {
            return Ok(());
        }
        gateway.end("TERM", Duration::from_secs(5)).await;
        Starting { name: &self.name, state: &self.state, logs: self.log_dir(), parts }.gateway(stack).await
    }

    /// Ends everything of it, with its data; logs stay until the next start. True when something ran.
    pub async fn down(&self) -> Result<bool> {
        if !self.state.exists() {
            return Ok(false);
        }
        let _lock = self.lock().await?;
        let ran = self.parts().parts.values().any(Process::alive);
        self.end_all().await?;
        Ok(ran)
    }

    async fn lock(&self) -> Result<Lock> {
        std::fs::create_dir_all(&self.state).or_cannot(|| format!("make {}", self.state.display()))?;
        // Anybody may write beside it: what another user put there is not ours to write into as root.
        let owner = std::fs::metadata(&self.state).map(|folder| folder.uid());
        if owner.or_cannot(|| format!("look at {}", self.state.display()))? != paths::uid() {
            return Err(Error::failed(
                format!("{} belongs to another user", self.state.display()),
                "Remove it, or take another --instance.",
            ));
        }
        Lock::take(&self.state.join("lock"), "starting or ending this instance").await
    }

    /// All parts of parts.json, those of a killed `up` included; then the data.
    async fn end_all(&self) -> Result<()> {
        let parts = self.parts();
        for (part, signal, patience) in ENDING {
            if let Some(process) = parts.parts.get(part) {
                process.end(signal, patience).await;
            }
        }
        if !parts.parts.contains_key("postfix") {
            postfix::stop_unrecorded(&self.state).await;
        }
        let left: Vec<&str> = parts
            .parts
            .iter()
            .filter(|(_, process)| process.alive())
            .map(|(part, _)| part.as_str())
            .collect();
        if !left.is_empty() {
            return Err(Error::failed(
                format!("still running after SIGKILL: {}", left.join(", ")),
                "See `cargo local status` for the pids; ending them may take root.",
            ));
        }
        let mut removed = self.remove_data().await;
        for _ in 0..REMOVALS {
            if removed.is_ok() {
                break;
            }
            // A program of an interrupted start may still have been writing.
            tokio::time::sleep(Duration::from_millis(500)).await;
            removed = self.remove_data().await;
        }
        removed
    }

    async fn remove_data(&self) -> Result<()> {
        // Postgres' and Postfix' folders belong to others.
        let mut remove = process::as_root("rm");
        remove.args(["-rf", "--one-file-system", "--"]);
        let kept = ["logs", "lock"];
        let entries =
            std::fs::read_dir(&self.state).or_cannot(|| format!("list {}", self.state.display()))?;
        let paths = entries.flatten().map(|entry| entry.path());
        remove.args(paths.filter(|path| !kept.iter().any(|name| path.ends_with(name))));
        process::run("remove the instance's data", remove, "").await.map(drop)
    }

    async fn start(&self, without: &Without) -> Result<Stack> {
        // Between the look at a port and its use another instance could take it.
        let ports = PathBuf::from(format!("/var/tmp/broadcast-{}-ports.lock", paths::uid()));
        let _ports = Lock::take(&ports, "starting another instance").await?;
        let logs = self.fresh_logs().await?;
        let mut starting = Starting { name: &self.name, state: &self.state, logs, parts: self.parts() };
        let urls = starting.database().await?;
        if without.all_but_database {
            let stack = starting.stack(urls, &Ports::default(), Deployment::default());
            stack.save()?;
            return Ok(stack);
        }
        let ports = starting.servers().await?;
        let deployment = starting.provision(&urls, &ports).await?;
        starting.proxy(&ports, &deployment).await?;
        let stack = starting.stack(urls, &ports, deployment);
        if !without.migrations {
            migrate(&stack).await?;
        }
        if !without.gateway {
            starting.gateway(&stack).await?;
        }
        stack.save()?;
        Ok(stack)
    }

    async fn fresh_logs(&self) -> Result<PathBuf> {
        let logs = self.log_dir();
        // Postfix' own log belongs to root.
        let mut remove = process::as_root("rm");
        remove.args(["-rf", "--one-file-system", "--"]).arg(&logs);
        process::run("remove the logs of the last run", remove, "").await?;
        std::fs::create_dir_all(&logs).or_cannot(|| format!("make {}", logs.display()))?;
        Ok(logs)
    }
}
