//! Commands: JSON in, JSON out, invoked by an operator.

use std::{future::Future, sync::Arc};

use fault::Fault;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use time::OffsetDateTime;

use crate::schedule::{deadline, failed, guarded};

/// Serves commands. `state` is shared by all invocations of this process. An error becomes the invocation's error, in words.
pub async fn serve_command<S, C, A, H, Fut, E>(state: S, handler: H) -> Result<(), crate::Error>
where
    C: DeserializeOwned,
    A: Serialize + Send + 'static,
    H: Fn(Arc<S>, C, OffsetDateTime) -> Fut,
    Fut: Future<Output = Result<A, E>> + Send + 'static,
    E: Fault,
{
    let (state, handler) = (Arc::new(state), &handler);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let state = state.clone();
        async move {
            let deadline = deadline(&event.context);
            let command = parse(event.payload)?;
            match guarded(handler(state, command, OffsetDateTime::now_utc()), deadline).await {
                Ok(Ok(answer)) => serde_json::to_value(answer)
                    .map_err(|_| refused("Permanent", "the answer could not be written as JSON")),
                Ok(Err(error)) => Err(failed("command", &error)),
                Err(broken) => {
                    tracing::error!(reason = broken.words(), "command failed");
                    Err(refused("Broken", broken.words()))
                }
            }
        }
    }))
    .await
}

/// The operator reads what is wrong with the command; the log, which others read, only that one was.
fn parse<C: DeserializeOwned>(payload: Value) -> Result<C, Diagnostic> {
    serde_json::from_value(payload).map_err(|error| {
        tracing::error!("the command is not valid");
        refused("Malformed", &format!("the command is not valid: {error}"))
    })
}

fn refused(error_type: &str, message: &str) -> Diagnostic {
    Diagnostic { error_type: error_type.to_owned(), error_message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
    enum Command {
        Migrate,
    }

    #[test]
    fn a_command_that_is_not_valid_is_told_why() {
        assert!(matches!(parse::<Command>(json!({"command": "migrate"})), Ok(Command::Migrate)));
        let error = parse::<Command>(json!({"command": "migrat"})).unwrap_err();
        assert!(error.error_message.contains("migrat"), "{error:?}");
    }
}
