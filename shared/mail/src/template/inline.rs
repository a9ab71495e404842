//! `cid:<name>`: where the HTML part shows a file that the mail carries.

use std::{collections::BTreeSet, ops::Range};

use fault::Phrase;

use super::{TemplateError, prepare::line_of};
use crate::{
    TemplateFile,
    file::content_id,
    html::{Piece, pieces, template_end},
};

const SCHEME: &str = "cid:";

/// The source with the Content-ID of each file instead of its name. Every name must be one of an inline file, and every inline file shown:
/// mail programs list one that is not as an attachment.
pub(super) fn name(source: &str, files: &[TemplateFile]) -> Result<String, TemplateError> {
    let mut written = String::with_capacity(source.len());
    let mut shown = BTreeSet::new();
    let mut copied = 0;
    let markup = markup(source);
    // In text that readers see it is a word like others.
    let in_markup = |at: usize| {
        let next = markup.partition_point(|range| range.end <= at);
        markup.get(next).is_some_and(|range| range.contains(&at))
    };
    for (at, _) in source.match_indices(['c', 'C']).filter(|(at, _)| is_scheme(source, *at)) {
        let start = at + SCHEME.len();
        let rest = &source[start..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !".-_".contains(c)).unwrap_or(rest.len());
        let name = &rest[..end];
        let has_field = template_end(source, start + end).is_some();
        if name.is_empty() && !has_field || !in_markup(at) {
            continue;
        }
        let error = |problem: Phrase| {
            let message = problem.filled([("line", &line_of(source, at))]);
            TemplateError::File { file: name.to_owned(), message }
        };
        if has_field {
            return Err(error(Phrase::InlineNamedByField));
        }
        match files.iter().find(|file| file.name == name) {
            Some(file) if file.inline => shown.insert(name),
            Some(_) => return Err(error(Phrase::InlineAttached)),
            None => return Err(error(Phrase::InlineMissing)),
        };
        written.push_str(&source[copied..at]);
        written.extend([SCHEME, &content_id(name)]);
        copied = start + end;
    }
    if let Some(unused) = files.iter().find(|file| file.inline && !shown.contains(file.name.as_str())) {
        let message = Phrase::InlineUnused.filled([("file", &unused.name)]);
        return Err(TemplateError::File { file: unused.name.clone(), message });
    }
    written.push_str(&source[copied..]);
    Ok(written)
}

/// `cid:` that is not the end of another word.
fn is_scheme(source: &str, at: usize) -> bool {
    let is = source.get(at..at + SCHEME.len()).is_some_and(|word| word.eq_ignore_ascii_case(SCHEME));
    is && !source[..at].ends_with(|c: char| c.is_alphanumeric() || "-_.".contains(c))
}

/// Where files may be shown: values of attributes, styles and comments, in order.
fn markup(source: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for piece in pieces(source) {
        match piece {
            Piece::Hidden(range) => ranges.push(range),
            Piece::Tag(tag) => ranges.extend(tag.attributes.into_iter().map(|attribute| attribute.value)),
            Piece::Template(_) | Piece::Text(_) => {}
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<TemplateFile> {
        let file = |name: &str, inline| TemplateFile {
            name: name.to_owned(),
            content_type: String::new(),
            content: Vec::new(),
            inline,
        };
        vec![file("a.png", true), file("b.pdf", false)]
    }

    #[test]
    fn shown_files_are_named_by_their_ids() {
        let table = [
            ("<img src=\"cid:a.png\">", "<img src=\"cid:a.png@files.invalid\">"),
            ("<td background=CID:a.png>", "<td background=cid:a.png@files.invalid>"),
            (
                "<p style=\"background:url(cid:a.png)\">",
                "<p style=\"background:url(cid:a.png@files.invalid)\">",
            ),
            (
                "<style>p{background:url('cid:a.png')}</style>",
                "<style>p{background:url('cid:a.png@files.invalid')}</style>",
            ),
            (
                "<!--[if mso]><v:fill src='cid:a.png'><![endif]-->",
                "<!--[if mso]><v:fill src='cid:a.png@files.invalid'><![endif]-->",
            ),
            (
                "<p title='cid: x'>cid:b.png placid:a.png</p><img src=cid:a.png>",
                "<p title='cid: x'>cid:b.png placid:a.png</p><img src=cid:a.png@files.invalid>",
            ),
        ];
        for (source, expected) in table {
            assert_eq!(name(source, &files()).unwrap(), expected);
        }
        assert_eq!(name("<p>no file", &[]).unwrap(), "<p>no file");
    }

    #[test]
    fn a_file_that_is_not_there_or_not_shown_is_an_error() {
        let table = [
            ("\n<img src='cid:x.png'>", "x.png", "line 2"),
            ("<img src='cid:{{ x }}'>", "", "no field"),
            ("<img src='cid:a{{ x }}.png'>", "a", "no field"),
            ("<img src='cid:b.pdf'>", "b.pdf", "not inline"),
            ("<img src='cid:A.PNG'>", "A.PNG", "no file"),
            ("<p>cid:a.png", "a.png", "shows no cid:a.png"),
        ];
        for (source, named, words) in table {
            let error = name(source, &files()).unwrap_err();
            let TemplateError::File { file, message } = error else { panic!("{error}") };
            assert!(file == named && message.contains(words), "{source}: {file} {message}");
        }
    }
}
