//! The local stack: `LocalStack`, `PostgreSQL`, Postfix, a mail sink, a proxy and the gateway as one instance that
//! goes up and down, and the driver `cargo local` that tests and the demo are started by.
//!
//! Tests use [`Stack::from_env`] to find the running stack, [`invoke`] to call a function, [`deploy`] for queues
//! and functions of their own, and [`processes_of`] to end a function hard.
//!
//! It sees no AWS SDK and no database library: it is built first on a bare machine, and installs what the rest of
//! the workspace needs to be built.

pub mod commands;
pub mod imports;
pub mod instance;
pub mod people;
pub mod proxy;
pub mod run;
pub mod setup;
pub mod sink;

mod aws;
mod certificates;
mod error;
mod fuzz;
mod http;
mod infra;
mod paths;
mod ports;
mod postfix;
mod postgres;
mod process;
mod progress;
mod stack;
mod start;
mod venv;

pub use aws::{Deploy, Invocation, deploy, invoke, queue_depth, undeploy};
pub use error::{Error, Result};
pub use paths::clients_venv;
pub use process::processes_of;
pub use stack::{Address, Deployment, Queue, STACK_VARIABLE, Stack};
