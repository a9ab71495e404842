//! What of our own words fills gaps of the catalogue: a closed list, so that each can be said in another language. Words of others, such as a
//! template engine's, are no phrases.

use std::fmt;

use crate::gaps;

macro_rules! phrases {
    ($($variant:ident, $slug:literal, $text:literal;)*) => {
        /// Words that stand in a notice's gap.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(clippy::doc_markdown, reason = "the words are for people, not for rustdoc")]
        pub enum Phrase {
            $(#[doc = $text] $variant,)*
        }

        impl Phrase {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$variant => $slug,)* }
            }

            fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

phrases! {
    // What a field of a request must be.
    AtMost, "at-most", "at most {max} are possible";
    AtMostBytes, "at-most-bytes", "at most {max} bytes are possible";
    AtMostCharacters, "at-most-characters", "at most {max} characters are possible, and no control characters";
    Between, "between", "{min} to {max} are possible";
    Characters, "characters", "1 to {max} characters are possible";
    CharactersPlain, "characters-plain", "1 to {max} characters are possible, and no control characters";
    Nul, "nul", "it has a NUL character";
    Past, "past", "it is in the past";
    PastStart, "past-start", "it is in the past; leave it out to start now";
    Pace, "pace", "it must be between 1 and {max}";
    CampaignName, "campaign-name", "a slash, a control character or a space at an end is not possible";
    FileName, "file-name", "1 to {max} bytes are possible, and no slash at its end";
    FileControl, "file-control", "this is a control file; name the file that it belongs to";
    ProfileName, "profile-name", "1 to {max} letters, digits, dots and underscores are possible: file names carry it between hyphens";
    ProfilesMax, "profiles-max", "the account has {max} profiles already";
    Delimiter, "delimiter", "a tab, a comma, a semicolon or a pipe is possible";
    Charset, "charset", "no charset has this label after WHATWG; utf-8 and windows-1252 are usual";
    SenderAscii, "sender-ascii", "letters beyond ASCII are not possible before the @ sign of a sender";
    AddressTwice, "address-twice", "the address stands there twice";
    Networks, "networks", "each is an address or a network such as 192.0.2.0/24, with nothing set behind its prefix";
    NoScope, "no-scope", "a key without a scope can do nothing";
    PgpPurpose, "pgp-purpose", "recipient and signer are possible";
    // Templates.
    LocaleTag, "locale-tag", "it is no language tag (BCP 47) such as en, de or en-GB";
    LocaleUnknown, "locale-unknown", "dates and numbers of this language are not known";
    SourceTooLarge, "source-too-large", "it is larger than {max} KiB";
    InlinedTooLarge, "inlined-too-large", "with its CSS in its elements it is larger than {max} KiB";
    CssUnreadable, "css-unreadable", "its CSS cannot be read";
    CssTooMuch, "css-too-much", "it has too many elements and CSS rules, or elements that are never closed";
    Reserved, "reserved", "names that begin with {begin} are reserved";
    DateStyle, "date-style", "a date is short, medium, long or full";
    DatesUnknown, "dates-unknown", "dates of this language are not known";
    Decimals, "decimals", "a number has 0 to 10 decimals";
    NumbersUnknown, "numbers-unknown", "numbers of this language are not known";
    LinksMax, "links-max", "at most {max} links are possible";
    LinkWhole, "link-whole", "a field cannot be the whole link: the scheme and the host must stand in the template";
    LinkScheme, "link-scheme", "it must begin with https://, http://, mailto: or tel:";
    LinkFieldInHost, "link-field-in-host", "a field can only stand in the path or behind it, not in the host";
    LinkHost, "link-host", "its host is not valid";
    LinkTooLong, "link-too-long", "it is longer than 2000 bytes";
    InlineNamedByField, "inline-named-by-field", "line {line} of the html part shows it, and no field can be part of its name";
    InlineAttached, "inline-attached", "line {line} of the html part shows it, but it is an attachment and not inline";
    InlineMissing, "inline-missing", "line {line} of the html part shows it, but the template has no file of this name";
    InlineUnused, "inline-unused", "it is inline, but the html part shows no cid:{file}";
    // One mail.
    MailFuel, "mail-fuel", "too much work in the {part}, line {line}";
    MailTooLong, "mail-too-long", "the {part} is too long";
    MailLink, "mail-link", "a link of the {part} is not valid, line {line}";
    MailUnsubscribe, "mail-unsubscribe", "no unsubscribe link in the {part}";
    MailField, "mail-field", "the field \"{field}\" is blank, {part}, line {line}";
    MailValue, "mail-value", "the field \"{field}\" is {problem}, {part}, line {line}";
    NoDate, "no-date", "no date that can be read without a doubt";
    NoNumber, "no-number", "no number that can be read without a doubt";
    NotUsable, "not-usable", "not usable there";
    // Keys.
    PgpMalformed, "pgp-malformed", "it is not one OpenPGP key";
    PgpPrivate, "pgp-private", "it is a private key, and only the public one is wanted";
    PgpNoEncryption, "pgp-no-encryption", "it has no valid encryption key";
    PgpNoSigning, "pgp-no-signing", "it has no valid signing key";
    // What a file is, and what is in it.
    File, "file", "a file";
    FilePacked, "file-packed", "a packed file";
    FileEncrypted, "file-encrypted", "an encrypted file";
    NoFile, "no-file", "no file";
    ManyFiles, "many-files", "more than one file";
    Tar, "tar", "a tar archive";
    SevenZip, "seven-zip", "7-Zip";
    Rar, "rar", "RAR";
    Xz, "xz", "xz";
    Zstandard, "zstandard", "Zstandard";
    Bzip2, "bzip2", "bzip2";
    Lz4, "lz4", "LZ4";
    Lzip, "lzip", "lzip";
    Cabinet, "cabinet", "a cabinet";
    Excel, "excel", "an Excel workbook (.xlsx) or another Office document";
    ExcelOld, "excel-old", "an old Excel workbook (.xls) or another Office document";
    Pdf, "pdf", "a PDF document";
    Rtf, "rtf", "an RTF document";
    Parquet, "parquet", "a Parquet file";
    Sqlite, "sqlite", "an SQLite database";
    Picture, "picture", "a picture";
    Utf32, "utf-32", "text in UTF-32";
    PgpKeyFile, "pgp-key-file", "an OpenPGP key";
    PgpSignedText, "pgp-signed-text", "a text with an OpenPGP signature";
    WebPage, "web-page", "a web page";
    Xml, "xml", "an XML document";
    ControlTooLarge, "control-too-large", "it is larger than {max} bytes";
}

impl Phrase {
    /// The names of its gaps.
    pub fn gaps(self) -> Vec<&'static str> {
        gaps::names(self.text())
    }

    /// The words with their gaps filled.
    pub fn filled<const N: usize>(self, values: [(&str, &dyn fmt::Display); N]) -> String {
        let values = values.map(|(name, value)| (name, value.to_string()));
        debug_assert!(self.gaps().iter().all(|gap| values.iter().any(|(name, _)| name == gap)), "{self}");
        gaps::fill(self.text(), |gap| {
            values.iter().find(|(name, _)| *name == gap).map(|(_, value)| value.as_str())
        })
    }

    /// Which phrase these words are, and what fills its gaps: the one that has most of them as its own.
    pub fn read(words: &str) -> Option<(Self, Vec<(&'static str, String)>)> {
        let found = Self::ALL.iter().filter_map(|phrase| {
            let (values, own) = gaps::read(phrase.text(), words)?;
            Some((own, *phrase, values))
        });
        found.max_by_key(|(own, ..)| *own).map(|(_, phrase, values)| (phrase, values))
    }
}

/// As it is written, with its gaps.
impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_read_back_each_as_itself() {
        for phrase in Phrase::ALL {
            let values: Vec<(&str, String)> =
                phrase.gaps().into_iter().enumerate().map(|(at, gap)| (gap, (at + 7).to_string())).collect();
            let value =
                |gap: &str| values.iter().find(|(name, _)| *name == gap).map(|(_, value)| value.as_str());
            let words = gaps::fill(phrase.text(), value);
            assert_eq!(Phrase::read(&words), Some((*phrase, values.clone())), "{words}");
        }
        assert_eq!(Phrase::read("unexpected end of input"), None);
        assert_eq!(Phrase::Between.filled([("min", &1), ("max", &10)]), "1 to 10 are possible");
    }

    #[test]
    fn the_phrases_read_like_this() {
        let lines = Phrase::ALL.iter().map(|phrase| format!("{}: {phrase}\n", phrase.slug()));
        insta::assert_snapshot!(lines.collect::<String>());
    }

    #[test]
    fn slugs_are_unique_and_no_codes() {
        let mut seen: std::collections::BTreeSet<&str> =
            crate::Code::ALL.iter().map(|code| code.slug()).collect();
        for phrase in Phrase::ALL {
            assert!(seen.insert(phrase.slug()), "{} twice", phrase.slug());
        }
    }
}
