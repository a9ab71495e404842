//! What the time of a login tells strangers: a wrong password for an address that somebody has, beside one for an address that nobody has.

use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use sqlx::PgPool;

use crate::{
    Result,
    api::Server,
    comparison::{Comparison, median, rounded},
};

/// Of each kind, in turns; odd, for the median.
const ATTEMPTS: usize = 101;
const FORM: &str = "application/x-www-form-urlencoded";

type Http = Client<HttpConnector, Full<Bytes>>;

/// Wrong passwords for `known` and for nobody.
pub async fn bench(console: &Server, owner: &PgPool, known: &str) -> Result<Comparison> {
    let http: Http = Client::builder(TokioExecutor::new()).build_http();
    let url = format!("http://{}/login", console.address);
    let page = http.request(Request::get(&url).body(Full::default())?).await?;
    let cookie = visit(&page)?;
    let page = page.into_body().collect().await?.to_bytes();
    let page = String::from_utf8_lossy(&page);
    let (_, token) = page.split_once("name=\"form\" value=\"").ok_or("no form")?;
    let token = token.split('"').next().unwrap_or_default();
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ATTEMPTS {
        // Limits are not what is measured.
        sqlx::query("DELETE FROM broadcast.attempts").execute(owner).await?;
        for (email, times) in [known, "nobody@bench.example"].into_iter().zip(&mut times) {
            let form = format!("form={token}&email={email}&password=not+the+password");
            let request =
                Request::post(&url).header(header::COOKIE, &cookie).header(header::CONTENT_TYPE, FORM);
            let begun = Instant::now();
            let answer = http.request(request.body(Full::from(form))?).await?;
            let status = answer.status();
            answer.into_body().collect().await?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
            if status != 422 {
                return Err(format!("a wrong password of {email}: {status}").into());
            }
        }
    }
    let [ours, peer] = times.map(median);
    Ok(Comparison {
        bench: "console",
        case: "wrong password",
        unit: "ms, median",
        ours: rounded(ours, 1),
        peer: rounded(peer, 1),
        peer_name: "for an address that nobody has",
        ratio: rounded(peer / ours, 2),
        peak_rss_mib: console.peak_rss_mib()?,
    })
}

/// The cookie that forms are bound to.
fn visit(page: &Response<Incoming>) -> Result<String> {
    let cookie = page.headers().get(header::SET_COOKIE).ok_or("no visit")?.to_str()?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}
