//! What recipients do with their mails: some open, some click, some unsubscribe; proxies and scanners come too.

use futures_util::{StreamExt, stream};
use testkit::{mailbox::Mail, wait};

use crate::mailing::{Story, step};

const HUMAN: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PROXY: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
const SCANNER: &str = "Barracuda Sentinel (EE)";

/// How many did what.
#[derive(Debug)]
pub struct Answers {
    pub mails: usize,
    pub opened: u64,
    pub clicked: u64,
    pub unsubscribed: u64,
}

/// Recipients who answer at the same time.
const AT_ONCE: usize = 8;
/// The local stack runs each request as a Lambda invocation, some thirty a second: more answers would show nothing new.
const OPENS_MAX: usize = 400;
const CLICKS_MAX: usize = 200;
const UNSUBSCRIBES_MAX: usize = 40;

/// One thing that a recipient, or somebody's machine, does with a mail.
#[derive(Clone, Copy)]
enum Answer {
    Open(&'static str),
    Click(&'static str),
    Unsubscribe,
}

pub async fn give(story: &Story) -> Answers {
    let tenant = &story.tenant;
    let accounting = tenant.accounting(story.main).await;
    let expected = usize::try_from(accounting.number("ledger.sent")).unwrap() - story.size.unknown
        + story.size.suppressed;
    let mut mails = wait::until("the mails at the sink", async || {
        let mails = tenant.mails();
        (mails.len() >= expected).then_some(mails)
    })
    .await;
    // Those of the earlier campaign lie there too.
    mails.retain(|mail| {
        mail.header("Feedback-ID").is_some_and(|id| id.starts_with(&format!("{}:", story.main)))
    });
    mails.sort_by(|a, b| a.recipient.cmp(&b.recipient));
    let plan = plan(mails.len());
    stream::iter(&plan).for_each_concurrent(AT_ONCE, |(n, answer)| act(story, &mails[*n], *answer)).await;
    let count = |of: fn(&Answer) -> bool| plan.iter().filter(|(_, answer)| of(answer)).count() as u64;
    let answers = Answers {
        mails: mails.len(),
        opened: count(|answer| matches!(answer, Answer::Open(_))),
        clicked: count(|answer| matches!(answer, Answer::Click(_))),
        unsubscribed: count(|answer| matches!(answer, Answer::Unsubscribe)),
    };
    step(&format!(
        "{} mails at the sink; {} opens, {} clicks (proxies and scanners among them), {} one-click unsubscribes",
        answers.mails, answers.opened, answers.clicked, answers.unsubscribed
    ));
    answers
}

/// Who does what: each fifth mail is opened, each tenth clicked, each fiftieth unsubscribed, as far as the limits go.
fn plan(mails: usize) -> Vec<(usize, Answer)> {
    let opens = (0..mails)
        .step_by(5)
        .take(OPENS_MAX)
        .map(|n| (n, Answer::Open(if n % 25 == 0 { PROXY } else { HUMAN })));
    let clicks = (0..mails)
        .step_by(10)
        .take(CLICKS_MAX)
        .map(|n| (n, Answer::Click(if n % 100 == 0 { SCANNER } else { HUMAN })));
    let unsubscribes = (1..mails).step_by(50).take(UNSUBSCRIBES_MAX).map(|n| (n, Answer::Unsubscribe));
    opens.chain(clicks).chain(unsubscribes).collect()
}

async fn act(story: &Story, mail: &Mail, answer: Answer) {
    let http = &story.tenant.http;
    match answer {
        Answer::Open(agent) => {
            let url = mail.url_with("/o/").expect("an open pixel");
            let answer = http.get(&url, agent).await;
            assert_eq!(answer.headers["content-type"], "image/gif", "{url}");
        }
        Answer::Click(agent) => {
            let url = mail.url_with("/c/").expect("a tracked link");
            let answer = http.get(&url, agent).await;
            let target = answer.headers.get("location").unwrap_or_else(|| panic!("{url}: {}", answer.status));
            assert!(target.to_str().unwrap().starts_with("https://shop.example/"), "{target:?}");
        }
        Answer::Unsubscribe => unsubscribe(story, mail).await,
    }
}

/// RFC 8058: what a mailbox provider's own button does.
pub async fn unsubscribe(story: &Story, mail: &Mail) {
    let url = mail.one_click().expect("a List-Unsubscribe header");
    let form = [("content-type", "application/x-www-form-urlencoded"), ("user-agent", HUMAN)];
    story.tenant.http.send("POST", &url, &form, "List-Unsubscribe=One-Click").await.ok_status();
}
