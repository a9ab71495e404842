use std::{fmt, str::FromStr};

use crate::Scope;

/// What a person is at the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Runs the installation: all tenants' settings and state, and no recipient of any.
    Operator,
    /// A tenant's own administrator: everything of the tenant, and its people.
    Admin,
    /// Makes and sends campaigns.
    Manager,
    /// Looks at campaigns and at no single recipient.
    Viewer,
}

/// All but what gives programs their rights.
const MANAGER: &[Scope] = &[
    Scope::CampaignsRead,
    Scope::CampaignsWrite,
    Scope::ImportsWrite,
    Scope::LaunchesWrite,
    Scope::ExportsWrite,
    Scope::RecipientsRead,
    Scope::RecipientsErase,
    Scope::SuppressionsRead,
    Scope::SuppressionsWrite,
    Scope::AccountRead,
    Scope::FilesRead,
];

impl Role {
    /// Every role.
    pub const ALL: &'static [Self] = &[Self::Operator, Self::Admin, Self::Manager, Self::Viewer];

    /// Those that a tenant's people have, the most powerful first.
    pub const OF_TENANTS: &'static [Self] = &[Self::Admin, Self::Manager, Self::Viewer];

    /// As the database spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Manager => "manager",
            Self::Viewer => "viewer",
        }
    }

    /// What it may do with a tenant's data. An operator's is none of it: whoever runs the installation sees no mailing.
    pub const fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Operator => &[],
            Self::Admin => Scope::ALL,
            Self::Manager => MANAGER,
            Self::Viewer => &[Scope::CampaignsRead],
        }
    }

    /// Whether it may do this.
    pub fn may(self, scope: Scope) -> bool {
        self.scopes().contains(&scope)
    }

    /// Whether it invites, changes and disables people: of its tenant, or operators.
    pub const fn manages_users(self) -> bool {
        matches!(self, Self::Operator | Self::Admin)
    }
}

/// No role has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL.iter().copied().find(|role| role.name() == name).ok_or(UnknownRole)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored users have these names.
    #[test]
    fn names_are_read_back() {
        let names: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
        assert_eq!(names, ["operator", "admin", "manager", "viewer"]);
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(*role));
        }
        assert_eq!("root".parse::<Role>(), Err(UnknownRole));
    }

    /// Each scope, and who has it: a new scope has no row, and fails here until somebody says whose it is.
    #[test]
    fn every_scope_has_its_roles() {
        let roles = |scope| match scope {
            Scope::CampaignsRead => "admin manager viewer",
            Scope::CampaignsWrite
            | Scope::ImportsWrite
            | Scope::LaunchesWrite
            | Scope::ExportsWrite
            | Scope::RecipientsRead
            | Scope::RecipientsErase
            | Scope::SuppressionsRead
            | Scope::SuppressionsWrite
            | Scope::AccountRead
            | Scope::FilesRead => "admin manager",
            Scope::KeysWrite
            | Scope::WebhooksWrite
            | Scope::LoginsWrite
            | Scope::AuditRead
            | Scope::RetentionWrite => "admin",
        };
        for scope in Scope::ALL {
            let may = Role::ALL.iter().filter(|role| role.may(*scope)).map(|role| role.name());
            assert_eq!(may.collect::<Vec<_>>().join(" "), roles(*scope), "{scope}");
        }
    }
}
