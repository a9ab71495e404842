//! What a case cost: time, requests, statements. What no peer does has no ratio.

use serde::Serialize;

use super::{
    cloud::{Requests, of_s3},
    meter::Statements,
};
use crate::{
    comparison::{median, rounded},
    processor::Seconds,
};

/// One run of a case, timed.
pub struct Timed {
    pub seconds: f64,
    pub peak_rss_mib: u64,
    pub processor: Seconds,
}

/// One run of a case, with its requests and statements counted on their way.
pub struct Counted {
    pub requests: Requests,
    /// Messages that were put on queues.
    pub messages: usize,
    pub statements: Statements,
}

/// A case.
#[derive(Debug, Serialize)]
pub struct Figure {
    bench: &'static str,
    case: String,
    pub seconds: f64,
    pub s3_requests: u64,
    requests: Requests,
    statements: Statements,
    statement_count: u64,
    pub peak_rss_mib: u64,
    processor: Seconds,
    /// By each thing that it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    each: Option<Each>,
}

#[derive(Debug, Serialize)]
struct Each {
    what: &'static str,
    milliseconds: f64,
    s3_requests: f64,
    statements: f64,
    round_trips: f64,
}

impl Figure {
    /// The median of the timed runs, and the counts, which are the same in each.
    pub fn of(case: impl Into<String>, timed: Vec<Timed>, counted: Counted) -> Self {
        let Counted { requests, statements, .. } = counted;
        Self {
            bench: "sweep",
            case: case.into(),
            seconds: rounded(median(timed.iter().map(|run| run.seconds).collect()), 4),
            s3_requests: of_s3(&requests),
            requests,
            statement_count: statements.count(),
            statements,
            peak_rss_mib: timed.iter().map(|run| run.peak_rss_mib).max().unwrap_or_default(),
            processor: Seconds::median(timed.into_iter().map(|run| run.processor).collect()),
            each: None,
        }
    }

    /// Divides it by so many things that it was about, without what a run costs that has none of them.
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn for_each(mut self, what: &'static str, count: usize, idle: Option<&Self>) -> Self {
        let share =
            |of: fn(&Self) -> f64, digits| rounded((of(&self) - idle.map_or(0.0, of)) / count as f64, digits);
        self.each = Some(Each {
            what,
            milliseconds: share(|figure| figure.seconds * 1e3, 3),
            s3_requests: share(|figure| figure.s3_requests as f64, 3),
            statements: share(|figure| figure.statement_count as f64, 3),
            round_trips: share(|figure| figure.statements.round_trips as f64, 3),
        });
        self
    }

    /// Prints lines for people, or one for programs, which has every statement by its text.
    pub fn print(&self, json: bool) -> serde_json::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        let Self { bench, case, seconds, s3_requests, statement_count, peak_rss_mib, processor, .. } = self;
        let round_trips = self.statements.round_trips;
        let operations: Vec<_> =
            self.requests.iter().map(|(operation, count)| format!("{operation} {count}")).collect();
        let Seconds { user, system, server_user, server_system } = processor;
        println!(
            "{bench}, {case}: {seconds} s; {s3_requests} S3 requests; {statement_count} statements in {round_trips} round trips; \
             peak {peak_rss_mib} MiB; processor seconds {user:.2} + {system:.2}, PostgreSQL {server_user:.2} + {server_system:.2} \
             ({})",
            operations.join(", ")
        );
        if let Some(Each { what, milliseconds, s3_requests, statements, round_trips }) = &self.each {
            println!(
                "{bench}, {case}, for each {what}: {milliseconds} ms, {s3_requests} S3 requests, {statements} statements in \
                 {round_trips} round trips"
            );
        }
        Ok(())
    }
}
