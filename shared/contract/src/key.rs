//! The S3 key grammar: a tenant's bucket has four folders; the spool is keyed by ids.

use std::{fmt, str::FromStr};

use crate::{CampaignId, LaunchId, TenantId, UploadId};

/// A folder of the File Exchange; its name is the key's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Folder {
    /// What the customer uploads.
    Incoming,
    /// Files that were imported.
    Finished,
    /// Files that were refused, and reports of rejected rows.
    Invalids,
    /// Response data for the customer.
    Exports,
}

impl Folder {
    /// All folders, in the order in which a listing shows them.
    pub const ALL: [Self; 4] = [Self::Exports, Self::Finished, Self::Incoming, Self::Invalids];

    /// The name without a slash, as customers see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Incoming => "Incoming",
            Self::Finished => "Finished",
            Self::Invalids => "Invalids",
            Self::Exports => "Exports",
        }
    }

    /// The whole key of a file in this folder.
    pub fn key(self, name: &str) -> String {
        format!("{}/{name}", self.name())
    }

    /// Splits a key into its folder and the file's name below it.
    pub fn split(key: &str) -> Option<(Self, &str)> {
        let (folder, name) = key.split_once('/')?;
        Some((folder.parse().ok()?, name)).filter(|(_, name)| !name.is_empty())
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Folder {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|folder| folder.name() == text).ok_or(())
    }
}

/// In the bucket of settings: by which rules programs are told from people.
pub const ACTOR_RULES_KEY: &str = "actors.json";

const CONTROL: &str = ".ctl";

/// Whether a name is that of a control file.
pub fn is_control_file(name: &str) -> bool {
    data_file_of(name).is_some()
}

/// The file that a control file is about: `x.csv.ctl` -> `x.csv`.
pub fn data_file_of(control: &str) -> Option<&str> {
    control.strip_suffix(CONTROL).filter(|name| !name.is_empty() && !name.ends_with('/'))
}

/// The control file of a file: `x.csv` -> `x.csv.ctl`.
pub fn control_file_of(name: &str) -> String {
    format!("{name}{CONTROL}")
}

/// The report of a file's rejected rows, in Invalids. `number` counts the imports of files of this name, from 1: the second one's report is
/// `x.csv.2.errors.csv`.
pub fn error_report_of(name: &str, number: i64) -> String {
    if number > 1 { format!("{name}.{number}.errors.csv") } else { format!("{name}.errors.csv") }
}

/// Everything in the spool bucket that belongs to one campaign; ends in a slash.
pub fn spool_prefix(tenant: TenantId, campaign: CampaignId) -> String {
    format!("{tenant}/{campaign}/")
}

/// What belongs to one launch of it; ends in a slash.
pub fn spool_launch_prefix(tenant: TenantId, campaign: CampaignId, launch: LaunchId) -> String {
    format!("{}{launch}/", spool_prefix(tenant, campaign))
}

/// The spool object of one slice of one launch.
pub fn spool_key(tenant: TenantId, campaign: CampaignId, launch: LaunchId, slice: i32) -> String {
    format!("{}{slice}", spool_launch_prefix(tenant, campaign, launch))
}

/// What a spool object's key says of its slice; `None` for a key that none of the tenant has.
pub fn spooled_slice(tenant: TenantId, key: &str) -> Option<(CampaignId, LaunchId, i32)> {
    let mut parts = key.strip_prefix(&format!("{tenant}/"))?.split('/');
    let mut number = || parts.next()?.parse::<i64>().ok();
    let (campaign, launch, slice) = (CampaignId(number()?), LaunchId(number()?), number()?.try_into().ok()?);
    (spool_key(tenant, campaign, launch, slice) == key).then_some((campaign, launch, slice))
}

/// Where a tenant's upload tails stand in the spool bucket; ends in a slash.
pub fn upload_tail_prefix(tenant: TenantId) -> String {
    format!("{tenant}/uploads/")
}

/// The last bytes of an unfinished upload, too few for a part of their own; never below a campaign's prefix, which has a number in
/// that place.
pub fn upload_tail_key(tenant: TenantId, upload: UploadId) -> String {
    format!("{}{upload}", upload_tail_prefix(tenant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_split_into_folder_and_name() {
        assert_eq!(Folder::split("Incoming/a/b.csv"), Some((Folder::Incoming, "a/b.csv")));
        for key in ["Incoming", "Incoming/", "incoming/x", "Elsewhere/x", "/x"] {
            assert_eq!(Folder::split(key), None, "{key}");
        }
    }

    #[test]
    fn a_control_file_names_its_file() {
        assert_eq!(data_file_of("x.csv.ctl"), Some("x.csv"));
        for name in ["x.csv", ".ctl", "a/.ctl", "x.ctl.csv"] {
            assert_eq!(data_file_of(name), None, "{name}");
        }
    }

    #[test]
    fn spool_keys_begin_with_their_tenant() {
        assert_eq!(spool_key(TenantId(1), CampaignId(22), LaunchId(3), 4), "1/22/3/4");
        assert_eq!(upload_tail_key(TenantId(1), UploadId(5)), "1/uploads/5");
        assert_eq!(spooled_slice(TenantId(1), "1/22/3/4"), Some((CampaignId(22), LaunchId(3), 4)));
        for key in ["1/uploads/5", "1/22/3", "1/22/3/4/5", "11/22/3/4", "1/22/3/04", "1/22/3/x"] {
            assert_eq!(spooled_slice(TenantId(1), key), None, "{key}");
        }
    }
}
