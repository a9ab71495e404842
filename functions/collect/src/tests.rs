use std::sync::Mutex;

use access::Purpose;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use axum::{
    Json,
    body::{Body, Bytes},
    http::{HeaderValue, Request, header},
    routing::post,
};
use contract::{CampaignId, MailId, ResponseKind, TenantId};
use mail::{AddressKey, Links};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

const TENANT: TenantId = TenantId(7);
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// A queue on a port of its own that keeps what it is sent, and refuses everything once it is told to. Also an S3 without any object.
#[derive(Clone, Default)]
struct Queue {
    kept: Arc<Mutex<Vec<Value>>>,
    refuses: Arc<Mutex<bool>>,
}

impl Queue {
    async fn start(self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let none = (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>");
        let router = Router::new()
            .route("/", post(async move |body: Bytes| self.take(&body)))
            .route("/settings/{key}", get(async move || none));
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    fn take(&self, body: &[u8]) -> Response {
        if *self.refuses.lock().unwrap() {
            let refusal = Json(json!({"__type": "com.amazonaws.sqs#AccessDenied", "message": "no"}));
            return (StatusCode::FORBIDDEN, refusal).into_response();
        }
        self.kept.lock().unwrap().push(serde_json::from_slice(body).unwrap());
        Json(json!({"MessageId": "1", "MD5OfMessageBody": "0"})).into_response()
    }

    /// The only message that was kept, with its group.
    fn only(&self) -> (String, TrackMessage) {
        let kept = self.kept.lock().unwrap();
        assert_eq!(kept.len(), 1, "{kept:?}");
        let body = kept[0]["MessageBody"].as_str().unwrap();
        (kept[0]["MessageGroupId"].as_str().unwrap().to_owned(), serde_json::from_str(body).unwrap())
    }
}

async fn clients(endpoint: &str) -> Clients {
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .load()
        .await;
    Clients {
        sqs: aws_sdk_sqs::Client::new(&sdk),
        s3: aws_sdk_s3::Client::new(&sdk),
        sns: aws_sdk_sns::Client::new(&sdk),
        sts: aws_sdk_sts::Client::new(&sdk),
        secrets: aws_sdk_secretsmanager::Client::new(&sdk),
        sdk,
    }
}

fn master() -> MasterKey {
    MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
}

fn links() -> Links {
    let key = master().derive(TENANT, Purpose::Links, 1);
    Links::new("http://c.example", "b.example", TENANT, CampaignId(8), 1, &key).unwrap()
}

async fn router_to(endpoint: &str) -> Router {
    let track_queue_url = format!("{endpoint}/000000000000/track");
    let clients = clients(endpoint).await;
    let (built_in, read) = (ActorRules::default(), ActorRules::from_json);
    let rules = Document::open(&clients, "settings", contract::ACTOR_RULES_KEY, built_in, read).await;
    router(Collect { master: master(), rules, clients, track_queue_url })
}

async fn function() -> (Router, Queue) {
    let queue = Queue::default();
    (router_to(&queue.clone().start().await).await, queue)
}

async fn call(router: &Router, method: &str, url: &str, body: &'static str) -> Response {
    let path = url.strip_prefix("http://c.example").unwrap();
    let request = Request::builder().method(method).uri(path).header(header::USER_AGENT, FIREFOX);
    router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap()
}

async fn text(response: Response) -> String {
    let body = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    String::from_utf8_lossy(&body).into_owned()
}

#[tokio::test]
async fn an_open_is_on_the_queue_before_the_pixel() {
    let (router, queue) = function().await;
    let response = call(&router, "GET", &links().open(MailId(9)), "").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "image/gif");
    assert!(text(response).await.starts_with("GIF89a"));
    let (group, message) = queue.only();
    assert_eq!(group, "7");
    let TrackMessage::Response { tenant, campaign, mail, kind, link, actor, address_key, .. } = message;
    assert_eq!((tenant, campaign, mail), (TENANT, CampaignId(8), MailId(9)));
    assert_eq!((kind, link, actor, address_key), (ResponseKind::Opened, None, Actor::Human, None));
}

#[tokio::test]
async fn a_click_goes_to_the_sealed_url() {
    let (router, queue) = function().await;
    let target = "https://shop.example/a?b=c&d=1%202+3#e";
    let response = call(&router, "GET", &links().click(MailId(9), 4, target).unwrap(), "").await;
    assert_eq!(
        (response.status(), &response.headers()[header::LOCATION]),
        (StatusCode::FOUND, &HeaderValue::from_static(target))
    );
    assert_eq!(response.headers()[header::REFERRER_POLICY], "no-referrer");
    let (_, TrackMessage::Response { kind, link, .. }) = queue.only();
    assert_eq!((kind, link), (ResponseKind::Clicked, Some(4)));
    let kept = format!("{:?}", queue.kept.lock().unwrap());
    assert!(!kept.contains("shop.example") && !kept.contains("Firefox"), "{kept}");
}

#[tokio::test]
async fn asking_does_nothing_and_posting_unsubscribes() {
    let (router, queue) = function().await;
    let url = links().unsubscribe(MailId(9), AddressKey([0xab; 16]));
    let response = call(&router, "GET", &url, "").await;
    assert_eq!(response.status(), StatusCode::OK);
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(policy.ends_with("; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"), "{policy}");
    let page = text(response).await;
    assert!(page.contains("<form method=\"post\">") && page.contains("lang=\"en\""), "{page}");
    assert_eq!(call(&router, "POST", &url, "").await.status(), StatusCode::BAD_REQUEST);
    assert!(queue.kept.lock().unwrap().is_empty());

    let response = call(&router, "POST", &url, "List-Unsubscribe=One-Click").await;
    assert_eq!(response.status(), StatusCode::OK);
    let (_, TrackMessage::Response { kind, actor, address_key, .. }) = queue.only();
    assert_eq!((kind, actor), (ResponseKind::Unsubscribed, Actor::Human));
    assert_eq!(address_key, Some("ab".repeat(16)));
}

#[tokio::test]
async fn the_page_names_the_sender_in_the_readers_language_or_the_mails() {
    let (router, _) = function().await;
    let key = AddressKey([1; 16]);
    let named = links().with_imprint("Müller & <Söhne>", "de-AT").unsubscribe(MailId(9), key);
    let body = "List-Unsubscribe=One-Click";
    let table = [
        ("GET", &named, "fr-FR, en;q=0.5", "fr", "de la part de <bdi>Müller &amp; &lt;Söhne&gt;</bdi> ?"),
        ("GET", &named, "hu", "de", "mehr von <bdi>Müller &amp; &lt;Söhne&gt;</bdi> erhalten?"),
        ("POST", &named, "", "de", "<h1>Abgemeldet</h1>\n<p>Sie erhalten keine E-Mails mehr von <bdi>Müller"),
        ("POST", &named, "en", "en", "<h1>Unsubscribed</h1>\n<p>You will receive no more e-mail from <bdi>"),
        // As in mails of before.
        ("GET", &links().unsubscribe(MailId(9), key), "hu", "en", "no more e-mail from this sender?"),
    ];
    for (method, url, accepted, tag, expected) in table {
        let path = url.strip_prefix("http://c.example").unwrap();
        let request = Request::builder().method(method).uri(path).header(header::ACCEPT_LANGUAGE, accepted);
        let request = request.body(Body::from(if method == "POST" { body } else { "" })).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_LANGUAGE], tag);
        assert!(!response.headers().contains_key(header::SET_COOKIE));
        let page = text(response).await;
        assert!(page.contains(expected) && page.contains(&format!("<html lang=\"{tag}\">")), "{page}");
        assert!(!page.contains("<Söhne>"), "{page}");
    }
}

#[test]
fn both_forms_of_one_click_are_taken() {
    let multipart =
        "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    for body in [
        "List-Unsubscribe=One-Click",
        "List-Unsubscribe=One-Click\r\n",
        "a=b&List-Unsubscribe=One-Click",
        multipart,
    ] {
        assert!(is_one_click(body.as_bytes()), "{body}");
    }
    for body in [
        "",
        "List-Unsubscribe=",
        "List-Unsubscribe=One-Click2",
        "One-Click",
        "name=\"List-Unsubscribe\"\r\n\r\nno",
    ] {
        assert!(!is_one_click(body.as_bytes()), "{body}");
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_the_answer_is_the_same() {
    let (router, queue) = function().await;
    let links = links();
    let open = links.open(MailId(9));
    let click = links.click(MailId(9), 4, "https://shop.example/a").unwrap();
    let key = AddressKey([1; 16]);
    let named = links.with_imprint("Acme", "de").unsubscribe(MailId(9), key);
    let other = links.with_imprint("Acme", "de").unsubscribe(MailId(9), AddressKey([2; 16]));
    let unnamed = links.unsubscribe(MailId(9), key);
    let foreign = Links::new("http://c.example", "b.example", TenantId(6), CampaignId(8), 1, &[1; 32])
        .unwrap()
        .open(MailId(9));
    let token_of = |url: &str| url.rsplit_once('/').unwrap().1.split('?').next().unwrap().to_owned();
    let (token, click_token) = (token_of(&open), token_of(&click));
    let mut urls = vec![
        ("GET", format!("{open}x")),
        ("GET", foreign.clone()),
        ("HEAD", foreign),
        // Each of them where another one belongs.
        ("GET", format!("http://c.example/c/{token}?u=https%3A%2F%2Fshop.example")),
        ("GET", format!("http://c.example/u/{token}")),
        ("POST", format!("http://c.example/u/{token}")),
        ("GET", format!("http://c.example/o/{click_token}")),
        ("GET", format!("http://c.example/o/{}", token_of(&unnamed))),
        ("GET", format!("http://c.example/c/{}?u=", token_of(&unnamed))),
        // Another URL, none, two.
        ("GET", click.replace("shop.example", "evil.example")),
        ("GET", click.split_once('?').unwrap().0.to_owned()),
        ("GET", format!("{click}&u=https%3A%2F%2Fevil.example")),
        ("GET", format!("http://c.example/c/{click_token}?u={}", "x".repeat(30_000))),
        ("GET", "http://c.example/o/%ff".to_owned()),
        ("GET", "http://c.example/c/%ff".to_owned()),
        ("GET", "http://c.example/".to_owned()),
    ];
    // Another name, another language, none, one that the token was not made with.
    for wrong in [
        named.replace("Acme", "Evil"),
        named.replace("s=de", "s=en"),
        named.split_once('?').unwrap().0.to_owned(),
        format!("{named}%20"),
        format!("{unnamed}?s=de.Acme"),
        other.replace(&token_of(&other), &token_of(&unnamed)),
    ] {
        urls.extend([("GET", wrong.clone()), ("POST", wrong)]);
    }
    // Cut off anywhere.
    urls.extend((0..token.len()).map(|end| ("GET", format!("http://c.example/o/{}", &token[..end]))));
    for (method, url) in urls {
        let response = call(&router, method, &url, "List-Unsubscribe=One-Click").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{method} {url}");
        let mut found: Vec<_> =
            response.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        found.sort_unstable();
        let expected = [
            ("cache-control", "no-store"),
            ("content-length", "11"),
            ("content-type", "text/plain; charset=utf-8"),
        ];
        assert_eq!(found, expected, "{method} {url}");
        let body = text(response).await;
        assert_eq!(body, if method == "HEAD" { "" } else { "Not found.\n" }, "{method} {url}");
    }
    assert!(queue.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_no_person_did_is_told_as_that() {
    let (open, click) =
        (links().open(MailId(9)), links().click(MailId(9), 4, "https://shop.example/a").unwrap());
    let table = [
        ("GET", "user-agent", FIREFOX, "192.0.2.7", Actor::Human),
        ("HEAD", "user-agent", FIREFOX, "192.0.2.7", Actor::Scanner),
        ("GET", "sec-purpose", "prefetch;prerender", "192.0.2.7", Actor::Scanner),
        ("GET", "Purpose", "Preview", "192.0.2.7", Actor::Scanner),
        ("GET", "X-Purpose", "preview", "192.0.2.7", Actor::Scanner),
        ("GET", "x-moz", "prefetch", "192.0.2.7", Actor::Scanner),
        ("GET", "user-agent", "curl/8.5", "192.0.2.7", Actor::Scanner),
        ("GET", "user-agent", FIREFOX, "104.47.1.2", Actor::Scanner),
        ("GET", "user-agent", FIREFOX, "17.58.1.2", Actor::Proxy),
    ];
    for (method, name, value, address, expected) in table {
        for (url, status) in [(&open, StatusCode::OK), (&click, StatusCode::FOUND)] {
            let (router, queue) = function().await;
            let mut request =
                Request::builder().method(method).uri(url.strip_prefix("http://c.example").unwrap());
            if !name.eq_ignore_ascii_case("user-agent") {
                request = request.header(header::USER_AGENT, FIREFOX);
            }
            let request = request.header(name, value).extension(ClientAddress(address.parse().unwrap()));
            let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status(), status);
            let (_, TrackMessage::Response { actor, .. }) = queue.only();
            assert_eq!(actor, expected, "{method} {name} {value} {address}");
            let kept = format!("{:?}", queue.kept.lock().unwrap());
            assert!(!kept.contains(address) && !kept.contains(value), "{kept}");
        }
    }
}

#[tokio::test]
async fn without_the_queue_only_an_unsubscribe_fails() {
    let (refusing, queue) = function().await;
    *queue.refuses.lock().unwrap() = true;
    // A port that nobody listens on any more.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for router in [refusing, router_to(&format!("http://{closed}")).await] {
        let (open, click) =
            (links().open(MailId(9)), links().click(MailId(9), 4, "https://shop.example/a").unwrap());
        let unsubscribe = links().unsubscribe(MailId(9), AddressKey([1; 16]));
        let (open, click, unsubscribe) = tokio::join!(
            call(&router, "GET", &open, ""),
            call(&router, "GET", &click, ""),
            call(&router, "POST", &unsubscribe, "List-Unsubscribe=One-Click"),
        );
        assert_eq!((open.status(), click.status()), (StatusCode::OK, StatusCode::FOUND));
        assert_eq!(unsubscribe.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(unsubscribe.headers().contains_key(header::RETRY_AFTER));
        assert!(text(unsubscribe).await.contains("not unsubscribed yet"));
    }
}
