//! What an account takes for a login. Pure.

use std::net::IpAddr;

use access::Network;
use time::OffsetDateTime;

pub const NO_ACCOUNT: &str = "there is no such account";
pub const UNKNOWN_KEY: &str = "the key is not registered";
const EXPIRED_KEY: &str = "the key has expired";
const KEY_FROM_ELSEWHERE: &str = "the key may not log in from this address";
const INACTIVE: &str = "the account is not active";
const WRONG_PASSWORD: &str = "wrong password";
const KEY_MISSING: &str = "the password was right, the key is still to come";
const PASSWORD_MISSING: &str = "the key was right, the password is still to come";

/// An account, and one key in it.
#[derive(Clone, sqlx::FromRow)]
pub struct Account {
    pub id: i64,
    pub bucket: String,
    pub status: String,
    pub sftp_password_hash: Option<String>,
    pub sftp_both: bool,
    pub has_key: bool,
    pub expires_at: Option<OffsetDateTime>,
    /// Networks as Postgres writes them; anywhere when absent.
    pub sources: Option<Vec<String>>,
}

/// One thing that somebody has proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Factor {
    /// They know the password.
    Password,
    /// They own the key with this fingerprint.
    Key(String),
}

/// The first of two things, and under whose name.
pub struct Proved {
    pub slug: String,
    pub factor: Factor,
}

/// Whether what was proved is enough.
#[derive(Debug, PartialEq, Eq)]
pub enum Factors {
    /// It is.
    Enough {
        /// For the audit.
        actor: String,
        /// The key's fingerprint, if one was used.
        key: Option<String>,
    },
    /// The other one is asked for.
    Half {
        /// In words.
        missing: &'static str,
    },
}

impl Proved {
    /// Whether the key was first.
    pub fn is_key(&self) -> bool {
        matches!(self.factor, Factor::Key(_))
    }
}

impl Factor {
    /// As the audit names it.
    pub fn actor(&self) -> String {
        match self {
            Self::Password => "sftp password".to_owned(),
            Self::Key(fingerprint) => format!("sftp key {fingerprint}"),
        }
    }
}

impl Account {
    pub fn is_active(&self) -> bool {
        self.status == "active"
    }

    /// Why a key is refused.
    pub fn judge_key(
        account: Option<&Self>,
        source: IpAddr,
        now: OffsetDateTime,
    ) -> Result<(), &'static str> {
        let account = account.ok_or(NO_ACCOUNT)?;
        if !account.has_key {
            return Err(UNKNOWN_KEY);
        }
        if account.expires_at.is_some_and(|end| end <= now) {
            return Err(EXPIRED_KEY);
        }
        // A network that does not parse lets nobody in.
        let contains =
            |network: &String| network.parse().is_ok_and(|network: Network| network.contains(source));
        if account.sources.as_ref().is_some_and(|sources| !sources.iter().any(contains)) {
            return Err(KEY_FROM_ELSEWHERE);
        }
        if account.is_active() { Ok(()) } else { Err(INACTIVE) }
    }

    /// Why a password is refused that `matches` the account's, or does not.
    pub fn judge_password(account: Option<&Self>, matches: bool) -> Result<(), &'static str> {
        let account = account.ok_or(NO_ACCOUNT)?;
        if !matches {
            return Err(WRONG_PASSWORD);
        }
        if account.is_active() { Ok(()) } else { Err(INACTIVE) }
    }

    /// What a factor makes, after another one on the same connection under the same name.
    pub fn enough(&self, before: Option<&Factor>, factor: &Factor) -> Factors {
        let key = match (before, factor) {
            _ if !self.sftp_both => {
                let key = if let Factor::Key(key) = factor { Some(key.clone()) } else { None };
                return Factors::Enough { actor: factor.actor(), key };
            }
            (Some(Factor::Key(key)), Factor::Password) | (Some(Factor::Password), Factor::Key(key)) => key,
            (_, Factor::Password) => return Factors::Half { missing: KEY_MISSING },
            (_, Factor::Key(_)) => return Factors::Half { missing: PASSWORD_MISSING },
        };
        Factors::Enough { actor: format!("sftp key {key} and password"), key: Some(key.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

    fn account() -> Account {
        Account {
            id: 1,
            bucket: "b".to_owned(),
            status: "active".to_owned(),
            sftp_password_hash: None,
            sftp_both: false,
            has_key: true,
            expires_at: None,
            sources: None,
        }
    }

    #[test]
    fn a_key_is_good_while_it_is_registered_from_where_it_may() {
        let from = |networks: &[&str]| Some(networks.iter().map(ToString::to_string).collect());
        for (account, expected) in [
            (None, Err(NO_ACCOUNT)),
            (Some(account()), Ok(())),
            (Some(Account { has_key: false, ..account() }), Err(UNKNOWN_KEY)),
            (Some(Account { expires_at: Some(NOW), ..account() }), Err(EXPIRED_KEY)),
            (Some(Account { expires_at: Some(NOW + time::Duration::SECOND), ..account() }), Ok(())),
            (Some(Account { sources: from(&["10.0.0.0/8", "192.0.2.0/24"]), ..account() }), Ok(())),
            (Some(Account { sources: from(&["10.0.0.0/8"]), ..account() }), Err(KEY_FROM_ELSEWHERE)),
            (Some(Account { sources: from(&[]), ..account() }), Err(KEY_FROM_ELSEWHERE)),
            (Some(Account { sources: from(&["nonsense"]), ..account() }), Err(KEY_FROM_ELSEWHERE)),
            (Some(Account { status: "suspended".to_owned(), ..account() }), Err(INACTIVE)),
            (Some(Account { status: "deleting".to_owned(), ..account() }), Err(INACTIVE)),
        ] {
            let judged = Account::judge_key(account.as_ref(), "192.0.2.7".parse().unwrap(), NOW);
            assert_eq!(judged, expected);
        }
    }

    #[test]
    fn a_password_is_good_for_an_active_account() {
        let suspended = Account { status: "suspended".to_owned(), ..account() };
        for (account, matches, expected) in [
            (None, true, Err(NO_ACCOUNT)),
            (Some(&account()), true, Ok(())),
            (Some(&account()), false, Err(WRONG_PASSWORD)),
            (Some(&suspended), true, Err(INACTIVE)),
            (Some(&suspended), false, Err(WRONG_PASSWORD)),
        ] {
            assert_eq!(Account::judge_password(account, matches), expected);
        }
    }

    #[test]
    fn both_are_asked_for_where_the_account_says_so() {
        let (password, key, other) =
            (Factor::Password, Factor::Key("SHA256:k".to_owned()), Factor::Key("SHA256:o".to_owned()));
        let enough = |actor: &str, key: Option<&str>| Factors::Enough {
            actor: actor.to_owned(),
            key: key.map(ToOwned::to_owned),
        };
        let half = |missing| Factors::Half { missing };
        for (both, before, factor, expected) in [
            (false, None, &password, enough("sftp password", None)),
            (false, None, &key, enough("sftp key SHA256:k", Some("SHA256:k"))),
            (false, Some(&password), &key, enough("sftp key SHA256:k", Some("SHA256:k"))),
            (true, None, &password, half(KEY_MISSING)),
            (true, None, &key, half(PASSWORD_MISSING)),
            (true, Some(&password), &password, half(KEY_MISSING)),
            (true, Some(&key), &key, half(PASSWORD_MISSING)),
            (true, Some(&key), &other, half(PASSWORD_MISSING)),
            (true, Some(&password), &key, enough("sftp key SHA256:k and password", Some("SHA256:k"))),
            (true, Some(&key), &password, enough("sftp key SHA256:k and password", Some("SHA256:k"))),
        ] {
            let account = Account { sftp_both: both, ..account() };
            assert_eq!(account.enough(before, factor), expected, "{both} {before:?} {factor:?}");
        }
    }
}
