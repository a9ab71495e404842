//! Templates: compiled once per launch, rendered once per mail.
//!
//! The language is minijinja's without includes and macros; `$$FIELD$$` is understood as `{{ field }}`. A field that does not exist is an
//! error unless the template says `|default(..)`. Rendering has fuel, so no template can use more time or memory than its share.

mod error;
mod prepare;
mod render;

use std::{collections::BTreeSet, fmt};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, value::Value};

pub use error::{Part, RenderError, TemplateError};
pub use render::Rendered;
pub(crate) use render::one_line;

use crate::html;
use error::syntax_error;
use prepare::{PIXEL, RESERVED, UNSUBSCRIBE};

/// Of each part's source. Mail programs cut off HTML above about 100 KiB; this leaves room for what a template does not show.
pub const SOURCE_BYTES_MAX: usize = 512 * 1024;
/// Of a rendered HTML or text part, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 512 * 1024;
/// Of a rendered subject, in bytes: what fits, encoded and folded, into any mail program's list.
pub const SUBJECT_BYTES_MAX: usize = 1_000;
/// Per part and mail: an instruction, or 64 bytes of output or of values, cost about one. A usual mail takes 500; this bounds a render to a
/// few milliseconds and 3.2 MB.
pub const FUEL_MAX: u64 = 50_000;
/// Of a template. Each is a row of the campaign and a column of a report.
const LINKS_MAX: usize = 500;

/// The sources of a mail.
#[derive(Clone, Copy)]
pub struct Template<'a> {
    /// One line.
    pub subject: &'a str,
    /// A whole HTML document or the inside of its body.
    pub html: &'a str,
    /// Made from the HTML when absent.
    pub text: Option<&'a str>,
}

/// A template that can be rendered. `Debug` shows nothing of it.
pub struct Compiled {
    environment: Environment<'static>,
    links: Vec<TemplateLink>,
    origins: std::sync::Arc<[String]>,
    fields: BTreeSet<String>,
    sources: [String; 3],
}

/// One link of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateLink {
    /// Its place in the HTML part, from 0.
    pub number: u32,
    /// Its target as the template has it, with character references decoded and fields unfilled.
    pub url: String,
    /// Line of the HTML part, from 1.
    pub line: usize,
}

impl Template<'_> {
    /// Checks syntax, links and the unsubscribe link of both parts.
    pub fn compile(&self) -> Result<Compiled, TemplateError> {
        let subject = prepare::fields(self.subject.trim());
        let html = prepare::fields(self.html);
        let text = prepare::fields(&self.text.map_or_else(|| html::text_of(&html), ToOwned::to_owned));
        for (part, source) in [(Part::Subject, &subject), (Part::Html, &html), (Part::Text, &text)] {
            check_source(part, source)?;
        }
        let (rewritten, links) = prepare::links(&html)?;
        if links.len() > LINKS_MAX {
            let message = format!("at most {LINKS_MAX} links are possible");
            return Err(TemplateError::Link { line: links[LINKS_MAX].0.line, message });
        }
        let (links, origins): (Vec<TemplateLink>, Vec<String>) = links.into_iter().unzip();
        let rewritten = prepare::pixel(&rewritten);

        let mut environment = environment();
        let mut fields = BTreeSet::new();
        for (part, source) in [(Part::Subject, &subject), (Part::Html, &rewritten), (Part::Text, &text)] {
            environment
                .add_template_owned(part.name(), source.clone())
                .map_err(|error| syntax_error(part, &error))?;
            let template =
                environment.get_template(part.name()).map_err(|error| syntax_error(part, &error))?;
            fields.extend(template.undeclared_variables(false));
        }
        for (part, source) in [(Part::Html, &html), (Part::Text, &text)] {
            if !prepare::has_unsubscribe(source) {
                return Err(TemplateError::Unsubscribe { part });
            }
        }
        let known: Vec<&str> = environment.globals().map(|(name, _)| name).collect();
        fields.retain(|name| {
            !known.contains(&name.as_str()) && name != UNSUBSCRIBE && !name.starts_with(RESERVED)
        });
        let sources = [subject, html, text];
        let compiled = Compiled { environment, links, origins: origins.into(), fields, sources };
        compiled.check_names()?;
        Ok(compiled)
    }
}

impl Compiled {
    /// The links of the HTML part, in order.
    pub fn links(&self) -> &[TemplateLink] {
        &self.links
    }

    /// The names of all fields that the template may look at.
    pub fn fields(&self) -> &BTreeSet<String> {
        &self.fields
    }

    /// Whether recipients with these columns (by their [`crate::field_name`]) have every field that the template needs; fields with a
    /// `|default(..)` or a test `is defined` may be missing.
    pub fn check_columns<'c>(&self, columns: impl IntoIterator<Item = &'c str>) -> Result<(), TemplateError> {
        let columns: BTreeSet<&str> = columns.into_iter().collect();
        for field in self.fields.iter().filter(|field| !columns.contains(field.as_str())) {
            for (part, source) in [Part::Subject, Part::Html, Part::Text].into_iter().zip(&self.sources) {
                if let Some(line) = prepare::needs(source, field) {
                    return Err(TemplateError::Field { part, line, field: field.clone() });
                }
            }
        }
        Ok(())
    }

    /// Names of filters, tests and functions only show when they are used: a trial run finds those on the straight way.
    fn check_names(&self) -> Result<(), TemplateError> {
        use minijinja::ErrorKind::{UnknownFilter, UnknownFunction, UnknownTest};
        let trial = self.fields.iter().map(|name| (name.clone(), Value::from("1")));
        let trial =
            trial.chain([(UNSUBSCRIBE.to_owned(), Value::from("")), (PIXEL.to_owned(), Value::from(""))]);
        let context = Value::from_pairs(trial);
        for part in [Part::Subject, Part::Html, Part::Text] {
            let result = self
                .environment
                .get_template(part.name())
                .and_then(|template| template.render(context.clone()));
            if let Err(error) = result
                && matches!(error.kind(), UnknownFilter | UnknownFunction | UnknownTest)
            {
                return Err(syntax_error(part, &error));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").field("links", &self.links.len()).finish_non_exhaustive()
    }
}

fn check_source(part: Part, source: &str) -> Result<(), TemplateError> {
    if source.len() > SOURCE_BYTES_MAX {
        let message = format!("it is larger than {} KiB", SOURCE_BYTES_MAX / 1024);
        return Err(TemplateError::Syntax { part, line: 1, message });
    }
    if let Some(at) = source.find(RESERVED) {
        let message = format!("names that begin with {RESERVED} are reserved");
        return Err(TemplateError::Syntax { part, line: prepare::line_of(source, at), message });
    }
    // Compiled as it is first, so that errors tell the author's own lines.
    let environment = environment();
    environment.template_from_named_str(part.name(), source).map_err(|error| syntax_error(part, &error))?;
    Ok(())
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // Debug information keeps values of fields.
    environment.set_debug(false);
    environment.remove_global("debug");
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL_MAX));
    environment.set_auto_escape_callback(|name| {
        if name == Part::Html.name() { AutoEscape::Html } else { AutoEscape::None }
    });
    environment.add_filter("urlencode", |text: String| crate::link::encode_component(&text));
    environment.add_filter(prepare::CLICK, render::click);
    environment
}

#[cfg(test)]
mod tests;
