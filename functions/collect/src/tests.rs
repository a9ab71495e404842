use std::sync::Mutex;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use axum::{Json, body::Body, http::Request, routing::post};
use contract::{CampaignId, MailId, TenantId};
use mail::{AddressKey, Links};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

const TENANT: TenantId = TenantId(7);
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// A queue on a port of its own that keeps what it is sent, and refuses everything once it is told to.
#[derive(Clone, Default)]
struct Queue {
    kept: Arc<Mutex<Vec<Value>>>,
    refuses: Arc<Mutex<bool>>,
}

impl Queue {
    async fn start(self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(async move |body: Bytes| self.take(&body)));
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
    router(Collect { master: master(), clients: clients(endpoint).await, track_queue_url })
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
    assert_eq!(
        response.headers()[header::CONTENT_SECURITY_POLICY],
        "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
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
async fn a_bad_token_is_not_found() {
    let (router, queue) = function().await;
    let links = links();
    let open = links.open(MailId(9));
    let click = links.click(MailId(9), 4, "https://shop.example/a").unwrap();
    let foreign = Links::new("http://c.example", "b.example", TenantId(6), CampaignId(8), 1, &[1; 32])
        .unwrap()
        .open(MailId(9));
    let token = open.rsplit_once('/').unwrap().1.to_owned();
    let urls = [
        ("GET", format!("{open}x")),
        ("GET", foreign),
        ("GET", format!("http://c.example/c/{token}?u=https%3A%2F%2Fshop.example")),
        ("GET", format!("http://c.example/u/{token}")),
        ("POST", format!("http://c.example/u/{token}")),
        ("GET", click.replace("shop.example", "evil.example")),
        ("GET", click.split_once('?').unwrap().0.to_owned()),
        (
            "GET",
            format!(
                "http://c.example/o/{}",
                links.unsubscribe(MailId(9), AddressKey([1; 16])).rsplit_once('/').unwrap().1
            ),
        ),
        ("GET", "http://c.example/o/%ff".to_owned()),
        ("GET", "http://c.example/".to_owned()),
    ];
    for (method, url) in urls {
        assert_eq!(call(&router, method, &url, "").await.status(), StatusCode::NOT_FOUND, "{url}");
    }
    assert!(queue.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_head_is_answered_and_not_counted() {
    let (router, queue) = function().await;
    let click = links().click(MailId(9), 4, "https://shop.example/a").unwrap();
    assert_eq!(call(&router, "HEAD", &click, "").await.status(), StatusCode::FOUND);
    assert_eq!(call(&router, "HEAD", &links().open(MailId(9)), "").await.status(), StatusCode::OK);
    assert!(queue.kept.lock().unwrap().is_empty());
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
