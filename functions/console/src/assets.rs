//! What pages load: one style sheet, one script, one icon; and a script for the pages that ask for a passkey. Their addresses have a digest of their content, so browsers keep them for good.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;

/// Of the digest in an address, in bytes.
const DIGEST_BYTES: usize = 8;

struct Asset {
    path: String,
    content_type: &'static str,
    content: String,
}

static ASSETS: LazyLock<[Asset; 4]> = LazyLock::new(|| {
    [
        asset("console", "css", "text/css; charset=utf-8", squeezed(include_str!("../assets/console.css"))),
        asset(
            "console",
            "js",
            "text/javascript; charset=utf-8",
            include_str!("../assets/console.js").to_owned(),
        ),
        asset("icon", "svg", "image/svg+xml", include_str!("../assets/icon.svg").to_owned()),
        asset(
            "passkey",
            "js",
            "text/javascript; charset=utf-8",
            include_str!("../assets/passkey.js").to_owned(),
        ),
    ]
});

/// A style sheet without its comments, indentation and most spaces: what people need to read it, and browsers do not. None of its texts has such a
/// sign with a space.
fn squeezed(style: &str) -> String {
    const SPACES: [(&str, &str); 6] =
        [(" {", "{"), ("{ ", "{"), ("; }", "}"), ("; ", ";"), (": ", ":"), (", ", ",")];
    let pieces = style.split("/*").enumerate();
    let pieces = pieces
        .map(|(at, piece)| if at == 0 { piece } else { piece.split_once("*/").map_or("", |(_, rest)| rest) });
    let lines: Vec<_> = pieces.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty()).collect();
    SPACES.iter().fold(lines.join("\n"), |style, (from, to)| style.replace(from, to))
}

fn asset(name: &str, kind: &str, content_type: &'static str, content: String) -> Asset {
    let digest = digest::digest(&digest::SHA256, content.as_bytes());
    let digest = HEXLOWER.encode(&digest.as_ref()[..DIGEST_BYTES]);
    Asset { path: format!("/assets/{name}.{digest}.{kind}"), content_type, content }
}

/// Where the style sheet is.
pub(crate) fn style() -> &'static str {
    &ASSETS[0].path
}

/// Where the script is.
pub(crate) fn script() -> &'static str {
    &ASSETS[1].path
}

/// Where the icon is.
pub(crate) fn icon() -> &'static str {
    &ASSETS[2].path
}

/// Where the script is that asks for passkeys.
pub(crate) fn passkey() -> &'static str {
    &ASSETS[3].path
}

/// Serves one. An address of an older release is not there any more: the page that named it is older, too.
pub(crate) async fn serve(Path(name): Path<String>) -> Response {
    let found = ASSETS.iter().find(|asset| asset.path.strip_prefix("/assets/") == Some(&name));
    let Some(asset) = found else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, asset.content.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of all that a page loads besides itself: a page weighs less than 100 KB.
    const BYTES_MAX: usize = 40_000;
    const STYLE_BYTES_MAX: usize = 20 * 1024;

    #[test]
    fn a_style_sheet_keeps_its_rules() {
        let style = "/* one */\n@media (width) {\n  a { color: red; }\n\n  /* two\n  lines */ b,\n  c { top: 0; }\n}\n";
        assert_eq!(squeezed(style), "@media (width){\na{color:red}\nb,\nc{top:0}\n}");
    }

    #[test]
    fn pages_load_little() {
        assert!(ASSETS[0].content.len() < STYLE_BYTES_MAX, "{}", ASSETS[0].content.len());
        let bytes: usize = ASSETS.iter().map(|asset| asset.content.len()).sum();
        assert!(bytes < BYTES_MAX, "{bytes}");
    }
}
