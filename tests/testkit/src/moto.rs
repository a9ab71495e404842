//! moto's server: unlike `LocalStack` it evaluates what a role's policies allow on each S3 call.

use std::{net::TcpListener, path::Path, process::Stdio};

use aws_config::{BehaviorVersion, Region, SdkConfig, sts::AssumeRoleProvider};
use aws_sdk_s3::config::Credentials;
use tokio::process::{Child, Command};

use crate::{customer::installed, http::Http, wait};

/// With this, requests that name no user are routed to IAM while nothing is enforced.
const UNSIGNED: &str = "AWS4-HMAC-SHA256 Credential=setup/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=none";
/// moto's account.
const ACCOUNT: &str = "123456789012";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
const MAY_ASSUME: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#;

/// A running server; ended with the test.
pub struct Moto {
    _process: Child,
    http: Http,
    pub endpoint: String,
}

impl Moto {
    pub async fn start() -> Self {
        // Somebody may take the port before the server does.
        for _ in 0..3 {
            if let Some(moto) = Self::listening().await {
                return moto;
            }
        }
        panic!("moto's server does not start");
    }

    async fn listening() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/moto_server.py");
        let mut command = Command::new(installed("python"));
        command.arg("-B").arg(script).arg(port.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.kill_on_drop(true).spawn().unwrap();
        let answers = wait::until("moto's server to listen or to end", async || {
            if process.try_wait().unwrap().is_some() {
                return Some(false);
            }
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok().then_some(true)
        });
        let endpoint = format!("http://127.0.0.1:{port}");
        answers.await.then(|| Self { _process: process, http: Http::default(), endpoint })
    }

    /// From now on policies count.
    pub async fn enforce(&self) {
        let url = format!("{}/moto-api/reset-auth", self.endpoint);
        self.http.send("POST", &url, &[], "0").await.ok_status();
    }

    async fn iam(&self, action: &str, fields: &[(&str, &str)]) -> String {
        let mut body = format!("Action={action}&Version=2010-05-08");
        for (name, value) in fields {
            body = format!("{body}&{name}={}", encoded(value));
        }
        let headers = [("authorization", UNSIGNED), ("content-type", "application/x-www-form-urlencoded")];
        let answer = self.http.send("POST", &format!("{}/", self.endpoint), &headers, body).await;
        answer.ok_status();
        answer.text()
    }

    /// Makes a role that may do what the document says; its ARN.
    pub async fn role(&self, name: &str, document: &str) -> String {
        self.iam("CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", TRUST)]).await;
        let policy = [("RoleName", name), ("PolicyName", "session"), ("PolicyDocument", document)];
        self.iam("PutRolePolicy", &policy).await;
        format!("arn:aws:iam::{ACCOUNT}:role/{name}")
    }

    /// The configuration of a user who may assume roles and nothing else.
    pub async fn user(&self) -> SdkConfig {
        self.iam("CreateUser", &[("UserName", "gateway")]).await;
        let policy = [("UserName", "gateway"), ("PolicyName", "assume"), ("PolicyDocument", MAY_ASSUME)];
        self.iam("PutUserPolicy", &policy).await;
        let made = self.iam("CreateAccessKey", &[("UserName", "gateway")]).await;
        let field = |name: &str| {
            let (_, rest) = made.split_once(&format!("<{name}>")).expect("the field");
            rest.split_once('<').unwrap().0.to_owned()
        };
        self.config(Credentials::new(field("AccessKeyId"), field("SecretAccessKey"), None, None, "moto"))
            .await
    }

    async fn config(&self, credentials: Credentials) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .credentials_provider(credentials)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .load()
            .await
    }

    /// S3 as anybody, for what must be there before policies count.
    pub async fn s3(&self) -> aws_sdk_s3::Client {
        let config = self.config(Credentials::new("setup", "setup", None, None, "moto")).await;
        aws_sdk_s3::Client::from_conf(
            aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build(),
        )
    }
}

/// S3 with the credentials of an assumed role.
pub async fn assumed(config: &SdkConfig, role: &str) -> aws_sdk_s3::Client {
    let provider = AssumeRoleProvider::builder(role).configure(config).session_name("test").build().await;
    let config =
        aws_sdk_s3::config::Builder::from(config).credentials_provider(provider).force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}

/// A value of a form.
fn encoded(value: &str) -> String {
    use std::fmt::Write as _;

    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() {
            text.push(byte.into());
        } else {
            write!(text, "%{byte:02X}").unwrap();
        }
    }
    text
}
