//! Schedules, and what is common to all that runs until a deadline.

use std::{future::Future, sync::Arc, time::Duration};

use fault::{Disposition, Fault};
use lambda_runtime::{Context, Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use time::OffsetDateTime;
use tracing::Instrument;

use crate::event::{Event, route};

/// Work is cancelled this long before the platform kills the process, so that what was finished in the same invocation still counts.
const CANCEL_BEFORE_DEADLINE: Duration = Duration::from_millis(500);
/// How long cancelled work may take to let go.
const CANCEL_WAIT: Duration = Duration::from_millis(200);

/// A schedule fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The time that the event names: the function's clock.
    pub now: OffsetDateTime,
    /// When the platform kills the invocation, by the real clock.
    pub deadline: OffsetDateTime,
}

/// Serves a schedule. `state` is shared by all invocations of this process.
pub async fn serve_schedule<S, H, Fut, E>(state: S, handler: H) -> Result<(), crate::Error>
where
    H: Fn(Arc<S>, Tick) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Fault,
{
    let (state, handler) = (Arc::new(state), &handler);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let state = state.clone();
        async move {
            let deadline = deadline(&event.context);
            match route(event.payload) {
                Event::Tick(now) => tick(handler, state, Tick { now, deadline }).await,
                Event::Records(_) | Event::Unknown => Err(unknown_event()),
            }
        }
    }))
    .await
}

pub(crate) async fn tick<S, H, Fut, E>(handler: &H, state: Arc<S>, tick: Tick) -> Result<Value, Diagnostic>
where
    H: Fn(Arc<S>, Tick) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Fault,
{
    match guarded(handler(state, tick), tick.deadline).await {
        Ok(Ok(())) => Ok(Value::Null),
        Ok(Err(error)) => Err(failed("schedule", &error)),
        Err(broken) => {
            tracing::error!(reason = broken.words(), "schedule failed");
            Err(Diagnostic { error_type: "Broken".to_owned(), error_message: broken.words().to_owned() })
        }
    }
}

/// Why work ended without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The panic hook has logged where.
    Panicked,
    OutOfTime,
}

impl Broken {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Panicked => "panicked",
            Self::OutOfTime => "ran out of time",
        }
    }
}

/// Runs work in a task of its own, to the end or until shortly before the deadline.
pub(crate) async fn guarded<F>(work: F, deadline: OffsetDateTime) -> Result<F::Output, Broken>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let limit = remaining(deadline).saturating_sub(CANCEL_BEFORE_DEADLINE);
    let mut task = tokio::spawn(work.in_current_span());
    match tokio::time::timeout(limit, &mut task).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(_)) => Err(Broken::Panicked),
        Err(_) => {
            task.abort();
            // Whether it ended in time or not: nothing more can be done about it.
            let _ = tokio::time::timeout(CANCEL_WAIT, task).await;
            Err(Broken::OutOfTime)
        }
    }
}

/// How long the invocation still has.
pub(crate) fn remaining(deadline: OffsetDateTime) -> Duration {
    Duration::try_from(deadline - OffsetDateTime::now_utc()).unwrap_or_default()
}

/// When the platform kills the invocation.
pub(crate) fn deadline(context: &Context) -> OffsetDateTime {
    let milliseconds = i128::from(context.deadline);
    OffsetDateTime::from_unix_timestamp_nanos(milliseconds * 1_000_000)
        .unwrap_or_else(|_| OffsetDateTime::now_utc())
}

/// Logs an error, once, and makes the platform's form of it. What a customer reads may quote them: the log has the code alone.
pub(crate) fn failed(what: &'static str, error: &impl Fault) -> Diagnostic {
    let disposition = error.disposition();
    let (error_type, error_message) = match &disposition {
        Disposition::Retry { .. } => ("Retry".to_owned(), error.to_string()),
        Disposition::Permanent => ("Permanent".to_owned(), error.to_string()),
        Disposition::Customer(notice) => (notice.code.slug().to_owned(), notice.words()),
    };
    tracing::error!(what, disposition = name(&disposition), %error, "failed");
    Diagnostic { error_type, error_message }
}

/// A disposition as the log spells it.
pub(crate) fn name(disposition: &Disposition) -> &'static str {
    match disposition {
        Disposition::Retry { .. } => "retry",
        Disposition::Permanent => "permanent",
        Disposition::Customer(notice) => notice.code.slug(),
    }
}

pub(crate) fn unknown_event() -> Diagnostic {
    tracing::error!("an event of an unknown kind");
    Diagnostic {
        error_type: "UnknownEvent".to_owned(),
        error_message: "the event is neither a queue's nor a schedule's".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_seconds(seconds: f64) -> OffsetDateTime {
        OffsetDateTime::now_utc() + time::Duration::seconds_f64(seconds)
    }

    #[tokio::test]
    async fn guarded_work_ends_in_one_of_three_ways() {
        assert_eq!(guarded(async { 7 }, in_seconds(60.0)).await, Ok(7));
        let panics = async { panic!("on purpose") };
        assert_eq!(
            guarded::<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>>(Box::pin(panics), in_seconds(60.0))
                .await,
            Err(Broken::Panicked)
        );
        assert_eq!(guarded(std::future::pending::<()>(), in_seconds(0.6)).await, Err(Broken::OutOfTime));
    }

    #[test]
    fn the_deadline_is_the_contexts() {
        let mut context = Context::default();
        context.deadline = 1_795_435_200_250;
        assert_eq!(deadline(&context).unix_timestamp(), 1_795_435_200);
        assert_eq!(remaining(deadline(&Context::default())), Duration::ZERO);
    }
}
