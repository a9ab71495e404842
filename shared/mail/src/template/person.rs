//! Names of people, written in capitals or small letters, as they are written in a letter.

use icu_casemap::TitlecaseMapper;
use icu_locale_core::LanguageIdentifier;

/// Words within a name that stay small. Not here: those that are written small in one family and large in the next (`le`, `la`, `al`).
const PARTICLES: [&str; 25] = [
    "af", "aus", "av", "da", "das", "de", "dei", "del", "dem", "den", "der", "des", "do", "dos", "du", "ten",
    "ter", "und", "van", "vom", "von", "y", "zu", "zum", "zur",
];
/// Behind one of those, these belong to it: `de la Cruz`.
const ARTICLES: [&str; 4] = ["het", "la", "las", "los"];
/// Numbers behind a ruler's or a grandson's name.
const NUMBERS: [&str; 11] = ["II", "III", "IV", "VI", "VII", "VIII", "IX", "XI", "XII", "XIV", "XVI"];

/// Each word of capitals or small letters alone gets a capital first; a word that has both stays as it is (`McDonald`). White space becomes
/// one space.
pub(super) fn name(text: &str, language: &LanguageIdentifier) -> String {
    let particles_are_small = !has_large_particles(language);
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut written = String::with_capacity(text.len() + 4);
    let mut behind_particle = false;
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            written.push(' ');
        }
        let last = at + 1 == words.len();
        let small = word.to_lowercase();
        let is_particle =
            PARTICLES.contains(&small.as_str()) || behind_particle && ARTICLES.contains(&small.as_str());
        behind_particle = particles_are_small && !last && is_particle && is_of_one_case(word);
        if behind_particle {
            written.push_str(&small);
        } else if at > 0 && NUMBERS.contains(word) {
            written.push_str(word);
        } else {
            push_word(&mut written, word, language);
        }
    }
    written
}

/// Italians and Flemings write them with a capital.
fn has_large_particles(language: &LanguageIdentifier) -> bool {
    let region = language.region.as_ref().map(icu_locale_core::subtags::Region::as_str);
    match language.language.as_str() {
        "it" => true,
        "nl" => region == Some("BE"),
        _ => false,
    }
}

/// The pieces of `Anna-Lena`, `O'Neil` and `J.R.R.` one by one.
fn push_word(written: &mut String, word: &str, language: &LanguageIdentifier) {
    let mapper = TitlecaseMapper::new();
    let mut rest = word;
    let mut apostrophe = false;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        // `Anna's` and no capital S.
        let is_suffix = apostrophe && piece.chars().count() == 1;
        if is_suffix || !is_of_one_case(piece) {
            written.push_str(piece);
        } else {
            written.push_str(&mapper.titlecase_segment_to_string(
                piece,
                language,
                icu_casemap::options::TitlecaseOptions::default(),
            ));
        }
        let sign = tail.chars().next();
        apostrophe = matches!(sign, Some('\'' | '\u{2019}'));
        written.extend(sign);
        rest = &tail[sign.map_or(0, char::len_utf8)..];
    }
}

/// Marks that combine with a letter belong to it.
fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || ('\u{300}'..='\u{36F}').contains(&c)
}

fn is_of_one_case(word: &str) -> bool {
    !(word.contains(char::is_uppercase) && word.contains(char::is_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_in_a_letter() {
        let table = [
            ("de", "MÜLLER-LÜDENSCHEIDT", "Müller-Lüdenscheidt"),
            ("en", "o'neil", "O'Neil"),
            ("en", "O’NEIL", "O’Neil"),
            ("en", "O'neil", "O'Neil"),
            ("en", "anna's", "Anna's"),
            ("de", "URSULA VON DER LEYEN", "Ursula von der Leyen"),
            ("de", "von der leyen", "von der Leyen"),
            ("de", "Von der Leyen", "Von der Leyen"),
            ("nl", "VINCENT VAN GOGH", "Vincent van Gogh"),
            ("nl-BE", "JAN VAN DEN BERG", "Jan Van Den Berg"),
            ("it", "leonardo da vinci", "Leonardo Da Vinci"),
            ("es", "JUAN DE LA CRUZ", "Juan de la Cruz"),
            ("fr", "MARINE LE PEN", "Marine Le Pen"),
            ("en", "VAN", "Van"),
            ("en", "Ronald McDonald", "Ronald McDonald"),
            ("en", "ann McDonald", "Ann McDonald"),
            ("en", "j.r.r. tolkien", "J.R.R. Tolkien"),
            ("en", "KARL III", "Karl III"),
            ("tr", "IŞIK ILICALI", "Işık Ilıcalı"),
            ("tr", "istanbul", "İstanbul"),
            ("en", "istanbul", "Istanbul"),
            ("nl", "IJSBRAND", "IJsbrand"),
            ("de", "GROSSE strauß", "Grosse Strauß"),
            ("de", "MU\u{308}LLER", "Mu\u{308}ller"),
            ("en", "  ANNA \t maria\u{a0}LENA ", "Anna Maria Lena"),
            ("en", "姓名 42", "姓名 42"),
            ("en", "", ""),
        ];
        for (language, text, expected) in table {
            assert_eq!(name(text, &language.parse().unwrap()), expected, "{language} {text}");
        }
    }
}
