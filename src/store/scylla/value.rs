//! Between the server's values and CQL's, and between the driver's errors and the store's.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    str::FromStr,
    time::Duration,
};

use scylla::{
    deserialize::row::DeserializeRow,
    errors::{DbError, ExecutionError, RequestAttemptError},
    frame::response::result::ColumnSpec,
    response::query_result::QueryResult,
    statement::Consistency,
    value::{CqlValue, Row},
};

use super::options::Lost;
use crate::{id::Tenant, store::StoreError};

/// CQL's integers are signed. Positions and times past 2^63 do not occur; as the bound of a query, such a value means
/// "the end", which the largest integer says as well.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The counterpart of [`int`].
pub(super) fn nat(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// For `LIMIT`.
pub(super) fn limit(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX).max(1)
}

/// A text that only one of the server's checked types can hold.
pub(super) fn checked<T: FromStr>(text: &str) -> Result<T, StoreError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| StoreError::Corrupt(format!("{text:?}: {error}")))
}

/// Whose a row is.
pub(super) fn tenant(text: &str) -> Result<Tenant, StoreError> {
    checked(text).map(Tenant::stored)
}

/// A number that nobody else has.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A stable hash (FNV-1a), for what spreads rows over partitions: it must never change.
pub(super) fn spread(text: &str, over: i32) -> i32 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    ((hash >> 32) % u64::from(over.unsigned_abs())) as i32
}

/// Why a request did not answer.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    pub(super) why: String,
    /// It certainly changed nothing, be it conditional or not; otherwise it may have, or may still do so.
    pub(super) void: bool,
    /// It would fail in the same way again.
    pub(super) final_: bool,
}

impl From<Lost> for Failed {
    fn from(lost: Lost) -> Self {
        let answer = |error| RequestAttemptError::DbError(error, String::new());
        Self::from(match lost {
            Lost::TimeOut => ExecutionError::RequestTimeout(Duration::ZERO),
            Lost::Overloaded => ExecutionError::LastAttemptError(answer(DbError::Overloaded)),
            Lost::Unavailable => ExecutionError::LastAttemptError(answer(DbError::Unavailable {
                consistency: Consistency::LocalQuorum,
                required: 1,
                alive: 0,
            })),
        })
    }
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        Self::Unavailable(failed.why)
    }
}

impl From<ExecutionError> for Failed {
    fn from(error: ExecutionError) -> Self {
        use RequestAttemptError as A;
        let (void, final_) = match &error {
            ExecutionError::EmptyPlan | ExecutionError::ConnectionPoolError(_) => (true, false),
            ExecutionError::BadQuery(_) | ExecutionError::PrepareError(_) => (true, true),
            ExecutionError::LastAttemptError(attempt) => match attempt {
                A::UnableToAllocStreamId => (true, false),
                A::SerializationError(_)
                | A::CqlRequestSerialization(_)
                | A::DbError(
                    DbError::SyntaxError
                    | DbError::Invalid
                    | DbError::Unauthorized
                    | DbError::AuthenticationError
                    | DbError::ConfigError,
                    _,
                ) => (true, true),
                // Also what nodes say that are away or have too much to do: a conditional write that is accepted already
                // meets that when it is committed, and whoever comes next finishes it.
                _ => (false, false),
            },
            _ => (false, false),
        };
        Self { why: error.to_string(), void, final_ }
    }
}

/// The rows of an answer.
pub(super) fn rows<T>(result: QueryResult) -> Result<Vec<T>, StoreError>
where
    T: for<'frame> DeserializeRow<'frame, 'frame>,
{
    let rows = result.into_rows_result().map_err(|error| corrupt(&error))?;
    rows.rows::<T>()
        .map_err(|error| corrupt(&error))?
        .map(|row| row.map_err(|error| corrupt(&error)))
        .collect()
}

/// Whether a conditional write was applied. The two databases answer in different shapes: only this column's name is
/// the same.
pub(super) fn applied(result: QueryResult) -> Result<bool, StoreError> {
    let rows = result.into_rows_result().map_err(|error| corrupt(&error))?;
    let row: Row = rows.first_row().map_err(|error| corrupt(&error))?;
    applied_in(rows.column_specs().iter().map(ColumnSpec::name), &row)
}

/// Cassandra answers this column alone when it was applied, and when it was not, the row's key and what the condition is
/// about after it. ScyllaDB always answers all of them, and for a batch a row for each statement, all of which agree.
fn applied_in<'a>(mut names: impl Iterator<Item = &'a str>, row: &Row) -> Result<bool, StoreError> {
    let column = names
        .position(|name| name == "[applied]")
        .ok_or_else(|| StoreError::Corrupt("a conditional write's answer without [applied]".to_owned()))?;
    let value = row.columns.get(column).and_then(Option::as_ref).and_then(CqlValue::as_boolean);
    value.ok_or_else(|| StoreError::Corrupt("[applied] is no boolean".to_owned()))
}

fn corrupt(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_say_whether_it_was_applied() {
        let yes = || Some(CqlValue::Boolean(true));
        let no = || Some(CqlValue::Boolean(false));
        let (text, head) = (|text: &str| Some(CqlValue::Text(text.to_owned())), Some(CqlValue::BigInt(7)));
        let shapes = [
            ("Cassandra, applied", vec!["[applied]"], vec![yes()], true),
            (
                "Cassandra, a batch that was refused",
                vec!["[applied]", "org", "key", "bucket", "seq", "request", "head"],
                vec![no(), text("o"), text("k"), Some(CqlValue::Int(0)), None, None, head.clone()],
                false,
            ),
            ("Cassandra, refused as there is no row", vec!["[applied]"], vec![no()], false),
            ("ScyllaDB, applied to a new row", vec!["[applied]", "head"], vec![yes(), None], true),
            ("ScyllaDB, applied", vec!["[applied]", "head"], vec![yes(), head.clone()], true),
            (
                "ScyllaDB, a batch that was refused",
                vec!["[applied]", "org", "key", "bucket", "seq", "request", "head", "sealed"],
                vec![no(), None, None, None, None, None, head.clone(), None],
                false,
            ),
            ("wherever it stands", vec!["head", "[applied]"], vec![head.clone(), yes()], true),
        ];
        for (what, names, columns, expected) in shapes {
            assert_eq!(applied_in(names.into_iter(), &Row { columns }), Ok(expected), "{what}");
        }
        let bad =
            [(vec!["head"], vec![yes()]), (vec!["[applied]"], vec![head]), (vec!["[applied]"], vec![None])];
        for (names, columns) in bad {
            assert!(applied_in(names.into_iter(), &Row { columns }).is_err());
        }
    }
}
