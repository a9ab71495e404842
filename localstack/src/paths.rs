//! Where things stand: the checkout, its build, and the state of an instance.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The checkout that this driver was built from. It is always run from there (`cargo local`).
pub fn checkout() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Cargo's target folder: beside the checkout unless the environment names another.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout().join("target"), PathBuf::from)
}

/// Names the profile of the functions' binaries; `debug` when absent. For benchmarks.
pub const PROFILE_VARIABLE: &str = "BROADCAST_PROFILE";

/// Where the functions' binaries are.
pub fn binaries() -> PathBuf {
    target().join(std::env::var_os(PROFILE_VARIABLE).unwrap_or_else(|| "debug".into()))
}

/// The virtual environment that `LocalStack` is installed into.
pub fn venv() -> PathBuf {
    target().join("localstack-venv")
}

/// The virtual environment of the tests' clients.
pub fn clients_venv() -> PathBuf {
    target().join("clients-venv")
}

/// The virtual environment of the check of `infra/`.
pub fn infra_venv() -> PathBuf {
    target().join("infra-venv")
}

/// The virtual environment of checkov.
pub fn checkov_venv() -> PathBuf {
    target().join("checkov-venv")
}

/// The user that runs the driver.
pub fn uid() -> u32 {
    std::fs::metadata("/proc/self").map_or(u32::MAX, |me| me.uid())
}

/// An instance's folder. Not in the checkout: `postgres` and `postfix` are other users, who cannot enter a home of
/// mode 700; and a socket's path may not be longer than 107 characters.
pub fn state_dir(instance: &str) -> PathBuf {
    let checkout = checkout();
    let place = fingerprint(&[checkout.as_os_str().as_encoded_bytes()]);
    PathBuf::from(format!("/var/tmp/broadcast-{}-{instance}-{:08x}", uid(), place >> 32))
}

/// FNV-1a: stable between builds, which std's hasher does not promise.
pub fn fingerprint(parts: &[&[u8]]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.iter().chain(&[0xff]))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_depends_on_every_part_and_its_border() {
        assert_eq!(fingerprint(&[b"a", b"b"]), fingerprint(&[b"a", b"b"]));
        assert_ne!(fingerprint(&[b"a", b"b"]), fingerprint(&[b"ab"]));
    }

    #[test]
    fn state_stands_outside_the_checkout() {
        let dir = state_dir("dev");
        assert!(!dir.starts_with(checkout()));
        assert!(dir.as_os_str().len() < 60);
    }
}
