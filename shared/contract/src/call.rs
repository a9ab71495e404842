//! The import call: one document, whether it comes as a control file or over HTTP.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What to import, where to, and what then. The file itself is named by the control file's own name, or by the call's URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportCall {
    /// The campaign's name.
    pub campaign: String,
    /// The name of an import profile; the tenant's default one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Parts that replace those of the named profile for this import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<Profile>,
    /// The size of the uploaded file in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// SHA-256 of the uploaded file, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Start the mailing as soon as the import is published.
    #[serde(default)]
    pub launch: bool,
    /// Import the file even if the campaign has an import of exactly this content.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// How a customer's CSV is read. Absent parts are detected or have the default that stands beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// `\t`, `,`, `;` or `|`; detected from a line `sep=;` or the first rows when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^[\\t,;|]$", max_length = 1)]
    pub delimiter: Option<char>,
    /// A WHATWG label such as `utf-8` or `windows-1252`; a byte order mark wins; detected when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// Whether the first record names the columns; true when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// The column with the address; detected from usual names (`email`, `e-mail`, `mail`, ...) when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_column: Option<String>,
    /// The column with the customer's own key of the recipient, which comes back in exports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_column: Option<String>,
    /// New names of columns, by the file's name; for a file without a header by number, from 1.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mapping: BTreeMap<String, String>,
    /// Refuse a file that is not PGP-encrypted; false when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pgp_required: Option<bool>,
    /// Above this share of rejected rows the whole file is refused; 10 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 100)]
    pub bad_rows_max_percent: Option<u8>,
    /// Ask the DNS whether the domains of addresses take mail; false when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_domains: Option<bool>,
}

impl Profile {
    /// This profile with the given parts replaced.
    #[must_use]
    pub fn overridden(mut self, by: Self) -> Self {
        self.delimiter = by.delimiter.or(self.delimiter);
        self.charset = by.charset.or(self.charset);
        self.header = by.header.or(self.header);
        self.address_column = by.address_column.or(self.address_column);
        self.key_column = by.key_column.or(self.key_column);
        if !by.mapping.is_empty() {
            self.mapping = by.mapping;
        }
        self.pgp_required = by.pgp_required.or(self.pgp_required);
        self.bad_rows_max_percent = by.bad_rows_max_percent.or(self.bad_rows_max_percent);
        self.check_domains = by.check_domains.or(self.check_domains);
        self
    }
}

/// What a file's name may end in behind `.csv`, in any case: what it is packed and encrypted with.
const WRAPPINGS: [&str; 5] = ["pgp", "gpg", "asc", "gz", "zip"];

/// Campaign and profile from `EXTERNALID-CAMPAIGN-PROFILE-YYYYMMDDhhmmss.csv`, for an empty control file; endings of packing and
/// encryption may follow. The campaign's name may itself contain hyphens, the other parts may not.
pub fn campaign_from_file_name(name: &str) -> Option<ImportCall> {
    let is_wrapping = |end: &str| WRAPPINGS.iter().any(|wrapping| end.eq_ignore_ascii_case(wrapping));
    let (mut stem, mut end) = name.rsplit_once('.')?;
    // Packed once and encrypted once at most.
    for _ in 0..2 {
        if is_wrapping(end) {
            (stem, end) = stem.rsplit_once('.')?;
        }
    }
    let parts: Vec<&str> = Some(stem).filter(|_| end.eq_ignore_ascii_case("csv"))?.split('-').collect();
    let [external_id, campaign @ .., profile, created] = parts.as_slice() else { return None };
    let created_is_time = created.len() == 14 && created.bytes().all(|byte| byte.is_ascii_digit());
    if external_id.is_empty() || campaign.is_empty() || profile.is_empty() || !created_is_time {
        return None;
    }
    let campaign = Some(campaign.join("-")).filter(|campaign| !campaign.is_empty())?;
    Some(ImportCall {
        campaign,
        profile: Some((*profile).to_owned()),
        overrides: None,
        size: None,
        sha256: None,
        launch: false,
        again: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_tells_campaign_and_profile() {
        let call = campaign_from_file_name("4711-spring-sale-default-20261123120000.csv.pgp").unwrap();
        assert_eq!((call.campaign.as_str(), call.profile.as_deref()), ("spring-sale", Some("default")));
        for end in ["csv", "CSV", "csv.gz", "csv.zip", "csv.asc", "csv.gz.gpg", "csv.PGP.zip"] {
            assert!(campaign_from_file_name(&format!("1-c-p-20261123120000.{end}")).is_some(), "{end}");
        }
        for name in [
            "a.csv",
            "1-c-p-20261123120000",
            "1-c-p-20261123120000.zip",
            "1-c-p-20261123120000.csv.gz.gz.gz",
            "1-c-p-2026.csv",
            "1-p-20261123120000.csv",
            "1-c-p-20261123120000.txt",
            "--p-20261123120000.csv",
        ] {
            assert_eq!(campaign_from_file_name(name), None, "{name}");
        }
    }

    #[test]
    fn unknown_fields_are_refused_by_name() {
        let error = serde_json::from_str::<ImportCall>(r#"{"campaign":"c","lunch":true}"#).unwrap_err();
        assert!(error.to_string().contains("lunch"));
    }

    #[test]
    fn overrides_replace_single_parts() {
        let base = Profile { delimiter: Some(';'), header: Some(true), ..Profile::default() };
        let by = Profile { delimiter: Some(','), check_domains: Some(true), ..Profile::default() };
        let merged = base.overridden(by);
        assert_eq!((merged.delimiter, merged.header), (Some(','), Some(true)));
        assert_eq!(merged.overridden(Profile::default()).check_domains, Some(true));
    }
}
