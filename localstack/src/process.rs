//! Background processes of an instance: started detached, known by pid and start time, ended for certain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext, Result};
use crate::paths;
use crate::stack::write_private;

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);

/// A process that an instance started. The start time tells it from a later one with the same pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The process id.
    pub pid: u32,
    /// Clock ticks between boot and its start (field 22 of proc(5)'s stat).
    pub started: u64,
    /// The port that it serves; 0 for none.
    pub port: u16,
    /// Its log.
    pub log: PathBuf,
    /// Whether ending it takes root: it runs as another user.
    pub privileged: bool,
}

/// The processes of an instance by part, written down after every start: what `down` ends even when `up` was killed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Parts {
    #[serde(skip)]
    file: PathBuf,
    /// `postgres`, `localstack`, ...
    pub parts: BTreeMap<String, Process>,
}

impl Parts {
    /// Those of the instance in `state_dir`; none when it was never up.
    pub fn load(state_dir: &Path) -> Self {
        let file = state_dir.join("parts.json");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let loaded: Self = serde_json::from_str(&text).unwrap_or_default();
        Self { file, ..loaded }
    }

    /// Writes a started part down.
    pub fn add(&mut self, part: &str, process: Process) -> Result<()> {
        self.parts.insert(part.to_owned(), process);
        write_private(&self.file, self)
    }
}

impl Process {
    /// The process with this pid, if there is one.
    pub fn observe(pid: u32, port: u16, log: &Path, privileged: bool) -> Option<Self> {
        let started = start_time(pid)?;
        Some(Self { pid, started, port, log: log.to_path_buf(), privileged })
    }

    /// Whether it still runs: a zombie does not.
    pub fn alive(&self) -> bool {
        start_time(self.pid) == Some(self.started)
    }

    /// Whether its binary was replaced since it started, as cargo does.
    pub fn outdated(&self) -> bool {
        let binary = std::fs::read_link(format!("/proc/{}/exe", self.pid)).unwrap_or_default();
        binary.as_os_str().as_encoded_bytes().ends_with(b" (deleted)")
    }

    /// Sends `signal`, by name without SIG, if it is still the process that was started.
    pub fn signal(&self, signal: &str) {
        if !self.alive() {
            return;
        }
        let mut kill = if self.privileged { as_root("sh") } else { Command::new("sh") };
        kill.args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal]).arg(self.pid.to_string());
        // It may end between the look and the signal; whether it is gone is seen afterwards.
        let _ = kill.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    /// Asks it to end with `signal`, and kills it when it has not within `patience`.
    pub async fn end(&self, signal: &str, patience: Duration) {
        self.signal(signal);
        if !until(patience, || !self.alive()).await {
            self.signal("KILL");
            until(Duration::from_secs(5), || !self.alive()).await;
        }
    }
}

/// Looks at `condition` until it holds; false when it does not within `patience`.
pub async fn until(patience: Duration, condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    true
}

/// Waits until `process` accepts connections on its port; an error with its log when it ends or takes too long.
pub async fn until_listening(what: &str, process: &Process, patience: Duration) -> Result<()> {
    let accepted = || listening(process.port);
    if until(patience, || accepted() || !process.alive()).await && accepted() {
        return Ok(());
    }
    let how = if process.alive() { "does not answer on its port" } else { "ended at its start" };
    Err(Error::with_log(format!("{what} {how} ({})", process.port), &process.log))
}

/// Whether something accepts connections on a loopback port.
pub fn listening(port: u16) -> bool {
    std::net::TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_millis(500)).is_ok()
}

/// Starts `command` in a process group of its own, so that Ctrl-C at the terminal does not reach it, with its
/// output in `log`.
pub fn spawn(mut command: Command, port: u16, log: &Path, privileged: bool) -> Result<Process> {
    use std::os::unix::process::CommandExt;

    let name = command.get_program().to_string_lossy().into_owned();
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .or_cannot(|| format!("write {}", log.display()))?;
    let errors = file.try_clone().or_cannot(|| format!("write {}", log.display()))?;
    let child = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .spawn()
        .or_cannot(|| format!("start {name}"))?;
    Process::observe(child.id(), port, log, privileged)
        .ok_or_else(|| Error::with_log(format!("{name} ended at its start"), log))
}

/// A command that runs as root: through sudo unless we are root.
pub fn as_root(program: &str) -> Command {
    if paths::uid() == 0 {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", "--", program]);
    command
}

/// Runs a command to its end off the async threads; an error with its output when it fails.
pub async fn run(what: &str, mut command: Command, input: &str) -> Result<Vec<u8>> {
    use std::io::Write;

    let (what, input) = (what.to_owned(), input.to_owned());
    let task = tokio::task::spawn_blocking(move || {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().or_cannot(|| what.clone())?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that ends without reading tells by its exit status.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().or_cannot(|| what.clone())?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = [output.stdout, output.stderr].concat();
        Err(Error::with_output(format!("cannot {what} ({})", output.status), &said, ""))
    });
    task.await.unwrap_or_else(|_| Err(Error::failed("a task of the driver ended early", "")))
}

/// The pids of a function's running processes, by its full name. Other instances have a `broadcast-send` too: ask for
/// those of a deployment of your own, whose prefix is nobody else's.
pub fn processes_of(function: &str) -> Vec<u32> {
    with_environment(&[format!("AWS_LAMBDA_FUNCTION_NAME={function}")])
}

/// The pids of processes that have all these variables.
pub(crate) fn with_environment(variables: &[String]) -> Vec<u32> {
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            variables
                .iter()
                .all(|variable| environment.split(|byte| *byte == 0).any(|pair| pair == variable.as_bytes()))
        })
        .collect()
}

/// Field 22 of /proc/<pid>/stat; None when there is no such process or it is a zombie. The name in field 2 may hold
/// anything, so fields are counted after its closing bracket.
fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_another_start_time_is_not() {
        let log = Path::new("/dev/null");
        let me = Process::observe(std::process::id(), 0, log, false).unwrap();
        assert!(me.alive());
        assert!(!Process { started: me.started + 1, ..me }.alive());
    }

    #[tokio::test]
    async fn a_spawned_process_is_ended() {
        let dir = std::env::temp_dir().join(format!("broadcast-process-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let mut command = Command::new("sh");
        // Ignores the polite signal, so that the deadline is needed.
        command.args(["-c", "trap '' TERM; echo here; while :; do sleep 0.1; done"]);
        let process = spawn(command, 0, &dir.join("log"), false).unwrap();
        assert!(until(Duration::from_mins(1), || std::fs::read(dir.join("log")).unwrap() == b"here\n").await);
        process.end("TERM", Duration::from_millis(100)).await;
        assert!(!process.alive());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_failing_command_shows_its_output() {
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo trouble >&2; exit 3"]);
        let error = run("try", command, "given").await.unwrap_err().to_string();
        assert!(
            error.contains("cannot try") && error.contains("given") && error.contains("trouble"),
            "{error}"
        );
    }
}
