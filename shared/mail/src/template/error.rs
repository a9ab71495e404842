//! What can be wrong with a template, and with one rendering of it.

use std::fmt;

use fault::{Code, Disposition, Fault, Notice};

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The subject.
    Subject,
    /// The HTML part.
    Html,
    /// The text part.
    Text,
}

impl Part {
    /// `subject`, `html` or `text`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
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
}

impl Fault for TemplateError {
    fn disposition(&self) -> Disposition {
        Disposition::Customer(match self {
            Self::Syntax { part, line, message } => Notice::new(Code::TemplateSyntax)
                .with("part", part)
                .with("line", line)
                .with("problem", message),
            Self::Field { part, field, .. } => {
                Notice::new(Code::TemplateField).with("part", part).with("field", field)
            }
            Self::Unsubscribe { part } => Notice::new(Code::TemplateUnsubscribe).with("part", part),
            Self::Link { line, message } => {
                Notice::new(Code::TemplateLink).with("line", line).with("problem", message)
            }
        })
    }
}

/// Why one mail could not be rendered. Without any value of a field: the mail's row keeps [`RenderError::reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A field does not exist.
    #[error("unknown field in the {part}, line {line}")]
    Field {
        /// Where.
        part: Part,
        /// From 1.
        line: usize,
    },
    /// The fuel is used up.
    #[error("too much work in the {part}, line {line}")]
    Fuel {
        /// Where.
        part: Part,
        /// From 1.
        line: usize,
    },
    /// The result is longer than [`crate::OUTPUT_BYTES_MAX`] or [`crate::SUBJECT_BYTES_MAX`].
    #[error("the {part} is too long")]
    TooLong {
        /// Which.
        part: Part,
    },
    /// A link's target is too long or damaged once its fields are filled.
    #[error("a link of the {part} is not valid, line {line}")]
    Link {
        /// Where.
        part: Part,
        /// From 1.
        line: usize,
    },
    /// The template's conditions left the unsubscribe link out.
    #[error("no unsubscribe link in the {part}")]
    Unsubscribe {
        /// Where it is missing.
        part: Part,
    },
    /// Anything else, such as a filter that cannot work on a field's value.
    #[error("a value of the {part} cannot be used, line {line}")]
    Value {
        /// Where.
        part: Part,
        /// From 1.
        line: usize,
    },
}

impl RenderError {
    /// A stable name for the ledger and reports.
    pub fn reason(self) -> &'static str {
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

/// For errors of one mail: the detail may quote values and is dropped.
pub(super) fn render_error(part: Part, error: &minijinja::Error) -> RenderError {
    use minijinja::ErrorKind;
    let line = error.line().unwrap_or(1);
    match error.kind() {
        ErrorKind::UndefinedError => RenderError::Field { part, line },
        ErrorKind::OutOfFuel => RenderError::Fuel { part, line },
        ErrorKind::WriteFailure => RenderError::Link { part, line },
        _ => RenderError::Value { part, line },
    }
}
