//! One mail from a template.

use std::{fmt, sync::Arc};

use contract::MailId;
use memchr::memmem;
use minijinja::{
    Error, ErrorKind, OutputSpan, State, Template,
    value::{Object, Value},
};

use super::{
    Compiled, OUTPUT_BYTES_MAX, Part, RenderError, SUBJECT_BYTES_MAX,
    error::render_error,
    prepare::{MAIL, PIXEL, PREHEADER, UNSUBSCRIBE},
};
use crate::{AddressKey, Links, field::is_blank, html, link::encode_url};

/// What one recipient gets. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// With sealed links, the unsubscribe link and the pixel.
    pub html: String,
    /// With the unsubscribe link.
    pub text: String,
    /// The unsubscribe link, for the header.
    pub unsubscribe_url: String,
    /// The HTML in quoted-printable, unless base64 is shorter.
    pub(crate) quoted_html: Option<Vec<u8>>,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rendered(..)")
    }
}

/// What the click filter needs of the mail. Shows nothing, whatever a template does with it.
struct Sealer {
    links: Links,
    id: MailId,
    origins: Arc<[String]>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

impl Object for Sealer {
    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl Compiled {
    /// Renders all parts for one recipient. `fields` by [`crate::field_name`]; those that the template does not look at cost nothing, and
    /// those that are blank are missing.
    pub fn render<'f>(
        &self,
        fields: impl IntoIterator<Item = (&'f str, &'f str)>,
        links: &Links,
        mail: MailId,
        address_key: AddressKey,
    ) -> Result<Rendered, RenderError> {
        let unsubscribe_url = links.unsubscribe(mail, address_key);
        let pixel = format!(
            "<img src=\"{}\" width=\"1\" height=\"1\" alt=\"\" style=\"display:block;border:0\">",
            links.open(mail)
        );
        let sealed = Sealer { links: links.clone(), id: mail, origins: self.origins.clone() };
        let ours = [
            // Our URLs have no character that HTML would have to escape.
            (UNSUBSCRIBE, Value::from_safe_string(unsubscribe_url.clone())),
            (PIXEL, Value::from_safe_string(pixel)),
            (MAIL, Value::from_object(sealed)),
        ];
        let used = fields.into_iter().filter(|(name, value)| !is_blank(value) && self.fields.contains(*name));
        let used = used.map(|(name, value)| (name, Value::from(value))).chain(ours);
        let mut context: Vec<(&str, Value)> = used.collect();
        if self.sources.iter().any(|(part, _)| *part == Part::Preheader) {
            let without = Value::from_pairs(context.iter().cloned());
            // A plain text: the HTML part escapes it.
            let preheader = one_line(&self.part(Part::Preheader, &without)?.0);
            context.push((PREHEADER, Value::from(preheader)));
        }
        let context = Value::from_pairs(context);

        let subject = one_line(&self.part(Part::Subject, &context)?.0);
        let (html, spans) = self.part(Part::Html, &context)?;
        let length = html.len();
        let html = clean_body(html);
        // Whatever was cleaned stands no longer where the renderer wrote it.
        let spans = if html.len() == length { spans.as_slice() } else { &[] };
        let quoted_html = self.constants.encode(&html, spans);
        let text = clean_body(self.part(Part::Text, &context)?.0);
        let rendered = Rendered { subject, html, text, unsubscribe_url, quoted_html };
        let unsubscribe = memmem::Finder::new(&rendered.unsubscribe_url);
        for (part, body) in [(Part::Html, &rendered.html), (Part::Text, &rendered.text)] {
            if unsubscribe.find(body.as_bytes()).is_none() {
                return Err(RenderError::Unsubscribe { part });
            }
        }
        Ok(rendered)
    }

    /// What was rendered; of the HTML part also where each piece of it comes from.
    fn part(&self, part: Part, context: &Value) -> Result<(String, Vec<OutputSpan>), RenderError> {
        let template = self.environment.get_template(part.name());
        let render = |template: Template<'_, '_>| match part {
            Part::Html => template.render_with_spans(context.clone()),
            _ => Ok((template.render(context.clone())?, Vec::new())),
        };
        let (output, spans) = template.and_then(render).map_err(|error| {
            let source = self.environment.get_template(part.name());
            let source = source.as_ref().map_or("", |template| template.source());
            let is_blank = |name: &str| context.get_attr(name).is_ok_and(|value| value.is_undefined());
            render_error(part, &error, source, &self.fields, is_blank)
        })?;
        let limit = if matches!(part, Part::Subject | Part::Preheader) {
            SUBJECT_BYTES_MAX
        } else {
            OUTPUT_BYTES_MAX
        };
        if output.len() > limit { Err(RenderError::TooLong { part }) } else { Ok((output, spans)) }
    }
}

/// The filter around each link: the rendered target, still escaped for HTML, becomes the signed URL.
pub(super) fn click(state: &mut State, target: &str, number: u32) -> Result<Value, Error> {
    let Some(mail) = state.lookup(MAIL) else { return Ok(Value::from_safe_string(target.to_owned())) };
    let mail = mail.downcast_object_ref::<Sealer>().ok_or_else(bad_link)?;
    let target = encode_url(html::unescape(target).trim());
    let origin = mail.origins.get(number as usize).ok_or_else(bad_link)?;
    let rest = target.strip_prefix(origin.as_str()).ok_or_else(bad_link)?;
    if !rest.is_empty() && !rest.starts_with(['/', '?', '#']) {
        return Err(bad_link());
    }
    let url = mail.links.click(mail.id, number, &target).map_err(|_| bad_link())?;
    Ok(Value::from_safe_string(url))
}

/// A kind that nothing else here makes: the renderer tells links by it.
fn bad_link() -> Error {
    Error::new(ErrorKind::WriteFailure, "link")
}

/// White space of any kind becomes one space; a header has no control characters.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Line ends become LF; other control characters, which no mail may carry (RFC 5322, 3.5), are dropped.
fn clean_body(body: String) -> String {
    let bad = |byte: u8| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t');
    // Without a way out in the middle it takes many bytes at once.
    if !body.bytes().fold(false, |any, byte| any | bad(byte)) {
        return body;
    }
    let body = body.replace("\r\n", "\n").replace('\r', "\n");
    body.chars().filter(|c| !u8::try_from(*c).is_ok_and(bad)).collect()
}
