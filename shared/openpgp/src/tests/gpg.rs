use std::{
    io::{Read, Write},
    process::{Command, Output, Stdio},
    thread,
};

use tempfile::TempDir;

use crate::{PublicKey, TenantKey};

/// GnuPG with a home of its own, whose agent ends with it. Under /tmp, since the agent's socket path has 107 characters at most.
pub struct Gpg {
    home: TempDir,
}

impl Gpg {
    pub fn new() -> Self {
        Self { home: tempfile::Builder::new().prefix("pgp").tempdir_in("/tmp").unwrap() }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("GNUPGHOME", self.home.path()).env("LC_ALL", "C");
        command
    }

    pub fn try_run(&self, args: &[&str], mut input: impl Read + Send) -> Output {
        let mut child = self
            .command("gpg")
            .args(["--batch", "--no-tty", "--yes", "--trust-model", "always", "--pinentry-mode", "loopback"])
            .args(["--passphrase", ""])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                // It may end before it has read all, on an error that the output tells.
                let _ = std::io::copy(&mut input, &mut stdin);
                let _ = stdin.flush();
            });
            child.wait_with_output().unwrap()
        })
    }

    pub fn run(&self, args: &[&str], input: impl Read + Send) -> Vec<u8> {
        let output = self.try_run(args, input);
        assert!(output.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Imports the tenant's certificate and returns its fingerprint, to encrypt to.
    pub fn import(&self, key: &TenantKey) -> String {
        self.run(&["--import"], key.public_armored().unwrap().as_bytes());
        key.fingerprint()
    }

    /// Makes a key that signs and decrypts, and returns its certificate. `expires`: "never", "1y".
    pub fn generate(&self, user_id: &str, expires: &str) -> PublicKey {
        self.run(&["--quick-generate-key", user_id, "future-default", "default", expires], &b""[..]);
        PublicKey::parse(&self.run(&["--export", user_id], &b""[..])).unwrap()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = self.command("gpgconf").args(["--kill", "all"]).output();
    }
}
