//! Scenarios: real binaries, real servers, one fact per module. `cargo local test` starts the stack and runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests: a broken expectation panics")]

mod layering;
