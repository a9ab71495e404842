//! JSON lines on stdout, where Lambda and containers collect them.

use std::panic::{self, PanicHookInfo};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// Libraries that write events, headers or bodies at their finer levels, and customers' data with them: whatever `RUST_LOG` says, they
/// stay at `info`.
const CAPPED: [&str; 8] = [
    "lambda_runtime",
    "lambda_http",
    "aws_smithy_runtime",
    "aws_runtime",
    "aws_sdk_s3",
    "aws_sdk_sqs",
    "aws_sdk_secretsmanager",
    "hyper",
];

/// Libraries that write names which they were asked for at any level, among them domains of recipients; or call an error what a stranger sends.
const SILENT: [&str; 5] =
    ["hickory_resolver", "hickory_net", "hickory_proto", "webauthn_rs", "webauthn_rs_core"];

/// Starts logging: level from `RUST_LOG`, `info` without it. A panic is logged by its place alone: its words may quote data.
pub fn init() {
    let wanted = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let capped = CAPPED.map(|target| format!("{target}=info"));
    let silent = SILENT.map(|target| format!("{target}=off"));
    let filter = capped.iter().chain(&silent).fold(wanted, |filter, directive| {
        // A fixed text that always parses; without it the library would merely keep the wanted level.
        match directive.parse() {
            Ok(directive) => filter.add_directive(directive),
            Err(_) => filter,
        }
    });
    let started = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .try_init();
    if started.is_ok() {
        panic::set_hook(Box::new(log_panic));
    }
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "panic");
}
