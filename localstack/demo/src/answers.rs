//! What recipients do with their mails: some open, some click, some unsubscribe; proxies and scanners come too.

use testkit::{mailbox::Mail, wait};

use crate::mailing::{Story, step};

const HUMAN: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PROXY: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
const SCANNER: &str = "Barracuda Sentinel (EE)";

/// How many did what.
#[derive(Debug, Default)]
pub struct Answers {
    pub mails: usize,
    pub opened: u64,
    pub clicked: u64,
    pub unsubscribed: u64,
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
    let mut answers = Answers { mails: mails.len(), ..Answers::default() };
    for (n, mail) in mails.iter().enumerate() {
        if n % 5 == 0 {
            open(story, mail, if n % 25 == 0 { PROXY } else { HUMAN }, &mut answers).await;
        }
        if n % 10 == 0 {
            click(story, mail, if n % 100 == 0 { SCANNER } else { HUMAN }, &mut answers).await;
        }
        if n % 50 == 1 {
            unsubscribe(story, mail, &mut answers).await;
        }
    }
    step(&format!(
        "{} mails at the sink; {} opens, {} clicks (proxies and scanners among them), {} one-click unsubscribes",
        answers.mails, answers.opened, answers.clicked, answers.unsubscribed
    ));
    answers
}

async fn open(story: &Story, mail: &Mail, agent: &str, answers: &mut Answers) {
    let url = mail.url_with("/o/").expect("an open pixel");
    let answer = story.tenant.http.get(&url, agent).await;
    assert_eq!(answer.headers["content-type"], "image/gif", "{url}");
    answers.opened += 1;
}

async fn click(story: &Story, mail: &Mail, agent: &str, answers: &mut Answers) {
    let url = mail.url_with("/c/").expect("a tracked link");
    let answer = story.tenant.http.get(&url, agent).await;
    let target = answer
        .headers
        .get("location")
        .unwrap_or_else(|| panic!("{url}: {}", answer.status))
        .to_str()
        .unwrap();
    assert!(target.starts_with("https://shop.example/"), "{target}");
    answers.clicked += 1;
}

async fn unsubscribe(story: &Story, mail: &Mail, answers: &mut Answers) {
    let url = mail.one_click().expect("a List-Unsubscribe header");
    let form = [("content-type", "application/x-www-form-urlencoded"), ("user-agent", HUMAN)];
    story.tenant.http.send("POST", &url, &form, "List-Unsubscribe=One-Click").await.ok_status();
    answers.unsubscribed += 1;
}
