//! Trigger: HTTP requests of people's browsers, with a session.
//! Reads: users and sessions; a tenant's rows, as the tenant.
//! Writes: users, sessions, challenges, attempts, audit lines; what the tenant's people change.
//! Emits: texts with codes, over SNS; rows of `notices`, which notify mails.
//! Idempotency key: of a login its challenge, which is used once; of a password's link its token.

use std::sync::Arc;

use console::Console;
use runtime::Config;

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let config = Config::from_env()?;
    let console = Console::new(&config).await?;
    runtime::serve_http(&config, console::router(Arc::new(console))).await
}
