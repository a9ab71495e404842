//! Dependencies go one way: functions -> runtime, access, mail, openpgp, exchange -> store -> contract, fault; functions never import each
//! other; one TLS stack; every function has its place in the local stack.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// What each shared crate may use of ours. A function may use all of them, and no function.
const SHARED: [(&str, &[&str]); 9] = [
    ("contract", &[]),
    ("fault", &[]),
    ("store", &["contract", "fault"]),
    ("access", &["contract", "fault"]),
    ("exchange", &["contract", "fault", "store"]),
    ("mail", &["access", "contract", "fault"]),
    ("openpgp", &["contract", "fault"]),
    ("runtime", &["access", "contract", "exchange", "fault", "store"]),
    ("operations", &["access", "contract", "exchange", "fault", "mail", "openpgp", "runtime", "store"]),
];

/// What `contract` must never see, directly: it is formats alone.
const NOT_IN_CONTRACT: [&str; 4] = ["tokio", "sqlx", "aws-sdk-s3", "lambda_runtime"];

/// A second TLS stack, by the crates that it would come with.
const OTHER_TLS: [&str; 2] = ["ring", "native-tls"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(args).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Our packages: name -> (folder below the root, names of normal dependencies).
fn packages() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let root = root();
    let args = ["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"];
    let metadata: Value = serde_json::from_str(&cargo(&args)).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter().map(|package| {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let folder = manifest.parent().unwrap().strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let normal = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].is_null());
        let dependencies = normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect();
        (package["name"].as_str().unwrap().to_owned(), (folder, dependencies))
    });
    packages.collect()
}

fn functions() -> BTreeSet<String> {
    let packages = packages();
    let functions = packages.iter().filter(|(_, (folder, _))| folder.starts_with("functions/"));
    functions.map(|(name, _)| name.clone()).collect()
}

#[test]
fn dependencies_go_one_way() {
    let packages = packages();
    let functions = functions();
    let shared: BTreeMap<&str, &[&str]> = SHARED.into_iter().collect();
    for (name, (folder, dependencies)) in &packages {
        assert!(
            folder.ends_with(name.as_str()),
            "the crate {name} stands in {folder}: folder and crate have one name"
        );
        if folder.starts_with("functions/") {
            let others: Vec<_> = dependencies.intersection(&functions).collect();
            assert!(others.is_empty(), "the function {name} imports the functions {others:?}");
        }
        if folder.starts_with("shared/") {
            let allowed = shared
                .get(name.as_str())
                .unwrap_or_else(|| panic!("shared/{name} has no place in the order yet"));
            let ours = dependencies.iter().filter(|dependency| packages.contains_key(*dependency));
            for dependency in ours {
                assert!(allowed.contains(&dependency.as_str()), "shared/{name} must not use {dependency}");
            }
        }
    }
    let contract = &packages["contract"].1;
    assert!(
        NOT_IN_CONTRACT.iter().all(|name| !contract.contains(*name)),
        "contract is formats alone: {contract:?}"
    );
}

#[test]
fn a_shared_crate_serves_at_least_two() {
    let packages = packages();
    for (name, _) in SHARED {
        let users = packages
            .values()
            .filter(|(folder, uses)| !folder.starts_with("tests/") && uses.contains(name))
            .count();
        assert!(users >= 2, "shared/{name} serves {users}");
    }
}

#[test]
fn there_is_one_tls_stack() {
    // `cargo tree` names what is really built; the lock file and `cargo metadata` also name what unused features would bring.
    let tree = cargo(&[
        "tree",
        "--workspace",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--locked",
        "--offline",
    ]);
    let used: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(used.contains("rustls"), "the check reads the tree rightly");
    for name in OTHER_TLS {
        assert!(!used.contains(name), "{name} is in the tree: cargo tree --workspace -i {name}");
    }
}

#[test]
fn every_function_has_its_place_in_the_local_stack() {
    let text = std::fs::read_to_string(root().join("localstack/stack.toml")).unwrap();
    let stack: toml::Value = toml::from_str(&text).unwrap();
    let mut placed: BTreeSet<String> = stack["function"]
        .as_array()
        .unwrap()
        .iter()
        .map(|function| function["name"].as_str().unwrap().to_owned())
        .collect();
    // The gateway is a container: the driver starts it as a process.
    placed.insert("gateway".to_owned());
    assert_eq!(placed, functions());
}
