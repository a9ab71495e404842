//! `LocalStack`: its process, and the few requests that the driver makes of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::http;
use crate::paths;
use crate::process::{self, Process};
use crate::stack::{Deployment, Stack};

/// Ready in 6 to 8 seconds on two idle cores.
const START: Duration = Duration::from_mins(2);
/// Nothing of it is kept: no patience at its end. Function processes end with it (parent death signal).
pub const STOP: Duration = Duration::from_secs(2);
/// What the mission uses; each other service would cost memory.
const SERVICES: &str = "s3,sqs,sns,lambda,logs,events,sts,iam,secretsmanager";
/// A request to a loaded local stack; an invocation adds its function's timeout of a minute.
const REQUEST: Duration = Duration::from_mins(2);

/// Starts `LocalStack` on `port` with all its files in `<state>/localstack`.
pub fn spawn(state: &Path, port: u16, log: &Path) -> Result<Process> {
    let dir = state.join("localstack");
    let temporary = dir.join("tmp");
    std::fs::create_dir_all(&temporary)
        .map_err(|source| Error::Io { what: format!("cannot make {}", temporary.display()), source })?;
    let mut command = Command::new(paths::venv().join("bin/python"));
    command.args(["-m", "localstack.runtime.main"]).current_dir(&dir).env_clear();
    command.envs([
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("DISABLE_EVENTS", "1"),
        ("SKIP_SSL_CERT_DOWNLOAD", "1"),
        ("DNS_ADDRESS", "0"),
        ("SQS_ENDPOINT_STRATEGY", "path"),
        ("LAMBDA_RUNTIME_EXECUTOR", "broadcast"),
        ("LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC", "0.05"),
        ("LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC", "0.5"),
        ("LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_ERROR_SEC", "1"),
        ("SERVICES", SERVICES),
    ]);
    command.env("HOME", &dir).env("TMPDIR", &temporary);
    command.env("FILESYSTEM_ROOT", dir.join("root")).env("LOCALSTACK_VOLUME_DIR", dir.join("volume"));
    // As an IPv4 address it would listen on every one.
    command.env("GATEWAY_LISTEN", format!("[::ffff:127.0.0.1]:{port}"));
    // Function URLs are subdomains of it, and a subdomain of an address is no host name.
    command.env("LOCALSTACK_HOST", format!("localhost:{port}"));
    command.env("BROADCAST_LOG_DIR", state.join("logs"));
    process::spawn(command, port, log, false)
}

/// Whether `LocalStack` answers on this port.
pub async fn healthy(port: u16) -> bool {
    let authority = format!("127.0.0.1:{port}");
    let answer = http::get(&authority, "/_localstack/health", Duration::from_secs(5)).await;
    answer.is_ok_and(|answer| answer.status == 200)
}

/// Waits until `LocalStack` answers.
pub async fn until_healthy(process: &Process) -> Result<()> {
    let deadline = std::time::Instant::now() + START;
    while !healthy(process.port).await {
        if !process.alive() {
            return Err(Error::with_log("LocalStack ended at its start", &process.log));
        }
        if std::time::Instant::now() > deadline {
            return Err(Error::with_log("LocalStack does not answer", &process.log));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// What an invoked function answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The function's answer, or its error document.
    pub payload: String,
    /// Whether it is an error: the handler's own, a crash or a timeout.
    pub failed: bool,
}

/// Invokes a function, named in short (`admin`) or in full, and waits for its answer.
pub async fn invoke(stack: &Stack, function: &str, payload: &str) -> Result<Invocation> {
    let name = stack.deployment.functions.get(function).map_or(function, String::as_str);
    let path = format!("/2015-03-31/functions/{name}/invocations");
    let headers =
        [("authorization", authorization("lambda")), ("content-type", "application/json".to_owned())];
    let what = format!("invoke {name}");
    let answer = http::post(stack.authority(), &path, &headers, payload.to_owned().into(), REQUEST)
        .await
        .map_err(|problem| Error::Http { what: what.clone(), problem })?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.status >= 300 {
        return Err(Error::Http { what, problem: format!("status {}: {text}", answer.status) });
    }
    Ok(Invocation { payload: text, failed: answer.headers.contains_key("x-amz-function-error") })
}

/// How many messages of a queue wait and how many are being worked on.
pub async fn queue_depth(stack: &Stack, url: &str) -> Result<(u64, u64)> {
    let request = serde_json::json!({
        "QueueUrl": url,
        "AttributeNames": ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    });
    let headers = [
        ("authorization", authorization("sqs")),
        ("content-type", "application/x-amz-json-1.0".to_owned()),
        ("x-amz-target", "AmazonSQS.GetQueueAttributes".to_owned()),
    ];
    let answer = http::post(stack.authority(), "/", &headers, request.to_string().into(), REQUEST)
        .await
        .map_err(|problem| Error::Http { what: format!("look at {url}"), problem })?;
    let document: serde_json::Value = serde_json::from_slice(&answer.body)
        .map_err(|source| Error::Json { what: format!("the answer about {url}"), source })?;
    let number = |name: &str| document["Attributes"][name].as_str().and_then(|n| n.parse().ok()).unwrap_or(0);
    Ok((number("ApproximateNumberOfMessages"), number("ApproximateNumberOfMessagesNotVisible")))
}

/// The text of a secret, by its name in Secrets Manager.
pub async fn secret(stack: &Stack, name: &str) -> Result<String> {
    let headers = [
        ("authorization", authorization("secretsmanager")),
        ("content-type", "application/x-amz-json-1.1".to_owned()),
        ("x-amz-target", "secretsmanager.GetSecretValue".to_owned()),
    ];
    let request = serde_json::json!({ "SecretId": name });
    let what = format!("the secret \"{name}\"");
    let answer = http::post(stack.authority(), "/", &headers, request.to_string().into(), REQUEST)
        .await
        .map_err(|problem| Error::Http { what: format!("read {what}"), problem })?;
    let document: serde_json::Value = serde_json::from_slice(&answer.body)
        .map_err(|source| Error::Json { what: format!("the answer about {what}"), source })?;
    document["SecretString"].as_str().map(str::to_owned).ok_or_else(|| {
        Error::failed(
            format!("there is no secret \"{name}\""),
            "Answers of admin name those of a tenant: `cargo local invoke admin '{\"command\":\"tenant\",\"slug\":\"acme\"}'`.",
        )
    })
}

/// `LocalStack` takes the service from here and checks no signature.
pub(crate) fn authorization(service: &str) -> String {
    let region = "us-east-1";
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

/// How a deployment differs from the main one.
#[derive(Debug, Clone, Default)]
pub struct Deploy {
    /// Variables of its functions, over those of the main deployment.
    pub environment: BTreeMap<String, String>,
    /// The functions to deploy with their triggers, by their short names; empty for all. Queues, buckets and
    /// secrets always come whole.
    pub only: Vec<String>,
    /// Whether schedules fire.
    pub schedules: bool,
}

/// Makes a deployment of its own (queues, functions, buckets, secrets) beside the main one. Blocks: it runs a
/// program for a second or two.
pub fn deploy(stack: &Stack, prefix: &str, deploy: &Deploy) -> Result<Deployment> {
    let owner_url = ("ADMIN_DATABASE_URL".to_owned(), stack.admin_database_url.clone());
    let inherited = [
        "DATABASE_URL",
        "RELAY_URL",
        "PUBLIC_URL",
        "BOUNCE_DOMAIN",
        "API_URL",
        "CONSOLE_URL",
        "CONSOLE_FROM",
        "SLICES_IN_FLIGHT",
    ];
    let mut environment: BTreeMap<String, String> = stack
        .deployment
        .environment
        .iter()
        .filter(|(name, _)| inherited.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .chain([owner_url])
        .collect();
    environment.extend(deploy.environment.clone());
    let mut arguments: Vec<String> = Vec::new();
    if !deploy.only.is_empty() {
        arguments.extend(["--only".to_owned(), deploy.only.join(",")]);
    }
    if !deploy.schedules {
        arguments.push("--no-schedules".to_owned());
    }
    let mut command = provision(&stack.endpoint, prefix, &environment);
    command.args(arguments);
    provisioned(prefix, &mut command)
}

/// Takes a deployment away again, with what is in its queues and buckets.
pub fn undeploy(stack: &Stack, prefix: &str) -> Result<()> {
    let mut command = provision(&stack.endpoint, prefix, &BTreeMap::new());
    let output = command.arg("--delete").output();
    let output = output.map_err(|source| Error::Io { what: "cannot run provision.py".to_owned(), source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::with_output(format!("cannot take the deployment {prefix} away"), &output.stderr, ""))
}

pub(crate) fn provision(endpoint: &str, prefix: &str, environment: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new(paths::venv().join("bin/python"));
    command.arg(paths::checkout().join("localstack/provision.py"));
    command.args(["--prefix", prefix, "--endpoint", endpoint, "--binaries"]).arg(paths::binaries());
    command.env("FUNCTION_ENVIRONMENT", serde_json::json!(environment).to_string());
    command.stdin(std::process::Stdio::null());
    command
}

pub(crate) fn provisioned(prefix: &str, command: &mut Command) -> Result<Deployment> {
    let output = command.output().map_err(|source| Error::Io {
        what: "cannot run provision.py in LocalStack's environment".to_owned(),
        source,
    })?;
    if !output.status.success() {
        return Err(Error::with_output(format!("cannot create the deployment {prefix}"), &output.stderr, ""));
    }
    serde_json::from_slice(&output.stdout).map_err(|source| Error::Json {
        what: "what provision.py printed is not a deployment".to_owned(),
        source,
    })
}
