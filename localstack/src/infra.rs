//! What is checked of `infra/` without AWS: the providers' schema and all references, policies, and the form where Terraform is installed.

use std::process::Command;

use crate::error::Result;
use crate::paths;
use crate::run::wait;
use crate::setup::on_path;

/// Whether nothing is wrong with it.
pub async fn check() -> Result<bool> {
    eprintln!("Checking infra/ ...");
    let folder = paths::checkout().join("infra");
    let python = paths::infra_venv().join("bin/python");
    let mut itself = Command::new(&python);
    itself.args(["-B", "-m", "unittest", "--quiet", "test_check"]).current_dir(folder.join("check"));
    let mut schema = Command::new(&python);
    schema.arg("-B").arg(folder.join("check/check.py"));
    let mut policies = Command::new(paths::checkov_venv().join("bin/checkov"));
    policies
        .args(["--framework", "terraform", "--skip-download", "--quiet", "--compact", "--directory"])
        .arg(&folder);
    let mut commands = vec![("test the check", itself), ("check infra/", schema), ("run checkov", policies)];
    if on_path("terraform") {
        let mut form = Command::new("terraform");
        form.args(["fmt", "-check", "-recursive"]).arg(&folder);
        commands.push(("run terraform fmt", form));
    }
    let mut well = true;
    for (what, command) in commands {
        well &= wait(what, command).await?.success();
    }
    Ok(well)
}
