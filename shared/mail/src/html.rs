//! Just enough HTML to find a template's links, its body's end, and its text. Not a renderer: what it does not understand stays as it is.

mod css;
mod pieces;
mod text;

pub(crate) use css::inline as inline_css;
pub(crate) use pieces::{Attribute, Piece, Tag, expressions, has_template, pieces, template_end};
pub(crate) use text::text_of;

/// From `&` to `;`. Longer ones than we know are not looked for.
const REFERENCE_BYTES_MAX: usize = 12;

/// Decodes the character references that matter; unknown ones stay as they are, as do those without a semicolon.
pub(crate) fn unescape(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        decoded.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.bytes().take(REFERENCE_BYTES_MAX).position(|byte| byte == b';');
        if let Some((c, end)) = end.and_then(|end| Some((character(&rest[1..end])?, end))) {
            decoded.push(c);
            rest = &rest[end + 1..];
        } else {
            decoded.push('&');
            rest = &rest[1..];
        }
    }
    decoded.push_str(rest);
    decoded
}

const NAMED: [(&str, char); 27] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("Auml", 'Ä'),
    ("Ouml", 'Ö'),
    ("Uuml", 'Ü'),
    ("szlig", 'ß'),
    ("eacute", 'é'),
    ("egrave", 'è'),
    ("agrave", 'à'),
    ("ccedil", 'ç'),
    ("euro", '€'),
    ("copy", '©'),
    ("reg", '®'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("hellip", '…'),
    ("bull", '•'),
    ("middot", '·'),
    ("laquo", '«'),
    ("raquo", '»'),
];

fn character(name: &str) -> Option<char> {
    let Some(number) = name.strip_prefix('#') else {
        return NAMED.iter().find(|(known, _)| *known == name).map(|(_, c)| *c);
    };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    code.ok().and_then(char::from_u32).filter(|c| *c != '\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn character_references_are_decoded() {
        let table = [
            ("a&amp;b", "a&b"),
            ("https:&#x2f;&#47;x", "https://x"),
            ("M&uuml;ller &amp;amp;", "Müller &amp;"),
            ("?a=1&copy=2&b;&#0;&#xffffffff;&", "?a=1&copy=2&b;&#0;&#xffffffff;&"),
        ];
        for (text, decoded) in table {
            assert_eq!(unescape(text), decoded);
        }
    }
}
