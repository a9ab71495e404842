//! The servers that are compared, each a process on a loopback port that ends when it is dropped.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use localstack::Stack;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use super::workplace::{HOST_KEY_SECRET, MASTER_KEY_SECRET, Workplace, bucket};
use crate::{Result, s3};

const START_TIME_MAX: Duration = Duration::from_secs(20);
/// Seldom enough to leave the starting server the processor.
const LISTENING_POLL: Duration = Duration::from_millis(10);
/// Of /proc/<pid>/stat, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Our gateway.
    Gateway,
    /// `rclone serve sftp` over the same S3, with what it does by default.
    Rclone,
    /// OpenSSH's sshd with its own sftp-server over a folder of the same disk.
    OpenSsh,
}

impl Peer {
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "the gateway",
            Self::Rclone => "rclone serve sftp",
            Self::OpenSsh => "OpenSSH",
        }
    }
}

/// One that runs.
pub struct Server {
    pub peer: Peer,
    pub port: u16,
    /// Whose login it is, by the number of the tenant.
    pub user: Option<String>,
    /// What stands before `Incoming`.
    pub root: String,
    process: Child,
}

impl Server {
    /// `endpoint`: the S3 server.
    pub async fn start(peer: Peer, stack: &Stack, place: &Workplace, endpoint: &str) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let (mut command, user, root) = match peer {
            Peer::Gateway => (gateway(stack, place, endpoint, port)?, None, String::new()),
            Peer::Rclone => (rclone(place, endpoint, port), Some("bench".to_owned()), String::new()),
            Peer::OpenSsh => {
                let (command, user) = sshd(place, port).await?;
                (command, Some(user), format!("{}/", place.path("disk").display()))
            }
        };
        let log = std::fs::File::create(place.path("server.log"))?;
        let process = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", peer.name()))?;
        let server = Self { peer, port, user, root, process };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if begun.elapsed() > START_TIME_MAX {
                let said = std::fs::read_to_string(place.path("server.log"))?;
                return Err(format!("{} does not listen: {said}", peer.name()).into());
            }
            tokio::time::sleep(LISTENING_POLL).await;
        }
        Ok(server)
    }

    /// The login of session `number`.
    pub fn login(&self, tenant: usize) -> String {
        self.user.clone().unwrap_or_else(|| bucket(tenant))
    }

    /// Resident memory in KiB: now, and the most that it was.
    pub fn memory_kib(&self) -> Result<(u64, u64)> {
        let status = std::fs::read_to_string(self.proc("status"))?;
        let kib = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            Ok(line.trim().trim_end_matches(" kB").parse()?)
        };
        Ok((kib("VmRSS:")?, kib("VmHWM:")?))
    }

    /// Seconds of CPU so far; of sshd that of its listener alone.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(self.proc("stat"))?;
        let (_, fields) = stat.rsplit_once(')').ok_or("an unreadable stat")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<std::result::Result<f64, _>>()? / TICKS_PER_SECOND)
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.process.id().unwrap_or_default()))
    }
}

/// The environment of a process of ours whose cloud is the benchmark's.
pub fn environment(command: &mut Command, database_url: &str, endpoint: &str) {
    command.env_clear().envs([
        ("DATABASE_URL", database_url),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", s3::CREDENTIAL),
        ("AWS_SECRET_ACCESS_KEY", s3::CREDENTIAL),
        ("DEPLOYMENT", "bench"),
        ("SPOOL_BUCKET", "bench-spool"),
        ("TENANT_ROLE_ARN", "arn:aws:iam::000000000000:role/bench"),
        ("GATEWAY_HOST_KEY_SECRET", HOST_KEY_SECRET),
        ("MASTER_KEY_SECRET", MASTER_KEY_SECRET),
    ]);
}

fn gateway(stack: &Stack, place: &Workplace, endpoint: &str, port: u16) -> Result<Command> {
    // Beside this program: built with it.
    let mut command = Command::new(std::env::current_exe()?.with_file_name("gateway"));
    environment(&mut command, &place.database.url(stack), endpoint);
    command.env("GATEWAY_LISTEN", format!("127.0.0.1:{port}"));
    Ok(command)
}

fn rclone(place: &Workplace, endpoint: &str, port: u16) -> Command {
    let mut command = Command::new("rclone");
    command.args([
        "serve",
        "sftp",
        "store:bench",
        "--addr",
        &format!("127.0.0.1:{port}"),
        "--authorized-keys",
    ]);
    command.arg(place.path("client.pub")).arg("--key").arg(place.path("secrets").join(HOST_KEY_SECRET));
    // Nothing of this process's own settings for AWS and proxies.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs([
        ("RCLONE_CONFIG", "/dev/null"),
        ("HOME", "/nonexistent"),
        ("RCLONE_CONFIG_STORE_TYPE", "s3"),
        ("RCLONE_CONFIG_STORE_PROVIDER", "Other"),
        ("RCLONE_CONFIG_STORE_REGION", "us-east-1"),
        ("RCLONE_CONFIG_STORE_ENDPOINT", endpoint),
        ("RCLONE_CONFIG_STORE_ACCESS_KEY_ID", s3::CREDENTIAL),
        ("RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY", s3::CREDENTIAL),
    ]);
    command
}

/// As whoever runs this, with a configuration of its own.
async fn sshd(place: &Workplace, port: u16) -> Result<(Command, String)> {
    let user = Command::new("id").arg("-un").output().await?;
    let user = String::from_utf8(user.stdout)?.trim().to_owned();
    if user == "root" {
        // What the system's service makes at its start.
        std::fs::create_dir_all("/run/sshd")?;
    }
    let config = place.path("sshd_config");
    let (host_key, keys) = (place.path("secrets").join(HOST_KEY_SECRET), place.path("client.pub"));
    let text = format!(
        "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
         PermitRootLogin yes\nPasswordAuthentication no\nPidFile none\nMaxStartups 200\n\
         Subsystem sftp /usr/lib/openssh/sftp-server\n",
        host_key.display(),
        keys.display(),
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new("/usr/sbin/sshd");
    command.args(["-D", "-e", "-f"]).arg(config);
    Ok((command, user))
}
