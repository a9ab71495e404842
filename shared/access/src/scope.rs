use std::{fmt, str::FromStr};

macro_rules! scopes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// What an API key may do. A key has one or more of them, and an operation asks for one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope {
            $($(#[$doc])* $variant,)*
        }

        impl Scope {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As the database, the API and its description spell it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        impl FromStr for Scope {
            type Err = UnknownScope;

            fn from_str(name: &str) -> Result<Self, UnknownScope> {
                match name { $($name => Ok(Self::$variant),)* _ => Err(UnknownScope) }
            }
        }
    };
}

scopes! {
    /// See campaigns, templates, profiles, imports, launches, exports, reports and files.
    CampaignsRead = "campaigns:read";
    /// Make, change and delete campaigns, templates and import profiles.
    CampaignsWrite = "campaigns:write";
    /// Import files.
    ImportsWrite = "imports:write";
    /// Start, pause, resume and cancel mailings; send test mails, set seeds, settle unknown mails.
    LaunchesWrite = "launches:write";
    /// Trigger exports.
    ExportsWrite = "exports:write";
    /// See single recipients: previews and test mails with a row, seeds, rejected rows, what is held of a person.
    RecipientsRead = "recipients:read";
    /// Have everything of a person deleted.
    RecipientsErase = "recipients:erase";
    /// Ask whether an address is suppressed.
    SuppressionsRead = "suppressions:read";
    /// Suppress an address, or end that.
    SuppressionsWrite = "suppressions:write";
    /// See sender domains, SSH and PGP keys, retention settings, the sending rate, receipts and the account's keys and webhooks.
    AccountRead = "account:read";
    /// Make, rotate and delete API keys, with scopes that the key itself has.
    KeysWrite = "keys:write";
    /// Make, rotate and delete webhooks.
    WebhooksWrite = "webhooks:write";
    /// Add and remove SSH and OpenPGP keys; make the password of the File Exchange.
    LoginsWrite = "logins:write";
    /// See who did what.
    AuditRead = "audit:read";
    /// Change how long files and campaigns are kept.
    RetentionWrite = "retention:write";
    /// Fetch files of the File Exchange: whole lists of recipients and what they did.
    FilesRead = "files:read";
}

/// No scope has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownScope;

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored keys have these names: they may be added to, and never change.
    #[test]
    fn golden_names() {
        let names: Vec<_> = Scope::ALL.iter().map(|scope| scope.name()).collect();
        assert_eq!(
            names.join(" "),
            "campaigns:read campaigns:write imports:write launches:write exports:write recipients:read recipients:erase \
             suppressions:read suppressions:write account:read keys:write webhooks:write logins:write audit:read retention:write \
             files:read"
        );
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(*scope));
        }
        assert_eq!("everything".parse::<Scope>(), Err(UnknownScope));
    }
}
