//! OpenSSH's own `sftp`, in batch mode.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::TempDir;
use tokio::process::Command;

use localstack::Stack;

/// How a session logs in.
pub enum Login {
    Key(PathBuf),
    Password(String),
}

pub struct Sftp {
    host: String,
    port: u16,
    user: String,
    login: Login,
    home: TempDir,
}

pub struct Outcome {
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
}

/// Makes an ed25519 key pair in a folder; returns the private key's path and the public line.
pub fn keygen(folder: &Path) -> (PathBuf, String) {
    keygen_of(folder, &["-t", "ed25519"])
}

/// The same of another kind, in the words of `ssh-keygen`.
pub fn keygen_of(folder: &Path, kind: &[&str]) -> (PathBuf, String) {
    let path = folder.join("id");
    let status = std::process::Command::new("ssh-keygen")
        .args(["-q", "-N", "", "-C", ""])
        .args(kind)
        .arg("-f")
        .arg(&path)
        .status()
        .expect("ssh-keygen is installed");
    assert!(status.success());
    let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    (path, public.trim().to_owned())
}

impl Sftp {
    pub fn new(stack: &Stack, user: &str, login: Login) -> Self {
        let home = tempfile::tempdir().unwrap();
        if let Login::Password(password) = &login {
            let script = home.path().join("askpass");
            std::fs::write(&script, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
            std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        }
        Self { host: stack.sftp.host.clone(), port: stack.sftp.port, user: user.to_owned(), login, home }
    }

    /// Runs one line per command, as a person would type them; stops at the first that fails.
    pub async fn run(&self, commands: &[String]) -> Outcome {
        let mut batch = String::new();
        for command in commands {
            writeln!(batch, "{command}").unwrap();
        }
        let file = self.home.path().join(crate::unique("batch"));
        std::fs::write(&file, batch).unwrap();
        let mut sftp = Command::new("sftp");
        sftp.args([
            "-q",
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
        ]);
        match &self.login {
            Login::Key(path) => {
                sftp.args(["-o", "IdentitiesOnly=yes", "-o", "PreferredAuthentications=publickey", "-i"])
                    .arg(path);
                sftp.args(["-o", "BatchMode=yes"]);
            }
            Login::Password(_) => {
                sftp.args([
                    "-o",
                    "PreferredAuthentications=password",
                    "-o",
                    "NumberOfPasswordPrompts=1",
                    "-o",
                    "BatchMode=no",
                ]);
                sftp.env("SSH_ASKPASS", self.home.path().join("askpass"))
                    .env("SSH_ASKPASS_REQUIRE", "force")
                    .env("DISPLAY", "none");
            }
        }
        sftp.arg("-P")
            .arg(self.port.to_string())
            .arg("-b")
            .arg(&file)
            .arg(format!("{}@{}", self.user, self.host));
        let output = sftp.stdin(Stdio::null()).output().await.expect("sftp is installed");
        Outcome {
            ok: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The same; fails the test when a command failed.
    pub async fn must(&self, commands: &[String]) -> String {
        let outcome = self.run(commands).await;
        assert!(outcome.ok, "sftp {commands:?}: {}{}", outcome.stdout, outcome.stderr);
        outcome.stdout
    }

    /// The names in a folder.
    pub async fn list(&self, folder: &str) -> Vec<String> {
        let out = self.must(&[format!("ls -1 {folder}")]).await;
        out.lines()
            .filter(|line| !line.starts_with("sftp>"))
            .map(|line| line.trim().trim_start_matches(&format!("{folder}/")).to_owned())
            .filter(|line| !line.is_empty())
            .collect()
    }
}
