//! What is wrong, in the reader's language. Operations answer it in the words of `fault`'s catalogue, which are English, and the database
//! and reports keep those: they are read back into their gaps here, and said anew.

use std::sync::LazyLock;

use fault::{Code, Notice, Phrase};
use fluent_bundle::FluentValue;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Catalogue, Language, catalogue, say};
use crate::person::Reader;

const SOURCES: [&str; 2] = [include_str!("de/faults.ftl"), include_str!("de/phrases.ftl")];
/// Numbers above it are more than a catalogue's numbers can be exactly.
const DIGITS_MAX: usize = 15;

static GERMAN: LazyLock<Catalogue> = LazyLock::new(|| catalogue("de", &SOURCES));

impl Reader {
    /// The words of a notice, which has this code.
    pub(crate) fn fault(&self, code: &str, words: &str) -> String {
        match self.language {
            Language::English => None,
            Language::German => self.anew(code, words),
        }
        .unwrap_or_else(|| words.to_owned())
    }

    /// `None` for what the catalogue has not, or said otherwise when the words were kept and cannot say without them.
    fn anew(&self, code: &str, words: &str) -> Option<String> {
        let code = Code::of(code)?;
        let notice =
            Notice::read(code, words).or_else(|| code.gaps().is_empty().then(|| Notice::new(code)))?;
        self.filled(code.slug(), &notice.params)
    }

    fn filled(&self, slug: &str, gaps: &[(&'static str, String)]) -> Option<String> {
        let args = gaps.iter().map(|(name, text)| (*name, self.value(name, text))).collect();
        say(&GERMAN, slug, Some(&args))
    }

    /// What fills a gap. Words of ours are said anew; those of others stay what they are.
    fn value<'v>(&self, gap: &str, text: &'v str) -> FluentValue<'v> {
        match gap {
            "problem" => self.problem(text).unwrap_or_else(|| format!("„{text}“")).into(),
            "form" | "found" | "kind" => self.phrase(text).map_or_else(|| plain(text), FluentValue::from),
            "at" => OffsetDateTime::parse(text, &Rfc3339)
                .map_or_else(|_| text.into(), |at| self.minute(at).into()),
            "size" => text.replace('.', ",").into(),
            // As an entity tag it is in quotation marks.
            "version" => plain(text.trim_matches('"')),
            _ => plain(text),
        }
    }

    fn phrase(&self, text: &str) -> Option<String> {
        let (phrase, gaps) = Phrase::read(text)?;
        self.filled(phrase.slug(), &gaps)
    }

    /// A phrase, or a notice without its full stop.
    fn problem(&self, text: &str) -> Option<String> {
        self.phrase(text).or_else(|| {
            let words = format!("{text}.");
            let notice = Code::ALL.iter().find_map(|code| Notice::read(*code, &words))?;
            let said = self.filled(notice.code.slug(), &notice.params)?;
            Some(said.trim_end_matches('.').to_owned())
        })
    }
}

/// A number chooses among forms.
fn plain(text: &str) -> FluentValue<'_> {
    let number =
        text.parse::<u64>().ok().filter(|number| text.len() <= DIGITS_MAX && number.to_string() == text);
    number.map_or_else(|| text.into(), FluentValue::from)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use fluent_bundle::FluentResource;

    use super::*;

    /// The gaps of each text, those of the texts that it takes in with them.
    fn texts() -> BTreeMap<String, BTreeSet<String>> {
        let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut current = String::new();
        for line in SOURCES.iter().flat_map(|source| source.lines()).filter(|line| !line.starts_with('#')) {
            if let Some((key, _)) = line.split_once(" =").filter(|_| !line.starts_with(' ')) {
                key.clone_into(&mut current);
                assert!(texts.insert(current.clone(), BTreeSet::new()).is_none(), "{key} twice");
            }
            let gaps = line.split('{').skip(1).map(|rest| {
                rest.trim_start().trim_start_matches('$').split([' ', '}']).next().unwrap_or_default()
            });
            let gaps = gaps.filter(|gap| !gap.is_empty() && !gap.starts_with('"')).map(str::to_owned);
            if let Some(text) = texts.get_mut(&current) {
                text.extend(gaps);
            }
        }
        texts
    }

    #[test]
    fn german_has_every_text_with_the_same_gaps() {
        for source in SOURCES {
            FluentResource::try_new(source.to_owned()).unwrap_or_else(|(_, errors)| panic!("{errors:?}"));
        }
        let mut texts = texts();
        texts.remove("part").unwrap();
        let codes = Code::ALL.iter().map(|code| (code.slug(), code.gaps()));
        let phrases = Phrase::ALL.iter().map(|phrase| (phrase.slug(), phrase.gaps()));
        for (slug, gaps) in codes.chain(phrases) {
            let said = texts.remove(slug).unwrap_or_else(|| panic!("{slug} is missing"));
            let expected: BTreeSet<String> = gaps.iter().map(|gap| (*gap).to_owned()).collect();
            assert_eq!(said, expected, "{slug}");
            let values: Vec<(&str, String)> = gaps.into_iter().map(|gap| (gap, "7".to_owned())).collect();
            let text = Reader::of("de", "UTC").filled(slug, &values).unwrap();
            assert!(!text.contains("{$"), "{text}");
        }
        assert!(texts.is_empty(), "nobody says {texts:?}");
    }

    #[test]
    fn a_fault_is_said_in_the_readers_language() {
        let field =
            |problem: String| Notice::new(Code::FieldInvalid).with("field", "name").with("problem", problem);
        let no_at = Notice::new(Code::AddressNoAt).words();
        let (part, problem) = ("text", Phrase::NoDate);
        let table = [
            (Code::CampaignEnded.into(), "Die Lebenszeit der Kampagne ist vorbei: Ihre Daten sind gelöscht."),
            (
                Notice::new(Code::RowRagged).with("found", 1).with("expected", 3),
                "Die Zeile hat nur ein Feld, die Kopfzeile 3.",
            ),
            (
                field(Phrase::Between.filled([("min", &0), ("max", &100)])),
                "Das Feld „name“ ist nicht gültig: 0 bis 100 sind möglich.",
            ),
            (
                field(no_at.trim_end_matches('.').to_owned()),
                "Das Feld „name“ ist nicht gültig: Die E-Mail-Adresse hat kein @-Zeichen oder mehr als eines.",
            ),
            (field("unexpected end".to_owned()), "Das Feld „name“ ist nicht gültig: „unexpected end“."),
            (
                Notice::new(Code::TemplateRender).with(
                    "problem",
                    Phrase::MailValue.filled([
                        ("field", &"day"),
                        ("problem", &problem),
                        ("part", &part),
                        ("line", &3),
                    ]),
                ),
                "Für diesen Empfänger lässt sich aus der Vorlage keine Mail erstellen: das Feld „day“ ist kein Datum, das sich zweifelsfrei lesen lässt, Textteil, Zeile 3.",
            ),
            (
                Notice::new(Code::TemplateUnsubscribe).with("part", "html"),
                "Dem HTML-Teil der Vorlage fehlt der Link zum Abmelden: Setzen Sie {{ unsubscribe_url }} hinein.",
            ),
            (
                Notice::new(Code::LaunchState).with("state", "done").with("wanted", "paused"),
                "Die Aussendung ist fertig: Sie kann nicht mehr angehalten werden.",
            ),
            (
                Notice::new(Code::LaunchLate).with("at", "2026-11-23T09:00:00Z"),
                "Die Aussendung war für 23.11.2026, 10:00 vorgesehen und konnte nicht rechtzeitig beginnen. Es ging keine Mail hinaus. Setzen Sie sie fort, um sie jetzt zu beginnen, oder brechen Sie sie ab.",
            ),
            (
                Notice::new(Code::FileForm).with("form", Phrase::Pdf),
                "Die Datei ist ein PDF-Dokument und keine Tabelle als Text. Speichern Sie sie als CSV (UTF-8) und laden Sie das hoch.",
            ),
            (
                Notice::new(Code::VersionChanged).with("version", "\"3\""),
                "Inzwischen hat es jemand geändert: Es ist jetzt Version 3. Laden Sie die Seite neu und ändern Sie diese.",
            ),
            // A customer's own words stay what they are, whatever they say.
            (
                Notice::new(Code::CampaignUnknown).with("campaign", "a file"),
                "Es gibt keine Kampagne „a file“.",
            ),
            (Notice::new(Code::CampaignUnknown).with("campaign", "007"), "Es gibt keine Kampagne „007“."),
        ];
        for (notice, expected) in table {
            let (code, words) = (notice.code.slug(), notice.words());
            assert_eq!(Reader::of("de", "Europe/Berlin").fault(code, &words), expected);
            assert_eq!(Reader::of("en", "Europe/Berlin").fault(code, &words), words);
        }
    }

    #[test]
    fn what_an_earlier_catalogue_said_stays() {
        let german = Reader::of("de", "UTC");
        assert_eq!(german.fault("row_ragged", "A ragged row."), "A ragged row.");
        assert_eq!(german.fault("no_such_code", "Who knows?"), "Who knows?");
        assert_eq!(german.fault("row_nul", "A NUL."), "Die Zeile enthält ein NUL-Byte.");
    }
}
