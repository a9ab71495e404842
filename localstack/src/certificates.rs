//! A certificate authority of the instance's own: receivers of webhooks speak TLS on this machine as on any other.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{IoContext, Result};
use crate::process;

/// The root's certificate, in PEM; its key stands beside it as `root.key`.
pub(crate) fn root(state: &Path) -> PathBuf {
    state.join("certificates").join("root.pem")
}

/// Makes the root, where there is none yet.
pub(crate) async fn ensure_root(state: &Path) -> Result<PathBuf> {
    let root = root(state);
    if root.exists() {
        return Ok(root);
    }
    let folder = state.join("certificates");
    std::fs::create_dir_all(&folder).or_cannot(|| format!("make {}", folder.display()))?;
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl.args(["-days", "3650", "-subj", "/CN=Broadcast local root"]);
    openssl.arg("-keyout").arg(folder.join("root.key")).arg("-out").arg(&root);
    process::run("make a root certificate", openssl, "").await?;
    Ok(root)
}
