//! Trigger: the queue `track`: what `collect` saw, and S3 notifications of the reports bucket.
//! Reads:   the report objects; the campaign's state and its ledger; the rules for programs (`actors.json`), each ten minutes.
//! Writes:  `responses` of the campaign, `broadcast.suppressions`, `broadcast.soft_bounces`, mails that a response proves sent. Deletes the report.
//! Emits:   nothing.
//! Idempotency key: `responses.event_id`: made by collect, or derived from mail and kind for a report.

// The futures of the AWS clients nest deeper than the default of 128.
#![recursion_limit = "256"]

use mail::ActorRules;
use runtime::Document;
use track::Track;

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let config = runtime::Config::from_env()?;
    let clients = runtime::Clients::new(&config).await;
    let (bucket, key) = (config.settings_bucket()?, contract::ACTOR_RULES_KEY);
    let track = Track {
        store: store::Store::connect(config.database_url()?)?,
        s3: clients.s3.clone(),
        reports_bucket: config.reports_bucket()?.to_owned(),
        master_key: clients.master_key(config.master_key_secret()?).await?,
        rules: Document::open(&clients, bucket, key, ActorRules::default(), ActorRules::from_json).await,
    };
    runtime::serve_batch(track, track::handle).await
}
