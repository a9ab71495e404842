//! The text part of a mail whose author wrote only HTML. Made once from the template, so the template language's parts are kept.

use super::{Piece, Tag, pieces, template_end, unescape};

/// A text template from an HTML template: blocks become lines, `<a href="u">t</a>` becomes `t (u)`, nothing hidden is shown.
pub(crate) fn text_of(source: &str) -> String {
    let mut text = Text::default();
    let mut links: Vec<(String, usize)> = Vec::new();
    let mut hidden_in: Option<String> = None;
    for piece in pieces(source) {
        match piece {
            Piece::Hidden(_) => {}
            // Statements are kept even where nothing is shown: a head may set a variable that the body uses.
            Piece::Template(range) if hidden_in.is_some() => {
                if source[range.clone()].starts_with("{%") {
                    text.statement(&source[range]);
                }
            }
            Piece::Template(range) if source[range.clone()].starts_with("{{") => {
                text.verbatim(&source[range]);
            }
            Piece::Template(range) => text.statement(&source[range]),
            Piece::Text(_) if hidden_in.is_some() => {}
            Piece::Text(range) => text.words(&source[range]),
            Piece::Tag(tag) => match &hidden_in {
                Some(name) => {
                    if tag.closing && tag.name == *name {
                        hidden_in = None;
                    }
                }
                None if !tag.closing
                    && matches!(tag.name.as_str(), "head" | "title" | "script" | "style") =>
                {
                    hidden_in = Some(tag.name);
                }
                None => text.tag(source, &tag, &mut links),
            },
        }
    }
    text.written.push('\n');
    text.written
}

#[derive(Default)]
struct Text {
    written: String,
    begun: bool,
    space: bool,
    lines: usize,
    space_written: bool,
    lines_written: usize,
}

impl Text {
    fn tag(&mut self, source: &str, tag: &Tag, links: &mut Vec<(String, usize)>) {
        match (tag.name.as_str(), tag.closing) {
            ("br", _) => {
                self.lines += 1;
                self.lines = self.lines.min(2);
            }
            ("li", false) => {
                self.break_lines(1);
                self.verbatim("- ");
            }
            ("a", false) => links.push((literal_attribute(source, tag, "href"), self.written.len())),
            ("a", true) => {
                if let Some((target, start)) = links.pop() {
                    self.link_target(&target, start);
                }
            }
            ("img", false) => self.words_kept(&literal_attribute(source, tag, "alt")),
            ("td" | "th", _) => self.space = true,
            ("li" | "tr" | "div" | "section" | "header" | "footer" | "article" | "address" | "body", _) => {
                self.break_lines(1);
            }
            (
                "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "table" | "blockquote" | "hr"
                | "pre",
                _,
            ) => {
                self.break_lines(2);
            }
            _ => {}
        }
    }

    /// ` (target)` behind a link's words, unless these are the target itself.
    fn link_target(&mut self, target: &str, start: usize) {
        let words = self.written.get(start..).unwrap_or_default().trim();
        if target.is_empty() || target.starts_with('#') || words == target {
            return;
        }
        let bare = words.is_empty();
        self.space = true;
        self.verbatim(&if bare { target.to_owned() } else { format!("({target})") });
    }

    fn break_lines(&mut self, lines: usize) {
        self.lines = self.lines.max(lines);
    }

    /// Text of the source: white space folds, character references are decoded.
    fn words(&mut self, text: &str) {
        self.words_kept(&kept(&unescape(text)));
    }

    fn words_kept(&mut self, text: &str) {
        self.space |= text.starts_with(|c: char| c.is_ascii_whitespace());
        for word in text.split_ascii_whitespace() {
            self.verbatim(word);
            self.space = true;
        }
        if !text.is_empty() {
            self.space = text.ends_with(|c: char| c.is_ascii_whitespace());
        }
    }

    fn verbatim(&mut self, text: &str) {
        self.flush();
        (self.lines_written, self.space_written, self.begun) = (0, false, true);
        self.written.push_str(text);
    }

    /// Shows nothing itself. The space before it goes before it, or only the first branch of a condition would have it.
    fn statement(&mut self, text: &str) {
        self.flush();
        self.written.push_str(text);
    }

    /// Writes the pending space, less what was written already before a statement.
    fn flush(&mut self) {
        let lines = self.lines.saturating_sub(self.lines_written);
        if self.begun && lines > 0 {
            self.written.extend(std::iter::repeat_n('\n', lines));
            self.lines_written += lines;
        } else if self.begun && self.space && self.lines_written == 0 && !self.space_written {
            self.written.push(' ');
            self.space_written = true;
        }
        (self.lines, self.space) = (0, false);
    }
}

/// An attribute's value as a text template: references decoded outside of the template language's parts.
fn literal_attribute(source: &str, tag: &Tag, name: &str) -> String {
    let Some(attribute) = tag.attributes.iter().find(|attribute| attribute.name == name) else {
        return String::new();
    };
    let value = source[attribute.value.clone()].trim();
    let mut text = String::with_capacity(value.len());
    let (mut literal, mut at) = (0, 0);
    while at < value.len() {
        if let Some(end) = template_end(value, at) {
            text.push_str(&kept(&unescape(&value[literal..at])));
            text.push_str(&value[at..end]);
            (literal, at) = (end, end);
        } else {
            at += 1;
        }
    }
    text.push_str(&kept(&unescape(&value[literal..])));
    text
}

/// A decoded brace must not become the template language's.
fn kept(text: &str) -> String {
    if text.contains('{') { text.replace('{', "{{ '{' }}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_text() {
        let table = [
            ("<p>Hello\n  <b>{{ name }}</b>,</p><p>bye</p>", "Hello {{ name }},\n\nbye\n"),
            ("<html><head><title>x</title>{% set y = 1 %}</head><body>a</body></html>", "{% set y = 1 %}a\n"),
            ("a<br>b<br/><br />c", "a\nb\n\nc\n"),
            ("<ul><li>one</li><li>two</li></ul>x", "- one\n- two\n\nx\n"),
            (
                "<a href=\"https://e.example/?a=1&amp;b={{ x }}\">here</a>!",
                "here (https://e.example/?a=1&b={{ x }})!\n",
            ),
            ("<a href=\"https://e.example\">https://e.example</a>", "https://e.example\n"),
            (
                "<a href='{{ unsubscribe_url }}'><img src=x alt='Leave'></a>",
                "Leave ({{ unsubscribe_url }})\n",
            ),
            ("<a href='#top'>top</a>", "top\n"),
            ("M&uuml;ller &amp; &#123;&#123; x", "Müller & {{ '{' }}{{ '{' }} x\n"),
            ("<style>p{}</style><table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc\n"),
            (
                "{% if x %}<p>a</p>{% else %}<p>b</p>{% endif %}c",
                "{% if x %}a\n\n{% else %}b\n\n{% endif %}c\n",
            ),
            ("Dear {% if x %}a{% else %}b{% endif %} c", "Dear {% if x %}a{% else %}b{% endif %} c\n"),
            ("<p>a</p>{% if x %}<p>b</p>{% endif %}", "a\n\n{% if x %}b\n\n{% endif %}\n"),
            ("<!-- no -->a {# no #}b", "a {# no #}b\n"),
        ];
        for (html, text) in table {
            assert_eq!(text_of(html), text, "{html}");
        }
    }
}
