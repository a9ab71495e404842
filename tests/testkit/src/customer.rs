//! A customer's machine: a home of its own, and the programs that customers have, pointed at a gateway.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use localstack::Address;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{Tenant, wait};

/// The longest that one client may take: a transfer of some tens of megabytes on a machine with much else to do. Longer, and it hangs.
const PATIENCE: Duration = Duration::from_mins(10);

pub struct Customer {
    home: TempDir,
    address: Address,
    user: String,
    key: PathBuf,
    password: String,
}

/// What a client said and how it ended.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// A client that runs, with all that it started.
pub struct Running {
    child: Child,
    pid: u32,
}

impl Customer {
    pub fn of(tenant: &Tenant) -> Self {
        Self::at(tenant, &tenant.stack.sftp)
    }

    /// The same tenant's, at another gateway.
    pub fn at(tenant: &Tenant, address: &Address) -> Self {
        let customer = Self {
            home: tempfile::tempdir().unwrap(),
            address: address.clone(),
            user: tenant.slug.clone(),
            key: tenant.ssh_key.clone(),
            password: tenant.sftp_password.clone(),
        };
        customer.configure();
        customer
    }

    /// OpenSSH and rclone know the gateway as `files`.
    fn configure(&self) {
        let (Address { host, port }, user, key) = (&self.address, &self.user, self.key.display());
        // lftp names the address itself.
        let ssh = format!(
            "Host files\nHostName {host}\nHost *\nPort {port}\nUser {user}\nIdentityFile {key}\nIdentitiesOnly yes\nIdentityAgent none\n\
             PreferredAuthentications publickey\nBatchMode yes\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n"
        );
        std::fs::write(self.path("ssh_config"), ssh).unwrap();
        let rclone =
            format!("[files]\ntype = sftp\nhost = {host}\nport = {port}\nuser = {user}\nkey_file = {key}\n");
        std::fs::write(self.path("rclone.conf"), rclone).unwrap();
    }

    /// A path at home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A program with this home, standing in it.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.home.path()).env("HOME", self.home.path()).env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true).process_group(0);
        command
    }

    /// OpenSSH's `sftp` with one line per command, as a person would type them; it stops at the first that fails.
    pub fn sftp(&self, lines: &[&str]) -> Command {
        self.sftp_with(&[], lines)
    }

    /// The same at so many kilobits per second.
    pub fn slow_sftp(&self, kilobits: u32, lines: &[&str]) -> Command {
        self.sftp_with(&["-l", &kilobits.to_string()], lines)
    }

    fn sftp_with(&self, options: &[&str], lines: &[&str]) -> Command {
        let batch = crate::unique("batch");
        self.write(&batch, lines.join("\n") + "\n");
        let mut sftp = self.command("sftp");
        sftp.args(["-q", "-F", "ssh_config", "-b", &batch]).args(options).arg("files");
        sftp
    }

    /// `scp`; the far side is `files:`.
    pub fn scp(&self, arguments: &[&str]) -> Command {
        let mut scp = self.command("scp");
        scp.args(["-q", "-F", "ssh_config"]).args(arguments);
        scp
    }

    /// `lftp`, logged in, with one command per line.
    pub fn lftp(&self, lines: &[&str]) -> Command {
        let Address { host, port } = &self.address;
        let ssh = self.path("ssh_config");
        let script = format!(
            "set cmd:fail-exit yes\nset net:max-retries 1\nset sftp:connect-program \"ssh -a -x -F {}\"\n\
             open -u {},unused sftp://{host}:{port}\n{}\n",
            ssh.display(),
            self.user,
            lines.join("\n")
        );
        let file = crate::unique("script");
        self.write(&file, script);
        let mut lftp = self.command("lftp");
        lftp.args(["-f", &file]);
        lftp
    }

    /// `sshfs`, mounting all at `mount`; it runs on until that is unmounted.
    pub fn sshfs(&self) -> Command {
        std::fs::create_dir(self.path("mount")).unwrap();
        let mut sshfs = self.command("sshfs");
        sshfs.arg("-F").arg(self.path("ssh_config")).args(["files:/", "mount"]);
        sshfs
    }

    /// `curl` by password; addresses are made by [`Self::url`].
    pub fn curl(&self, arguments: &[&str]) -> Command {
        let mut curl = self.command("curl");
        curl.args(["-q", "--silent", "--show-error", "--insecure", "--user"]);
        curl.arg(format!("{}:{}", self.user, self.password)).args(arguments);
        curl
    }

    pub fn url(&self, path: &str) -> String {
        format!("sftp://{}:{}/{path}", self.address.host, self.address.port)
    }

    /// `rclone`; the far side is `files:`.
    pub fn rclone(&self, arguments: &[&str]) -> Command {
        let mut rclone = self.command("rclone");
        rclone.args(["--config", "rclone.conf", "--retries", "1"]).args(arguments);
        rclone
    }

    /// A script of `tests/clients` with its arguments.
    pub fn python(&self, script: &str, arguments: &[&str]) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients");
        let mut python = self.command(installed("python"));
        python.arg("-B").arg(scripts.join(script)).args(arguments);
        python.env("FILES_HOST", &self.address.host).env("FILES_PORT", self.address.port.to_string());
        python
            .env("FILES_USER", &self.user)
            .env("FILES_KEY", &self.key)
            .env("FILES_PASSWORD", &self.password);
        python
    }
}

/// A program of the clients' virtual environment.
pub fn installed(program: &str) -> PathBuf {
    let path = localstack::clients_venv().join("bin").join(program);
    assert!(path.exists(), "{program} is not installed: run `cargo local setup`");
    path
}

/// Runs a client to its end.
///
/// # Panics
/// When it cannot be started, or takes minutes.
pub async fn run(mut command: Command) -> Outcome {
    let name = command.as_std().get_program().to_owned();
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = ended
        .unwrap_or_else(|_| panic!("{} does not end", name.display()))
        .unwrap_or_else(|error| panic!("{}: {error}", name.display()));
    Outcome {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The same; returns what it printed.
///
/// # Panics
/// When it fails.
pub async fn must(command: Command) -> String {
    let told = format!("{:?}", command.as_std());
    let Outcome { status, stdout, stderr } = run(command).await;
    assert!(status.success(), "{told}: {status}\n{stdout}{stderr}");
    stdout
}

/// The same; returns what it said.
///
/// # Panics
/// When it succeeds.
pub async fn fails(command: Command) -> String {
    let told = format!("{:?}", command.as_std());
    let Outcome { status, stdout, stderr } = run(command).await;
    assert!(!status.success(), "{told} succeeded\n{stdout}{stderr}");
    stdout + &stderr
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let pid = child.id().unwrap();
        Self { child, pid }
    }

    /// Waits until it has read so far into `file`, by what the kernel says.
    pub async fn until_read(&mut self, file: &Path, bytes: u64) {
        let what = format!("a client to read {bytes} bytes");
        wait::until(&what, async || {
            let ended = self.child.try_wait().unwrap();
            let at = position(self.pid, file).unwrap_or(0);
            assert!(ended.is_none(), "the client ended before it had read {bytes} bytes: {ended:?}");
            (at >= bytes).then_some(())
        })
        .await;
    }

    /// `kill -9` of it and of all that it started.
    pub async fn kill(mut self) {
        let kill = format!("kill -9 -{}", self.pid);
        // The shell's own: a bare system has no program of this name.
        let killed = Command::new("sh").args(["-c", &kill]).status().await.unwrap();
        assert!(killed.success());
        self.child.wait().await.unwrap();
    }

    pub async fn end(mut self) -> ExitStatus {
        self.child.wait().await.unwrap()
    }
}

/// How far a process has read a file.
fn position(pid: u32, file: &Path) -> Option<u64> {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let fd = open.into_iter().find(|fd| std::fs::read_link(fd.path()).is_ok_and(|target| target == file))?;
    let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", fd.file_name().display())).ok()?;
    info.lines().find_map(|line| line.strip_prefix("pos:")?.trim().parse().ok())
}

/// Bytes that no two places of a file have in common, so that a lost or doubled piece is seen.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let mut noise: Vec<u8> = words.take(bytes.div_ceil(8)).flatten().collect();
    noise.truncate(bytes);
    noise
}
