//! Reading fixes: tracks, newest positions, the days that there are.

use std::ops::RangeInclusive;

use fanfare_proto::{Fix, Motion, OrgId, Position, UnixMs, UserId};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

use super::{
    ticks::day_of,
    value::{int, nat, text, wrong},
};
use crate::store::{FixKey, StoreError, StoredFix};

pub(super) fn track(
    connection: &Connection,
    org: &OrgId,
    agent: &UserId,
    span: &RangeInclusive<UnixMs>,
    after: Option<FixKey>,
    limit: usize,
) -> Result<Vec<StoredFix>, StoreError> {
    let id: Option<i64> = connection
        .prepare_cached("SELECT id FROM agent WHERE org = ?1 AND agent = ?2")?
        .query_row(params![org.as_str(), agent.as_str()], |row| row.get(0))
        .optional()?;
    let mut fixes = Vec::new();
    let Some(id) = id else { return Ok(fixes) };
    // Without `after` the page begins before every fix of the span's first millisecond.
    let (source, counter) = match after {
        Some(after) if after.time >= *span.start() => (i64::from(after.source), after.counter.cast_signed()),
        _ => (-1, 0),
    };
    let start = after.map_or(*span.start(), |after| after.time.max(*span.start()));
    for day in days(connection, day_of(start), day_of(*span.end()))? {
        let left = limit.saturating_sub(fixes.len());
        if left == 0 {
            break;
        }
        let mut statement = connection.prepare_cached(&format!(
            "SELECT time, source, counter, lat, lon, accuracy, speed, heading, battery FROM fix_{day}
             WHERE agent = ?1 AND (time, source, counter) > (?2, ?3, ?4) AND time <= ?5
             ORDER BY time, source, counter LIMIT ?6"
        ))?;
        let params = params![id, int(start.0), source, counter, int(span.end().0), int(left as u64)];
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            let (source, fix) = fix(row)?;
            fixes.push(StoredFix { org: org.clone(), agent: agent.clone(), source, fix });
        }
    }
    Ok(fixes)
}

pub(super) fn latest(
    connection: &Connection,
    org: &OrgId,
    since: UnixMs,
) -> Result<Vec<StoredFix>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT time, source, counter, lat, lon, accuracy, speed, heading, battery, agent FROM agent
         WHERE org = ?1 AND time > ?2 ORDER BY agent",
    )?;
    let latest = statement.query_map(params![org.as_str(), int(since.0)], |row| {
        let (source, fix) = fix(row)?;
        Ok(StoredFix { org: org.clone(), agent: text(row, 9)?, source, fix })
    })?;
    Ok(latest.collect::<rusqlite::Result<_>>()?)
}

/// The days from `first` to `last` that have a table, rising.
pub(super) fn days(connection: &Connection, first: i64, last: i64) -> Result<Vec<i64>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT day FROM day WHERE day BETWEEN ?1 AND ?2 ORDER BY day")?;
    let days = statement.query_map([first, last], |row| row.get(0))?;
    Ok(days.collect::<rusqlite::Result<_>>()?)
}

fn fix(row: &Row<'_>) -> rusqlite::Result<(u32, Fix)> {
    let counter: i64 = row.get(2)?;
    let position = Position::from_e7(row.get(3)?, row.get(4)?).map_err(|bad| wrong(3, Type::Integer, bad))?;
    let motion = Motion::from_raw(row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?);
    let motion = motion.map_err(|bad| wrong(5, Type::Integer, bad))?;
    Ok((row.get(1)?, Fix { counter: counter.cast_unsigned(), time: UnixMs(nat(row, 0)?), position, motion }))
}
