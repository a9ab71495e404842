//! One instance of the stack: up, down, and what is running.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::error::{Error, IoContext, Result};
use crate::process::{self, Parts, Process};
use crate::progress::Step;
use crate::stack::{Address, Deployment, Stack};
use crate::{aws, paths, ports, postfix, postgres};

/// The prefix of the main deployment's names.
const PREFIX: &str = "broadcast";
/// The domain of return paths: mail to it goes to the reports bucket.
const BOUNCE_DOMAIN: &str = "bounces.localhost.example";
/// Sink, proxy and gateway are our own and start at once.
const START: Duration = Duration::from_secs(20);

/// How often the data's removal is tried again.
const REMOVALS: usize = 4;

/// How each part is asked to end, in this order: who uses another part ends before it.
const ENDING: [(&str, &str, Duration); 6] = [
    ("gateway", "TERM", Duration::from_secs(5)),
    ("proxy", "TERM", Duration::from_secs(2)),
    ("localstack", "TERM", aws::STOP),
    ("postfix", "TERM", postfix::STOP),
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

/// Held while an instance goes up or down.
struct Lock(#[expect(dead_code, reason = "the file's lock ends when it is closed")] File);

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
                return Ok((self.stack()?, true));
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
        let path = self.state.join("lock");
        let file = File::create(&path).or_cannot(|| format!("write {}", path.display()))?;
        let mut told = false;
        while file.try_lock().is_err() {
            if !told {
                eprintln!("Waiting for another `cargo local` that is starting or ending this instance ...");
                told = true;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(Lock(file))
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
        let logs = self.fresh_logs().await?;
        let mut starting = Starting { instance: self, logs, parts: self.parts() };
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

/// The ports of one start.
#[derive(Default)]
struct Ports {
    localstack: u16,
    postfix: u16,
    sink: u16,
    api: u16,
    collect: u16,
    gateway: u16,
}

/// An instance while it starts.
struct Starting<'a> {
    instance: &'a Instance,
    logs: PathBuf,
    parts: Parts,
}

impl Starting<'_> {
    fn log(&self, part: &str) -> PathBuf {
        self.logs.join(format!("{part}.log"))
    }

    fn port(&self, part: &str) -> Result<u16> {
        let (chosen, preferred) = ports::choose(&self.instance.name, part)?;
        if !preferred {
            eprintln!("{part}: its usual port is taken, using {chosen}");
        }
        Ok(chosen)
    }

    async fn database(&mut self) -> Result<postgres::Urls> {
        if let Ok(url) = std::env::var("DATABASE_URL") {
            let step = Step::begin("PostgreSQL (DATABASE_URL)");
            let database = format!("broadcast_{}", self.instance.name);
            let urls = postgres::Server::from_url(&url)?.prepare(&database).await?;
            step.done(&format!("database {database}"));
            return Ok(urls);
        }
        let step = Step::begin("PostgreSQL");
        let port = self.port("postgres")?;
        let (process, server) = postgres::start(&self.instance.state, port, &self.log("postgres")).await?;
        self.parts.add("postgres", process.clone())?;
        postgres::until_ready(&server, &process).await?;
        let urls = server.prepare("broadcast").await?;
        step.done(&format!("127.0.0.1:{port}"));
        Ok(urls)
    }

    async fn servers(&mut self) -> Result<Ports> {
        let state = &self.instance.state;
        let mut ports = Ports { localstack: self.port("localstack")?, ..Ports::default() };
        let step = Step::begin("LocalStack");
        // Written down before it answers: that takes seconds, in which we may be killed.
        let starting = aws::spawn(state, ports.localstack, &self.log("localstack"))?;
        self.parts.add("localstack", starting.clone())?;
        aws::until_healthy(&starting).await?;
        step.done(&format!("127.0.0.1:{}", ports.localstack));

        let step = Step::begin("Mail sink and Postfix");
        ports.sink = self.port("sink")?;
        let sink = process::spawn(self.sink_command(&ports)?, ports.sink, &self.log("sink"), false)?;
        self.parts.add("sink", sink.clone())?;
        process::until_listening("the sink", &sink, START).await?;
        ports.postfix = self.port("postfix")?;
        let relay = postfix::start(state, ports.postfix, ports.sink, &self.log("postfix")).await?;
        self.parts.add("postfix", relay.clone())?;
        process::until_listening("Postfix", &relay, START).await?;
        step.done(&format!("127.0.0.1:{} and {}", ports.sink, ports.postfix));
        ports.api = self.port("api")?;
        ports.collect = self.port("collect")?;
        ports.gateway = self.port("gateway")?;
        Ok(ports)
    }

    fn sink_command(&self, ports: &Ports) -> Result<Command> {
        let mut command = myself()?;
        command.args(["sink", "--port"]).arg(ports.sink.to_string());
        command.arg("--dir").arg(self.instance.state.join("sink"));
        command.arg("--reports-url").arg(format!("http://127.0.0.1:{}/{PREFIX}-reports/", ports.localstack));
        command.args(["--bounce-domain", BOUNCE_DOMAIN]);
        Ok(command)
    }

    async fn provision(&self, urls: &postgres::Urls, ports: &Ports) -> Result<Deployment> {
        let step = Step::begin("Queues, buckets and functions");
        let environment = [
            ("DATABASE_URL", urls.app.clone()),
            ("ADMIN_DATABASE_URL", urls.owner.clone()),
            ("RELAY_URL", format!("smtp://127.0.0.1:{}", ports.postfix)),
            ("PUBLIC_URL", format!("http://127.0.0.1:{}", ports.collect)),
            ("API_URL", format!("http://127.0.0.1:{}", ports.api)),
            ("BOUNCE_DOMAIN", BOUNCE_DOMAIN.to_owned()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
        let endpoint = format!("http://127.0.0.1:{}", ports.localstack);
        let mut command = aws::provision(&endpoint, PREFIX, &environment);
        let task = tokio::task::spawn_blocking(move || aws::provisioned(PREFIX, &mut command));
        let deployment =
            task.await.unwrap_or_else(|_| Err(Error::failed("a task of the driver ended early", "")))?;
        step.done(&format!("{} functions", deployment.functions.len()));
        Ok(deployment)
    }

    async fn proxy(&mut self, ports: &Ports, deployment: &Deployment) -> Result<()> {
        let mut command = myself()?;
        command.args(["proxy", "--upstream"]).arg(format!("127.0.0.1:{}", ports.localstack));
        for (function, port) in [("api", ports.api), ("collect", ports.collect)] {
            let url = deployment.urls.get(function).map(String::as_str).unwrap_or_default();
            let host = url.trim_start_matches("http://").trim_end_matches('/');
            command.arg("--route").arg(format!("{port}={host}"));
        }
        let proxy = process::spawn(command, ports.api, &self.log("proxy"), false)?;
        self.parts.add("proxy", proxy.clone())?;
        process::until_listening("the proxy", &proxy, START).await
    }

    async fn gateway(&mut self, stack: &Stack) -> Result<()> {
        let step = Step::begin("Gateway");
        let port = stack.sftp.port;
        let mut command = Command::new(paths::binaries().join("gateway"));
        command.env_clear().envs(&stack.deployment.environment).envs([
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("AWS_REGION", stack.region.as_str()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]);
        command.env("GATEWAY_LISTEN", format!("127.0.0.1:{port}"));
        if let Some(secret) = stack.deployment.secrets.get("gateway-host-key") {
            command.env("GATEWAY_HOST_KEY_SECRET", secret);
        }
        let gateway = process::spawn(command, port, &self.log("gateway"), false)?;
        self.parts.add("gateway", gateway.clone())?;
        process::until_listening("the gateway", &gateway, START).await?;
        step.done(&format!("127.0.0.1:{port}"));
        Ok(())
    }

    fn stack(&self, urls: postgres::Urls, ports: &Ports, deployment: Deployment) -> Stack {
        let state_dir = self.instance.state.clone();
        let http = |port: u16| format!("http://127.0.0.1:{port}");
        let smtp = |port: u16| format!("smtp://127.0.0.1:{port}");
        Stack {
            instance: self.instance.name.clone(),
            log_dir: self.logs.clone(),
            sink_dir: state_dir.join("sink"),
            state_dir,
            python: paths::venv().join("bin/python"),
            binaries: paths::binaries(),
            endpoint: http(ports.localstack),
            region: "us-east-1".to_owned(),
            api_url: http(ports.api),
            collect_url: http(ports.collect),
            sftp: Address { host: "127.0.0.1".to_owned(), port: ports.gateway },
            database_url: urls.app,
            admin_database_url: urls.owner,
            superuser_database_url: urls.superuser,
            relay_url: smtp(ports.postfix),
            sink_url: smtp(ports.sink),
            bounce_domain: BOUNCE_DOMAIN.to_owned(),
            deployment,
        }
    }
}

async fn migrate(stack: &Stack) -> Result<()> {
    let step = Step::begin("Migrations");
    let answer = aws::invoke(stack, "admin", r#"{"command":"migrate"}"#).await?;
    if answer.failed {
        let log = stack.log_dir.join(format!("{PREFIX}-admin.log"));
        return Err(Error::with_log(format!("the migrations failed: {}", answer.payload), &log));
    }
    step.done("done");
    Ok(())
}

/// This very program, for the parts that it is itself.
fn myself() -> Result<Command> {
    let path = std::env::current_exe().or_cannot(|| "find this program".to_owned())?;
    // A rebuild replaces the file under a running program.
    let text = path.to_string_lossy();
    Ok(Command::new(Path::new(text.trim_end_matches(" (deleted)"))))
}

/// How long something took, for a line at the end.
pub fn took(began: Instant) -> String {
    format!("{:.1} s", began.elapsed().as_secs_f64())
}
