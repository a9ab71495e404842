//! Bodies in quoted-printable (RFC 2045, 6.7). What a template says itself is encoded once; a mail copies it, and encodes its fields and links
//! alone. Encoding each body took a good tenth of what a mail costs beside RSA. And because a field no longer shifts the line breaks behind it,
//! messages of one template compress a little better.

use std::collections::HashMap;

use mail_builder::encoders::QuotedPrintableEncoder;
use minijinja::{OutputSpan, OutputSpanKind};

use crate::html::template_end;

/// Of a line, without the `=` of a soft line break.
const LINE_BYTES_MAX: usize = 75;
const SOFT_BREAK: &[u8] = b"=\r\n";
/// A shorter piece between two fields is encoded with them: it would get lines of its own.
const CONSTANT_BYTES_MIN: usize = 40;
/// What people can read stays so where base64 would save less.
const BASE64_GAIN_BYTES_MIN: usize = 64;

/// The long pieces of a template that are no fields and no logic, by their place in the source.
#[derive(Default)]
pub(crate) struct Constants(HashMap<usize, Constant>);

struct Constant {
    text: String,
    encoded: Encoded,
}

/// Some whole lines, of which the first may have something before it and the last something behind it.
struct Encoded {
    bytes: Vec<u8>,
    /// Bytes before the first line end.
    first: usize,
    /// Bytes behind the last line end; `None` if there is none.
    last: Option<usize>,
}

impl Constants {
    /// Of a template's source.
    pub fn of(source: &str) -> Self {
        let mut constants = HashMap::new();
        let (mut start, mut at) = (0, 0);
        while let Some(brace) = source[at..].find('{').map(|brace| at + brace) {
            at = template_end(source, brace).unwrap_or(brace + 1);
            if at > brace + 1 {
                insert(&mut constants, source, start, brace);
                start = at;
            }
        }
        insert(&mut constants, source, start, source.len());
        Self(constants)
    }

    /// A body that was rendered from the template. `None`: base64 would be shorter.
    pub fn encode(&self, body: &str, spans: &[OutputSpan]) -> Option<Vec<u8>> {
        let mut lines = Lines { bytes: Vec::with_capacity(body.len() + body.len() / 8), column: 0 };
        let mut at = 0;
        for span in spans.iter().filter(|span| span.kind() == OutputSpanKind::Raw) {
            let range = span.output_range();
            let Some(constant) = self.0.get(&span.source_range().start) else { continue };
            // What the renderer left out of it (white space, at the begin or at the end) makes it another text.
            if at > range.start || body.get(range.clone()) != Some(constant.text.as_str()) {
                continue;
            }
            lines.text(&body[at..range.start]);
            lines.push(&constant.encoded);
            at = range.end;
        }
        lines.text(&body[at..]);
        // Three bytes become four there, and each line has its end.
        (lines.bytes.len() <= body.len() * 4 / 3 * 78 / 76 + BASE64_GAIN_BYTES_MIN).then_some(lines.bytes)
    }
}

/// Places in a source are not always those that the renderer tells: it leaves out a line end behind the template. Then it is encoded each time.
fn insert(constants: &mut HashMap<usize, Constant>, source: &str, start: usize, end: usize) {
    let text = &source[start..end];
    let text = if end == source.len() { text.strip_suffix('\n').unwrap_or(text) } else { text };
    if text.len() >= CONSTANT_BYTES_MIN {
        constants.insert(start, Constant { text: text.to_owned(), encoded: Encoded::of(text) });
    }
}

impl Encoded {
    fn of(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(text.len() + text.len() / 4);
        QuotedPrintableEncoder::new().preserve_line_breaks().encode_into(text.as_bytes(), &mut bytes);
        let end = |byte: &u8| *byte == b'\n';
        let last = bytes.iter().rposition(end).map(|at| bytes.len() - at - 1);
        let first = bytes.iter().position(end).map_or(bytes.len(), |at| at - 1);
        Self { bytes, first, last }
    }
}

struct Lines {
    bytes: Vec<u8>,
    column: usize,
}

impl Lines {
    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(&Encoded::of(text));
        }
    }

    fn push(&mut self, Encoded { bytes, first, last }: &Encoded) {
        if self.column > 0 && self.column + first > LINE_BYTES_MAX {
            self.bytes.extend_from_slice(SOFT_BREAK);
            self.column = 0;
        }
        self.bytes.extend_from_slice(bytes);
        self.column = last.unwrap_or(self.column + first);
    }
}

#[cfg(test)]
mod tests {
    use mail_parser::decoders::quoted_printable::quoted_printable_decode;
    use minijinja::Environment;

    use super::*;

    fn encode(source: &str, field: &str) -> (String, Option<Vec<u8>>) {
        let environment = Environment::new();
        let template = environment.template_from_str(source).unwrap();
        let (body, spans) = template.render_with_spans(minijinja::context! { field }).unwrap();
        let encoded = Constants::of(source).encode(&body, &spans);
        (body, encoded)
    }

    #[test]
    fn every_body_is_read_back() {
        let long = "a word and another word, a=b, gr\u{fc}n \n\n and \t \n".repeat(20);
        let plain = "x".repeat(300);
        let fields = ["", "Anna", " ", "=", "\n", "M\u{fc}ller \n Co=", &plain, &long];
        for (before, between, behind) in [
            (long.as_str(), long.as_str(), long.as_str()),
            (&plain, &plain, &plain),
            ("", &plain, "\n"),
            ("a", " ", &plain),
            (&plain, "{# no #}{% if field %} \n", "{% endif %}{% raw %}{{ x }}{% endraw %}"),
            (&plain, "{%- if field -%}\n\n word \n\n{%- endif -%}", "\n\n"),
            (
                &long,
                "{% for n in [1, 2, 3] %}<a href=\"x\">a link, each time the same</a> {% endfor %}",
                &long,
            ),
        ] {
            for field in fields {
                let source = format!("{before}{{{{ field }}}}{between}{{{{ field }}}}{behind}");
                let (body, encoded) = encode(&source, field);
                let encoded = encoded.unwrap();
                let text = String::from_utf8(encoded.clone()).unwrap();
                assert!(text.split("\r\n").all(|line| line.len() <= 76), "{text}");
                assert!(text.split("\r\n").all(|line| !line.ends_with([' ', '\t'])), "{text}");
                assert!(!text.replace("\r\n", "").contains(['\r', '\n']) && text.is_ascii(), "{text}");
                let decoded = quoted_printable_decode(&encoded).unwrap();
                assert_eq!(String::from_utf8(decoded).unwrap().replace("\r\n", "\n"), body, "{text}");
            }
        }
    }

    #[test]
    fn a_field_moves_no_line_behind_it() {
        let source = format!("<p>{{{{ field }}}} {}</p>", "word ".repeat(100));
        let behind = |field: &str| {
            let text = String::from_utf8(encode(&source, field).1.unwrap()).unwrap();
            text.split_once("\r\n").unwrap().1.to_owned()
        };
        assert_eq!(behind("Anna"), behind("Maximiliane"));
    }

    #[test]
    fn base64_is_for_what_is_mostly_beyond_ascii() {
        assert_eq!(encode(&"Привет ".repeat(300), "").1, None);
        assert!(encode(&"<p class=\"x\">Viele Grüße aus Köln an alle</p>\n".repeat(300), "").1.is_some());
    }
}
