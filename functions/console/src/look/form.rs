use axum::http::StatusCode;
use maud::{Markup, html};

use crate::{gate::FormToken, person::Reader};

/// What is typed into a field, and so which keyboard a phone shows and what a browser fills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Email,
    Password,
    Phone,
    Date,
    /// A day and a time, in the reader's zone.
    Moment,
    /// A whole number.
    Number {
        min: u64,
        max: u64,
    },
    /// A code of that many digits, as it came.
    Digits(usize),
    /// Several lines.
    Area,
    /// A file that stays in the browser.
    File,
}

impl Kind {
    const fn input_type(self) -> &'static str {
        match self {
            // Codes may begin with a zero, and nothing counts them up and down.
            Self::Text | Self::Digits(_) | Self::Area => "text",
            Self::Email => "email",
            Self::Password => "password",
            Self::Phone => "tel",
            Self::Date => "date",
            Self::Moment => "datetime-local",
            Self::Number { .. } => "number",
            Self::File => "file",
        }
    }

    const fn class(self) -> Option<&'static str> {
        match self {
            Self::Digits(_) => Some("digits"),
            Self::Number { .. } | Self::Date => Some("short"),
            Self::Moment => Some("moment"),
            _ => None,
        }
    }
}

/// A field with its label.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    /// Of the value in the form.
    pub(crate) name: &'a str,
    /// On the page, where several forms have a field of this name.
    pub(crate) id: Option<&'a str>,
    pub(crate) label: &'a str,
    pub(crate) kind: Kind,
    pub(crate) value: &'a str,
    pub(crate) hint: Option<&'a str>,
    pub(crate) required: bool,
    /// What a browser may fill in: HTML's words.
    pub(crate) autocomplete: &'a str,
    /// Whether the page begins with it, unless there is a problem to read first.
    pub(crate) focus: bool,
}

impl<'a> Field<'a> {
    /// One that has to be filled in, and is nobody's to guess.
    pub(crate) const fn new(name: &'a str, label: &'a str, kind: Kind) -> Self {
        Self {
            name,
            id: None,
            label,
            kind,
            value: "",
            hint: None,
            required: true,
            autocomplete: "off",
            focus: false,
        }
    }

    pub(crate) fn render(&self, problems: &Problems<'_>) -> Markup {
        let Self { name, label, kind, value, hint, required, autocomplete, .. } = *self;
        let own = self.id.unwrap_or(name);
        let wrong = problems.of(own);
        let described = described(own, hint.is_some(), wrong.is_some());
        let invalid = wrong.map(|_| "true");
        let (min, max) = match kind {
            Kind::Number { min, max } => (Some(min), Some(max)),
            _ => (None, None),
        };
        let digits = match kind {
            // Pasted as it came, with spaces.
            Kind::Digits(digits) => Some(2 * digits),
            _ => None,
        };
        html! {
            div.field.wide[kind == Kind::Area] {
                label for=(id(own)) { (label) }
                (beside(own, hint, wrong))
                @if kind == Kind::Area {
                    textarea id=(id(own)) name=(name) required[required] aria-describedby=[described] aria-invalid=[invalid]
                        spellcheck="false" { (value) }
                } @else {
                    // Without a name it is in no form's data.
                    input id=(id(own)) name=[(kind != Kind::File).then_some(name)] type=(kind.input_type()) class=[kind.class()] value=[(kind != Kind::File).then_some(value)] required[required]
                        min=[min] max=[max] maxlength=[digits] inputmode=[digits.map(|_| "numeric")] autocomplete=(autocomplete)
                        autofocus[self.focus && problems.0.is_empty()] aria-describedby=[described] aria-invalid=[invalid];
                }
            }
        }
    }
}

/// A field whose value is one of a few.
pub(crate) fn select(
    name: &str,
    label: &str,
    hint: Option<&str>,
    options: &[(&str, &str)],
    chosen: &str,
    problems: &Problems<'_>,
) -> Markup {
    let wrong = problems.of(name);
    html! {
        div.field {
            label for=(id(name)) { (label) }
            (beside(name, hint, wrong))
            select id=(id(name)) name=(name) aria-describedby=[described(name, hint.is_some(), wrong.is_some())]
                aria-invalid=[wrong.map(|_| "true")] {
                @for (value, text) in options { option value=(value) selected[*value == chosen] { (text) } }
            }
        }
    }
}

/// One of several choices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice<'a> {
    pub(crate) value: &'a str,
    pub(crate) label: &'a str,
    pub(crate) hint: Option<&'a str>,
    pub(crate) chosen: bool,
}

/// Choices under one heading: one of them, or any number.
pub(crate) fn choices(
    name: &str,
    label: &str,
    many: bool,
    choices: &[Choice<'_>],
    problems: &Problems<'_>,
) -> Markup {
    let wrong = problems.of(name);
    html! {
        fieldset id=(id(name)) aria-describedby=[described(name, false, wrong.is_some())] {
            legend { (label) }
            (beside(name, None, wrong))
            @for one in choices { (choice(name, many, one)) }
        }
    }
}

/// One choice by itself, of those that have this name.
pub(crate) fn choice(name: &str, many: bool, choice: &Choice<'_>) -> Markup {
    let Choice { value, label, hint, chosen } = *choice;
    let own = format!("{name}-{value}");
    html! {
        div.choice {
            input type=(if many { "checkbox" } else { "radio" }) id=(id(&own)) name=(name) value=(value) checked[chosen]
                aria-describedby=[described(&own, hint.is_some(), false)];
            label for=(id(&own)) { (label) }
            (beside(&own, hint, None))
        }
    }
}

/// What is wrong with what was entered: the field (its name, or what it is on the page), and what to do about it.
#[derive(Debug, Default)]
pub(crate) struct Problems<'a>(pub(crate) Vec<(&'a str, String)>);

impl<'a> Problems<'a> {
    /// A single one.
    pub(crate) fn one(field: &'a str, words: String) -> Self {
        Self(vec![(field, words)])
    }

    /// Of a page that shows them.
    pub(crate) fn status(&self) -> StatusCode {
        if self.0.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }

    fn of(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| *field == name).map(|(_, text)| text.as_str())
    }

    /// All of them, above the form, each with the way to its field. The script takes the focus there.
    pub(crate) fn render(&self, reader: &Reader) -> Markup {
        html! {
            @if !self.0.is_empty() {
                div.problems #problems role="alert" tabindex="-1" data-focus {
                    h2 { (reader.t_with("form-problems", &[("count", self.0.len().into())])) }
                    ul { @for (name, text) in &self.0 { li { a href={ "#" (id(name)) } { (text) } } } }
                }
            }
        }
    }
}

/// How much a button weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Button {
    /// What the page is for: one on a page.
    Main,
    Plain,
    /// Asks for what cannot be taken back.
    Danger,
    /// Does it.
    DangerMain,
    /// In a row of a table.
    Slim,
}

impl Button {
    const fn class(self) -> &'static str {
        match self {
            Self::Main => "button main",
            Self::Plain => "button",
            Self::Danger => "button danger",
            Self::DangerMain => "button danger main",
            Self::Slim => "button slim",
        }
    }
}

/// Sends its form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Submit<'a> {
    pub(crate) text: &'a str,
    pub(crate) weight: Button,
}

impl Submit<'_> {
    pub(crate) fn render(self) -> Markup {
        html! { button type="submit" class=(self.weight.class()) { (self.text) } }
    }
}

/// A link that looks like a button: where it leads, something may be done.
pub(crate) fn link_button(path: &str, text: &str, weight: Button) -> Markup {
    html! { a class=(weight.class()) href=(path) { (text) } }
}

/// A form. What is wrong is said by us, in the page's language, so the browser does not.
pub(crate) fn form(action: &str, form_token: &FormToken, content: &Markup) -> Markup {
    html! {
        form method="post" action=(action) novalidate {
            (form_token)
            (content)
        }
    }
}

/// Asks whether something is really meant, on a page of its own: what will happen, and the way back.
pub(crate) fn ask(
    reader: &Reader,
    action: &str,
    form_token: &FormToken,
    what: &Markup,
    yes: Submit<'_>,
    back: &str,
) -> Markup {
    let buttons = html! {
        div.row {
            (yes.render())
            (link_button(back, &reader.t("cancel"), Button::Plain))
        }
    };
    html! {
        div.card {
            div.stack { (what) }
            (form(action, form_token, &buttons))
        }
    }
}

fn id(name: &str) -> String {
    format!("field-{name}")
}

/// What a field says of itself, before it in the order of reading.
fn beside(name: &str, hint: Option<&str>, wrong: Option<&str>) -> Markup {
    html! {
        @if let Some(hint) = hint { p.hint id={ (id(name)) "-hint" } { (hint) } }
        @if let Some(wrong) = wrong { p.wrong id={ (id(name)) "-wrong" } { (wrong) } }
    }
}

fn described(name: &str, hint: bool, wrong: bool) -> Option<String> {
    let id = id(name);
    match (hint, wrong) {
        (true, true) => Some(format!("{id}-hint {id}-wrong")),
        (true, false) => Some(format!("{id}-hint")),
        (false, true) => Some(format!("{id}-wrong")),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_names_what_is_said_of_it() {
        let field = Field { hint: Some("As it is."), ..Field::new("mail", "E-mail", Kind::Email) };
        let fine = field.render(&Problems::default()).into_string();
        assert!(
            fine.contains("aria-describedby=\"field-mail-hint\"") && !fine.contains("aria-invalid"),
            "{fine}"
        );
        let wrong = field.render(&Problems::one("mail", "Not one.".to_owned())).into_string();
        assert!(wrong.contains("aria-describedby=\"field-mail-hint field-mail-wrong\""), "{wrong}");
        assert!(
            wrong.contains("aria-invalid=\"true\"") && wrong.contains("id=\"field-mail-wrong\""),
            "{wrong}"
        );
    }

    #[test]
    fn what_was_entered_is_text() {
        let field = Field { value: "\"><script>", ..Field::new("a", "<b>", Kind::Text) };
        let html = field.render(&Problems::default()).into_string();
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
    }
}
