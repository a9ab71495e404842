//! Rows of one tenant in one round trip.

use std::fmt::Write;

use contract::TenantId;
use sqlx::{AssertSqlSafe, FromRow, postgres::PgRow};

use crate::{Store, StoreError};

impl Store {
    /// What the tenant's role sees of a statement that only reads. The role, the statement and their end are one message: a transaction of
    /// its own would be two round trips more, which is most of a request that looks at one row.
    ///
    /// `$1` to `$9` are numbers or nothing, and become part of the text: no other value can. The statement is planned each time.
    pub async fn read<T>(
        &self,
        tenant: TenantId,
        statement: &str,
        numbers: &[Option<i64>],
    ) -> Result<Vec<T>, StoreError>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let message = message(tenant, statement, numbers);
        let rows = sqlx::raw_sql(AssertSqlSafe(message)).fetch_all(self.pool()).await?;
        Ok(rows.iter().map(T::from_row).collect::<Result<_, _>>()?)
    }
}

/// Several statements in one message are one transaction, in which the role is the tenant's until its end.
fn message(tenant: TenantId, statement: &str, numbers: &[Option<i64>]) -> String {
    let mut message = format!("SET LOCAL ROLE {}; ", tenant.role());
    let mut pieces = statement.split('$');
    message.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (digit, rest) = piece.split_at_checked(1).unwrap_or_default();
        let number =
            digit.parse().ok().and_then(|digit: usize| numbers.get(digit.checked_sub(1)?)).copied().flatten();
        // Writing into a string does not fail.
        let _ = match number {
            Some(number) => write!(message, "({number})::bigint{rest}"),
            None => write!(message, "NULL::bigint{rest}"),
        };
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_nothing_else_take_the_places() {
        let message = |statement: &str| message(TenantId(7), statement, &[Some(-5), None, Some(100)]);
        assert_eq!(
            message("SELECT a FROM b WHERE id = $1 AND ($2 IS NULL OR id < $2) LIMIT $3"),
            "SET LOCAL ROLE tenant_7; SELECT a FROM b WHERE id = (-5)::bigint AND (NULL::bigint IS NULL OR id < NULL::bigint) \
             LIMIT (100)::bigint"
        );
        assert_eq!(message("SELECT 1"), "SET LOCAL ROLE tenant_7; SELECT 1");
    }
}
