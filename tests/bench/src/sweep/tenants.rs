//! Ten thousand tenants, and nothing of any is due: the schedule that names them, and a message of each.

use contract::TenantId;
use localstack::Stack;
use sqlx::{AssertSqlSafe, PgPool};

use super::{Figure, Site, Work, ensure};
use crate::{Result, comparison::per_second};

const TENANTS: usize = 10_000;
/// Processes that have messages at once, each one at a time, as the queue's mapping allows it.
const AT_ONCE: usize = 4;
/// Roles of one transaction: a server as it is installed has locks for some thousands.
const ROLES_AT_ONCE: usize = 500;

/// The messages are timed once: they take minutes.
pub async fn bench(stack: &Stack, runs: usize) -> Result<Vec<Figure>> {
    let site = Site::create(stack, "sweep_tenants").await?;
    let first = site.database.tenant;
    let tenants = create(&site).await?;
    eprintln!("sweep, {TENANTS} tenants are there");

    let mut ticks = Vec::new();
    for _ in 0..runs {
        ticks.push(site.time(&[Work::Tick]).await?);
    }
    let counted = site.count(&[Work::Tick]).await?;
    ensure(counted.messages == TENANTS, || format!("{} messages were sent", counted.messages))?;
    let tick = Figure::of("10,000 tenants: the schedule", ticks, counted);

    let works: Vec<Work> = (0..AT_ONCE)
        .map(|process| Work::Sweep {
            tenants: tenants.iter().skip(process).step_by(AT_ONCE).copied().collect(),
        })
        .collect();
    settle(&site).await?;
    let timed = site.time(&works).await?;
    check(&site).await?;
    eprintln!("sweep, {TENANTS} idle tenants: {:.0} tenants/s", per_second(TENANTS, timed.seconds));
    settle(&site).await?;
    let counted = site.count(&works).await?;
    check(&site).await?;
    let sweeps = Figure::of("10,000 tenants: nothing is due, four processes", vec![timed], counted)
        .for_each("tenant", TENANTS, None);

    site.end().await?;
    let others: Vec<i64> = tenants.into_iter().filter(|tenant| *tenant != first.0).collect();
    drop_roles(stack, &others).await?;
    Ok(vec![tick, sweeps])
}

/// All of them, with the one that the database has.
async fn create(site: &Site<'_>) -> Result<Vec<i64>> {
    sqlx::query(
        "INSERT INTO broadcast.tenants (slug, name, bucket) SELECT 'bench-' || n, 'Bench', 'bench-' || n FROM generate_series(2, $1) AS n",
    )
    .bind(i32::try_from(TENANTS)?)
    .execute(&site.owner)
    .await?;
    let tenants: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM broadcast.tenants ORDER BY id").fetch_all(&site.owner).await?;
    for some in tenants.chunks(ROLES_AT_ONCE) {
        let mut tx = site.owner.begin().await?;
        for tenant in some {
            store::roles::create(&mut tx, TenantId(*tenant)).await?;
        }
        tx.commit().await?;
    }
    ensure(tenants.len() == TENANTS, || format!("there are {} tenants", tenants.len()))?;
    Ok(tenants)
}

/// The day's listings were done.
async fn settle(site: &Site<'_>) -> Result<()> {
    sqlx::raw_sql("UPDATE broadcast.tenants SET listed_at = now(), swept_at = '-infinity'")
        .execute(&site.owner)
        .await?;
    site.settle().await
}

/// Each was swept, and nothing was deleted.
async fn check(site: &Site<'_>) -> Result<()> {
    let (swept, receipts): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE swept_at > '-infinity'), (SELECT count(*) FROM broadcast.receipts) FROM broadcast.tenants",
    )
    .fetch_one(&site.owner)
    .await?;
    ensure(usize::try_from(swept)? == TENANTS && receipts == 0, || {
        format!("{swept} tenants were swept, {receipts} receipts written")
    })
}

/// They are the whole server's, and own nothing once the database is gone. `store::roles::drop`, which asks for each what it owns, takes 0.3 seconds
/// for a role among so many.
async fn drop_roles(stack: &Stack, tenants: &[i64]) -> Result<()> {
    let owner = PgPool::connect(&stack.admin_database_url).await?;
    for some in tenants.chunks(ROLES_AT_ONCE) {
        let roles: Vec<String> = some.iter().map(|tenant| TenantId(*tenant).role()).collect();
        let statement = format!("DROP ROLE {}", roles.join(", "));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&owner).await?;
    }
    owner.close().await;
    Ok(())
}
