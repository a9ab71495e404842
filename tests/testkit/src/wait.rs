//! Waiting for a condition with a deadline, instead of sleeping.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

/// Long enough for several redeliveries after a killed function on a machine that is five times slower for a while.
pub const DEADLINE: Duration = Duration::from_mins(5);
const POLL: Duration = Duration::from_millis(100);
/// For what is there for a few milliseconds only.
const POLL_CLOSELY: Duration = Duration::from_millis(1);

/// Asks until there is an answer.
///
/// # Panics
/// When there is none within [`DEADLINE`].
pub async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(DEADLINE, what, ask).await
}

/// Asks until the answer is as expected, and returns it.
///
/// # Panics
/// With the last answer, when there is none such within [`DEADLINE`].
pub async fn until_so<T: Debug>(
    what: &str,
    mut ask: impl AsyncFnMut() -> T,
    expected: impl Fn(&T) -> bool,
) -> T {
    let begun = Instant::now();
    loop {
        let answer = ask().await;
        if expected(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < DEADLINE, "gave up after {} s: {what}: {answer:?}", DEADLINE.as_secs());
        tokio::time::sleep(POLL).await;
    }
}

/// Asks until there is an answer, with another deadline.
///
/// # Panics
/// When there is none within it.
pub async fn until_within<T>(deadline: Duration, what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    polled(deadline, POLL, what, ask).await
}

/// Asks until there is an answer, so often that nothing of a few milliseconds is missed.
///
/// # Panics
/// When there is none within [`DEADLINE`].
pub async fn until_closely<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    polled(DEADLINE, POLL_CLOSELY, what, ask).await
}

async fn polled<T>(
    deadline: Duration,
    poll: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < deadline, "gave up after {} s waiting for {what}", deadline.as_secs());
        tokio::time::sleep(poll).await;
    }
}
