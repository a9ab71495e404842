//! `sweep`: what it costs to find and delete what is over, and to find that nothing is.
//!
//! The function's own code runs in processes of its own, over the stack's Postgres and a cloud of the benchmark's own. Real time is a part of the
//! answer only: on AWS each S3 request takes tens of milliseconds and is paid for. So requests and statements are counted, in a run of their own that
//! goes through a [`Meter`]. Counts need no second run: they depend on what is there alone.
//!
//! The peer of a folder is a sweeper without an index: it lists the folder and deletes by what the listing says.

mod campaigns;
mod child;
mod cloud;
mod figure;
mod folder;
mod meter;
mod tenants;

use futures_util::future::try_join_all;
use localstack::Stack;
use sqlx::PgPool;

use crate::{
    Result,
    comparison::Comparison,
    database::{Database, checkpoint},
    processor::{Seconds, Server},
};
use child::{Work, spawn};
use cloud::Cloud;
use figure::{Counted, Figure, Timed};
use meter::Meter;

pub use child::child;

/// The cases whose name contains `case`.
pub async fn bench(stack: &Stack, runs: usize, case: &str) -> Result<(Vec<Comparison>, Vec<Figure>)> {
    let (mut comparisons, mut figures) = (Vec::new(), Vec::new());
    if "folder".contains(case) {
        (comparisons, figures) = Box::pin(folder::bench(stack, runs)).await?;
    }
    if "campaigns".contains(case) {
        figures.extend(Box::pin(campaigns::bench(stack, runs)).await?);
    }
    // Its roles are the whole server's, so it is the last one.
    if "tenants".contains(case) {
        figures.extend(Box::pin(tenants::bench(stack, runs)).await?);
    }
    Ok((comparisons, figures))
}

/// A database, and all that is beside it.
struct Site<'a> {
    stack: &'a Stack,
    database: Database,
    owner: PgPool,
    server: Server,
    meter: Meter,
    cloud: Cloud,
    endpoint: String,
}

impl<'a> Site<'a> {
    async fn create(stack: &'a Stack, name: &str) -> Result<Self> {
        let database = Database::create(stack, name).await?;
        let cloud = Cloud::default();
        let site = Self {
            owner: database.as_owner(stack).await?,
            server: Server::of(stack).await?,
            meter: Meter::start(host(&stack.database_url)?.to_owned()).await?,
            endpoint: cloud.start().await?,
            stack,
            database,
            cloud,
        };
        // The bucket gets its rules and its first listing.
        site.time(&[Work::Sweep { tenants: vec![site.database.tenant.0] }]).await?;
        Ok(site)
    }

    async fn end(self) -> Result<()> {
        self.owner.close().await;
        self.database.drop().await
    }

    /// As a database that has stood for a while, with its disk at rest.
    async fn settle(&self) -> Result<()> {
        sqlx::raw_sql("VACUUM ANALYZE").execute(&self.owner).await?;
        checkpoint(self.stack).await
    }

    /// Runs the works at once, each in a process of its own. Their time is that of the longest.
    async fn time(&self, works: &[Work]) -> Result<Timed> {
        self.run(works, &self.database.url(self.stack)).await
    }

    /// The same with everything counted.
    async fn count(&self, works: &[Work]) -> Result<Counted> {
        let url = self.database.url(self.stack);
        let url = url.replacen(host(&url)?, &self.meter.address.to_string(), 1);
        self.cloud.take_counts();
        self.meter.take();
        self.run(works, &url).await?;
        let (requests, messages) = self.cloud.take_counts();
        match requests.get("unknown") {
            None => Ok(Counted { requests, messages, statements: self.meter.take() }),
            Some(count) => Err(format!("{count} requests that the server does not know").into()),
        }
    }

    async fn run(&self, works: &[Work], url: &str) -> Result<Timed> {
        let before = Seconds::now(&self.server)?;
        let outcomes = try_join_all(works.iter().map(|work| spawn(work, url, &self.endpoint))).await?;
        Ok(Timed {
            seconds: outcomes.iter().map(|outcome| outcome.seconds).fold(0.0, f64::max),
            peak_rss_mib: outcomes.iter().map(|outcome| outcome.peak_rss_mib).max().unwrap_or_default(),
            processor: Seconds::now(&self.server)? - before,
        })
    }
}

/// Host and port of a database's URL.
fn host(url: &str) -> Result<&str> {
    let (_, rest) = url.rsplit_once('@').ok_or("the database's URL names no login")?;
    rest.split('/').next().ok_or_else(|| "the database's URL names no host".into())
}

/// Fails with what is not as it must be.
fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(what().into()) }
}
