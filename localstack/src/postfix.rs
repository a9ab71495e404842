//! A Postfix of the instance's own: takes mail on loopback, hands everything to the sink, bounces what it refuses.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, IoContext, Result};
use crate::process::{self, Process};

/// Postfix flushes its queue on a stop.
pub const STOP: Duration = Duration::from_secs(10);

/// One for each connection of `send`: ten for each of its processes, of the scenarios' own deployments too.
const SMTPD_MAX: u32 = 200;

/// What an address looks like in Postfix's log, with or without brackets, and what is written in its place.
const HIDE_ADDRESSES: &str = r#"s/[^][ <>(),;:="]+@[^][ <>(),;:="]+/(address)/g"#;

/// Starts what writes Postfix's log: a filter behind a pipe, for by itself Postfix names every recipient. Started before Postfix and ended
/// after it.
pub async fn start_log(state: &Path, port: u16, log: &Path) -> Result<Process> {
    let dir = state.join("postfix");
    std::fs::create_dir_all(&dir).or_cannot(|| format!("make {}", dir.display()))?;
    let pipe = pipe(&dir);
    // Postfix opens it as the user that it changes to.
    let mut make = Command::new("mkfifo");
    make.arg("-m").arg("0666").arg(&pipe);
    process::run("make the pipe of Postfix's log", make, "").await?;
    // Opened for both, so that it never comes to an end.
    let mut filter = Command::new("sh");
    filter.args(["-c", "exec sed -u -E \"$1\" <>\"$2\"", "sh", HIDE_ADDRESSES]).arg(&pipe);
    process::spawn(filter, port, log, false)
}

fn pipe(dir: &Path) -> PathBuf {
    dir.join("log")
}

/// Writes a configuration under `<state>/postfix` and starts it. Needs root: its master changes users.
pub async fn start(state: &Path, port: u16, sink: u16, log: &Path) -> Result<Process> {
    let dir = state.join("postfix");
    let config = dir.join("config");
    std::fs::create_dir_all(&config).or_cannot(|| format!("make {}", config.display()))?;
    let write = |name: &str, text: String| {
        std::fs::write(config.join(name), text).or_cannot(|| format!("write {}", config.join(name).display()))
    };
    write("main.cf", main_cf(&dir, sink))?;
    write("master.cf", master_cf(port))?;
    // Its folders and its pipe belong to root and to postfix; the configuration too, or it warns about each file.
    let mut own = process::as_root("sh");
    own.args([
        "-c",
        "chown -R root:root \"$1\" && chmod 0755 \"$1\" \"$1/config\" && mkdir \"$1/queue\"",
        "sh",
    ]);
    own.arg(&dir);
    process::run("prepare Postfix's folders", own, "").await?;

    let mut start = process::as_root("/usr/sbin/postfix");
    start.arg("-c").arg(&config).arg("start");
    process::run("start Postfix", start, "").await.map_err(|error| with_log(&error, log))?;
    // Its pid file is for root to read.
    let mut master = process::as_root("cat");
    master.arg(dir.join("queue/pid/master.pid"));
    let pid = process::run("read the pid of Postfix's master", master, "").await?;
    let process = String::from_utf8_lossy(&pid).trim().parse().ok();
    process
        .and_then(|pid| Process::observe(pid, port, log, true))
        .ok_or_else(|| Error::with_log("Postfix ended at its start", log))
}

/// Stops a Postfix whose start was interrupted before its pid was written down.
pub async fn stop_unrecorded(state: &Path) {
    let config = state.join("postfix/config");
    if config.exists() {
        let mut stop = process::as_root("/usr/sbin/postfix");
        stop.arg("-c").arg(&config).arg("stop");
        // It says that it is not running when it is not, which is what we want.
        let _ = process::run("stop Postfix", stop, "").await;
    }
}

fn with_log(error: &Error, log: &Path) -> Error {
    Error::with_log(error.to_string(), log)
}

/// Every parameter of ours; see postconf(5).
fn main_cf(dir: &Path, sink: u16) -> String {
    let (log, dir) = (pipe(dir), dir.display());
    let log = log.display();
    format!(
        "compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
maillog_file = {log}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.localhost.example
mydestination =
local_recipient_maps =
local_transport = error:no local delivery here
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
message_size_limit = 52428800
smtputf8_enable = yes
mailbox_size_limit = 0

# Everything goes to the sink, bounces too. No DNS.
smtp_dns_support_level = disabled
smtp_host_lookup = native
default_transport = smtp:[127.0.0.1]:{sink}
relay_transport = smtp:[127.0.0.1]:{sink}
smtp_tls_security_level = none
smtp_connection_cache_on_demand = yes
initial_destination_concurrency = 10
default_destination_concurrency_limit = 10
# A connection lost on purpose must not count as a dead destination.
default_destination_concurrency_failed_cohort_limit = 0
default_destination_concurrency_negative_feedback = 0
default_process_limit = 20
in_flow_delay = 0

# A retry within seconds, a bounce within a minute.
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 5s
maximal_queue_lifetime = 60s
bounce_queue_lifetime = 60s
delay_warning_time = 0
notify_classes =
"
    )
}

/// The services of Postfix's own master.cf, less what would read local mail, and none in a chroot.
fn master_cf(port: u16) -> String {
    let services = [
        ("cleanup", "unix n - n - 0", "cleanup"),
        ("qmgr", "unix n - n 300 1", "qmgr"),
        ("rewrite", "unix - - n - -", "trivial-rewrite"),
        ("bounce", "unix - - n - 0", "bounce"),
        ("defer", "unix - - n - 0", "bounce"),
        ("trace", "unix - - n - 0", "bounce"),
        ("verify", "unix - - n - 1", "verify"),
        ("flush", "unix n - n 1000? 0", "flush"),
        ("proxymap", "unix - - n - -", "proxymap"),
        ("smtp", "unix - - n - -", "smtp"),
        ("relay", "unix - - n - -", "smtp"),
        ("error", "unix - - n - -", "error"),
        ("retry", "unix - - n - -", "error"),
        ("discard", "unix - - n - -", "discard"),
        ("tlsmgr", "unix - - n 1000? 1", "tlsmgr"),
        ("anvil", "unix - - n - 1", "anvil"),
        ("scache", "unix - - n - 1", "scache"),
        ("postlog", "unix-dgram n - n - 1", "postlogd"),
    ];
    let smtpd = format!("127.0.0.1:{port} inet n - n - {SMTPD_MAX} smtpd");
    let others = services.iter().map(|(name, how, program)| format!("{name} {how} {program}"));
    let lines: Vec<String> = [smtpd].into_iter().chain(others).collect();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_stays_on_loopback_and_in_its_folder() {
        let main = main_cf(Path::new("/var/tmp/x/postfix"), 2575);
        assert!(main.contains("\ninet_interfaces = 127.0.0.1\n"));
        assert!(main.contains("\ndefault_transport = smtp:[127.0.0.1]:2575\n"));
        assert!(main.contains("\nqueue_directory = /var/tmp/x/postfix/queue\n"));
        assert!(master_cf(2525).starts_with("127.0.0.1:2525 inet n - n - 200 smtpd\n"));
    }
}
