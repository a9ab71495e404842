//! Templates: compiled once per launch, rendered once per mail.
//!
//! The language is minijinja's without includes and macros; `$$FIELD$$` is understood as `{{ field }}`. A field that does not exist or is
//! blank is an error where it is shown, unless the template says `|default(..)` or asks for it first. Rendering has fuel, so no template
//! can use more time or memory than its share.
//!
//! Whatever can be done once is done when it is compiled: rules of CSS come into the elements, links get their seal's place, formatters of
//! the template's language are made.

mod comparison;
mod error;
mod figures;
mod inline;
mod locale;
mod mask;
mod person;
mod prepare;
mod render;

use std::{collections::BTreeSet, fmt, sync::Arc};

use fault::Phrase;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, value::Value};

pub use error::{Part, RenderError, TemplateError};
pub use render::Rendered;
pub(crate) use render::one_line;

use crate::{TemplateFile, file, html, quoted::Constants};
use error::syntax_error;
use locale::Language;
use prepare::{PIXEL, PREHEADER, RESERVED, UNSUBSCRIBE};

/// Of each part's source. Mail programs cut off HTML above about 100 KiB; this leaves room for what a template does not show.
pub const SOURCE_BYTES_MAX: usize = 512 * 1024;
/// Of a rendered HTML or text part, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 512 * 1024;
/// The language of a template that names none.
pub const DEFAULT_LOCALE: &str = "en";
/// Of a rendered subject or preheader, in bytes: what fits, encoded and folded, into any mail program's list.
pub const SUBJECT_BYTES_MAX: usize = 1_000;
/// Per part and mail: an instruction, or 64 bytes of output or of values, cost about one. A usual mail takes 500; this bounds a render to a
/// few milliseconds and 3.2 MB.
pub const FUEL_MAX: u64 = 50_000;
/// Of a template. Each is a row of the campaign and a column of a report.
const LINKS_MAX: usize = 500;
/// Of the HTML part with its rules in its elements: each of many small elements may get a long style.
const INLINED_BYTES_MAX: usize = 2 * SOURCE_BYTES_MAX;

/// The sources of a mail.
#[derive(Clone, Copy)]
pub struct Template<'a> {
    /// BCP 47: how dates, numbers and names are written.
    pub locale: &'a str,
    /// One line.
    pub subject: &'a str,
    /// What mail programs show behind the subject.
    pub preheader: Option<&'a str>,
    /// A whole HTML document or the inside of its body.
    pub html: &'a str,
    /// Made from the HTML when absent.
    pub text: Option<&'a str>,
    /// What each mail carries.
    pub files: &'a [TemplateFile],
}

/// A template that can be rendered. `Debug` shows nothing of it.
pub struct Compiled {
    environment: Environment<'static>,
    links: Vec<TemplateLink>,
    origins: Arc<[String]>,
    fields: BTreeSet<String>,
    /// The parts as the author wrote them, but for `$$FIELD$$`, in the order in which they are rendered.
    sources: Vec<(Part, String)>,
    /// What the HTML part says itself.
    constants: Constants,
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

/// Whether dates, numbers and names can be written in this language; otherwise why not.
pub fn check_locale(tag: &str) -> Result<(), Phrase> {
    Language::new(tag).map(drop)
}

impl Template<'_> {
    /// Checks syntax, files, links and the unsubscribe link of both parts.
    pub fn compile(&self) -> Result<Compiled, TemplateError> {
        let language = Language::new(self.locale).map_err(|message| TemplateError::Locale { message })?;
        file::check(self.files).map_err(|(file, message)| TemplateError::File { file, message })?;
        let html = prepare::fields(self.html);
        let text = prepare::fields(&self.text.map_or_else(|| html::text_of(&html), ToOwned::to_owned));
        let mut sources = vec![(Part::Subject, prepare::fields(self.subject.trim()))];
        let preheader = self.preheader.map(str::trim).filter(|preheader| !preheader.is_empty());
        sources.extend(preheader.map(|preheader| (Part::Preheader, prepare::fields(preheader))));
        sources.extend([(Part::Html, html), (Part::Text, text)]);
        let mut environment = environment(language);
        for (part, source) in &sources {
            check_source(&environment, *part, source)?;
        }

        let mut links = Vec::new();
        let mut fields = BTreeSet::new();
        for (part, source) in &sources {
            let mut rewritten = source.clone();
            if *part == Part::Html {
                (rewritten, links) = self.rewrite(source)?;
            }
            environment
                .add_template_owned(part.name(), comparison::of_blanks(&rewritten.replace("\r\n", "\n")))
                .map_err(|error| syntax_error(*part, &error))?;
            let template =
                environment.get_template(part.name()).map_err(|error| syntax_error(*part, &error))?;
            fields.extend(template.undeclared_variables(false));
        }
        for (part, source) in &sources {
            if matches!(part, Part::Html | Part::Text) && !prepare::has_unsubscribe(source) {
                return Err(TemplateError::Unsubscribe { part: *part });
            }
        }
        let known: Vec<&str> = environment.globals().map(|(name, _)| name).collect();
        fields.retain(|name| {
            !known.contains(&name.as_str()) && name != UNSUBSCRIBE && !name.starts_with(RESERVED)
        });
        let (links, origins): (Vec<TemplateLink>, Vec<String>) = links.into_iter().unzip();
        let html =
            environment.get_template(Part::Html.name()).map_err(|error| syntax_error(Part::Html, &error))?;
        let constants = Constants::of(html.source());
        let compiled = Compiled { environment, links, origins: origins.into(), fields, sources, constants };
        compiled.check_names()?;
        Ok(compiled)
    }

    /// The HTML part as it is compiled, and its links with the origin that each must keep. Its lines keep their numbers.
    fn rewrite(&self, html: &str) -> Result<(String, Vec<(TemplateLink, String)>), TemplateError> {
        let syntax = |message: String| TemplateError::Syntax { part: Part::Html, line: 1, message };
        let inlined = html::inline_css(html).map_err(|message| syntax(message.to_string()))?;
        if inlined.len() > INLINED_BYTES_MAX {
            return Err(syntax(Phrase::InlinedTooLarge.filled([("max", &(INLINED_BYTES_MAX / 1024))])));
        }
        let (rewritten, links) = prepare::links(&inline::name(&inlined, self.files)?)?;
        if links.len() > LINKS_MAX {
            let message = Phrase::LinksMax.filled([("max", &LINKS_MAX)]);
            return Err(TemplateError::Link { line: links[LINKS_MAX].0.line, message });
        }
        let preheader = self.preheader.is_some_and(|preheader| !preheader.trim().is_empty());
        let rewritten = if preheader { prepare::preheader(&rewritten) } else { rewritten };
        Ok((prepare::pixel(&rewritten), links))
    }
}

impl Compiled {
    /// The same for who may not see whom it is about: each value shows its first letters alone.
    #[must_use]
    pub fn masked(mut self) -> Self {
        self.environment.set_formatter(mask::formatter);
        self
    }

    /// The links of the HTML part, in order.
    pub fn links(&self) -> &[TemplateLink] {
        &self.links
    }

    /// The names of all fields that the template may look at.
    pub fn fields(&self) -> &BTreeSet<String> {
        &self.fields
    }

    /// Whether recipients with these columns (by their [`crate::field_name`]) have every field that the template needs; fields with a
    /// `|default(..)` or a test `is defined` may be missing. A condition alone is not enough: its name may be misspelt.
    pub fn check_columns<'c>(&self, columns: impl IntoIterator<Item = &'c str>) -> Result<(), TemplateError> {
        let columns: BTreeSet<&str> = columns.into_iter().collect();
        for field in self.fields.iter().filter(|field| !columns.contains(field.as_str())) {
            for (part, source) in &self.sources {
                if let Some(line) = prepare::needs(source, field) {
                    return Err(TemplateError::Field { part: *part, line, field: field.clone() });
                }
            }
        }
        Ok(())
    }

    /// Names and arguments of filters, tests and functions only show when they are used: a trial run finds those on the straight way.
    fn check_names(&self) -> Result<(), TemplateError> {
        use minijinja::ErrorKind::{UnknownFilter, UnknownFunction, UnknownTest};
        let trial = self.fields.iter().map(|name| (name.clone(), Value::from("1")));
        let ours = [UNSUBSCRIBE, PIXEL, PREHEADER].map(|name| (name.to_owned(), Value::from("")));
        let context = Value::from_pairs(trial.chain(ours));
        for (part, _) in &self.sources {
            let result = self
                .environment
                .get_template(part.name())
                .and_then(|template| template.render(context.clone()));
            if let Err(error) = result
                && (matches!(error.kind(), UnknownFilter | UnknownFunction | UnknownTest)
                    || locale::is_misused(&error))
            {
                return Err(syntax_error(*part, &error));
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

fn check_source(environment: &Environment<'_>, part: Part, source: &str) -> Result<(), TemplateError> {
    if source.len() > SOURCE_BYTES_MAX {
        let message = Phrase::SourceTooLarge.filled([("max", &(SOURCE_BYTES_MAX / 1024))]);
        return Err(TemplateError::Syntax { part, line: 1, message });
    }
    if let Some(at) = source.find(RESERVED) {
        let message = Phrase::Reserved.filled([("begin", &RESERVED)]);
        return Err(TemplateError::Syntax { part, line: prepare::line_of(source, at), message });
    }
    // Compiled as it is first, so that errors tell the author's own lines.
    environment.template_from_named_str(part.name(), source).map_err(|error| syntax_error(part, &error))?;
    Ok(())
}

fn environment(language: Language) -> Environment<'static> {
    let mut environment = Environment::new();
    // Debug information keeps values of fields.
    environment.set_debug(false);
    environment.remove_global("debug");
    // What is not there may be asked for, and not be shown.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL_MAX));
    environment.set_auto_escape_callback(|name| {
        if name == Part::Html.name() { AutoEscape::Html } else { AutoEscape::None }
    });
    environment.add_filter("urlencode", |text: String| crate::link::encode_component(&text));
    environment.add_filter(prepare::CLICK, render::click);
    locale::add_filters(&mut environment, Arc::new(language));
    environment
}

#[cfg(test)]
mod tests;
