//! Python programs in virtual environments below `target`: `LocalStack`, and clients of the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{IoContext, Result};
use crate::progress::Step;
use crate::setup::{quiet, succeeds};
use crate::{paths, process};

/// A virtual environment, made anew when what belongs in it has changed.
pub struct Venv {
    what: &'static str,
    folder: PathBuf,
    /// A complete list: pip has nothing to choose.
    requirements: PathBuf,
    /// A package of the checkout's own: its folder, and its modules' folder within.
    package: Option<(PathBuf, &'static str)>,
}

/// `LocalStack` and the executor.
pub fn localstack() -> Venv {
    let source = paths::checkout().join("localstack");
    Venv {
        what: "LocalStack",
        folder: paths::venv(),
        requirements: source.join("requirements.txt"),
        package: Some((source.join("executor"), "broadcast_executor")),
    }
}

/// SFTP clients and other peers that are Python programs.
pub fn clients() -> Venv {
    Venv {
        what: "the tests' clients",
        folder: paths::clients_venv(),
        requirements: paths::checkout().join("tests/clients/requirements.txt"),
        package: None,
    }
}

/// The check of `infra/`, with the providers' schemas.
pub fn infra() -> Venv {
    Venv {
        what: "the check of infra/",
        folder: paths::infra_venv(),
        requirements: paths::checkout().join("infra/check/requirements.txt"),
        package: None,
    }
}

/// checkov. It has a parser of the same name as the check's, so they are apart.
pub fn checkov() -> Venv {
    Venv {
        what: "checkov",
        folder: paths::checkov_venv(),
        requirements: paths::checkout().join("infra/check/checkov.txt"),
        package: None,
    }
}

impl Venv {
    /// Installs it, unless the stamp says that just this is in it.
    pub async fn ensure(&self) -> Result<()> {
        let stamp = self.folder.join("broadcast.stamp");
        let wanted = self.fingerprint()?;
        if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(());
        }
        let step = Step::begin(format!("Installing {}", self.what));
        // Whatever is there is older or half done.
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
        .or_cannot(|| format!("remove {}", self.folder.display()))?;
        let mut create = Command::new(python());
        create.args(["-m", "venv"]).arg(&self.folder);
        process::run("create a virtual environment", create, "").await?;
        let mut pins = self.pip();
        pins.arg("--no-deps").arg("--requirement").arg(&self.requirements);
        process::run(&format!("install {}", self.what), pins, "").await?;
        if let Some((source, _)) = &self.package {
            self.install(source).await?;
        }
        std::fs::write(&stamp, wanted).or_cannot(|| format!("write {}", stamp.display()))?;
        step.done("installed");
        Ok(())
    }

    /// pip builds where the source is; ours is copied, to leave the checkout clean.
    async fn install(&self, source: &Path) -> Result<()> {
        let copy = self.folder.join("package-source");
        let mut copied = Command::new("cp");
        copied.arg("-r").arg(source).arg(&copy);
        process::run("copy a package", copied, "").await?;
        let mut package = self.pip();
        package.arg("--no-deps").arg(&copy);
        process::run("install a package of our own", package, "").await.map(drop)
    }

    fn pip(&self) -> Command {
        let mut command = Command::new(self.folder.join("bin/pip"));
        command.args(["--disable-pip-version-check", "install", "--quiet"]);
        command
    }

    fn fingerprint(&self) -> Result<String> {
        let mut files = vec![self.requirements.clone()];
        if let Some((source, modules)) = &self.package {
            let modules = source.join(modules);
            let listed = std::fs::read_dir(&modules).or_cannot(|| format!("list {}", modules.display()))?;
            files.push(source.join("pyproject.toml"));
            files.extend(
                listed.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.extension().is_some()),
            );
        }
        files.sort();
        let mut parts = vec![python().as_os_str().as_encoded_bytes().to_vec()];
        for file in files {
            parts.push(std::fs::read(&file).or_cannot(|| format!("read {}", file.display()))?);
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        Ok(format!("{:016x}", paths::fingerprint(&parts)))
    }
}

/// Debian's own Python when it is new enough for `LocalStack` (3.11), so that a version manager's does not matter.
pub(crate) fn python() -> PathBuf {
    let check = "import sys; sys.exit(sys.version_info < (3, 11))";
    let system = Path::new("/usr/bin/python3");
    if succeeds(quiet("/usr/bin/python3", &["-c", check]).env_clear()) {
        return system.to_path_buf();
    }
    PathBuf::from("python3")
}
