//! Trigger: HTTP, the links in mails.
//! Reads:   the master key, once: a token says and proves by itself whom it is about. The rules for programs (`actors.json`), each ten minutes.
//! Writes:  nothing.
//! Emits:   one message on the track queue per open, click and unsubscribe, before the answer.
//! Idempotency key: `event`, a UUID made per request.

// The futures of the AWS clients nest deeper than the default of 128.
#![recursion_limit = "256"]

use collect::Collect;
use mail::ActorRules;
use runtime::Document;

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let config = runtime::Config::from_env()?;
    let clients = runtime::Clients::new(&config).await;
    let (bucket, key) = (config.settings_bucket()?, contract::ACTOR_RULES_KEY);
    let (built_in, read) = (ActorRules::default(), ActorRules::from_json);
    let collect = Collect {
        rules: Document::open(&clients, bucket, key, built_in, read).await,
        master: clients.master_key(config.master_key_secret()?).await?,
        track_queue_url: config.track_queue_url()?.to_owned(),
        clients,
    };
    runtime::serve_http(&config, collect::router(collect)).await
}
