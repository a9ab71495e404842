//! Queues: the records of a batch, each on its own.

use std::{future::Future, sync::Arc, time::Duration};

use fault::{Disposition, Fault};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use time::OffsetDateTime;
use tracing::Instrument;

use crate::{
    event::{Body, Event, Record, route},
    schedule::{Broken, Tick, deadline, guarded, name, remaining, tick, unknown_event},
};

/// A record that would have less time than this is given back unbegun.
const BEGIN_BEFORE_DEADLINE: Duration = Duration::from_secs(1);

/// One message, as its handler gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery<T> {
    /// What it says.
    pub body: Body<T>,
    /// SQS's id of the message: the same on every delivery.
    pub message_id: String,
    /// From 1; approximate. No decision may be built on it.
    pub receive_count: u32,
    /// When this delivery was begun.
    pub now: OffsetDateTime,
    /// When the platform kills the invocation.
    pub deadline: OffsetDateTime,
}

/// The answer to a batch: which messages go back to the queue.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchAnswer {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl BatchAnswer {
    fn fail(&mut self, message_id: String) {
        self.batch_item_failures.push(Failure { item_identifier: message_id });
    }

    fn into_value(self) -> Value {
        // Plain strings in a plain struct: this cannot fail; null would acknowledge the whole batch, so an error it would be.
        serde_json::to_value(self).unwrap_or_else(|_| Value::String("unwritable".to_owned()))
    }
}

/// Serves a queue, one message at a time. `state` is shared by all invocations of this process.
///
/// The messages of a batch run one after another: memory and connections of an invocation stay those of one message, and what runs at
/// once is set in one place, the concurrency of the queue's mapping.
pub async fn serve_queue<S, T, H, Fut, E>(state: S, handler: H) -> Result<(), crate::Error>
where
    T: DeserializeOwned,
    H: Fn(Arc<S>, Delivery<T>) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Fault,
{
    let (state, handler) = (Arc::new(state), &handler);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let state = state.clone();
        async move {
            let deadline = deadline(&event.context);
            match route(event.payload) {
                Event::Records(records) => Ok(each(handler, &state, records, deadline).await.into_value()),
                Event::Tick(_) | Event::Unknown => Err(unknown_event()),
            }
        }
    }))
    .await
}

/// Serves a queue and a schedule with one function.
pub async fn serve_queue_and_schedule<S, T, H, Fut, E, HT, FutT, ET>(
    state: S,
    on_delivery: H,
    on_tick: HT,
) -> Result<(), crate::Error>
where
    T: DeserializeOwned,
    H: Fn(Arc<S>, Delivery<T>) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Fault,
    HT: Fn(Arc<S>, Tick) -> FutT,
    FutT: Future<Output = Result<(), ET>> + Send + 'static,
    ET: Fault,
{
    let (state, on_delivery, on_tick) = (Arc::new(state), &on_delivery, &on_tick);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let state = state.clone();
        async move {
            let deadline = deadline(&event.context);
            match route(event.payload) {
                Event::Records(records) => {
                    Ok(each(on_delivery, &state, records, deadline).await.into_value())
                }
                Event::Tick(now) => tick(on_tick, state, Tick { now, deadline }).await,
                Event::Unknown => Err(unknown_event()),
            }
        }
    }))
    .await
}

/// Serves a queue, a whole batch at a time, for work that is cheaper together. The handler returns what failed, by message id; a panic
/// makes it run once more for each message alone, so that only the message that causes it fails.
pub async fn serve_batch<S, T, H, Fut, E>(state: S, handler: H) -> Result<(), crate::Error>
where
    T: DeserializeOwned + Clone,
    H: Fn(Arc<S>, Vec<Delivery<T>>) -> Fut,
    Fut: Future<Output = Vec<(String, E)>> + Send + 'static,
    E: Fault,
{
    let (state, handler) = (Arc::new(state), &handler);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let state = state.clone();
        async move {
            let deadline = deadline(&event.context);
            match route(event.payload) {
                Event::Records(records) => {
                    Ok::<_, Diagnostic>(together(handler, &state, records, deadline).await.into_value())
                }
                Event::Tick(_) | Event::Unknown => Err(unknown_event()),
            }
        }
    }))
    .await
}

async fn each<S, T, H, Fut, E>(
    handler: &H,
    state: &Arc<S>,
    records: Vec<Record>,
    deadline: OffsetDateTime,
) -> BatchAnswer
where
    T: DeserializeOwned,
    H: Fn(Arc<S>, Delivery<T>) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Fault,
{
    let mut answer = BatchAnswer::default();
    for record in records {
        let id = record.message_id.clone();
        let span = tracing::info_span!("message", id, receive_count = record.receive_count());
        let done = one(handler, state, record, deadline).instrument(span).await;
        if !done {
            answer.fail(id);
        }
    }
    answer
}

/// Whether the message is settled.
async fn one<S, T, H, Fut, E>(handler: &H, state: &Arc<S>, record: Record, deadline: OffsetDateTime) -> bool
where
    T: DeserializeOwned,
    H: Fn(Arc<S>, Delivery<T>) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Fault,
{
    let Some(delivery) = parsed(record, deadline) else { return false };
    if remaining(deadline) < BEGIN_BEFORE_DEADLINE {
        tracing::info!("given back: too little time left to begin");
        return false;
    }
    match guarded(handler(state.clone(), delivery), deadline).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            log_failure(&error);
            false
        }
        Err(broken) => {
            tracing::error!(reason = broken.words(), "message failed");
            false
        }
    }
}

async fn together<S, T, H, Fut, E>(
    handler: &H,
    state: &Arc<S>,
    records: Vec<Record>,
    deadline: OffsetDateTime,
) -> BatchAnswer
where
    T: DeserializeOwned + Clone,
    H: Fn(Arc<S>, Vec<Delivery<T>>) -> Fut,
    Fut: Future<Output = Vec<(String, E)>> + Send + 'static,
    E: Fault,
{
    let mut answer = BatchAnswer::default();
    let mut deliveries = Vec::with_capacity(records.len());
    for record in records {
        let id = record.message_id.clone();
        let _span = tracing::info_span!("message", id).entered();
        match parsed(record, deadline) {
            Some(delivery) => deliveries.push(delivery),
            None => answer.fail(id),
        }
    }
    let mut batches = vec![deliveries];
    while let Some(batch) = batches.pop().filter(|batch| !batch.is_empty()) {
        match guarded(handler(state.clone(), batch.clone()), deadline).await {
            Ok(failures) => {
                for (id, error) in failures {
                    let _span = tracing::info_span!("message", id).entered();
                    log_failure(&error);
                    answer.fail(id);
                }
            }
            Err(Broken::Panicked) if batch.len() > 1 => {
                batches.extend(batch.into_iter().map(|delivery| vec![delivery]));
            }
            Err(broken) => {
                tracing::error!(reason = broken.words(), messages = batch.len(), "messages failed");
                for delivery in batch {
                    answer.fail(delivery.message_id);
                }
            }
        }
    }
    answer
}

fn parsed<T: DeserializeOwned>(record: Record, deadline: OffsetDateTime) -> Option<Delivery<T>> {
    match Body::parse(&record.body) {
        Ok(body) => Some(Delivery {
            body,
            receive_count: record.receive_count(),
            message_id: record.message_id,
            now: OffsetDateTime::now_utc(),
            deadline,
        }),
        Err(bad) => {
            tracing::error!(category = ?bad.category, line = bad.line, column = bad.column, "body is no message");
            None
        }
    }
}

fn log_failure(error: &impl Fault) {
    let disposition = error.disposition();
    let disposition_name = name(&disposition);
    match disposition {
        Disposition::Retry { .. } => tracing::warn!(disposition = disposition_name, %error, "message failed"),
        // A customer's mistake must have been settled by the function: here it is ours.
        Disposition::Permanent | Disposition::Customer(_) => {
            tracing::error!(disposition = disposition_name, %error, "message failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use contract::SendMessage;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("on purpose")]
    struct Refusal;

    impl Fault for Refusal {
        fn disposition(&self) -> Disposition {
            Disposition::RETRY
        }
    }

    fn records() -> Vec<Record> {
        let event = serde_json::from_str(include_str!("../fixtures/sqs.json")).unwrap();
        let Event::Records(records) = route(event) else { panic!("not a queue's event") };
        records
    }

    fn soon() -> OffsetDateTime {
        OffsetDateTime::now_utc() + time::Duration::seconds(30)
    }

    fn failed(answer: &BatchAnswer) -> Vec<&str> {
        answer.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect()
    }

    async fn take(seen: Arc<Mutex<Vec<String>>>, delivery: Delivery<SendMessage>) -> Result<(), Refusal> {
        seen.lock().unwrap().push(delivery.message_id);
        Ok(())
    }

    #[tokio::test]
    async fn only_the_poison_fails() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer = each(&take, &seen, records(), soon()).await;
        assert_eq!(failed(&answer), ["poison"]);
        assert_eq!(*seen.lock().unwrap(), ["first", "third"]);
        assert_eq!(answer.into_value().to_string(), r#"{"batchItemFailures":[{"itemIdentifier":"poison"}]}"#);
    }

    #[tokio::test]
    async fn an_error_and_a_panic_fail_their_message_alone() {
        let handler = |_: Arc<()>, delivery: Delivery<SendMessage>| async move {
            assert_ne!(delivery.message_id, "third", "on purpose");
            Err::<(), _>(Refusal)
        };
        assert_eq!(
            failed(&each(&handler, &Arc::new(()), records(), soon()).await),
            ["first", "poison", "third"]
        );
        let handler = |_: Arc<()>, delivery: Delivery<SendMessage>| async move {
            assert_ne!(delivery.message_id, "first", "on purpose");
            Ok::<_, Refusal>(())
        };
        assert_eq!(failed(&each(&handler, &Arc::new(()), records(), soon()).await), ["first", "poison"]);
    }

    #[tokio::test]
    async fn nothing_is_begun_at_the_deadline() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer = each(&take, &seen, records(), OffsetDateTime::now_utc()).await;
        assert_eq!(failed(&answer), ["first", "poison", "third"]);
        assert!(seen.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_batch_is_handled_at_once_and_singly_after_a_panic() {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let handler = |calls: Arc<Mutex<Vec<usize>>>, batch: Vec<Delivery<SendMessage>>| async move {
            calls.lock().unwrap().push(batch.len());
            assert!(batch.iter().all(|delivery| delivery.message_id != "third"), "on purpose");
            Vec::<(String, Refusal)>::new()
        };
        let answer = together(&handler, &calls, records(), soon()).await;
        assert_eq!(failed(&answer), ["poison", "third"]);
        assert_eq!(*calls.lock().unwrap(), [2, 1, 1]);

        let handler = |_: Arc<()>, batch: Vec<Delivery<SendMessage>>| async move {
            vec![(batch[0].message_id.clone(), Refusal)]
        };
        let answer = together(&handler, &Arc::new(()), records(), soon()).await;
        assert_eq!(failed(&answer), ["poison", "first"]);
    }
}
