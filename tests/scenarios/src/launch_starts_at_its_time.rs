//! A launch at a time starts then and not before. One that was due while nobody could start it is paused and says so; resumed, it starts.

use contract::{CampaignId, LaunchId, TenantId};
use serde_json::json;
use store::{CampaignTx, LaunchChange, Scheduled, Store};
use testkit::{Stack, Tenant, csv::Plan, tenant::invoke, wait};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

/// What the API does with the launches of a campaign: as the tenant's role, then a message for generate.
pub(crate) struct Launches<'a> {
    tenant: &'a Tenant,
    campaign: CampaignId,
    store: Store,
}

/// A launch as it stands.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Standing {
    pub state: String,
    pub reason_code: Option<String>,
    pub reason: Option<String>,
    pub ended_at: Option<OffsetDateTime>,
}

impl<'a> Launches<'a> {
    pub fn of(tenant: &'a Tenant, campaign: i64) -> Self {
        let store = Store::connect(&tenant.stack.database_url).unwrap();
        Self { tenant, campaign: CampaignId(campaign), store }
    }

    pub async fn tx(&self) -> CampaignTx {
        self.store.campaign(TenantId(self.tenant.id), self.campaign).await.unwrap()
    }

    /// A launch at a time; at once without one.
    pub async fn schedule(&self, starts_at: Option<OffsetDateTime>) -> LaunchId {
        let mut tx = self.store.tenant(TenantId(self.tenant.id)).await.unwrap();
        let plan = store::Plan { starts_at, ..store::Plan::default() };
        let made = store::schedule_launch(&mut tx, self.campaign, plan).await.unwrap();
        tx.commit().await.unwrap();
        let Scheduled::Made(launch) = made else { panic!("{made:?}") };
        if starts_at.is_none() {
            self.nudge(launch).await;
        }
        launch
    }

    pub async fn pause(&self, launch: LaunchId) -> LaunchChange {
        let mut tx = self.tx().await;
        let change = store::pause_launch(&mut tx, launch, OffsetDateTime::now_utc()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        change
    }

    pub async fn resume(&self, launch: LaunchId) -> LaunchChange {
        let mut tx = self.tx().await;
        let change = store::resume_launch(&mut tx, launch, OffsetDateTime::now_utc()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        self.nudge(launch).await;
        change
    }

    pub async fn cancel(&self, launch: LaunchId) -> LaunchChange {
        let mut tx = self.tx().await;
        let change = store::cancel_launch(&mut tx, launch, OffsetDateTime::now_utc()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        self.nudge(launch).await;
        change
    }

    pub async fn nudge(&self, launch: LaunchId) {
        let message = json!({"type": "launch.v1", "tenant": self.tenant.id, "campaign": self.campaign.0, "launch": launch.0});
        let queue = &self.tenant.stack.deployment.queues["generate"].url;
        self.tenant.aws.send(queue, &message.to_string()).await;
    }

    /// The newest of the campaign.
    pub async fn newest(&self) -> LaunchId {
        let newest = "SELECT max(id) FROM broadcast.launches WHERE campaign_id = $1";
        let mut database = self.tenant.superuser().await;
        LaunchId(sqlx::query_scalar(newest).bind(self.campaign.0).fetch_one(&mut database).await.unwrap())
    }

    pub async fn standing(&self, launch: LaunchId) -> Standing {
        sqlx::query_as("SELECT state, reason_code, reason, ended_at FROM broadcast.launches WHERE id = $1")
            .bind(launch.0)
            .fetch_one(&mut self.tenant.superuser().await)
            .await
            .unwrap()
    }

    pub async fn until_ended(&self, launch: LaunchId, state: &str) {
        let ended = |standing: &Standing| standing.state == state && standing.ended_at.is_some();
        wait::until_so("the launch to be over", async || self.standing(launch).await, ended).await;
    }

    /// Changes columns of a launch, to move what a test cannot wait for.
    pub async fn set(&self, launch: LaunchId, change: &str) {
        let statement = format!("UPDATE broadcast.launches SET {change} WHERE id = {launch}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut self.tenant.superuser().await)
            .await
            .unwrap();
    }

    /// Mails of the campaign by state.
    pub async fn mails_in(&self, states: &str) -> usize {
        let schema = self.campaign.schema();
        let statement = format!("SELECT count(*) FROM {schema}.ledger WHERE state IN ({states})");
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
            .fetch_one(&mut self.tenant.superuser().await)
            .await
            .unwrap();
        usize::try_from(count).unwrap()
    }
}

/// Fires the schedules of generate and send, now.
pub(crate) async fn tick(stack: &Stack) {
    tick_at(stack, OffsetDateTime::now_utc()).await;
}

/// The same at another time.
pub(crate) async fn tick_at(stack: &Stack, now: OffsetDateTime) {
    let event = json!({"time": now.format(&Rfc3339).unwrap()});
    for function in ["generate", "send"] {
        invoke(stack, function, &event).await;
    }
}

/// A campaign with a list of its own that nobody has launched.
pub(crate) async fn imported(tenant: &Tenant, recipients: usize) -> i64 {
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: recipients, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;
    tenant.control("list.csv", "spring", false).await;
    wait::until("the import", async || {
        tenant.imports(campaign).await.iter().any(|import| import["state"] == "finished").then_some(())
    })
    .await;
    campaign
}

#[tokio::test(flavor = "multi_thread")]
async fn and_not_before() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "attime").await;
    let campaign = imported(&tenant, 20).await;
    let launches = Launches::of(&tenant, campaign);
    let launch = launches.schedule(Some(OffsetDateTime::now_utc() + Duration::hours(2))).await;

    // Neither the schedule nor a message starts it.
    launches.nudge(launch).await;
    tick(&stack).await;
    assert_eq!(launches.standing(launch).await.state, "scheduled");
    // Paused and resumed, it waits for the same time.
    assert_eq!(launches.pause(launch).await, LaunchChange::Done);
    assert_eq!(launches.pause(launch).await, LaunchChange::Already);
    assert_eq!(launches.resume(launch).await, LaunchChange::Done);
    assert_eq!(launches.resume(launch).await, LaunchChange::Already);
    tick(&stack).await;
    assert_eq!(launches.standing(launch).await.state, "scheduled");
    assert_eq!(tenant.accounting(campaign).await.number("unlaunched"), 20);

    launches.set(launch, "starts_at = now()").await;
    tick(&stack).await;
    assert_eq!(tenant.mailed(campaign, 20).await.number("ledger.sent"), 20);
    launches.until_ended(launch, "done").await;
    assert_eq!(launches.pause(launch).await, LaunchChange::NotPossible(store::LaunchState::Done));
    wait::until("20 mails", async || (tenant.mails().len() == 20).then_some(())).await;
    tenant.all_is_well(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_one_waits_for_somebody_to_say_so() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "late").await;
    let campaign = imported(&tenant, 3).await;
    let launches = Launches::of(&tenant, campaign);
    let launch = launches.schedule(Some(OffsetDateTime::now_utc() + Duration::hours(2))).await;
    launches.set(launch, "starts_at = '2026-01-02 03:04:05+00'").await;
    tick(&stack).await;
    let late = launches.standing(launch).await;
    assert_eq!((late.state.as_str(), late.reason_code.as_deref()), ("paused", Some("launch_late")));
    assert!(late.reason.as_deref().unwrap().contains("due at 2026-01-02T03:04:05Z"), "{late:?}");
    tick(&stack).await;
    assert_eq!(tenant.accounting(campaign).await.number("unlaunched"), 3);

    // Nor does one start whose message came too late.
    let state = "state = 'preparing', created_at = starts_at, reason_code = NULL, reason = NULL";
    launches.set(launch, state).await;
    launches.nudge(launch).await;
    let paused =
        |late: &Standing| late.state == "paused" && late.reason_code.as_deref() == Some("launch_late");
    wait::until_so("the launch to be paused again", async || launches.standing(launch).await, paused).await;
    assert_eq!(tenant.accounting(campaign).await.number("unlaunched"), 3);

    assert_eq!(launches.resume(launch).await, LaunchChange::Done);
    assert_eq!(tenant.mailed(campaign, 3).await.number("ledger.sent"), 3);
    launches.until_ended(launch, "done").await;
    assert_eq!(launches.standing(launch).await.reason, None);
    tenant.all_is_well(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn not_after_the_end_of_its_campaign() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "never").await;
    let campaign = tenant.campaign("spring").await;
    let launches = Launches::of(&tenant, campaign);
    let mut tx = launches.store.tenant(TenantId(tenant.id)).await.unwrap();
    let starts_at = Some(OffsetDateTime::now_utc() + Duration::days(91));
    let never = store::Plan { starts_at, ..store::Plan::default() };
    let made = store::schedule_launch(&mut tx, CampaignId(campaign), never).await.unwrap();
    assert!(matches!(made, Scheduled::AfterEnd(_)), "{made:?}");
}
