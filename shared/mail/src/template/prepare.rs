//! What happens to a source before it is compiled: `$$FIELD$$`, links, the pixel. Line numbers stay the same.

use std::ops::Range;

use fault::Phrase;

use super::{TemplateError, TemplateLink};
use crate::{
    LINK_BYTES_MAX, address, field_name,
    html::{Piece, expressions, pieces, template_end, unescape},
    link::{encode_url, web_scheme},
};

/// Names of our own in a template; authors cannot use them.
pub(super) const RESERVED: &str = "_broadcast_";
/// Filter: seals the link that it is applied to.
pub(super) const CLICK: &str = "_broadcast_click";
/// Variable: the image that tells that a mail was opened.
pub(super) const PIXEL: &str = "_broadcast_pixel";
/// Variable: what mail programs show behind the subject.
pub(super) const PREHEADER: &str = "_broadcast_preheader";
/// Variable: what the filter needs of the mail.
pub(super) const MAIL: &str = "_broadcast_mail";
/// Variable for authors.
pub(super) const UNSUBSCRIBE: &str = "unsubscribe_url";
/// Every mail program knows one of these. No colour: letters in that of what is behind them are a rule of spam filters.
const HIDDEN: &str = "display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;font-size:1px;line-height:1px;mso-hide:all";
/// Takes room where mail programs list mails, and shows nothing: a joiner that is invisible, a non-joiner and a space that does not fold.
const FILLER: &str = "&#847;&zwnj;&nbsp;";
/// Mail programs show up to about 140 characters; a preheader has some of these itself.
const FILLER_COUNT: usize = 100;
/// Longer than any name of a column that an import takes; keeps prices in dollars from being taken for a field.
const FIELD_CHARS_MAX: usize = 64;

/// `$$FIRST NAME$$` -> `{{ first_name }}`.
pub(super) fn fields(source: &str) -> String {
    let mut written = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("$$") {
        let name = rest[start + 2..].find("$$").map(|length| &rest[start + 2..start + 2 + length]);
        let usable = |name: &&str| {
            let tight = !name.is_empty()
                && !name.starts_with(char::is_whitespace)
                && !name.ends_with(char::is_whitespace);
            tight && name.chars().count() <= FIELD_CHARS_MAX && !name.contains(['\n', '{', '<', '$'])
        };
        written.push_str(&rest[..start]);
        let end = if let Some(name) = name.filter(usable) {
            let name = if name.eq_ignore_ascii_case(UNSUBSCRIBE) {
                UNSUBSCRIBE.to_owned()
            } else {
                field_name(name)
            };
            written.extend(["{{ ", name.as_str(), " }}"]);
            start + 4 + rest[start + 2..].find("$$").unwrap_or_default()
        } else {
            written.push_str("$$");
            start + 2
        };
        rest = &rest[end..];
    }
    written.push_str(rest);
    written
}

/// Wraps the target of each web link into the filter that seals it; returns the links with the origin that each must keep.
pub(super) fn links(source: &str) -> Result<(String, Vec<(TemplateLink, String)>), TemplateError> {
    let mut written = String::with_capacity(source.len() + 1024);
    let mut found = Vec::new();
    let mut copied = 0;
    for piece in pieces(source) {
        let Piece::Tag(tag) = piece else { continue };
        if tag.closing || !matches!(tag.name.as_str(), "a" | "area") {
            continue;
        }
        for attribute in tag.attributes.iter().filter(|attribute| attribute.name == "href") {
            let value = &source[attribute.value.clone()];
            let line = line_of(source, attribute.value.start);
            let target = target(value)
                .map_err(|message| TemplateError::Link { line, message: message.to_string() })?;
            let Some(Target { origin, rest }) = target else { continue };
            let number = u32::try_from(found.len()).unwrap_or(u32::MAX);
            let quote = if attribute.quoted { "" } else { "\"" };
            written.push_str(&source[copied..attribute.value.start]);
            let head = format!("{{% filter {CLICK}({number}) %}}");
            written.extend([quote, &head, &origin, rest, "{% endfilter %}", quote]);
            copied = attribute.value.end;
            found.push((TemplateLink { number, url: format!("{origin}{}", unescape(rest)), line }, origin));
        }
    }
    written.push_str(&source[copied..]);
    Ok((written, found))
}

struct Target<'a> {
    /// Scheme, host and port, without any field.
    origin: String,
    /// Empty, or begins with `/`, `?` or `#`; as in the source.
    rest: &'a str,
}

/// `None` for what is left alone: places in the mail, mail and phone links, the unsubscribe link.
fn target(value: &str) -> Result<Option<Target<'_>>, Phrase> {
    let value = value.trim();
    let lower = value.to_ascii_lowercase();
    if value.is_empty()
        || value.starts_with('#')
        || ["mailto:", "tel:", "sms:"].iter().any(|scheme| lower.starts_with(scheme))
    {
        return Ok(None);
    }
    if value.starts_with("{{") && is_unsubscribe(value) {
        return Ok(None);
    }
    let Some((scheme, rest)) = web_scheme(value) else {
        return Err(if value.starts_with('{') { Phrase::LinkWhole } else { Phrase::LinkScheme });
    };
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let field = (0..rest.len()).find(|at| template_end(rest, *at).is_some());
    if field.is_some_and(|field| field <= host_end) {
        return Err(Phrase::LinkFieldInHost);
    }
    let (host, rest) = rest.split_at(host_end);
    let origin = format!("{scheme}{}", checked_host(host).ok_or(Phrase::LinkHost)?);
    if origin.len() + literal_bytes(rest) > LINK_BYTES_MAX {
        return Err(Phrase::LinkTooLong);
    }
    Ok(Some(Target { origin, rest }))
}

/// Host and port in ASCII; no user information, no address in brackets.
fn checked_host(host: &str) -> Option<String> {
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let is_address = name.parse::<std::net::Ipv4Addr>().is_ok();
    let name = if is_address || name == "localhost" {
        name.to_owned()
    } else {
        address::check_domain(name).ok()?.into_owned()
    };
    match port {
        None => Some(name),
        Some(port) => Some(format!("{name}:{}", port.parse::<u16>().ok()?)),
    }
}

fn literal_bytes(rest: &str) -> usize {
    let fields: usize = expressions(rest).iter().map(Range::len).sum();
    encode_url(rest).len().saturating_sub(fields)
}

/// Puts the pixel before the end of the body, or at the end of the source.
pub(super) fn pixel(source: &str) -> String {
    let body_end = pieces(source).into_iter().rev().find_map(|piece| match piece {
        Piece::Tag(tag) if tag.closing && tag.name == "body" => Some(tag.range.start),
        _ => None,
    });
    let (head, tail) = source.split_at(body_end.unwrap_or(source.len()));
    format!("{head}{{{{ {PIXEL} }}}}{tail}")
}

/// Puts the preheader where the body begins, or at the begin of what is no whole document. Mail programs show it behind the subject, the
/// filler in place of the words that follow, and none of it in the mail.
pub(super) fn preheader(source: &str) -> String {
    let begin = pieces(source).into_iter().find_map(|piece| match piece {
        Piece::Tag(tag) if !tag.closing && tag.name == "body" => Some(tag.range.end),
        _ => None,
    });
    let begin = begin.or_else(|| {
        pieces(source).into_iter().find_map(|piece| match piece {
            Piece::Tag(tag) if tag.closing && tag.name == "head" => Some(tag.range.end),
            _ => None,
        })
    });
    let (head, tail) = source.split_at(begin.unwrap_or(0));
    format!("{head}<div style=\"{HIDDEN}\">{{{{ {PREHEADER} }}}}{}</div>{tail}", FILLER.repeat(FILLER_COUNT))
}

/// Whether `{{ unsubscribe_url }}` stands somewhere.
pub(super) fn has_unsubscribe(source: &str) -> bool {
    expressions(source)
        .iter()
        .any(|range| source[..range.start].ends_with("{{") && source[range.clone()].trim() == UNSUBSCRIBE)
}

fn is_unsubscribe(value: &str) -> bool {
    let inner = value.strip_prefix("{{").and_then(|value| value.strip_suffix("}}"));
    inner.is_some_and(|inner| inner.trim() == UNSUBSCRIBE)
}

/// The line of a field's first use, unless one of its uses allows it to be missing.
pub(super) fn needs(source: &str, field: &str) -> Option<usize> {
    let mut first = None;
    for range in expressions(source) {
        let expression = &source[range.clone()];
        for (at, _) in expression.match_indices(field) {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let behind = &expression[at + field.len()..];
            if expression[..at].ends_with(is_name)
                || expression[..at].ends_with('.')
                || behind.starts_with(is_name)
            {
                continue;
            }
            let behind = behind.trim_start();
            let filter = behind.strip_prefix('|').map(str::trim_start).unwrap_or_default();
            let filter = filter.split(|c| !is_name(c)).next().unwrap_or_default();
            if matches!(filter, "default" | "d")
                || behind.starts_with("is defined")
                || behind.starts_with("is not defined")
            {
                return None;
            }
            first = first.or(Some(line_of(source, range.start + at)));
        }
    }
    first
}

/// From 1.
pub(super) fn line_of(source: &str, at: usize) -> usize {
    source[..at].matches('\n').count() + 1
}
