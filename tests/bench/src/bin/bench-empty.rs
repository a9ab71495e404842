//! A function that does nothing: what a cold start costs without anything of ours.

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        Ok::<_, std::convert::Infallible>(event.payload)
    }))
    .await
}
