//! From an empty account to the last mail handed over.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use localstack::Stack;
use serde_json::json;
use testkit::{
    Tenant,
    browser::{Browser, PASSWORD, User, link},
    csv::Plan,
    gpg::Gpg,
    tenant::{Accounting, admin},
    wait,
};

use crate::answers::unsubscribe;

/// The longest that one stage may take: a million recipients on two cores.
pub const STAGE: Duration = Duration::from_hours(1);

/// How many there are of everything.
#[derive(Clone, Debug)]
pub struct Size {
    pub recipients: usize,
    pub bad: usize,
    pub duplicates: usize,
    /// Unknown at their domain: their mails bounce.
    pub unknown: usize,
    /// Unsubscribed by an earlier campaign.
    pub suppressed: usize,
    /// Rows of the second file; half of them overlap the first.
    pub second: usize,
}

impl Size {
    pub fn of(recipients: usize) -> Self {
        let percent = recipients.div_ceil(100);
        Self {
            recipients,
            bad: percent,
            duplicates: percent,
            unknown: percent,
            suppressed: percent.min(100),
            second: recipients.div_ceil(10),
        }
    }
}

/// A tenant with its main campaign mailed.
pub struct Story {
    pub size: Size,
    pub tenant: Tenant,
    pub gpg: Gpg,
    /// The campaign after which some were already suppressed.
    pub welcome: i64,
    pub main: i64,
    pub main_plan: Plan,
    pub second_plan: Plan,
    /// The tenant's administrator at the console.
    pub admin: User,
}

/// Tells what happens, and when, in seconds from the beginning.
pub fn step(text: &str) {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    eprintln!("{:>7.1} s  {text}", BEGUN.get_or_init(Instant::now).elapsed().as_secs_f64());
}

pub async fn run(stack: &Stack, size: Size) -> Story {
    step("admin makes a tenant: bucket, Postgres role, SSH, API and OpenPGP keys, a sender domain");
    let tenant = Tenant::with(stack, "demo", json!({"encrypt_exports": true})).await;
    let gpg = Gpg::new();
    let customer = gpg.generate("customer@demo.example");
    gpg.import(&tenant.pgp_key);
    admin(stack, json!({"command": "add_pgp_key", "slug": tenant.slug, "purpose": "recipient", "public_key": customer})).await;

    let domain = tenant.recipients_domain.clone();
    let plan = |first: usize, good: usize| Plan { domain: domain.clone(), first, good, ..Plan::default() };
    let main_plan = Plan {
        bad: size.bad,
        duplicates: size.duplicates,
        unknown: size.unknown,
        ..plan(0, size.recipients)
    };
    // The second file's first half repeats the end of the main one.
    let overlap = size.second / 2;
    let second_plan = plan(size.recipients - overlap, size.second);
    let admin = administrator(stack, &tenant).await;
    let mut story = Story { size, tenant, gpg, welcome: 0, main: 0, main_plan, second_plan, admin };
    story.welcome = welcome(&story).await;
    story.main = upload_encrypted(&story).await;
    second_import(&story).await;
    story
}

/// An administrator: invited by mail, who chooses a password and registers a phone.
async fn administrator(stack: &Stack, tenant: &Tenant) -> User {
    step("an administrator is invited to the console by mail, chooses a password, and logs in with a code");
    let user = User::invited(stack, Some(&tenant.slug), Some("admin")).await;
    let path = link(stack, &user.mail("Your account", 1).await);
    let mut browser = Browser::new(stack);
    let page = browser.get(&path).await;
    browser.submit(&page, &path, &[("password", PASSWORD)]).await.must_be("/login", 200);
    browser.log_in(&user).await;
    user
}

/// An earlier campaign, to those who then unsubscribe by one click.
async fn welcome(story: &Story) -> i64 {
    let (tenant, size) = (&story.tenant, &story.size);
    step(&format!("an earlier campaign: {} of its recipients unsubscribe by one click", size.suppressed));
    // Behind those that bounce.
    let plan = Plan {
        domain: story.main_plan.domain.clone(),
        first: size.unknown,
        good: size.suppressed,
        ..Plan::default()
    };
    let campaign = tenant.campaign("welcome").await;
    put_by_sftp(tenant, "welcome.csv", plan.write().as_bytes(), "welcome").await;
    tenant.mailed(campaign, plan.rows() as u64).await;
    let expected = plan.good;
    let mails = wait::until("the welcome mails at the sink", async || {
        let mails = tenant.mails();
        (mails.len() >= expected).then_some(mails)
    })
    .await;
    stream::iter(&mails).for_each_concurrent(8, |mail| unsubscribe(story, mail)).await;
    wait::until("the unsubscribes to be stored", async || {
        (tenant.accounting(campaign).await.number("responses.unsubscribed") >= expected as u64).then_some(())
    })
    .await;
    campaign
}

async fn put_by_sftp(tenant: &Tenant, name: &str, bytes: &[u8], campaign: &str) {
    let file = tenant.folder.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    put_file_by_sftp(tenant, &file, campaign).await;
}

async fn put_file_by_sftp(tenant: &Tenant, file: &std::path::Path, campaign: &str) {
    let control = std::path::PathBuf::from(format!("{}.ctl", file.display()));
    std::fs::write(
        &control,
        json!({"campaign": campaign, "launch": true, "overrides": {"key_column": "Kundennummer"}})
            .to_string(),
    )
    .unwrap();
    let put = |path: &std::path::Path| format!("put {} Incoming/", path.display());
    tenant.sftp().must(&[put(file), put(&control)]).await;
}

/// The main file: encrypted by `gpg`, uploaded by `sftp`, imported and launched by its control file.
async fn upload_encrypted(story: &Story) -> i64 {
    let (tenant, plan) = (&story.tenant, &story.main_plan);
    let campaign = tenant.campaign("spring").await;
    let csv = plan.write();
    step(&format!(
        "a CSV of {} rows ({} KiB), encrypted by gpg, uploaded by sftp, then its control file",
        plan.rows(),
        csv.len() / 1024
    ));
    let file = tenant.folder.path().join("spring.csv");
    std::fs::write(&file, csv).unwrap();
    let encrypted = story.gpg.encrypt(&file, &tenant.slug);
    put_file_by_sftp(tenant, &encrypted, "spring").await;
    follow(tenant, campaign, plan.rows() as u64, plan.good as u64).await;
    campaign
}

/// A second file with overlapping addresses, imported by the API and launched on its own.
async fn second_import(story: &Story) {
    let (tenant, plan) = (&story.tenant, &story.second_plan);
    step(&format!("a second file of {} rows, half of them mailed already, imported by the API", plan.rows()));
    let file = tenant.folder.path().join("more.csv");
    std::fs::write(&file, plan.write()).unwrap();
    tenant.sftp().must(&[format!("put {} Incoming/", file.display())]).await;
    let call = json!({"file": "more.csv", "launch": true, "overrides": {"key_column": "Kundennummer"}});
    tenant.api("POST", &format!("/v1/campaigns/{}/imports", story.main), Some(call)).await.ok();
    let rows = story.main_plan.rows() + plan.rows();
    follow(tenant, story.main, rows as u64, (story.main_plan.good + plan.good - plan.good / 2) as u64).await;
}

/// Shows import, generation and sending while they run; ends when every address has come to its end.
async fn follow(tenant: &Tenant, campaign: i64, rows: u64, addresses: u64) -> Accounting {
    let bar = ProgressBar::new(addresses);
    bar.set_style(ProgressStyle::with_template("  {bar:40} {pos}/{len} {msg}").unwrap());
    let accounting = wait::until_within(STAGE, "the mailing", async || {
        let accounting = tenant.accounting(campaign).await;
        let done = accounting.number("ledger.sent") + accounting.number("ledger.suppressed");
        bar.set_position(done);
        bar.set_message(if done == 0 { "importing, generating" } else { "sent or suppressed" });
        let refused = tenant.refused_imports(campaign).await;
        assert!(refused.is_empty(), "imports were refused: {refused:?}");
        (accounting.number("rows") >= rows && accounting.settled()).then_some(accounting)
    })
    .await;
    bar.finish_and_clear();
    step(&format!(
        "imported {} of {} rows, mailed {}, suppressed {}",
        accounting.number("imported"),
        accounting.number("rows"),
        accounting.number("ledger.sent"),
        accounting.number("ledger.suppressed")
    ));
    accounting
}
