//! Database errors without the data that caused them.

use std::fmt;

use fault::{Disposition, Fault};

/// What went wrong in the database. Neither form of output shows a value: Postgres quotes rows in `DETAIL` and `CONTEXT`, and values in
/// many messages.
pub enum StoreError {
    /// A statement failed, or no connection could be had.
    Database(sqlx::Error),
    /// A migration failed.
    Migrate(sqlx::migrate::MigrateError),
    /// A campaign's schema is not there: its lifetime is over, or it is not this tenant's.
    NoCampaign,
    /// The database may be a copy of an earlier time, or is one: what happened since is yet to be done again in it.
    NotCurrent,
}

impl StoreError {
    /// The SQLSTATE of a failed statement.
    pub fn sqlstate(&self) -> Option<String> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error.code().map(std::borrow::Cow::into_owned),
            _ => None,
        }
    }

    /// The constraint that a statement broke, where it was one.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error.constraint(),
            _ => None,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                write!(f, "the database refused a statement: SQLSTATE {code}")?;
                if let Some(table) = error.table() {
                    write!(f, ", table {table}")?;
                }
                if let Some(constraint) = error.constraint() {
                    write!(f, ", constraint {constraint}")?;
                }
                // Class 42 is about names and syntax, which are ours: no value of a row is quoted there.
                if code.starts_with("42") {
                    write!(f, ": {}", error.message())?;
                }
                Ok(())
            }
            Self::Database(sqlx::Error::PoolTimedOut) => {
                f.write_str("no database connection was free in time")
            }
            Self::Database(sqlx::Error::Io(error)) => {
                write!(f, "the database connection broke: {}", error.kind())
            }
            Self::Database(sqlx::Error::RowNotFound) => f.write_str("a row that must exist was not found"),
            Self::Database(sqlx::Error::ColumnDecode { index, .. }) => {
                write!(f, "column {index} has another type")
            }
            Self::Database(_) => f.write_str("the database driver failed"),
            Self::Migrate(error) => write!(f, "a migration failed: {error}"),
            Self::NoCampaign => f.write_str("the campaign has no data (any more)"),
            Self::NotCurrent => f.write_str(
                "the database has just started or was restored, and is not yet compared with its journal or brought up to it",
            ),
        }
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for StoreError {}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl Fault for StoreError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Database(_) | Self::Migrate(_) | Self::NotCurrent => Disposition::RETRY,
            Self::NoCampaign => Disposition::Permanent,
        }
    }
}
