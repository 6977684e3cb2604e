//! Between the server's values and SQLite's, and between SQLite's errors and the store's.

use std::{error::Error, str::FromStr};

use rusqlite::{ErrorCode, Row, types::Type};

use crate::{id::Tenant, store::StoreError};

/// SQLite's integers are signed. Positions and times past 2^63 do not occur; as the bound of a query, such a value
/// means "the end", which the largest integer says as well.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The counterpart of [`int`].
pub(super) fn nat(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// A text that only one of the server's checked types can hold.
pub(super) fn text<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: Error + Send + Sync + 'static,
{
    row.get_ref(column)?.as_str()?.parse().map_err(|error| wrong(column, Type::Text, error))
}

/// Whose a row is.
pub(super) fn tenant(row: &Row<'_>, column: usize) -> rusqlite::Result<Tenant> {
    text(row, column).map(Tenant::stored)
}

/// A value that nothing in this program writes.
pub(super) fn wrong(column: usize, kind: Type, error: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let damaged = match &error {
            E::SqliteFailure(failure, _) => {
                matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            }
            E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..)
            | E::InvalidColumnType(..)
            | E::Utf8Error(..) => true,
            _ => false,
        };
        if damaged { Self::Corrupt(error.to_string()) } else { Self::Unavailable(error.to_string()) }
    }
}
