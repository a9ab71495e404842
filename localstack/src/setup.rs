//! What the machine must have: installed where we may, told in one list where we may not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::progress::Step;
use crate::venv::{self, python};
use crate::{paths, postgres, process};

/// Something that building or running needs, and the Debian package that has it.
struct Need {
    package: &'static str,
    what_for: &'static str,
    present: fn() -> bool,
}

/// What a command is about to do, beyond building and running the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing more.
    Stack,
    /// Running the tests.
    Tests,
    /// Running the tests and the fuzz targets.
    LongTests,
    /// Running the benchmarks.
    Bench,
}

/// Whatever is done.
const NEEDS: [Need; 9] = [
    Need {
        package: "postgresql",
        what_for: "the database",
        present: || postgres::binaries().is_ok() && on_path("psql"),
    },
    Need {
        package: "postfix",
        what_for: "the mail relay",
        present: || Path::new("/usr/sbin/postfix").exists(),
    },
    Need {
        package: "openssh-client",
        what_for: "ssh-keygen, and sftp for the demo",
        present: || on_path("ssh-keygen") && on_path("sftp"),
    },
    Need { package: "gnupg", what_for: "OpenPGP in tests and the demo", present: || on_path("gpg") },
    Need {
        package: "openssl",
        what_for: "certificates of local receivers of webhooks",
        present: || on_path("openssl"),
    },
    Need { package: "python3-venv", what_for: "LocalStack", present: has_venv },
    Need { package: "pkg-config", what_for: "building sequoia-openpgp", present: || on_path("pkg-config") },
    Need { package: "libssl-dev", what_for: "building sequoia-openpgp", present: has_openssl },
    Need { package: "libclang-dev", what_for: "building sequoia-openpgp", present: has_libclang },
];

/// Customers' SFTP clients, receivers' verifiers and a recipient's browser, for the scenarios.
const TEST_NEEDS: [Need; 9] = [
    Need {
        package: "chromium",
        what_for: "a recipient's browser in the tests",
        present: || on_path("chromium"),
    },
    Need { package: "chromium-driver", what_for: "driving it", present: || on_path("chromedriver") },
    Need { package: "curl", what_for: "a client of the tests", present: || on_path("curl") },
    Need { package: "lftp", what_for: "a client of the tests", present: || on_path("lftp") },
    Need { package: "rclone", what_for: "a client of the tests", present: || on_path("rclone") },
    Need { package: "sshfs", what_for: "a client of the tests", present: || on_path("sshfs") },
    Need {
        package: "opendkim",
        what_for: "a verifier of the tests' mails",
        present: || Path::new("/usr/sbin/opendkim").exists(),
    },
    Need {
        package: "spamassassin",
        what_for: "a verifier of the tests' mails",
        present: || on_path("spamassassin"),
    },
    Need { package: "sq", what_for: "OpenPGP in tests, beside gnupg", present: || on_path("sq") },
];

/// The benchmarks' peers.
const BENCH_NEEDS: [Need; 3] = [
    Need {
        package: "nginx-light",
        what_for: "a peer of collect's benchmark",
        present: || Path::new("/usr/sbin/nginx").exists(),
    },
    Need { package: "rclone", what_for: "a peer of the gateway's benchmarks", present: || on_path("rclone") },
    Need {
        package: "openssh-server",
        what_for: "a peer of the gateway's benchmarks",
        present: || {
            Path::new("/usr/sbin/sshd").exists() && Path::new("/usr/lib/openssh/sftp-server").exists()
        },
    },
];

/// libFuzzer is C++.
const FUZZ_NEEDS: [Need; 1] =
    [Need { package: "g++", what_for: "building the fuzz targets", present: || on_path("c++") }];

/// Sees to it that everything is there. Quick when it is.
pub async fn ensure(purpose: Purpose) -> Result<()> {
    let more: [&[Need]; 2] = match purpose {
        Purpose::Stack => [&[], &[]],
        Purpose::Tests => [&TEST_NEEDS, &[]],
        Purpose::LongTests => [&TEST_NEEDS, &FUZZ_NEEDS],
        Purpose::Bench => [&BENCH_NEEDS, &[]],
    };
    let needs = NEEDS.iter().chain(more.into_iter().flatten());
    let missing: Vec<&Need> = needs.filter(|need| !(need.present)()).collect();
    if !missing.is_empty() {
        install(&missing).await?;
    }
    venv::localstack().ensure().await?;
    if matches!(purpose, Purpose::Tests | Purpose::LongTests) {
        venv::clients().ensure().await?;
        venv::infra().ensure().await?;
        venv::checkov().ensure().await?;
    }
    Ok(())
}

async fn install(missing: &[&Need]) -> Result<()> {
    let lines: Vec<String> =
        missing.iter().map(|need| format!("  {:16} {}", need.package, need.what_for)).collect();
    let list = lines.join("\n");
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let by_hand = |why: &str| {
        Error::failed(
            format!("These are missing, and {why}:\n{list}"),
            format!("On Debian or Ubuntu: apt-get install {}", packages.join(" ")),
        )
    };
    if !on_path("apt-get") {
        return Err(by_hand("this is not Debian or Ubuntu (no apt-get)"));
    }
    if paths::uid() != 0 && !succeeds(&mut quiet("sudo", &["-n", "true"])) {
        return Err(by_hand("installing them takes root or sudo without a password"));
    }
    let step = Step::begin(format!("Installing {}", packages.join(", ")));
    process::run("refresh apt's lists", apt(&["update", "-qq"]), "").await?;
    let mut install = vec!["install", "-y", "-q", "--no-install-recommends"];
    install.extend(&packages);
    let mut simulate = install.clone();
    simulate.push("--simulate");
    let plan = process::run("plan the installation", apt(&simulate), "").await?;
    if String::from_utf8_lossy(&plan).lines().any(|line| line.starts_with("Remv")) {
        // Another mail server would give way to Postfix.
        return Err(by_hand("installing them would remove packages that are in use here"));
    }
    keep_services_down(&packages).await?;
    process::run("install the packages", apt(&install), "").await?;
    step.done("installed");
    Ok(())
}

/// Postgres gets no cluster of the system's, Postfix no configuration, and sshd, `OpenDKIM` and nginx stay down: none has a service to start.
async fn keep_services_down(packages: &[&str]) -> Result<()> {
    if packages.contains(&"postgresql") {
        let mut write = process::as_root("sh");
        let script = "test -d /etc/postgresql-common || { mkdir -p /etc/postgresql-common/createcluster.d && \
                      echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/broadcast.conf; }";
        write.args(["-c", script]);
        process::run("keep PostgreSQL from making a cluster", write, "").await?;
    }
    if packages.contains(&"openssh-server") {
        // Debian's own way: neither its unit nor its init script starts where this file is.
        let mut write = process::as_root("sh");
        write.args(["-c", "mkdir -p /etc/ssh && touch /etc/ssh/sshd_not_to_be_run"]);
        process::run("keep sshd from starting", write, "").await?;
    }
    for (package, service) in [("opendkim", "opendkim"), ("nginx-light", "nginx")] {
        if !packages.contains(&package) {
            continue;
        }
        // They have no such file. A masked unit is not started.
        let mut mask = process::as_root("sh");
        let unit = format!("/etc/systemd/system/{service}.service");
        mask.args([
            "-c",
            &format!("test -e {unit} || {{ mkdir -p /etc/systemd/system && ln -s /dev/null {unit}; }}"),
        ]);
        process::run(&format!("keep {service} from starting"), mask, "").await?;
    }
    if packages.contains(&"postfix") {
        let answers = process::as_root("debconf-set-selections");
        let answer = "postfix postfix/main_mailer_type select No configuration\n";
        process::run("keep Postfix from being configured", answers, answer).await?;
    }
    Ok(())
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = process::as_root("env");
    command
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300"])
        .args(arguments);
    command
}

fn has_venv() -> bool {
    succeeds(Command::new(python()).args(["-c", "import venv, ensurepip"]).stderr(Stdio::null()))
}

fn has_openssl() -> bool {
    succeeds(&mut quiet("pkg-config", &["--exists", "openssl"]))
}

/// bindgen wants the library and clang's own headers.
fn has_libclang() -> bool {
    let within = |folder: PathBuf, starts: &str| {
        let found = std::fs::read_dir(folder).into_iter().flatten().flatten();
        found.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(starts))
    };
    if std::env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let versions = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    versions
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("llvm-")))
        .any(|llvm| within(llvm.join("lib"), "libclang") && within(llvm.join("lib/clang"), ""))
}

pub(crate) fn on_path(program: &str) -> bool {
    // sbin is not on an ordinary user's path.
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').any(|folder| Path::new(folder).join(program).is_file())
}

pub(crate) fn quiet(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}
