//! What every `main.rs` calls: configuration, telemetry, AWS clients, name servers, the relay and the loops that serve events.
//!
//! Owns the edge of the process: the environment, the log, the Lambda runtime, the shapes of SQS and schedule events. It reads the
//! clock; everything behind it takes `now`. It never sees a tenant's data, SQL or a template. Errors are logged here and nowhere else.
#![forbid(unsafe_code)]

mod clients;
mod command;
mod config;
pub mod dns;
mod document;
mod event;
mod http;
mod journal;
mod queue;
mod relay;
mod schedule;
pub mod telemetry;

pub use clients::{AwsError, Clients};
pub use command::serve_command;
pub use config::{Config, ConfigError};
pub use document::Document;
pub use event::Body;
pub use http::{ClientAddress, problem, problem_of, serve_http};
pub use journal::Journal;
pub use queue::{Delivery, serve_batch, serve_queue, serve_queue_and_schedule};
pub use relay::{ConnectError, Relay, RelayError};
pub use schedule::{Tick, serve_schedule};

/// What a `main` returns: any error that keeps the process from starting or serving.
pub type Error = lambda_runtime::Error;
