//! The parts of an instance, started one after the other.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, IoContext, Result};
use crate::process::{self, Parts};
use crate::progress::Step;
use crate::stack::{Address, Deployment, Stack};
use crate::{aws, certificates, paths, ports, postfix, postgres};

/// The prefix of the main deployment's names.
const PREFIX: &str = "broadcast";
/// The domain of return paths: mail to it goes to the reports bucket.
const BOUNCE_DOMAIN: &str = "bounces.localhost.example";
/// From where mails to users of the console come.
const CONSOLE_FROM: &str = "console@localhost.example";
/// Slices of one launch that are under way: two cores are busy with so many.
const SLICES_IN_FLIGHT: &str = "4";
/// Where webhooks may go beside public addresses: receivers on this machine.
const WEBHOOK_NETWORKS: &str = "127.0.0.0/8";
/// Sink, proxy and gateway are our own and start at once.
const START: Duration = Duration::from_mins(2);

/// The ports of one start.
#[derive(Default)]
pub(crate) struct Ports {
    localstack: u16,
    postfix: u16,
    sink: u16,
    api: u16,
    collect: u16,
    console: u16,
    gateway: u16,
}

/// An instance while it starts.
pub(crate) struct Starting<'a> {
    pub(crate) name: &'a str,
    pub(crate) state: &'a Path,
    pub(crate) logs: PathBuf,
    pub(crate) parts: Parts,
}

impl Starting<'_> {
    fn log(&self, part: &str) -> PathBuf {
        self.logs.join(format!("{part}.log"))
    }

    fn port(&self, part: &str) -> Result<u16> {
        let (chosen, preferred) = ports::choose(self.name, part)?;
        if !preferred {
            eprintln!("{part}: its usual port is taken, using {chosen}");
        }
        Ok(chosen)
    }

    pub(crate) async fn database(&mut self) -> Result<postgres::Urls> {
        if let Ok(url) = std::env::var("DATABASE_URL") {
            let step = Step::begin("PostgreSQL (DATABASE_URL)");
            let database = format!("broadcast_{}", self.name);
            let urls = postgres::Server::from_url(&url)?.prepare(&database).await?;
            step.done(&format!("database {database}"));
            return Ok(urls);
        }
        let step = Step::begin("PostgreSQL");
        let port = self.port("postgres")?;
        let (process, server) = postgres::start(self.state, port, &self.log("postgres")).await?;
        self.parts.add("postgres", process.clone())?;
        postgres::until_ready(&server, &process).await?;
        let urls = server.prepare("broadcast").await?;
        step.done(&format!("127.0.0.1:{port}"));
        Ok(urls)
    }

    pub(crate) async fn servers(&mut self) -> Result<Ports> {
        let state = self.state;
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
        let log = postfix::start_log(state, ports.postfix, &self.log("postfix")).await?;
        self.parts.add("postfix-log", log)?;
        let relay = postfix::start(state, ports.postfix, ports.sink, &self.log("postfix")).await?;
        self.parts.add("postfix", relay.clone())?;
        process::until_listening("Postfix", &relay, START).await?;
        step.done(&format!("127.0.0.1:{} and {}", ports.sink, ports.postfix));
        ports.api = self.port("api")?;
        ports.collect = self.port("collect")?;
        ports.console = self.port("console")?;
        ports.gateway = self.port("gateway")?;
        Ok(ports)
    }

    fn sink_command(&self, ports: &Ports) -> Result<Command> {
        let mut command = myself()?;
        command.args(["sink", "--port"]).arg(ports.sink.to_string());
        command.arg("--dir").arg(self.state.join("sink"));
        command.arg("--reports-url").arg(format!("http://127.0.0.1:{}/{PREFIX}-reports/", ports.localstack));
        command.args(["--bounce-domain", BOUNCE_DOMAIN]);
        Ok(command)
    }

    pub(crate) async fn provision(&self, urls: &postgres::Urls, ports: &Ports) -> Result<Deployment> {
        let step = Step::begin("Queues, buckets and functions");
        let root = certificates::ensure_root(self.state).await?;
        let environment = [
            ("DATABASE_URL", urls.app.clone()),
            ("ADMIN_DATABASE_URL", urls.owner.clone()),
            ("RELAY_URL", format!("smtp://127.0.0.1:{}", ports.postfix)),
            ("PUBLIC_URL", format!("http://127.0.0.1:{}", ports.collect)),
            ("API_URL", format!("http://127.0.0.1:{}", ports.api)),
            // Browsers trust `localhost` as they trust TLS; a passkey needs a name.
            ("CONSOLE_URL", format!("http://localhost:{}", ports.console)),
            ("BOUNCE_DOMAIN", BOUNCE_DOMAIN.to_owned()),
            ("CONSOLE_FROM", CONSOLE_FROM.to_owned()),
            ("SLICES_IN_FLIGHT", SLICES_IN_FLIGHT.to_owned()),
            ("WEBHOOK_NETWORKS", WEBHOOK_NETWORKS.to_owned()),
            ("WEBHOOK_CA", root.display().to_string()),
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

    pub(crate) async fn proxy(&mut self, ports: &Ports, deployment: &Deployment) -> Result<()> {
        let mut command = myself()?;
        command.args(["proxy", "--upstream"]).arg(format!("127.0.0.1:{}", ports.localstack));
        for (function, port) in [("api", ports.api), ("collect", ports.collect), ("console", ports.console)] {
            let url = deployment.urls.get(function).map(String::as_str).unwrap_or_default();
            let host = url.trim_start_matches("http://").trim_end_matches('/');
            command.arg("--route").arg(format!("{port}={host}"));
        }
        let proxy = process::spawn(command, ports.api, &self.log("proxy"), false)?;
        self.parts.add("proxy", proxy.clone())?;
        process::until_listening("the proxy", &proxy, START).await
    }

    pub(crate) async fn gateway(&mut self, stack: &Stack) -> Result<()> {
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

    pub(crate) fn stack(&self, urls: postgres::Urls, ports: &Ports, deployment: Deployment) -> Stack {
        let state_dir = self.state.to_path_buf();
        let http = |port: u16| format!("http://127.0.0.1:{port}");
        let smtp = |port: u16| format!("smtp://127.0.0.1:{port}");
        Stack {
            instance: self.name.to_owned(),
            log_dir: self.logs.clone(),
            sink_dir: state_dir.join("sink"),
            webhook_root: certificates::root(&state_dir),
            state_dir,
            python: paths::venv().join("bin/python"),
            binaries: paths::binaries(),
            endpoint: http(ports.localstack),
            region: "us-east-1".to_owned(),
            api_url: http(ports.api),
            collect_url: http(ports.collect),
            console_url: format!("http://localhost:{}", ports.console),
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

pub(crate) async fn migrate(stack: &Stack) -> Result<()> {
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
