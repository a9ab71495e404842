//! Functions of a test's own beside the main deployment, so that it may stop and kill them.

use localstack::{Deploy, Stack};

use crate::unique;

/// Queues and functions under a prefix of their own; keys, spool and database are the main deployment's. No schedule fires.
/// [`localstack::undeploy`] takes it away by `stack.deployment.prefix`.
pub fn deploy(main: &Stack, name: &str, functions: &[&str]) -> Stack {
    deploy_with(main, name, functions, &[])
}

/// The same with variables of their own.
pub fn deploy_with(main: &Stack, name: &str, functions: &[&str], variables: &[(&str, String)]) -> Stack {
    let shared = ["MASTER_KEY_SECRET", "SPOOL_BUCKET", "REPORTS_BUCKET"];
    let shared = shared.map(|name| (name, main.deployment.environment[name].clone()));
    let environment = shared.iter().chain(variables);
    let environment = environment.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let only = functions.iter().map(|name| (*name).to_owned()).collect();
    let deploy = Deploy { environment, only, schedules: false };
    let deployment = localstack::deploy(main, &unique(name), &deploy).unwrap();
    Stack { deployment, ..main.clone() }
}

/// The `Host` by which [`Stack::endpoint`] knows a function of a deployment: the proxy's ports are the main deployment's.
pub fn host<'a>(stack: &'a Stack, function: &str) -> &'a str {
    stack.deployment.urls[function].trim_start_matches("http://").trim_end_matches('/')
}
