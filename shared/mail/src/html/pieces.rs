//! Splits a template's HTML into tags, text and the template language's own parts.

use std::ops::Range;

/// One part of the source, in order; ranges are bytes of the source.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// `{{ .. }}`, `{% .. %}`, `{# .. #}`, or a whole raw block.
    Template(Range<usize>),
    /// A tag with its attributes.
    Tag(Tag),
    /// Text between tags.
    Text(Range<usize>),
    /// A comment, a declaration, or the content of a script or style: nothing that is shown.
    Hidden(Range<usize>),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// In lower case.
    pub name: String,
    pub closing: bool,
    pub range: Range<usize>,
    pub attributes: Vec<Attribute>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// In lower case.
    pub name: String,
    /// Without the quotes; empty for an attribute without a value.
    pub value: Range<usize>,
    pub quoted: bool,
}

/// The parts of a source; the whole of it, without gaps.
pub(crate) fn pieces(source: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text_start = 0;
    let mut at = 0;
    while at < source.len() {
        let piece = if let Some(end) = template_end(source, at) {
            Piece::Template(at..end)
        } else if let Some(end) = hidden_end(source, at) {
            Piece::Hidden(at..end)
        } else if let Some(tag) = read_tag(source, at) {
            Piece::Tag(tag)
        } else {
            at += 1;
            continue;
        };
        if text_start < at {
            pieces.push(Piece::Text(text_start..at));
        }
        at = match &piece {
            Piece::Template(range) | Piece::Hidden(range) | Piece::Text(range) => range.end,
            Piece::Tag(tag) => tag.range.end,
        };
        let raw_element = match &piece {
            Piece::Tag(tag) if !tag.closing && matches!(tag.name.as_str(), "script" | "style") => {
                Some(tag.name.clone())
            }
            _ => None,
        };
        pieces.push(piece);
        if let Some(name) = raw_element {
            at = push_raw_content(source, at, &name, &mut pieces);
        }
        text_start = at;
    }
    if text_start < source.len() {
        pieces.push(Piece::Text(text_start..source.len()));
    }
    pieces
}

/// The end of the template language's part that begins at `at`; the end of the source when it is not closed.
pub(crate) fn template_end(source: &str, at: usize) -> Option<usize> {
    let bytes = source.as_bytes();
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    let close = match bytes.get(at + 1)? {
        b'{' => "}}",
        b'%' => "%}",
        b'#' => return Some(find(source, at + 2, "#}").map_or(source.len(), |end| end + 2)),
        _ => return None,
    };
    let end = expression_end(source, at + 2, close);
    let word = source[at + 2..end].trim_start_matches(['-', '+']).trim_start();
    if close == "%}"
        && word.starts_with("raw")
        && !word[3..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    {
        let mut next = end;
        while let Some(start) = find(source, next, "{%") {
            let stop = expression_end(source, start + 2, "%}");
            if source[start + 2..stop].trim_start_matches(['-', '+']).trim_start().starts_with("endraw") {
                return Some(stop);
            }
            next = start + 2;
        }
        return Some(source.len());
    }
    Some(end)
}

/// Whether a part of the template language stands in it.
pub(crate) fn has_template(source: &str) -> bool {
    source.match_indices('{').any(|(at, _)| template_end(source, at).is_some())
}

/// All `{{ .. }}` and `{% .. %}` of a source, without their braces; nothing of comments and raw blocks.
pub(crate) fn expressions(source: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = find(source, at, "{") {
        let Some(end) = template_end(source, start) else {
            at = start + 1;
            continue;
        };
        let inner = &source[start..end];
        if !inner.starts_with("{#") && !inner.contains("endraw") && end - start >= 4 {
            found.push(start + 2..end - 2);
        }
        at = end;
    }
    found
}

/// Behind the closing mark; marks inside string literals do not count.
fn expression_end(source: &str, from: usize, close: &str) -> usize {
    let bytes = source.as_bytes();
    let mut quote = None;
    let mut at = from;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (None, _) if bytes[at..].starts_with(close.as_bytes()) => return at + close.len(),
            (Some(_) | None, _) => {}
        }
        at += 1;
    }
    source.len()
}

fn hidden_end(source: &str, at: usize) -> Option<usize> {
    let rest = source.get(at..)?;
    let close = if rest.starts_with("<!--") {
        "-->"
    } else if rest.starts_with("<!") || rest.starts_with("<?") {
        ">"
    } else {
        return None;
    };
    Some(find(source, at + 2, close).map_or(source.len(), |end| end + close.len()))
}

/// The content of a script or style up to its end tag; its template parts stay visible to who keeps statements.
fn push_raw_content(source: &str, start: usize, name: &str, pieces: &mut Vec<Piece>) -> usize {
    let close = format!("</{name}");
    let mut hidden = start;
    let mut at = start;
    while at < source.len() {
        if source.as_bytes()[at..]
            .get(..close.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(close.as_bytes()))
        {
            break;
        }
        if let Some(end) = template_end(source, at) {
            if hidden < at {
                pieces.push(Piece::Hidden(hidden..at));
            }
            pieces.push(Piece::Template(at..end));
            at = end;
            hidden = end;
        } else {
            at += 1;
        }
    }
    if hidden < at {
        pieces.push(Piece::Hidden(hidden..at));
    }
    at
}

fn read_tag(source: &str, start: usize) -> Option<Tag> {
    let bytes = source.as_bytes();
    if bytes[start] != b'<' {
        return None;
    }
    let closing = bytes.get(start + 1) == Some(&b'/');
    let name_start = start + 1 + usize::from(closing);
    if !bytes.get(name_start)?.is_ascii_alphabetic() {
        return None;
    }
    let mut at = name_start;
    while at < bytes.len() && !matches!(bytes[at], b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'>' | b'{') {
        at += 1;
    }
    let name = source[name_start..at].to_ascii_lowercase();
    let mut attributes = Vec::new();
    while at < bytes.len() {
        match bytes[at] {
            b'>' => return Some(Tag { name, closing, range: start..at + 1, attributes }),
            b' ' | b'\t' | b'\r' | b'\n' | b'/' => at += 1,
            _ => match template_end(source, at) {
                Some(end) => at = end,
                None => at = read_attribute(source, at, &mut attributes),
            },
        }
    }
    Some(Tag { name, closing, range: start..source.len(), attributes })
}

fn read_attribute(source: &str, start: usize, attributes: &mut Vec<Attribute>) -> usize {
    let bytes = source.as_bytes();
    let mut at = start + 1;
    while at < bytes.len() && !matches!(bytes[at], b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'>' | b'=') {
        if template_end(source, at).is_some() {
            break;
        }
        at += 1;
    }
    let name = source[start..at].to_ascii_lowercase();
    let equals = skip_space(bytes, at);
    if bytes.get(equals) != Some(&b'=') {
        attributes.push(Attribute { name, value: at..at, quoted: false });
        return at;
    }
    let mut at = skip_space(bytes, equals + 1);
    let quote = bytes.get(at).copied().filter(|byte| matches!(byte, b'"' | b'\''));
    at += usize::from(quote.is_some());
    let value_start = at;
    while at < bytes.len() {
        if let Some(end) = template_end(source, at) {
            at = end;
            continue;
        }
        let ends = match quote {
            Some(quote) => bytes[at] == quote,
            None => matches!(bytes[at], b' ' | b'\t' | b'\r' | b'\n' | b'>'),
        };
        if ends {
            break;
        }
        at += 1;
    }
    attributes.push(Attribute { name, value: value_start..at, quoted: quote.is_some() });
    (at + usize::from(quote.is_some())).min(bytes.len())
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

fn find(source: &str, from: usize, what: &str) -> Option<usize> {
    Some(from + source.get(from..)?.find(what)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every piece as text, with its kind's first letter.
    fn show(source: &str) -> Vec<String> {
        let show = |piece: &Piece| match piece {
            Piece::Template(range) => format!("P:{}", &source[range.clone()]),
            Piece::Text(range) => format!("T:{}", &source[range.clone()]),
            Piece::Hidden(range) => format!("H:{}", &source[range.clone()]),
            Piece::Tag(tag) => {
                let values =
                    tag.attributes.iter().map(|a| format!(" {}[{}]", a.name, &source[a.value.clone()]));
                format!("{}{}{}", if tag.closing { "/" } else { "<" }, tag.name, values.collect::<String>())
            }
        };
        pieces(source).iter().map(show).collect()
    }

    #[test]
    fn sources_are_split() {
        let table: [(&str, &[&str]); 12] = [
            ("a < b", &["T:a < b"]),
            ("<p>ä {{ x }}</p>", &["<p", "T:ä ", "P:{{ x }}", "/p"]),
            ("<A HREF='x'>", &["<a href[x]"]),
            ("<a href=\"{{ x|default(\"}}\") }}\" b>", &["<a href[{{ x|default(\"}}\") }}] b[]"]),
            ("<a href=x{{ y }}z>t", &["<a href[x{{ y }}z]", "T:t"]),
            ("<a {% if x > 1 %}href=\"1\"{% else %}href=\"2\"{% endif %}>", &["<a href[1] href[2]"]),
            ("<!-- <a href='x'> --><br/>", &["H:<!-- <a href='x'> -->", "<br"]),
            (
                "<style>a{b}{% if x %}<p>{% endif %}</style>",
                &["<style", "H:a{b}", "P:{% if x %}", "H:<p>", "P:{% endif %}", "/style"],
            ),
            ("{%- raw %}<a>{{{% endraw %}b", &["P:{%- raw %}<a>{{{% endraw %}", "T:b"]),
            ("{# <a> #}{{ x", &["P:{# <a> #}", "P:{{ x"]),
            ("<a href=\"x", &["<a href[x]"]),
            ("<a href = x>", &["<a href[x]"]),
        ];
        for (source, expected) in table {
            assert_eq!(show(source), expected, "{source}");
        }
    }
}
