//! Two thousand live campaigns of one tenant, none of them past its end, then a hundred.
//!
//! Each has its schema with all tables, and the table of one import; none holds a row. So what is seen is the catalogue's work, and no file's.

use contract::{CampaignId, ImportId, TenantId};
use futures_util::{StreamExt, TryStreamExt, stream};
use localstack::Stack;
use store::recipients;

use super::{Figure, Site, Work, ensure};
use crate::{Result, comparison::per_second};

const LIVE: usize = 2_000;
const ENDED: usize = 100;
/// One day more than a campaign lives without a launch.
const AGE: &str = "29 days";
/// As many as the pool has connections.
const CREATED_AT_ONCE: usize = 4;
/// Receipts for recipients, mails and responses.
const RECEIPTS_EACH: usize = 3;

/// Idle first without any, then with all of them, by their own tenant and by one that has none; then the end of a hundred.
pub async fn bench(stack: &Stack, runs: usize) -> Result<Vec<Figure>> {
    let site = Site::create(stack, "sweep_campaigns").await?;
    let tenant = site.database.tenant;
    let other = create_other(&site).await?;
    let mut figures = vec![idle(&site, "no campaign is over, of one that lives", tenant, runs).await?];
    // The database has one of its own.
    let begun = std::time::Instant::now();
    create(&site, 1..LIVE).await?;
    let rate = per_second(LIVE - 1, begun.elapsed().as_secs_f64());
    eprintln!("sweep, {LIVE} campaigns are there, {rate:.0} made a second");
    figures.push(idle(&site, "no campaign is over, of 2,000 that live", tenant, runs).await?);
    figures.push(idle(&site, "another tenant's 2,000 campaigns live", other, runs).await?);

    let works = [Work::Sweep { tenants: vec![tenant.0] }];
    let mut timed = Vec::new();
    for run in 1..=runs {
        age(&site).await?;
        timed.push(site.time(&works).await?);
        check(&site).await?;
        eprintln!("sweep, {ENDED} campaigns end, run {run}: {:.3} s", timed[run - 1].seconds);
        create(&site, LIVE + (run - 1) * ENDED..LIVE + run * ENDED).await?;
    }
    age(&site).await?;
    let counted = site.count(&works).await?;
    check(&site).await?;
    let ended = Figure::of("100 campaigns are over, of 2,000 that live", timed, counted);
    let ended = ended.for_each("campaign", ENDED, figures.get(1));
    figures.push(ended);
    site.end().await?;
    Ok(figures)
}

async fn idle(site: &Site<'_>, case: &'static str, tenant: TenantId, runs: usize) -> Result<Figure> {
    // Listed today, and the lists of rules and connections are as they are in every run.
    sqlx::raw_sql("UPDATE broadcast.tenants SET listed_at = now()").execute(&site.owner).await?;
    site.settle().await?;
    let works = [Work::Sweep { tenants: vec![tenant.0] }];
    let mut timed = Vec::new();
    for _ in 0..runs {
        timed.push(site.time(&works).await?);
    }
    Ok(Figure::of(case, timed, site.count(&works).await?))
}

/// A tenant without a campaign.
async fn create_other(site: &Site<'_>) -> Result<TenantId> {
    let tenant = sqlx::query_scalar(
        "INSERT INTO broadcast.tenants (slug, name, bucket) VALUES ('other', 'Other', 'other') RETURNING id",
    );
    let tenant = TenantId(tenant.fetch_one(&site.owner).await?);
    store::roles::create(&mut *site.owner.acquire().await?, tenant).await?;
    Ok(tenant)
}

/// As the function that takes in a file makes them.
async fn create(site: &Site<'_>, numbers: std::ops::Range<usize>) -> Result<()> {
    stream::iter(numbers)
        .map(|number| async move {
            let (store, tenant) = (&site.database.store, site.database.tenant);
            let mut tx = store.tenant(tenant).await?;
            let campaign: CampaignId = tx.create_campaign(&format!("Campaign {number}")).await?;
            let import = sqlx::query_scalar(
                "INSERT INTO broadcast.imports (tenant_id, campaign_id, state, call, file_name, etag, uploaded_at, ended_at)
                 VALUES ($1, $2, 'finished', '{}', $3, 'e', now(), now()) RETURNING id",
            )
            .bind(tenant.0)
            .bind(campaign.0)
            .bind(format!("list-{number}.csv"))
            .fetch_one(&mut *tx)
            .await?;
            let mut tx = tx.enter(campaign).await?;
            recipients::create(&mut tx, ImportId(import)).await?;
            tx.commit().await?;
            Result::Ok(())
        })
        .buffer_unordered(CREATED_AT_ONCE)
        .try_collect()
        .await
}

/// The oldest of those that live have lived long enough. No receipt is left of the run before.
async fn age(site: &Site<'_>) -> Result<()> {
    sqlx::query(
        "UPDATE broadcast.campaigns SET created_at = now() - $2::text::interval
         WHERE id IN (SELECT id FROM broadcast.campaigns WHERE state = 'open' ORDER BY id LIMIT $1)",
    )
    .bind(i64::try_from(ENDED)?)
    .bind(AGE)
    .execute(&site.owner)
    .await?;
    let forget = "DELETE FROM broadcast.campaigns WHERE state = 'deleted'; TRUNCATE broadcast.receipts;
                  UPDATE broadcast.tenants SET anchored_receipt = 0, listed_at = now()";
    sqlx::raw_sql(forget).execute(&site.owner).await?;
    site.settle().await
}

/// The hundred are gone, with their receipts; the others live.
async fn check(site: &Site<'_>) -> Result<()> {
    let found: (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM broadcast.campaigns WHERE state = 'deleted'), (SELECT count(*) FROM broadcast.campaigns WHERE state = 'open'),
                (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'campaign\\_%'), (SELECT count(*) FROM broadcast.receipts)",
    )
    .fetch_one(&site.owner)
    .await?;
    let [ended, left, receipts] = [ENDED, LIVE - ENDED, ENDED * RECEIPTS_EACH].map(i64::try_from);
    let expected = (ended?, left?, left?, receipts?);
    ensure(found == expected, || format!("deleted, open, schemas, receipts: {found:?}"))
}
