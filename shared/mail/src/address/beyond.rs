//! Letters beyond ASCII before the `@` (RFC 6531, 3.3).
//!
//! That allows any character there. Refused all the same is what nobody sees or types: controls, marks of direction, characters without a
//! width, spaces, and what Unicode has not assigned: the normal form of that may change, and a digest outlives it.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};

/// Whether a character may stand in a local part.
pub(super) fn is_allowed(c: char) -> bool {
    use GeneralCategory as Category;
    let refused = matches!(
        CodePointMapData::<GeneralCategory>::new().get(c),
        Category::Control
            | Category::Format
            | Category::Surrogate
            | Category::PrivateUse
            | Category::Unassigned
            | Category::SpaceSeparator
            | Category::LineSeparator
            | Category::ParagraphSeparator
    );
    !refused && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Whether it joins the character before it, which must be one of the local part's own: to a bracket or a dot it would do so on the wire.
pub(super) fn is_mark(c: char) -> bool {
    use GeneralCategory as Category;
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    matches!(category, Category::NonspacingMark | Category::SpacingMark | Category::EnclosingMark)
}

/// In the form in which mail carries it (RFC 6532, 3.1): `u` with two dots above is one character.
pub(super) fn composed(text: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// For comparison: in lower case, in the same form.
pub(super) fn folded(text: &str) -> String {
    composed(&composed(text).to_lowercase()).into_owned()
}
