//! Everything about one mail: addresses and their digests, tokens and links, templates, MIME, DKIM, and what comes back.
//!
//! Owns the formats that outlive a release: the normalisation behind the digests, the tokens in links and return paths, the Message-ID.
//! Never sees the network, the disk, a database, a clock of its own (DKIM's `t=` excepted) or the master key: derived keys come in as
//! arguments. Types that hold personal data do not show it in `Debug`, and no error carries any.
#![forbid(unsafe_code)]

mod actor;
mod address;
mod dkim;
mod field;
mod file;
mod html;
mod imprint;
mod link;
mod message;
mod quoted;
mod redact;
mod relay;
mod report;
mod spool;
mod status;
mod template;
mod token;

pub use actor::{ActorRules, ActorRulesError, Caller, Timing, is_speculative};
pub use address::{
    ADDRESS_BYTES_MAX, Address, AddressError, AddressKey, DigestKey, LOCAL_PART_BYTES_MAX,
    NORMALISATION_VERSION,
};
pub use dkim::{DkimError, DkimKeys, DkimSigner, DnsRecord, Signatures};
pub use field::{field_name, is_blank};
pub use file::{EncodedFile, FILE_NAME_BYTES_MAX, FILES_BYTES_MAX, FILES_MAX, TemplateFile};
pub use imprint::Imprint;
pub use link::{LINK_BYTES_MAX, LinkError, Links};
pub use message::{MailRef, Outgoing, Sender};
pub use redact::redact;
pub use relay::RelayProfile;
pub use report::{
    EVENTS_BYTES_MAX, Ignored, REPORT_BYTES_MAX, Report, Verdict, are_events, parse_events, parse_report,
};
pub use spool::{SPOOL_BYTES_MAX, SpoolError, SpoolWriter, Spooled, open_spool};
pub use status::{AnswerTo, BounceClass, classify_reply};
pub use template::{
    Compiled, DEFAULT_LOCALE, FUEL_MAX, OUTPUT_BYTES_MAX, Part, RenderError, Rendered, SOURCE_BYTES_MAX,
    SUBJECT_BYTES_MAX, Template, TemplateError, TemplateLink, check_locale,
};
pub use token::{Claim, Kind, TokenError, Unverified, peek, peek_return_path, verify_link};
