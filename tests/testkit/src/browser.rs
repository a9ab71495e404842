//! A browser without a screen: it keeps cookies, follows redirects, and sends back the forms that it was given. And the people who use it.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use access::{MasterKey, Purpose};
use hyper::HeaderMap;
use localstack::Stack;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    aws::Aws,
    http::{Answer, Http},
    mailbox::{self, Mail},
    tenant::{admin, invoke},
    unique, wait,
};

/// No page leads on more often than this.
const REDIRECTS_MAX: usize = 8;
const FORM: &str = "application/x-www-form-urlencoded";

/// Of every person of tests: to hash it once is enough.
pub const PASSWORD: &str = "correct horse battery staple";
static HASH: LazyLock<String> = LazyLock::new(|| access::password::hash(PASSWORD).unwrap());

/// A form of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    pub action: String,
    pub method: String,
    /// As they would be sent unless a person changes them.
    pub fields: Vec<(String, String)>,
}

/// What the browser shows.
#[derive(Debug, Clone)]
pub struct Page {
    pub status: u16,
    /// Where it is, behind all redirects.
    pub path: String,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    pub fn forms(&self) -> Vec<Form> {
        let pieces = self.text.split("<form").skip(1);
        pieces.map(|piece| form(piece.split("</form>").next().unwrap())).collect()
    }

    /// The form that goes to this path.
    pub fn form(&self, action: &str) -> Form {
        let found = self.forms().into_iter().find(|form| form.action == action);
        found.unwrap_or_else(|| panic!("no form for {action} on {}: {}", self.path, self.text))
    }

    /// Panics unless it is a page that only who is logged in has.
    pub fn must_be_inside(&self) {
        let outside = self.path.starts_with("/login") || self.path.starts_with("/password");
        assert!(self.status == 200 && !outside, "{} {}: {}", self.status, self.path, self.text);
    }

    /// Panics unless it is there, with this status.
    pub fn must_be(&self, path: &str, status: u16) {
        assert_eq!((self.path.as_str(), self.status), (path, status), "{}", self.text);
    }
}

fn form(piece: &str) -> Form {
    let (head, body) = piece.split_once('>').unwrap();
    let fields = body.split('<').filter_map(|tag| {
        let is_field = tag.starts_with("input") || tag.starts_with("button") || tag.starts_with("textarea");
        let name = attribute(tag, "name").filter(|_| is_field)?;
        Some((name, attribute(tag, "value").unwrap_or_default()))
    });
    let fields = fields.collect();
    Form {
        action: attribute(head, "action").unwrap_or_default(),
        method: attribute(head, "method").unwrap_or_default(),
        fields,
    }
}

/// The value of an attribute in a tag's text.
pub fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let value = rest.split('"').next()?;
    Some(value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
}

/// One browser at one address.
#[derive(Clone)]
pub struct Browser {
    http: Http,
    url: String,
    pub cookies: BTreeMap<String, String>,
    /// Sent with everything.
    pub headers: Vec<(String, String)>,
    pub source: Ipv4Addr,
}

impl Browser {
    /// A new one, at an address that no other has.
    pub fn new(stack: &Stack) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        // RFC 2544's network, which nobody has. Another run of tests begins elsewhere in it.
        let number = NEXT.fetch_add(1, Ordering::Relaxed) * 251 + std::process::id() * 7919;
        let [_, b, c, d] = number.to_be_bytes();
        Self {
            http: Http::default(),
            url: stack.console_url.clone(),
            cookies: BTreeMap::new(),
            headers: vec![(
                "user-agent".to_owned(),
                "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0".to_owned(),
            )],
            source: Ipv4Addr::new(198, 18 + b % 2, c, d),
        }
    }

    /// One request, and no redirect followed. Cookies come and go.
    pub async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (cookies, source) = (cookies.join("; "), self.source.to_string());
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut all: Vec<(&str, &str)> = own.chain([("x-forwarded-for", source.as_str())]).collect();
        if !cookies.is_empty() {
            all.push(("cookie", &cookies));
        }
        all.extend(headers);
        let answer = self.http.send(method, &format!("{}{path}", self.url), &all, body.to_owned()).await;
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Goes to a page, wherever that leads.
    pub async fn get(&mut self, path: &str) -> Page {
        let answer = self.send("GET", path, &[], "").await;
        self.follow(path, answer).await
    }

    async fn follow(&mut self, path: &str, mut answer: Answer) -> Page {
        let mut path = path.to_owned();
        for _ in 0..REDIRECTS_MAX {
            let Some(next) = answer.headers.get("location").filter(|_| answer.status.is_redirection()) else {
                let path = path.split('?').next().unwrap().to_owned();
                return Page {
                    status: answer.status.as_u16(),
                    path,
                    text: answer.text(),
                    headers: answer.headers,
                };
            };
            next.to_str().unwrap().clone_into(&mut path);
            assert!(path.starts_with('/') && !path.starts_with("//"), "a redirect leads away: {path}");
            answer = self.send("GET", &path, &[], "").await;
        }
        panic!("{path} leads nowhere");
    }

    /// Fills in the page's form for this path, and sends it.
    pub async fn submit(&mut self, page: &Page, action: &str, typed: &[(&str, &str)]) -> Page {
        self.submit_form(page.form(action), typed).await
    }

    /// The same with a form by itself.
    pub async fn submit_form(&mut self, form: Form, typed: &[(&str, &str)]) -> Page {
        let answer = self.post(&form, typed).await;
        self.follow(&form.action, answer).await
    }

    /// Sends a form, and follows nothing.
    pub async fn post(&mut self, form: &Form, typed: &[(&str, &str)]) -> Answer {
        let mut fields = form.fields.clone();
        for (name, value) in typed {
            fields.retain(|(field, _)| field != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        self.send("POST", &form.action, &[("content-type", FORM)], &encode(&fields)).await
    }

    /// The first step of a login.
    pub async fn password(&mut self, email: &str, password: &str) -> Page {
        let page = self.get("/login").await;
        self.submit(&page, "/login", &[("email", email), ("password", password)]).await
    }

    /// A whole login; a user without a phone registers one. Panics when it does not come to its end.
    pub async fn log_in(&mut self, user: &User) -> Page {
        let sent = texts(&user.stack, &user.phone).await.len();
        let mut page = self.password(&user.email, PASSWORD).await;
        if page.path == "/login/phone" {
            page = self.submit(&page, "/login/phone", &[("phone", &user.phone)]).await;
        }
        page.must_be("/login/code", 200);
        let code = code(&user.stack, &user.phone, sent + 1).await;
        let page = self.submit(&page, "/login/code", &[("code", &code)]).await;
        page.must_be_inside();
        page
    }
}

/// As a form's body.
pub fn encode(fields: &[(String, String)]) -> String {
    let escaped = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte);
        let byte = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        text.bytes().map(byte).collect::<String>()
    };
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&")
}

/// Somebody who uses the console.
#[derive(Clone)]
pub struct User {
    pub stack: Stack,
    pub id: i64,
    pub email: String,
    /// A mobile number that nobody else has, registered or not.
    pub phone: String,
}

impl User {
    /// A user of a tenant, or an operator (`None`), with [`PASSWORD`] and without a phone. As `admin` makes one, and a mail then lets choose a password.
    pub async fn new(stack: &Stack, tenant: Option<i64>, role: &str) -> Self {
        let (email, phone) = identity();
        let mut database = database(stack).await;
        let id = sqlx::query_scalar(
            "INSERT INTO broadcast.users (tenant_id, email, role, password_hash) VALUES ($1, $2, $3, $4) RETURNING id",
        )
        .bind(tenant)
        .bind(&email)
        .bind(role)
        .bind(&*HASH)
        .fetch_one(&mut database)
        .await
        .unwrap();
        Self { stack: stack.clone(), id, email, phone }
    }

    /// Somebody whom `admin` has invited: without a password.
    pub async fn invited(stack: &Stack, slug: Option<&str>, role: Option<&str>) -> Self {
        let (email, phone) = identity();
        let command = json!({"command": "create_user", "slug": slug, "role": role, "email": email});
        let made = admin(stack, command).await;
        assert!(!made.to_string().contains(&email), "an answer with an address");
        Self { stack: stack.clone(), id: made["id"].as_i64().unwrap(), email, phone }
    }

    /// The mails that came, the oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        mailbox::read(&self.stack, self.email.rsplit_once('@').unwrap().1)
    }

    /// Waits for the newest mail with this in its subject, as the schedule brings it.
    pub async fn mail(&self, subject: &str, count: usize) -> Mail {
        wait::until(&format!("mail {count}: {subject}"), async || {
            let event = json!({"time": OffsetDateTime::now_utc().format(&Rfc3339).unwrap()});
            invoke(&self.stack, "notify", &event).await;
            let found = self
                .mails()
                .into_iter()
                .filter(|mail| mail.header("subject").is_some_and(|line| line.contains(subject)));
            found.collect::<Vec<_>>().get(count - 1).cloned()
        })
        .await
    }

    /// Changes rows of the console by hand: to move a clock, say. `$1` is the user's number.
    pub async fn change(&self, statement: &'static str) {
        sqlx::query(statement).bind(self.id).execute(&mut database(&self.stack).await).await.unwrap();
    }

    /// Lets the time of a limit go by.
    pub async fn time_is_over(&self, kind: &str, whose: &[u8]) {
        let secret = Aws::new(&self.stack).await.secret(&self.stack.deployment.secrets["master-key"]).await;
        let master = MasterKey::from_base64(&secret).unwrap();
        let key = master.tag(Purpose::Limits, &[kind.as_bytes(), whose]);
        let change = "UPDATE broadcast.attempts SET ends_at = now() WHERE kind = $1 AND key = $2";
        let changed =
            sqlx::query(change).bind(kind).bind(&key[..]).execute(&mut database(&self.stack).await).await;
        assert_eq!(changed.unwrap().rows_affected(), 1, "{kind}");
    }

    /// What the database counts. `$1` is the user's number.
    pub async fn count(&self, statement: &'static str) -> i64 {
        let counted = sqlx::query_scalar(statement).bind(self.id);
        counted.fetch_one(&mut database(&self.stack).await).await.unwrap()
    }

    /// How many sessions there are.
    pub async fn sessions(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM broadcast.sessions WHERE user_id = $1")
            .bind(self.id)
            .fetch_one(&mut database(&self.stack).await)
            .await
            .unwrap()
    }

    /// The number of the one that began last.
    pub async fn newest_session(&self) -> i64 {
        sqlx::query_scalar("SELECT max(id) FROM broadcast.sessions WHERE user_id = $1")
            .bind(self.id)
            .fetch_one(&mut database(&self.stack).await)
            .await
            .unwrap()
    }
}

/// An e-mail address at a domain that no other has, and a mobile number.
fn identity() -> (String, String) {
    let name = unique("user");
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    (format!("ada@{name}.example"), format!("+49151{}", &digits[digits.len() - 8..]))
}

/// The path of the link in a mail.
pub fn link(stack: &Stack, mail: &Mail) -> String {
    let text = mail.text();
    let (_, rest) =
        text.split_once(&format!("{}/password/", stack.console_url)).unwrap_or_else(|| panic!("{text}"));
    format!("/password/{}", rest.split_whitespace().next().unwrap())
}

async fn database(stack: &Stack) -> PgConnection {
    PgConnection::connect(&stack.superuser_database_url).await.unwrap()
}

/// The texts that went to a phone, the oldest first.
pub async fn texts(stack: &Stack, phone: &str) -> Vec<String> {
    let phone_escaped = phone.replace('+', "%2B");
    let url = format!(
        "{}/_aws/sns/sms-messages?region={}&phoneNumber={phone_escaped}",
        stack.endpoint, stack.region
    );
    let answer = Http::default().get(&url, "testkit").await;
    // There is no such address before the first text of all.
    if answer.status == 404 {
        return Vec::new();
    }
    let answer = answer.ok();
    let messages = answer["sms_messages"][phone].as_array().cloned().unwrap_or_default();
    messages.iter().map(|message| message["Message"].as_str().unwrap().to_owned()).collect()
}

/// The code of a phone's text number `number`, from 1.
pub async fn code(stack: &Stack, phone: &str, number: usize) -> String {
    let text =
        wait::until(&format!("text {number}"), async || texts(stack, phone).await.get(number - 1).cloned())
            .await;
    text.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).unwrap().to_owned()
}

/// A code that is not this one.
pub fn another(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}
