//! Everything that a customer may read when something is wrong, in one place.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::gaps;

macro_rules! catalogue {
    ($($variant:ident, $slug:literal, $status:literal, $text:literal;)*) => {
        /// One thing that can be wrong with what a customer sent.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[allow(clippy::doc_markdown, reason = "the words are for people, not for rustdoc")]
        pub enum Code {
            $(#[doc = $text] #[serde(rename = $slug)] $variant,)*
        }

        impl Code {
            /// All codes, in the catalogue's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name: in the API's problem documents, in error reports, in the database.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$variant => $slug,)* }
            }

            /// The HTTP status with which the API answers it.
            pub fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            fn template(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

catalogue! {
    // Rows of an import.
    AddressMissing, "address_missing", 422, "The row has no e-mail address in column \"{column}\".";
    AddressNoAt, "address_no_at", 422, "The e-mail address has no @ sign, or more than one.";
    AddressLocalPart, "address_local_part", 422, "The part before the @ sign is not valid.";
    AddressDomain, "address_domain", 422, "The part after the @ sign is not a valid domain.";
    AddressDomainNoMail, "address_domain_no_mail", 422, "Nobody receives mail at the domain of the address: it does not exist, or says that it takes none.";
    AddressTooLong, "address_too_long", 422, "The e-mail address is longer than 254 octets, or its part before the @ sign longer than 64.";
    RowRagged, "row_ragged", 422, "The row has {found} fields, the header has {expected}.";
    RowEncoding, "row_encoding", 422, "The row has bytes that are not valid in the charset {charset}. If the file has another one, name it as \"charset\" in the import profile, or in the control file's \"overrides\".";
    RowNul, "row_nul", 422, "The row has a NUL byte.";
    FieldTooLong, "field_too_long", 422, "A field is longer than {max} bytes.";
    RowTooLong, "row_too_long", 422, "The row is longer than {max} bytes.";
    RowsCounted, "rows_counted", 200, "The file has {rows} rows: {imported} were imported, {rejected} rejected.";
    // Whole files.
    FileMissing, "file_missing", 404, "The file \"{file}\" is not in Incoming. Upload it first, then the control file.";
    FileChanged, "file_changed", 409, "The file was overwritten while it was imported, and nothing of the old one was imported. The new one is imported when a control file stands beside it: send it again if there is none.";
    FileEmpty, "file_empty", 422, "The file has no rows to import.";
    FileSize, "file_size", 422, "The file has {found} bytes; {expected} were announced.";
    FileDigest, "file_digest", 422, "The file's SHA-256 differs from the announced one.";
    FileHeader, "file_header", 422, "The header has no column \"{column}\". It must be the e-mail address, or the import profile must map one.";
    FileColumns, "file_columns", 422, "The header has {found} columns; at most {max} are allowed.";
    FileTooManyBadRows, "file_too_many_bad_rows", 422, "{rejected} of {rows} rows were rejected; the import profile allows {max_percent} %. Nothing was imported.";
    FileQuote, "file_quote", 422, "A quotation mark opens in the row of line {line} and is never closed. Nothing was imported.";
    FileCharset, "file_charset", 422, "The import profile names the charset \"{charset}\", which is not known.";
    FileCharsetUnclear, "file_charset_unclear", 422, "The file's charset is not certain: {charset} by its first rows, UTF-8 by later ones. Name it as \"charset\" in the import profile, or in the control file's \"overrides\". Nothing was imported.";
    FileDelimiter, "file_delimiter", 422, "The delimiter that the import profile or the file's line \"sep=\" names must be a tab, a comma, a semicolon or a pipe.";
    FileNotEncrypted, "file_not_encrypted", 422, "The file is not PGP-encrypted, and the import profile demands it.";
    FileForm, "file_form", 422, "The file is {form}, not a table of text. Save it as CSV (UTF-8) and upload that.";
    FilePacking, "file_packing", 422, "The file is packed as {form}, which is not read. Upload the CSV file itself, or pack it alone with gzip or zip.";
    FilePackedFiles, "file_packed_files", 422, "The zip archive holds {found}. It must hold one file alone: the CSV file.";
    FilePackedDamaged, "file_packed_damaged", 422, "The packed file is damaged or incomplete. Pack and upload it again. Nothing was imported.";
    FilePackedPassword, "file_packed_password", 422, "The zip archive has a password. Pack the file without one, and encrypt it with PGP to your Broadcast key instead.";
    FilePackedMethod, "file_packed_method", 422, "The zip archive is packed by a method that is not read. Pack the file with gzip, or with zip by its usual method (deflate).";
    FilePackedTwice, "file_packed_twice", 422, "The file is packed or encrypted more than once. Pack it once and encrypt it once at most.";
    FileExpansion, "file_expansion", 422, "The file unpacks to more than {max} times its size, as no table of recipients does. Upload it unpacked. Nothing was imported.";
    FileTooLarge, "file_too_large", 413, "The file has {size}; at most {max} of {kind} are imported at once. Split it by rows into {parts} files or more, each with the header line, and import them one after the other into the same campaign. Nothing was imported.";
    FileTextTooLarge, "file_text_too_large", 413, "The file unpacks to more than {max}. Split it by rows into several files, each with the header line, and import them one after the other into the same campaign. Nothing was imported.";
    FileAgain, "file_again", 409, "This campaign has the same list already, by import {import}, whose file had exactly this content. If it is meant again, say \"again\": true in the control file or the import call. Nothing was imported.";
    ReportKey, "report_key", 422, "The file has rows to reject, and their report cannot be encrypted: none of the keys that are registered for your exports is usable. Have one registered, and send the control file again. Nothing was imported.";
    ImportBroken, "import_broken", 500, "The import broke off {times} times before its end, by no known fault of the file, and was given up. Nothing was imported. The operator has been told. You find the file in Invalids: upload it in smaller parts.";
    DomainsUnchecked, "domains_unchecked", 503, "The name servers did not answer as they should: the domains of {rows} rows were not checked, and these rows are imported.";
    PgpNotForUs, "pgp_not_for_us", 422, "The file is not encrypted to your Broadcast key. Download the key again and encrypt to it.";
    PgpDamaged, "pgp_damaged", 422, "The encrypted file is damaged or incomplete, or has no integrity protection. Encrypt and upload it again.";
    PgpForm, "pgp_form", 422, "The file is encrypted in a form that GnuPG has of its own (packet 20, OCB). Encrypt it to your Broadcast key without the option force-ocb; look for it in gpg.conf, too.";
    PgpSignature, "pgp_signature", 422, "The file is not signed by a key that is registered for you, or the signature is not valid.";
    // The control file and the import call.
    ControlMalformed, "control_malformed", 400, "The control file is not a valid import call: {problem}.";
    ControlName, "control_name", 422, "The file name does not tell a campaign (EXTERNALID-CAMPAIGN-PROFILE-YYYYMMDDhhmmss.csv), and the control file is empty.";
    CampaignUnknown, "campaign_unknown", 404, "There is no campaign \"{campaign}\".";
    ProfileUnknown, "profile_unknown", 404, "There is no import profile \"{profile}\".";
    CampaignExists, "campaign_exists", 409, "There is a campaign \"{campaign}\" already.";
    CampaignEnded, "campaign_ended", 409, "The campaign's lifetime is over: its data is deleted.";
    // Templates and launches.
    TemplateMissing, "template_missing", 409, "The campaign has no template yet.";
    TemplateSyntax, "template_syntax", 422, "The template's {part} is not valid in line {line}: {problem}.";
    TemplateField, "template_field", 422, "The template's {part} uses the field \"{field}\" in line {line}, which the import has not.";
    TemplateFieldBlank, "template_field_blank", 422, "The template's {part} needs the field \"{field}\" in line {line}, but cells of it are blank: {rows} of them, the first in line {row} of the file.";
    TemplateUnsubscribe, "template_unsubscribe", 422, "The template's {part} has no unsubscribe link: put {{{{ unsubscribe_url }}}} into it.";
    TemplateLink, "template_link", 422, "The template's link in line {line} is not allowed: {problem}.";
    TemplateFile, "template_file", 422, "The template's file \"{file}\" is not possible: {problem}.";
    TemplateRender, "template_render", 422, "The template cannot be rendered for this recipient: {problem}.";
    SenderDomain, "sender_domain", 422, "The sender's domain \"{domain}\" is not confirmed for you.";
    LaunchNothing, "launch_nothing", 409, "The campaign has no imported recipients.";
    LaunchState, "launch_state", 409, "The launch is {state}: it cannot be {wanted} any more.";
    LaunchRestored, "launch_restored", 409, "The system went back to an earlier time of its data. Mails that may have gone out since are counted as unknown, and no other one goes out. Resume the launch, or cancel it.";
    LaunchLost, "launch_lost", 409, "The system went back to a time before this launch had begun. Whom it had mailed since is not known any more, so it was cancelled.";
    LaunchLate, "launch_late", 409, "The launch was due at {at} and could not be started in time. Nothing was mailed. Resume it to start it now, or cancel it.";
    LaunchAfterEnd, "launch_after_end", 422, "The campaign's data is deleted at {at} at the latest: a launch must start before that.";
    TestMailsMax, "test_mails_max", 409, "The campaign has at most {max} test mails in an hour, and had {found} in the last one.";
    // The API.
    KeyMissing, "key_missing", 401, "The request has no API key. Send it as \"Authorization: Bearer ...\".";
    KeyInvalid, "key_invalid", 401, "The API key is not valid.";
    KeyExpired, "key_expired", 401, "The API key has expired.";
    KeyNetwork, "key_network", 403, "The API key may not be used from this address.";
    ScopeMissing, "scope_missing", 403, "The API key has not the scope \"{scope}\", which this operation needs.";
    ScopeOwn, "scope_own", 403, "A key can give no scope that it has not itself: \"{scope}\".";
    TenantSuspended, "tenant_suspended", 403, "The account is suspended.";
    RateLimited, "rate_limited", 429, "The key has made its {limit} requests of this minute. The next ones are possible in {seconds} seconds.";
    NotFound, "not_found", 404, "There is no such thing, or it is not yours.";
    MethodUnknown, "method_unknown", 405, "This path does not take the method. The header Allow names those that it takes.";
    MediaType, "media_type", 415, "The request's body must be {expected}, and its Content-Type must say so.";
    BodyMalformed, "body_malformed", 400, "The request is not valid: {problem}.";
    BodyTooLarge, "body_too_large", 413, "The request's body is larger than {max}.";
    QueryMalformed, "query_malformed", 400, "The query of the request's URL is not valid: {problem}.";
    HeaderMalformed, "header_malformed", 400, "The request's header {header} is not valid: {problem}.";
    FieldInvalid, "field_invalid", 422, "The field \"{field}\" is not valid: {problem}.";
    VersionChanged, "version_changed", 412, "It has been changed since you read it: its version is {version} now. Read it again, and change that.";
    IdempotencyReused, "idempotency_reused", 422, "The Idempotency-Key was used for another request in the last 24 hours. Use a new key for a new request.";
    CampaignBusy, "campaign_busy", 409, "The campaign has {what} that are not at their end. Let them end, or cancel them, before you delete it.";
    CampaignHeld, "campaign_held", 409, "The campaign is under a legal hold: your operator keeps it, and nobody can delete it until the hold ends.";
    ProfileInUse, "profile_in_use", 409, "Imports that are not at their end use the import profile \"{profile}\".";
    RowMissing, "row_missing", 404, "The import has no recipient in line {line}.";
    ReportMissing, "report_missing", 404, "The import has no report of rejected rows, or no longer.";
    ReportEncrypted, "report_encrypted", 409, "The report of rejected rows is encrypted to your keys. Fetch \"{file}\" from Invalids and decrypt it.";
    KeysMax, "keys_max", 409, "The account has {max} API keys already. Delete one that is not used.";
    LoginKeysMax, "login_keys_max", 409, "The account has {max} of these keys already. Remove one that is not used.";
    KeyReplaced, "key_replaced", 409, "The API key was replaced already, or expires.";
    WebhookUrl, "webhook_url", 422, "The URL of the webhook is not possible: {problem}.";
    WebhooksMax, "webhooks_max", 409, "The account has {max} webhooks already. Delete one that is not used.";
    Unavailable, "unavailable", 503, "This is not available at the moment. Try again in a few seconds.";
    // Keys.
    PgpKey, "pgp_key", 422, "This is not a usable OpenPGP public key: {problem}.";
    SshKeyMalformed, "ssh_key_malformed", 422, "This is not an OpenSSH public key (one line, as in id_ed25519.pub).";
    SshKeyWeak, "ssh_key_weak", 422, "The SSH key is too weak: use ed25519, ECDSA, or RSA with 3072 bits or more.";
}

impl Code {
    /// The code of a stable name.
    pub fn of(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.slug() == slug)
    }

    /// The names of the gaps that its words have.
    pub fn gaps(self) -> Vec<&'static str> {
        gaps::names(self.template())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

/// A code with what fills the gaps of its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Which thing is wrong.
    pub code: Code,
    /// Name and value of each gap. Values may be the customer's own words: they are for the customer alone, never for a log.
    pub params: Vec<(&'static str, String)>,
}

impl Notice {
    /// A notice without gaps.
    pub fn new(code: Code) -> Self {
        Self { code, params: Vec::new() }
    }

    /// Fills one gap.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.params.push((name, value.to_string()));
        self
    }

    /// The reason in words, as the customer reads it.
    pub fn words(&self) -> String {
        gaps::fill(self.code.template(), |gap| self.value(gap))
    }

    /// What fills a gap.
    pub fn value(&self, gap: &str) -> Option<&str> {
        self.params.iter().find(|(name, _)| *name == gap).map(|(_, value)| value.as_str())
    }

    /// The notice that was put into these words. Answers, reports and the database keep the words alone, and whoever says them in another
    /// language needs the gaps. `None`: the catalogue said it otherwise then.
    pub fn read(code: Code, words: &str) -> Option<Self> {
        gaps::read(code.template(), words).map(|(params, _)| Self { code, params })
    }
}

impl From<Code> for Notice {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fill_the_gaps() {
        let notice = Notice::new(Code::RowRagged).with("found", 3).with("expected", 5);
        assert_eq!(notice.words(), "The row has 3 fields, the header has 5.");
        assert!(
            Notice::new(Code::TemplateUnsubscribe)
                .with("part", "text")
                .words()
                .contains("{{ unsubscribe_url }}")
        );
    }

    #[test]
    fn words_are_read_back() {
        for code in Code::ALL {
            let gaps = code.gaps().into_iter().enumerate();
            let notice = gaps.fold(Notice::new(*code), |notice, (at, gap)| notice.with(gap, at + 7));
            assert_eq!(Notice::read(*code, &notice.words()), Some(notice));
        }
        assert_eq!(Notice::read(Code::RowRagged, "The row is ragged."), None);
    }

    #[test]
    fn slugs_are_unique_and_parse_back() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.slug()), "{code} twice");
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(serde_json::from_str::<Code>(&json).unwrap(), *code);
            assert_eq!(Code::of(code.slug()), Some(*code));
        }
    }

    #[test]
    fn the_catalogue_reads_like_this() {
        let lines = Code::ALL
            .iter()
            .map(|code| format!("{} {} {}\n", code.http_status(), code.slug(), Notice::new(*code).words()));
        insta::assert_snapshot!(lines.collect::<String>());
    }
}
