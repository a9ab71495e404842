//! Trigger: HTTP requests of people's browsers, with a session.
//! Reads: users and sessions; a tenant's rows, as the tenant.
//! Writes: users, sessions, codes; what the tenant's people change.
//! Emits: nothing yet of its own.
//! Idempotency key: a form's own number.

use std::sync::Arc;

use console::Console;
use runtime::Config;

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let console = Console::new(&Config::from_env()?).await?;
    runtime::serve_http(console::router(Arc::new(console))).await
}
