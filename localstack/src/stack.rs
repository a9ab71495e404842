//! What a running local stack consists of: the document `stack.json`, which tests and the demo read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext, Result};

/// Names the `stack.json` of the stack that a test or the demo shall use.
pub const STACK_VARIABLE: &str = "BROADCAST_STACK";

/// A running local stack. Holds database passwords: the file is readable by its owner alone, and there is no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Stack {
    /// `dev`, `test`, `demo`, ...
    pub instance: String,
    /// Everything that the instance wrote.
    pub state_dir: PathBuf,
    /// One file per part and per function.
    pub log_dir: PathBuf,
    /// Mails that reached the sink: `<recipient domain>/<n>.eml`.
    pub sink_dir: PathBuf,
    /// The root certificate that the functions trust beside the public ones, in PEM, with its key beside it as `root.key`.
    pub webhook_root: PathBuf,
    /// Python of `LocalStack`'s virtual environment: has boto3.
    pub python: PathBuf,
    /// Where the functions' binaries are.
    pub binaries: PathBuf,
    /// `LocalStack`, `http://127.0.0.1:<port>`.
    pub endpoint: String,
    /// The region of everything in it.
    pub region: String,
    /// The proxy of the import API's function URL.
    pub api_url: String,
    /// The proxy of collect's function URL; links in mails begin with it.
    pub collect_url: String,
    /// The proxy of the console's function URL.
    pub console_url: String,
    /// The gateway.
    pub sftp: Address,
    /// As the functions' login role `broadcast_app`.
    pub database_url: String,
    /// As `broadcast_owner`: the login of the function admin.
    pub admin_database_url: String,
    /// As a superuser, or who `DATABASE_URL` named: makes databases of their own for tests. Ends in the database's name.
    pub superuser_database_url: String,
    /// Postfix, `smtp://127.0.0.1:<port>`: what the functions send through.
    pub relay_url: String,
    /// The sink itself, for tests that want its answers undiluted.
    pub sink_url: String,
    /// The domain of return paths.
    pub bounce_domain: String,
    /// The resources of the main deployment.
    pub deployment: Deployment,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// An IPv4 address.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

/// What `provision.py` made under one prefix. Keys are the short names of `stack.toml`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Deployment {
    /// What every name begins with.
    pub prefix: String,
    /// The queues and their dead letter queues.
    pub queues: BTreeMap<String, Queue>,
    /// `spool`, `reports` to bucket names.
    pub buckets: BTreeMap<String, String>,
    /// `import`, `send`, ... to the functions' full names.
    pub functions: BTreeMap<String, String>,
    /// Function URLs as `LocalStack` names them; they need their `Host` header, so see the proxy.
    pub urls: BTreeMap<String, String>,
    /// `master-key`, `gateway-host-key` to names in Secrets Manager.
    pub secrets: BTreeMap<String, String>,
    /// What functions assume to touch one tenant's files.
    pub tenant_role_arn: String,
    /// The variables of every function.
    pub environment: BTreeMap<String, String>,
}

/// A queue and where its poison goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Queue {
    /// For the SQS API.
    pub url: String,
    /// For notifications and policies.
    pub arn: String,
    /// The dead letter queue, for the SQS API.
    pub dead_letter_url: String,
}

impl Stack {
    /// The stack that `BROADCAST_STACK` names.
    pub fn from_env() -> Result<Self> {
        let path = std::env::var_os(STACK_VARIABLE).ok_or_else(|| {
            Error::failed(
                format!("{STACK_VARIABLE} is not set: this needs a running local stack"),
                format!("Run `cargo local test`, or `cargo local up` and set {STACK_VARIABLE} to the path that it prints."),
            )
        })?;
        Self::load(Path::new(&path))
    }

    /// Reads a `stack.json`.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).or_cannot(|| format!("read {}", path.display()))?;
        serde_json::from_str(&text)
            .map_err(|source| Error::Json { what: format!("{} is not a stack", path.display()), source })
    }

    /// Where this stack's document is.
    pub fn path(&self) -> PathBuf {
        self.state_dir.join("stack.json")
    }

    /// Host and port of `LocalStack`.
    pub(crate) fn authority(&self) -> &str {
        self.endpoint.trim_start_matches("http://")
    }

    /// Writes the document, whole or not at all.
    pub fn save(&self) -> Result<()> {
        write_private(&self.path(), self)
    }
}

/// Writes JSON that its owner alone may read, by way of a second name: a reader never sees half of it.
pub(crate) fn write_private(path: &Path, document: &impl Serialize) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    let text = serde_json::to_string_pretty(document)
        .map_err(|source| Error::Json { what: format!("cannot write {}", path.display()), source })?;
    let draft = path.with_extension("new");
    let write = || {
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        std::fs::rename(&draft, path)
    };
    write().or_cannot(|| format!("write {}", path.display()))
}
