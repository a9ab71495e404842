//! What can be wrong with a template, and with one rendering of it.

use std::{collections::BTreeSet, fmt, ops::Range};

use fault::{Code, Disposition, Fault, Notice, Phrase};

use super::{comparison, locale};
use crate::html::expressions;

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The subject.
    Subject,
    /// What mail programs show behind the subject.
    Preheader,
    /// The HTML part.
    Html,
    /// The text part.
    Text,
}

impl Part {
    /// `subject`, `preheader`, `html` or `text`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Preheader => "preheader",
            Self::Html => "html",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a template is refused. Messages are for its author; they may quote it and are not in `Display`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not understood, or too large.
    #[error("template's {part} not valid in line {line}")]
    Syntax {
        /// Where.
        part: Part,
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The recipients have no such field, and the template has no default for it.
    #[error("template's {part} needs an unknown field in line {line}")]
    Field {
        /// Where.
        part: Part,
        /// From 1.
        line: usize,
        /// Its name.
        field: String,
    },
    /// No `{{ unsubscribe_url }}`.
    #[error("template's {part} has no unsubscribe link")]
    Unsubscribe {
        /// Where it is missing.
        part: Part,
    },
    /// A link whose target cannot be sealed.
    #[error("template's link in line {line} not allowed")]
    Link {
        /// Of the HTML part, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A file that mails cannot carry, or one that the HTML part names and that is not there.
    #[error("a file of the template not usable")]
    File {
        /// Its name.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// Not a language whose dates and numbers are known.
    #[error("template's locale not usable")]
    Locale {
        /// What is wrong.
        message: Phrase,
    },
}

impl Fault for TemplateError {
    fn disposition(&self) -> Disposition {
        Disposition::Customer(match self {
            Self::Syntax { part, line, message } => Notice::new(Code::TemplateSyntax)
                .with("part", part)
                .with("line", line)
                .with("problem", message),
            Self::Field { part, line, field } => {
                Notice::new(Code::TemplateField).with("part", part).with("line", line).with("field", field)
            }
            Self::Unsubscribe { part } => Notice::new(Code::TemplateUnsubscribe).with("part", part),
            Self::Link { line, message } => {
                Notice::new(Code::TemplateLink).with("line", line).with("problem", message)
            }
            Self::File { file, message } => {
                Notice::new(Code::TemplateFile).with("file", file).with("problem", message)
            }
            Self::Locale { message } => {
                Notice::new(Code::FieldInvalid).with("field", "locale").with("problem", message)
            }
        })
    }
}

/// Why one mail could not be rendered. Without any value of a field: the mail's row keeps [`RenderError::reason`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A field is blank, or does not exist.
    #[error("{}", Phrase::MailField.filled([("field", field), ("part", part), ("line", line)]))]
    Field {
        /// Where.
        part: Part,
        /// From 1.
        line: usize,
        /// Its name.
        field: String,
    },
    /// The fuel is used up.
    #[error("{}", Phrase::MailFuel.filled([("part", part), ("line", line)]))]
    Fuel {
        /// Where.
        part: Part,
        /// From 1.
        line: usize,
    },
    /// The result is longer than [`crate::OUTPUT_BYTES_MAX`] or [`crate::SUBJECT_BYTES_MAX`].
    #[error("{}", Phrase::MailTooLong.filled([("part", part)]))]
    TooLong {
        /// Which.
        part: Part,
    },
    /// A link's target is too long or damaged once its fields are filled.
    #[error("{}", Phrase::MailLink.filled([("part", part), ("line", line)]))]
    Link {
        /// Where.
        part: Part,
        /// From 1.
        line: usize,
    },
    /// The template's conditions left the unsubscribe link out.
    #[error("{}", Phrase::MailUnsubscribe.filled([("part", part)]))]
    Unsubscribe {
        /// Where it is missing.
        part: Part,
    },
    /// A filter cannot read a field's value, or anything else.
    #[error("{}", Phrase::MailValue.filled([("field", field), ("problem", problem), ("part", part), ("line", line)]))]
    Value {
        /// Where.
        part: Part,
        /// From 1.
        line: usize,
        /// The name of the field that is nearest.
        field: String,
        /// What is wrong with its value, without the value.
        problem: Phrase,
    },
}

impl RenderError {
    /// A stable name for the ledger and reports.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Field { .. } => "template_field",
            Self::Fuel { .. } => "template_fuel",
            Self::TooLong { .. } => "template_too_long",
            Self::Link { .. } => "template_link",
            Self::Unsubscribe { .. } => "template_unsubscribe",
            Self::Value { .. } => "template_value",
        }
    }
}

impl Fault for RenderError {
    /// The same recipient fails again each time; the other mails of a slice must not.
    fn disposition(&self) -> Disposition {
        match self {
            Self::Field { .. }
            | Self::Fuel { .. }
            | Self::TooLong { .. }
            | Self::Link { .. }
            | Self::Unsubscribe { .. }
            | Self::Value { .. } => Disposition::Permanent,
        }
    }
}

/// For errors before any value is known: the detail then quotes nothing but the template.
pub(super) fn syntax_error(part: Part, error: &minijinja::Error) -> TemplateError {
    let message = error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
    TemplateError::Syntax { part, line: error.line().unwrap_or(1), message }
}

/// For errors of one mail: the detail may quote values and is dropped. `source` is the part as it was compiled; `fields` are those that
/// the template has, `is_blank` says which of them this mail has not.
pub(super) fn render_error(
    part: Part,
    error: &minijinja::Error,
    source: &str,
    fields: &BTreeSet<String>,
    is_blank: impl Fn(&str) -> bool,
) -> RenderError {
    use minijinja::ErrorKind;
    let line = error.line().unwrap_or(1);
    let near = || names_near(source, error.range().unwrap_or_default());
    let is_field = |name: &&str| fields.contains(*name);
    match error.kind() {
        ErrorKind::UndefinedError => {
            let names = near();
            let blank = names.iter().find(|name| is_field(name) && is_blank(name));
            let field = blank.or_else(|| names.first()).map_or("", |name| name).to_owned();
            RenderError::Field { part, line, field }
        }
        ErrorKind::OutOfFuel => RenderError::Fuel { part, line },
        ErrorKind::WriteFailure => RenderError::Link { part, line },
        _ => {
            let names = near();
            let field = names.iter().find(|name| is_field(name)).or_else(|| names.first());
            let problem = locale::is_unreadable(error).map_or(Phrase::NotUsable, |unreadable| unreadable.0);
            RenderError::Value { part, line, field: field.map_or("", |name| name).to_owned(), problem }
        }
    }
}

/// The names in the expression around a place of a source: those at the place itself first, then those before it, the nearest one first.
/// Names of filters and attributes are none.
fn names_near(source: &str, place: Range<usize>) -> Vec<&str> {
    let around = expressions(source).into_iter().find(|range| range.contains(&place.start));
    let Some(around) = around else { return Vec::new() };
    let tokens = comparison::tokens(source, around);
    let text = |at: usize| &source[tokens[at].clone()];
    let names = (0..tokens.len()).filter(|at| {
        let before = at.checked_sub(1).map_or("", text);
        comparison::is_name(text(*at))
            && !comparison::WORDS.contains(&text(*at))
            && !matches!(before, "." | "|" | "is")
    });
    let (inside, outside): (Vec<usize>, Vec<usize>) =
        names.partition(|at| place.contains(&tokens[*at].start));
    let (before, behind): (Vec<usize>, Vec<usize>) =
        outside.into_iter().partition(|at| tokens[*at].start < place.start);
    inside.into_iter().chain(before.into_iter().rev()).chain(behind).map(text).collect()
}
