//! The real `gpg` in a home of its own, ended with its agent when dropped.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

pub struct Gpg {
    // A short path: the agent's socket lies in it.
    home: TempDir,
}

impl Gpg {
    pub fn new() -> Self {
        let home = tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").unwrap();
        Self { home }
    }

    /// Its home, for calls that nobody else makes.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    fn command(&self) -> Command {
        let mut command = Command::new("gpg");
        command
            .args(["--batch", "--quiet", "--no-tty", "--yes", "--trust-model", "always", "--homedir"])
            .arg(self.home.path());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Vec<u8> {
        let output = self.command().args(args).output().expect("gpg is installed");
        assert!(output.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Makes a key pair without a passphrase and returns the armored public key.
    pub fn generate(&self, user: &str) -> String {
        self.run(&["--passphrase", "", "--quick-generate-key", user, "default", "default", "never"]);
        String::from_utf8(self.run(&["--armor", "--export", user])).unwrap()
    }

    pub fn import(&self, public_key: &str) {
        let file = self.home.path().join("import.asc");
        std::fs::write(&file, public_key).unwrap();
        self.run(&["--import", file.to_str().unwrap()]);
    }

    /// Encrypts to the user whose key was imported; returns `<file>.pgp`.
    pub fn encrypt(&self, file: &Path, user: &str) -> PathBuf {
        let out = PathBuf::from(format!("{}.pgp", file.display()));
        self.run(&[
            "--recipient",
            user,
            "--output",
            out.to_str().unwrap(),
            "--encrypt",
            file.to_str().unwrap(),
        ]);
        out
    }

    /// Decrypts a file; fails the test when gpg refuses it.
    pub fn decrypt(&self, file: &Path) -> Vec<u8> {
        self.run(&["--decrypt", file.to_str().unwrap()])
    }
}

impl Default for Gpg {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        Command::new("gpgconf").arg("--homedir").arg(self.home.path()).args(["--kill", "all"]).status().ok();
    }
}
