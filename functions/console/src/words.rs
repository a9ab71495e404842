//! What pages say, in the languages that they have. The catalogues stand in `words/`, a folder for each language with a
//! file for each part of the console, in Fluent's form. What is wrong with what somebody asked for is said by [`faults`].

mod faults;

use std::{borrow::Cow, sync::LazyLock};

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::LanguageIdentifier;

/// Of `Accept-Language`. Browsers send a handful.
const ACCEPTED_MAX: usize = 50;

/// A language that pages have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
}

type Catalogue = FluentBundle<FluentResource>;

macro_rules! sources {
    ($language:literal) => {
        [
            include_str!(concat!("words/", $language, "/common.ftl")),
            include_str!(concat!("words/", $language, "/login.ftl")),
            include_str!(concat!("words/", $language, "/passkeys.ftl")),
            include_str!(concat!("words/", $language, "/campaigns.ftl")),
            include_str!(concat!("words/", $language, "/installation.ftl")),
            include_str!(concat!("words/", $language, "/account.ftl")),
        ]
    };
}

static ENGLISH: LazyLock<Catalogue> = LazyLock::new(|| catalogue("en", &sources!("en")));
static GERMAN: LazyLock<Catalogue> = LazyLock::new(|| catalogue("de", &sources!("de")));

fn catalogue(tag: &str, sources: &[&str]) -> Catalogue {
    // They are constants; a test reads every line of every catalogue.
    let language: LanguageIdentifier = tag.parse().unwrap_or_default();
    let mut catalogue = FluentBundle::new_concurrent(vec![language]);
    // The markup tells names from the text around them.
    catalogue.set_use_isolating(false);
    for source in sources {
        let resource = FluentResource::try_new((*source).to_owned()).unwrap_or_else(|(resource, _)| resource);
        catalogue.add_resource_overriding(resource);
    }
    catalogue
}

impl Language {
    /// All of them. The first is the last resort.
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::German];

    /// BCP 47, as the database and the page spell it.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language of a tag, whatever its country.
    pub(crate) fn of(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// The best liked one of `Accept-Language` (RFC 9110, 12.5.4).
    pub(crate) fn choose(accepted: &str) -> Self {
        let mut best = (0.0, Self::English);
        for range in accepted.split(',').take(ACCEPTED_MAX) {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let weight =
                parameters.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.trim().parse().ok());
            if let (Some(language), Some(weight)) = (Self::of(tag.trim()), weight)
                && weight > best.0
            {
                best = (weight, language);
            }
        }
        best.1
    }

    /// The text of a key.
    pub(crate) fn text(self, key: &str) -> String {
        self.format(key, None)
    }

    /// The same with values in it.
    pub(crate) fn text_with(self, key: &str, values: &[(&str, FluentValue<'_>)]) -> String {
        let args: FluentArgs<'_> = values.iter().cloned().collect();
        self.format(key, Some(&args))
    }

    fn catalogue(self) -> &'static Catalogue {
        match self {
            Self::English => &ENGLISH,
            Self::German => &GERMAN,
        }
    }

    fn format(self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        say(self.catalogue(), key, args).unwrap_or_else(|| {
            tracing::error!(key, language = self.tag(), "a catalogue has no such text");
            key.to_owned()
        })
    }
}

/// The text of a key with its values, where the catalogue has it.
fn say(catalogue: &Catalogue, key: &str, args: Option<&FluentArgs<'_>>) -> Option<String> {
    let pattern = catalogue.get_message(key)?.value()?;
    let mut errors = Vec::new();
    let text: Cow<'_, str> = catalogue.format_pattern(pattern, args, &mut errors);
    Some(text.into_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys(source: &str) -> BTreeSet<&str> {
        let lines = source.lines().filter_map(|line| line.split_once(" ="));
        lines.map(|(key, _)| key).filter(|key| !key.is_empty() && !key.starts_with([' ', '#', '-'])).collect()
    }

    #[test]
    fn every_language_says_everything() {
        let mut all = BTreeSet::new();
        for (english, german) in sources!("en").iter().zip(sources!("de")) {
            for source in [*english, german] {
                FluentResource::try_new(source.to_owned()).unwrap_or_else(|(_, errors)| panic!("{errors:?}"));
            }
            assert_eq!(keys(english), keys(german));
            for key in keys(english) {
                assert!(all.insert(key), "{key} stands in two files");
            }
        }
    }

    #[test]
    fn the_readers_language_is_chosen() {
        for (accepted, expected) in [
            ("", Language::English),
            ("de-AT,de;q=0.9,en;q=0.8", Language::German),
            ("fi, de;q=0.3, en;q=0.7", Language::English),
            ("fi, DE;q=0.7, en;q=0.3", Language::German),
            ("de;q=0", Language::English),
            (";;,,=", Language::English),
        ] {
            assert_eq!(Language::choose(accepted), expected, "{accepted}");
        }
    }
}
