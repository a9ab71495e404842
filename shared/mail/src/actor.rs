//! Who made a request, judged by what it says of itself. Track refines it by timing.

use contract::Actor;

/// The user agents of proxies that say nothing else.
const EXACT: [(&str, Actor); 2] = [
    // Apple Mail Privacy Protection loads images with these words alone.
    ("mozilla/5.0", Actor::Proxy),
    ("mozilla/4.0", Actor::Scanner),
];

/// Words of user agents, in lower case; the first match counts.
const WORDS: [(&str, Actor); 41] = [
    ("googleimageproxy", Actor::Proxy),
    ("yahoomailproxy", Actor::Proxy),
    ("yahoocachesystem", Actor::Proxy),
    ("feedfetcher", Actor::Scanner),
    ("barracuda", Actor::Scanner),
    ("proofpoint", Actor::Scanner),
    ("mimecast", Actor::Scanner),
    ("symantec", Actor::Scanner),
    ("trendmicro", Actor::Scanner),
    ("trend micro", Actor::Scanner),
    ("sophos", Actor::Scanner),
    ("fortinet", Actor::Scanner),
    ("fireeye", Actor::Scanner),
    ("cloudmark", Actor::Scanner),
    ("virustotal", Actor::Scanner),
    ("safelinks", Actor::Scanner),
    ("bingpreview", Actor::Scanner),
    ("slurp", Actor::Scanner),
    ("facebookexternalhit", Actor::Scanner),
    ("whatsapp", Actor::Scanner),
    ("skypeuripreview", Actor::Scanner),
    ("headless", Actor::Scanner),
    ("phantomjs", Actor::Scanner),
    ("puppeteer", Actor::Scanner),
    ("playwright", Actor::Scanner),
    ("selenium", Actor::Scanner),
    ("python", Actor::Scanner),
    ("aiohttp", Actor::Scanner),
    ("curl/", Actor::Scanner),
    ("wget", Actor::Scanner),
    ("go-http-client", Actor::Scanner),
    ("java/", Actor::Scanner),
    ("apache-httpclient", Actor::Scanner),
    ("okhttp", Actor::Scanner),
    ("libwww", Actor::Scanner),
    ("node-fetch", Actor::Scanner),
    ("axios", Actor::Scanner),
    ("scanner", Actor::Scanner),
    ("crawl", Actor::Scanner),
    ("spider", Actor::Scanner),
    ("bot", Actor::Scanner),
];

/// Judges a request by its method and its `User-Agent` header (empty when it has none).
pub fn judge(method: &str, user_agent: &str) -> Actor {
    let agent = user_agent.trim().to_ascii_lowercase();
    if agent.is_empty() || !matches!(method, "GET" | "POST") {
        return Actor::Scanner;
    }
    let exact = EXACT.iter().find(|(known, _)| *known == agent);
    let known = exact.or_else(|| WORDS.iter().find(|(word, _)| agent.contains(word)));
    known.map_or(Actor::Human, |(_, actor)| *actor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_judged() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let table = [
            ("GET", firefox, Actor::Human),
            (
                "GET",
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
                Actor::Human,
            ),
            (
                "GET",
                "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Microsoft Outlook 16.0)",
                Actor::Human,
            ),
            ("POST", firefox, Actor::Human),
            ("HEAD", firefox, Actor::Scanner),
            ("GET", "", Actor::Scanner),
            ("GET", "Mozilla/5.0", Actor::Proxy),
            (
                "GET",
                "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
                Actor::Proxy,
            ),
            ("GET", "YahooMailProxy; https://help.yahoo.com/", Actor::Proxy),
            ("GET", "Mozilla/5.0 (compatible; Googlebot/2.1)", Actor::Scanner),
            (
                "GET",
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0",
                Actor::Scanner,
            ),
            ("GET", "python-requests/2.32", Actor::Scanner),
        ];
        for (method, agent, actor) in table {
            assert_eq!(judge(method, agent), actor, "{method} {agent}");
        }
    }
}
