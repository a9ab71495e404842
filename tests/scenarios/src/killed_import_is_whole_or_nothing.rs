//! kill -9 of the import function anywhere in an import's life: nobody ever sees a half, the redelivered message ends it, nothing is left over,
//! and nobody gets a mail twice.

use std::collections::BTreeMap;

use localstack::processes_of;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use testkit::{
    Stack, Tenant,
    hold::{Hold, lock, signal},
    own,
    random::Random,
    wait,
};

const GOOD: usize = 60;
const BAD: usize = 1;
/// A row's ballast where the copy has to last long enough to be met.
const BALLAST: usize = 300_000;

/// Where the function is killed. Everywhere but in the copy a lock of ours holds it; there it is stopped.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    /// The event has come; nothing is recorded.
    Opening,
    /// It has the lease; its campaign is not found yet.
    Claimed,
    /// The file is open; the table is not made.
    Opened,
    /// So many percent of the bytes are copied.
    Copying(u64),
    /// The table is committed, and belongs to nobody.
    Filled,
    /// In the transaction that publishes.
    Publishing,
    /// The rows are there; the file still stands in Incoming.
    Published,
    /// The file is moved; the index does not know.
    Moved,
    /// The index knows; the control file still stands.
    ControlStands,
    /// The control file is gone; the index does not know, nothing is launched.
    ControlGone,
    /// Launching.
    Launching,
    /// The launch is asked for; the import has not ended.
    Ending,
}

/// Every moment comes once before one comes again; the copy, which is the longest, thrice.
fn moments(random: &mut Random, count: usize) -> Vec<Moment> {
    let mut moments = Vec::new();
    while moments.len() < count {
        let mut round = vec![
            Moment::Opening,
            Moment::Claimed,
            Moment::Opened,
            Moment::Filled,
            Moment::Publishing,
            Moment::Published,
            Moment::Moved,
            Moment::ControlStands,
            Moment::ControlGone,
            Moment::Launching,
            Moment::Ending,
        ];
        round.extend((0..3).map(|_| Moment::Copying(random.below(70) as u64)));
        while !round.is_empty() {
            moments.push(round.swap_remove(random.below(round.len())));
        }
    }
    moments.truncate(count);
    moments
}

/// One import, one kill.
struct Victim<'a> {
    tenant: &'a Tenant,
    number: usize,
    campaign: i64,
    file: String,
    moment: Moment,
}

#[tokio::test(flavor = "multi_thread")]
async fn at_random_moments() {
    let kills = if std::env::var_os("BROADCAST_LONG").is_some() { 50 } else { 5 };
    let moments = moments(&mut Random::from_env(), kills);
    println!("{moments:?}");

    let main = Stack::from_env().unwrap();
    let stack = own::deploy(&main, "killed", &["import", "generate", "send"]).await;
    let tenant = Tenant::new(&stack, "killed").await;
    let mut victims = Vec::new();
    for (number, moment) in moments.into_iter().enumerate() {
        let campaign = tenant.campaign(&format!("spring {number}")).await;
        let file = format!("list-{number}.csv");
        let victim = Victim { tenant: &tenant, number, campaign, file, moment };
        victim.kill().await;
        victim.look().await;
        victims.push(victim);
    }
    for victim in &victims {
        victim.until_ended().await;
        victim.all_is_right().await;
    }
    nothing_is_left_over(&tenant, &victims).await;
    own::undeploy(&stack).await;
}

impl Victim<'_> {
    fn list(&self) -> String {
        let ballast = if matches!(self.moment, Moment::Copying(_)) { BALLAST } else { 0 };
        let ballast = "x".repeat(ballast);
        let domain = &self.tenant.recipients_domain;
        let row = |n: usize| format!("kunde.{}.{n}@{domain},Zoë,Nyman,K{n},,{ballast}\r\n", self.number);
        let mut list = String::from("email,vorname,nachname,kundennummer,notiz,ballast\r\nnobody,,,,,\r\n");
        list.extend((0..GOOD).map(row));
        list
    }

    /// The locks that stop it, one behind the other, each with the statement that waits for it. `{import}` is not known before.
    fn locks(&self) -> Vec<(String, &'static str)> {
        let Self { tenant, campaign, file, .. } = self;
        let control = format!("{file}.ctl");
        let import = "SELECT FROM broadcast.imports WHERE id = {import} FOR NO KEY UPDATE".to_owned();
        let import = (import, "UPDATE broadcast.imports");
        let table = "SELECT pg_advisory_xact_lock(hashtextextended('recipients_{import}', 0))".to_owned();
        let template = format!("SELECT FROM broadcast.templates WHERE campaign_id = {campaign} FOR UPDATE");
        let launch = (template, "INSERT INTO broadcast.launches");
        let publishing = lock::publishing(*campaign);
        match self.moment {
            Moment::Opening => vec![lock::indexing(tenant, "Incoming", &control)],
            Moment::Claimed => vec![lock::finding_campaign(*campaign)],
            Moment::Opened => {
                vec![lock::finding_campaign(*campaign), (table, "SELECT pg_advisory_xact_lock")]
            }
            Moment::Copying(_) => Vec::new(),
            Moment::Filled => vec![publishing],
            Moment::Publishing => vec![publishing, import],
            Moment::Published => {
                vec![publishing, lock::indexing(tenant, "Invalids", &format!("{file}.errors.csv"))]
            }
            Moment::Moved => vec![publishing, lock::indexing(tenant, "Finished", file)],
            Moment::ControlStands => vec![publishing, lock::forgetting(tenant, file)],
            Moment::ControlGone => vec![publishing, lock::forgetting(tenant, &control)],
            Moment::Launching => vec![publishing, launch],
            Moment::Ending => vec![publishing, launch, import],
        }
    }

    /// Starts the import and kills it at its moment.
    async fn kill(&self) {
        let Self { tenant, file, .. } = self;
        let list = self.list();
        let bytes = list.len() as u64;
        tenant.put(file, list).await;
        self.until_indexed().await;
        let mut locks = self.locks().into_iter();
        let mut held = None;
        if let Some((lock, statement)) = locks.next() {
            held = Some((Hold::new(tenant, lock).await, statement));
        }
        tenant.control(file, &format!("spring {}", self.number), true).await;
        if let Some((hold, statement)) = &mut held {
            hold.until_blocked(statement).await;
        }
        for (lock, statement) in locks {
            let lock = if lock.contains("{import}") {
                lock.replace("{import}", &self.import().await.to_string())
            } else {
                lock
            };
            let mut next = Hold::new(tenant, lock).await;
            if let Some((before, _)) = held.take() {
                before.release().await;
            }
            next.until_blocked(statement).await;
            held = Some((next, statement));
        }
        let function = &tenant.stack.deployment.functions["import"];
        if let Moment::Copying(percent) = self.moment {
            self.until_copied(1).await;
            let running = processes_of(function);
            self.until_copied(bytes * percent / 100).await;
            signal("STOP", &running);
        }
        self.moment_is_met().await;
        self.look().await;
        signal("KILL", &processes_of(function));
        if let Some((hold, _)) = held {
            hold.release().await;
        }
    }

    async fn until_indexed(&self) {
        wait::until("the file to be indexed", async || {
            let sql = "SELECT true FROM broadcast.files WHERE tenant_id = $1 AND name = $2";
            let row = sqlx::query_scalar::<_, bool>(sql).bind(self.tenant.id).bind(&self.file);
            row.fetch_optional(&mut self.tenant.superuser().await).await.unwrap()
        })
        .await;
    }

    async fn until_copied(&self, bytes: u64) {
        let mut database = self.tenant.superuser().await;
        wait::until_closely(&format!("{bytes} bytes to be copied"), async || {
            let copied: Option<i64> = sqlx::query_scalar(
                "SELECT bytes_processed FROM broadcast.imports AS i, pg_stat_progress_copy JOIN pg_stat_activity USING (pid)
                 WHERE i.tenant_id = $1 AND i.file_name = $2 AND starts_with(query, format('COPY recipients_%s (', i.id))",
            )
            .bind(self.tenant.id)
            .bind(&self.file)
            .fetch_optional(&mut database)
            .await
            .unwrap();
            copied.filter(|copied| u64::try_from(*copied).unwrap() >= bytes)
        })
        .await;
    }

    /// What S3 and the database must show of it just before the kill.
    async fn moment_is_met(&self) {
        let Self { tenant, file, .. } = self;
        let import: Option<(String, Option<i64>, i64)> = sqlx::query_as(
            "SELECT state, campaign_id, (SELECT count(*) FROM broadcast.launches AS l WHERE l.import_id = i.id)
             FROM broadcast.imports AS i WHERE tenant_id = $1 AND file_name = $2",
        )
        .bind(tenant.id)
        .bind(file)
        .fetch_optional(&mut tenant.superuser().await)
        .await
        .unwrap();
        let (state, campaign, launches) =
            import.map_or((None, None, 0), |(state, campaign, launches)| (Some(state), campaign, launches));
        let keys = tenant.aws.keys(&tenant.bucket, "").await;
        let there = |folder: &str, ending: &str| keys.contains(&format!("{folder}/{file}{ending}"));
        let found = (
            state.as_deref(),
            campaign.is_some(),
            there("Incoming", ""),
            there("Incoming", ".ctl"),
            there("Finished", ""),
            launches,
            self.tables().await.len(),
        );
        let expected = match self.moment {
            Moment::Opening => (None, false, true, true, false, 0, 0),
            Moment::Claimed => (Some("running"), false, true, true, false, 0, 0),
            Moment::Opened | Moment::Copying(_) => (Some("running"), true, true, true, false, 0, 0),
            Moment::Filled | Moment::Publishing => (Some("running"), true, true, true, false, 0, 1),
            Moment::Published => (Some("published"), true, true, true, false, 0, 1),
            Moment::Moved | Moment::ControlStands => (Some("published"), true, false, true, true, 0, 1),
            Moment::ControlGone | Moment::Launching => (Some("published"), true, false, false, true, 0, 1),
            Moment::Ending => (Some("published"), true, false, false, true, 1, 1),
        };
        assert_eq!(found, expected, "{:?}", self.moment);
    }

    async fn import(&self) -> i64 {
        sqlx::query_scalar("SELECT id FROM broadcast.imports WHERE tenant_id = $1 AND file_name = $2")
            .bind(self.tenant.id)
            .bind(&self.file)
            .fetch_one(&mut self.tenant.superuser().await)
            .await
            .unwrap()
    }

    /// What anybody can see of it at this moment: nothing, or the whole. The states of its imports.
    async fn look(&self) -> Vec<Value> {
        let accounting = self.tenant.accounting(self.campaign).await;
        let sums = ["rows", "imported", "rejected"].map(|sum| accounting.number(sum));
        let whole = [GOOD + BAD, GOOD, BAD].map(|sum| sum as u64);
        assert!(sums == [0; 3] || sums == whole, "{:?}: {accounting:?}", self.moment);
        for import in self.published().await {
            let rows = format!("SELECT count(*) FROM campaign_{}.recipients_{import}", self.campaign);
            let rows: i64 = sqlx::query_scalar(AssertSqlSafe(rows))
                .fetch_one(&mut self.tenant.superuser().await)
                .await
                .unwrap();
            assert_eq!(usize::try_from(rows).unwrap(), GOOD, "{:?}", self.moment);
        }
        self.tenant.imports(self.campaign).await
    }

    async fn published(&self) -> Vec<i64> {
        sqlx::query_scalar(
            "SELECT id FROM broadcast.imports WHERE campaign_id = $1 AND state IN ('published', 'finished')",
        )
        .bind(self.campaign)
        .fetch_all(&mut self.tenant.superuser().await)
        .await
        .unwrap()
    }

    /// Tables of recipients in its campaign's schema.
    async fn tables(&self) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 AND tablename ~ '^recipients_'",
        )
        .bind(format!("campaign_{}", self.campaign))
        .fetch_all(&mut self.tenant.superuser().await)
        .await
        .unwrap()
    }

    async fn until_ended(&self) {
        wait::until_so(
            &format!("the import killed at {:?} to end", self.moment),
            async || self.look().await,
            |imports| imports.len() == 1 && imports[0]["state"] == "finished",
        )
        .await;
    }

    async fn all_is_right(&self) {
        let Self { tenant, campaign, moment, .. } = self;
        let accounting = tenant.mailed(*campaign, (GOOD + BAD) as u64).await;
        assert_eq!(accounting.number("ledger.sent"), GOOD as u64, "{moment:?}: {accounting:?}");
        let published = self.published().await;
        assert_eq!(self.tables().await, [format!("recipients_{}", published[0])], "{moment:?}");
        let launches: Vec<i64> =
            sqlx::query_scalar("SELECT import_id FROM broadcast.launches WHERE campaign_id = $1")
                .bind(campaign)
                .fetch_all(&mut tenant.superuser().await)
                .await
                .unwrap();
        assert_eq!(launches, published, "{moment:?}");
        tenant.all_is_well(*campaign).await;
    }
}

/// Each file once in Finished, its report in Invalids, no control file; one mail for each address.
async fn nothing_is_left_over(tenant: &Tenant, victims: &[Victim<'_>]) {
    let mut expected: Vec<String> = victims
        .iter()
        .flat_map(|victim| {
            [format!("Finished/{}", victim.file), format!("Invalids/{}.errors.csv", victim.file)]
        })
        .collect();
    expected.sort();
    let mut keys = tenant.aws.keys(&tenant.bucket, "").await;
    keys.sort();
    assert_eq!(keys, expected);
    let addresses = GOOD * victims.len();
    let mut mails = BTreeMap::new();
    for mail in
        wait::until("all mails", async || Some(tenant.mails()).filter(|mails| mails.len() >= addresses)).await
    {
        *mails.entry(mail.recipient).or_insert(0) += 1;
    }
    assert_eq!(mails.len(), addresses);
    assert!(mails.values().all(|count| *count == 1), "{mails:?}");
}
