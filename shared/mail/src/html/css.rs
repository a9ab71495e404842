//! Rules of `<style>` elements into the `style` attributes of the elements that they are for: several mail programs read nothing else.
//!
//! The author's source is never written anew. A copy of it, without the template language's parts and with a number on each start tag,
//! goes through `css-inline`; of what comes back only the `style` attributes are read, by these numbers, and written into the source. So
//! template parts survive byte for byte, lines keep their numbers, and nothing is moved however the HTML is nested.

use std::collections::HashMap;

use css_inline::InlineOptions;
use fault::Phrase;

use super::{Attribute, Piece, Tag, has_template, pieces, template_end, unescape};

/// Carries a start tag's number through the inliner.
const NUMBER: &str = "data-broadcast-number";
/// Stands in an attribute of the copy where the source has a field: no letter of a class that a rule could name.
const FIELD: char = '\u{FFFD}';
/// Open elements at one place. Mails nest tables some ten deep; the inliner needs stack for each level.
const DEPTH_MAX: usize = 250;
/// Elements times the elements that are open at each: so many nodes a hostile source can have the parser make.
const NODES_MAX: usize = 400_000;
/// Nodes times selectors. A large newsletter has some millions, which take a few milliseconds; this is a second or two.
const WORK_MAX: usize = 100_000_000;

/// Why a source's rules cannot be written into its elements.
const TOO_MUCH: Phrase = Phrase::CssTooMuch;

/// The source with the rules of its style elements in its elements. The style elements stay, for `@media` and `:hover`.
pub(crate) fn inline(source: &str) -> Result<String, Phrase> {
    let pieces = pieces(source);
    let Some(copy) = Copy::of(source, &pieces)? else { return Ok(source.to_owned()) };
    let options = InlineOptions { load_remote_stylesheets: false, ..InlineOptions::default() };
    let inlined = options.build().inline(&copy.html).map_err(|_| Phrase::CssUnreadable)?;
    let styles = read_styles(&inlined);
    let mut written = String::with_capacity(source.len() + source.len() / 2);
    let mut copied = 0;
    for (number, tag) in copy.tags.iter().enumerate() {
        let Some(style) = styles.get(&number) else { continue };
        let Some(change) = Change::of(source, tag, style) else { continue };
        written.push_str(&source[copied..change.from]);
        written.push_str(&change.text);
        copied = change.to;
    }
    written.push_str(&source[copied..]);
    Ok(written)
}

/// What goes to the inliner.
struct Copy<'p> {
    html: String,
    /// The start tags that may get a style, by their numbers.
    tags: Vec<&'p Tag>,
}

impl<'p> Copy<'p> {
    /// `None` when no style element has rules that hold for every recipient.
    fn of(source: &str, pieces: &'p [Piece]) -> Result<Option<Self>, Phrase> {
        let mut copy = Self { html: String::with_capacity(source.len()), tags: Vec::new() };
        // Blocks of the template language that are open: what stands in them is not for everybody.
        let mut blocks = 0_usize;
        let (mut depth, mut nodes, mut selectors) = (0_usize, 0_usize, 0_usize);
        let mut at = 0;
        while let Some(piece) = pieces.get(at) {
            at += 1;
            match piece {
                Piece::Template(range) => match statement(&source[range.clone()]) {
                    Statement::Begins => blocks += 1,
                    Statement::Ends => blocks = blocks.saturating_sub(1),
                    Statement::None => {}
                },
                // No rule looks at what is written, only at whether there is something.
                Piece::Text(range) if source[range.clone()].trim().is_empty() => {}
                Piece::Text(_) => copy.html.push('x'),
                // Without a document type the parser compares classes another way. Comments are for no rule.
                Piece::Hidden(range)
                    if source[range.clone()].len() > 9 && is_doctype(&source[range.clone()]) =>
                {
                    copy.html.push_str(&source[range.clone()]);
                }
                Piece::Hidden(_) => {}
                Piece::Tag(tag) if !tag.closing && matches!(tag.name.as_str(), "style" | "script") => {
                    let content = pieces[at..].iter().take_while(|piece| !matches!(piece, Piece::Tag(_)));
                    let length = content.clone().count();
                    let rules: Option<String> = content
                        .map(|piece| match piece {
                            Piece::Hidden(range) => Some(&source[range.clone()]),
                            _ => None,
                        })
                        .collect();
                    at += length;
                    if let Some(rules) = rules.filter(|_| tag.name == "style" && blocks == 0)
                        && is_for_all_media(source, tag)
                    {
                        selectors += rules.bytes().filter(|byte| matches!(byte, b'{' | b',')).count();
                        copy.html.extend(["<style>", requotable(&rules).as_str(), "</style>"]);
                    }
                }
                Piece::Tag(tag) if tag.closing && matches!(tag.name.as_str(), "style" | "script") => {}
                // Drawings have a syntax of their own, and no rule of a mail is for them.
                Piece::Tag(tag) if !tag.closing && matches!(tag.name.as_str(), "svg" | "math") => {
                    let ends = |piece: &Piece| matches!(piece, Piece::Tag(end) if end.closing && end.name == tag.name);
                    at += pieces[at..].iter().position(ends).map_or(pieces.len() - at, |length| length + 1);
                }
                Piece::Tag(tag) if tag.closing => {
                    depth = depth.saturating_sub(usize::from(nests(&tag.name)));
                    copy.html.extend(["</", tag.name.as_str(), ">"]);
                }
                Piece::Tag(tag) => {
                    depth += usize::from(nests(&tag.name));
                    nodes += depth + 1;
                    if depth > DEPTH_MAX || nodes > NODES_MAX {
                        break;
                    }
                    copy.start_tag(source, tag);
                }
            }
        }
        if selectors == 0 {
            return Ok(None);
        }
        let too_much = at < pieces.len() || depth > DEPTH_MAX || nodes > NODES_MAX;
        if too_much || nodes.saturating_mul(selectors) > WORK_MAX { Err(TOO_MUCH) } else { Ok(Some(copy)) }
    }

    fn start_tag(&mut self, source: &str, tag: &'p Tag) {
        self.html.extend(["<", tag.name.as_str()]);
        if is_certain(source, tag) {
            self.html.extend([" ", NUMBER, "=\"", &self.tags.len().to_string(), "\""]);
            self.tags.push(tag);
            for attribute in &tag.attributes {
                let value = &source[attribute.value.clone()];
                // Which of the words of a condition hold is not known. An own style with fields is put behind the rules' later.
                if value.contains("{%") || attribute.name == "style" && has_template(value) {
                    continue;
                }
                self.html.extend([" ", attribute.name.as_str(), "=\""]);
                self.html.push_str(&without_fields(value).replace('"', "&quot;"));
                self.html.push('"');
            }
        }
        self.html.push('>');
    }
}

enum Statement {
    Begins,
    Ends,
    None,
}

/// Whether a part of the template language opens or closes a block.
fn statement(part: &str) -> Statement {
    let Some(inner) = part.strip_prefix("{%") else { return Statement::None };
    let inner = inner.trim_start_matches(['-', '+']).trim_start();
    let word = inner.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    match word {
        "if" | "for" | "with" | "filter" | "autoescape" => Statement::Begins,
        "set" if !inner.contains('=') => Statement::Begins,
        _ if word.starts_with("end") && word != "endraw" => Statement::Ends,
        _ => Statement::None,
    }
}

fn is_doctype(hidden: &str) -> bool {
    hidden.get(..9).is_some_and(|head| head.eq_ignore_ascii_case("<!doctype"))
}

fn is_for_all_media(source: &str, style: &Tag) -> bool {
    let media = style.attributes.iter().find(|attribute| attribute.name == "media");
    media.is_none_or(|media| {
        matches!(source[media.value.clone()].trim().to_ascii_lowercase().as_str(), "" | "all" | "screen")
    })
}

/// Whether an open element of this name holds what follows: not those without content, and not those that their next one ends.
fn nests(name: &str) -> bool {
    !matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "source"
            | "track"
            | "wbr"
            | "p"
            | "li"
            | "td"
            | "th"
            | "tr"
            | "dt"
            | "dd"
            | "tbody"
            | "thead"
            | "tfoot"
            | "option"
    )
}

/// Whether every recipient gets this tag with these attributes: no part of the template language stands between them.
fn is_certain(source: &str, tag: &Tag) -> bool {
    let inside = |at: usize| tag.attributes.iter().any(|attribute| attribute.value.contains(&at));
    source[tag.range.clone()]
        .match_indices('{')
        .all(|(at, _)| inside(tag.range.start + at) || template_end(source, tag.range.start + at).is_none())
}

/// The inliner puts strings into single quotes as they are: an apostrophe within one becomes its escape of CSS.
fn requotable(css: &str) -> String {
    let mut written = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (head, tail) = rest.split_at(at);
        written.push_str(head);
        let (quote, end) = match tail.as_bytes()[0] {
            b'/' if tail.starts_with("/*") => (None, tail.find("*/").map_or(tail.len(), |end| end + 2)),
            b'/' => (None, 1),
            quote => (Some(quote), string_end(tail, quote)),
        };
        let piece = &tail[..end];
        if quote == Some(b'"') {
            written.push_str(&piece.replace("\\'", "'").replace('\'', "\\27 "));
        } else {
            written.push_str(piece);
        }
        rest = &tail[end..];
    }
    written.push_str(rest);
    written
}

/// Behind the closing quote, or the end.
fn string_end(css: &str, quote: u8) -> usize {
    let bytes = css.as_bytes();
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += 1 + usize::from(bytes[at] == b'\\');
    }
    let mut end = (at + 1).min(bytes.len());
    while !css.is_char_boundary(end) {
        end += 1;
    }
    end
}

fn without_fields(value: &str) -> String {
    let mut written = String::with_capacity(value.len());
    let (mut copied, mut at) = (0, 0);
    while at < value.len() {
        if let Some(end) = template_end(value, at) {
            written.push_str(&value[copied..at]);
            written.push(FIELD);
            (copied, at) = (end, end);
        } else {
            at += 1;
        }
    }
    written.push_str(&value[copied..]);
    written
}

/// The style of each numbered element. Of an element that the parser doubled, the first one counts.
fn read_styles(inlined: &str) -> HashMap<usize, String> {
    let mut styles = HashMap::new();
    for piece in pieces(inlined) {
        let Piece::Tag(tag) = piece else { continue };
        let value = |name: &str| {
            let attribute = tag.attributes.iter().find(|attribute| attribute.name == name);
            attribute.map(|attribute| &inlined[attribute.value.clone()])
        };
        if let (Some(number), Some(style)) =
            (value(NUMBER).and_then(|number| number.parse().ok()), value("style"))
        {
            styles.entry(number).or_insert_with(|| unescape(style));
        }
    }
    styles
}

fn one_line(css: &str) -> String {
    let css = css.split(['\n', '\r']).map(str::trim).collect::<Vec<_>>().join(" ");
    // Most attributes stand in double quotes.
    if css.contains('\'') { css } else { css.replace('"', "'") }
}

/// A piece of the source and what comes into its place.
struct Change {
    from: usize,
    to: usize,
    text: String,
}

impl Change {
    /// `None` when no rule is for the element.
    fn of(source: &str, tag: &Tag, style: &str) -> Option<Self> {
        let css = one_line(style);
        let Some(Attribute { value, quoted, .. }) = tag.attributes.iter().find(|own| own.name == "style")
        else {
            let at = tag.range.start + 1 + tag.name.len();
            return Some(Self { from: at, to: at, text: format!(" style=\"{}\"", escape(&css, '"')) });
        };
        let own = &source[value.clone()];
        if unescape(own) == style {
            return None;
        }
        let (from, to) = (value.start, value.end);
        let quote = if *quoted { source[..from].chars().next_back().unwrap_or('"') } else { '"' };
        let mut text = escape(&css, quote);
        if has_template(own) {
            if !text.trim_end().ends_with(';') {
                text.push(';');
            }
            text.push(' ');
            text.push_str(own);
        } else {
            // Every line behind keeps its number.
            text.extend(std::iter::repeat_n('\n', own.matches('\n').count()));
        }
        if *quoted {
            return Some(Self { from, to, text });
        }
        // `style` alone has no value and no sign before it.
        let sign = if source[..from].trim_end().ends_with('=') { "" } else { "=" };
        Some(Self { from, to, text: format!("{sign}\"{text}\"") })
    }
}

fn escape(css: &str, quote: char) -> String {
    let css = css.replace('&', "&amp;").replace('<', "&lt;");
    if quote == '\'' { css.replace('\'', "&#39;") } else { css.replace('"', "&quot;") }
}

#[cfg(test)]
mod tests;
