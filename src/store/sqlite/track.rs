//! Reading fixes: tracks, windows, newest positions, the days that there are.

use std::{
    collections::BTreeSet,
    ops::{Bound, RangeInclusive},
};

use fanfare_proto::{Fix, Motion, Position, UnixMs, UserId};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

use super::{
    schema::fix_table,
    ticks::{class, day_of},
    value::{int, nat, text, wrong},
};
use crate::id::Tenant;
use crate::store::{
    FixClass, FixKey, StoreError, StoredFix, Window, WindowKey, damage,
    shapes::{merged, newest},
};

pub(super) fn track(
    connection: &Connection,
    org: &Tenant,
    agent: &UserId,
    span: &RangeInclusive<UnixMs>,
    after: Option<FixKey>,
    limit: usize,
) -> Result<Vec<StoredFix>, StoreError> {
    let mut fixes = Vec::new();
    let Some(id) = id(connection, org, agent)? else { return Ok(fixes) };
    let start = after.map_or(*span.start(), |after| after.time.max(*span.start()));
    for day in days(connection, day_of(start), day_of(*span.end()))? {
        let left = limit.saturating_sub(fixes.len());
        if left == 0 {
            break;
        }
        fixes.extend(of_day(connection, org, (id, agent), day, span, after, left)?);
    }
    Ok(fixes)
}

/// Agents looked at for one page of a window.
const LOOKED: usize = 500;

pub(super) fn window(
    connection: &Connection,
    org: &Tenant,
    among: Option<&BTreeSet<UserId>>,
    span: &RangeInclusive<UnixMs>,
    after: Option<WindowKey>,
    limit: usize,
) -> Result<Window, StoreError> {
    let (mut fixes, mut looked, limit) = (Vec::new(), 0, limit.max(1));
    let (first, mut at) = match after {
        Some(WindowKey { day, at }) => (int(day), at),
        None => (day_of(*span.start()), None),
    };
    for day in days(connection, first.max(day_of(*span.start())), day_of(*span.end()))? {
        // On a later day than the one it belongs to, it means nothing.
        at = at.filter(|_| day == first);
        let key = |at| WindowKey { day: nat_day(day), at };
        for (id, agent) in agents(connection, org, among, at.as_ref().map(|(agent, _)| agent))? {
            let left = limit.saturating_sub(fixes.len());
            if left == 0 || looked == LOOKED {
                return Ok(Window { fixes, next: Some(key(at)) });
            }
            looked += 1;
            let after = at.filter(|(of, _)| *of == agent).map(|(_, key)| key);
            let found = match id {
                Some(id) => of_day(connection, org, (id, &agent), day, span, after, left)?,
                None => Vec::new(),
            };
            let full = found.len() == left;
            let last = found.last().filter(|_| full).map_or(FixKey::END, StoredFix::key);
            fixes.extend(found);
            at = Some((agent, last));
        }
        if looked == LOOKED || fixes.len() == limit {
            return Ok(Window { fixes, next: Some(key(at)) });
        }
    }
    Ok(Window { fixes, next: None })
}

fn nat_day(day: i64) -> u64 {
    u64::try_from(day).unwrap_or(0)
}

/// Agents by name, from `from` on; one more than are looked at in one page.
fn agents(
    connection: &Connection,
    org: &Tenant,
    among: Option<&BTreeSet<UserId>>,
    from: Option<&UserId>,
) -> Result<Vec<(Option<i64>, UserId)>, StoreError> {
    if let Some(among) = among {
        let from = from.map_or(Bound::Unbounded, Bound::Included);
        let names = among.range::<UserId, _>((from, Bound::Unbounded)).take(LOOKED + 1);
        return names.map(|agent| Ok((id(connection, org, agent)?, agent.clone()))).collect();
    }
    let mut statement = connection
        .prepare_cached("SELECT id, agent FROM agent WHERE org = ?1 AND agent >= ?2 ORDER BY agent")?;
    let from = from.map_or("", UserId::as_str);
    let mut rows = statement.query(params![org.as_str(), from])?;
    let mut names = Vec::new();
    while names.len() <= LOOKED
        && let Some(row) = rows.next()?
    {
        let id: i64 = row.get(0)?;
        let name = damage::readable("agent", || format!("{org} {id}"), text(row, 1));
        names.extend(name.map(|name| (Some(id), name)));
    }
    Ok(names)
}

fn id(connection: &Connection, org: &Tenant, agent: &UserId) -> Result<Option<i64>, StoreError> {
    let id = connection
        .prepare_cached("SELECT id FROM agent WHERE org = ?1 AND agent = ?2")?
        .query_row(params![org.as_str(), agent.as_str()], |row| row.get(0))
        .optional()?;
    Ok(id)
}

/// An agent's fixes of a day in a span, of all classes, those after `after` only.
fn of_day(
    connection: &Connection,
    org: &Tenant,
    (id, agent): (i64, &UserId),
    day: i64,
    span: &RangeInclusive<UnixMs>,
    after: Option<FixKey>,
    limit: usize,
) -> Result<Vec<StoredFix>, StoreError> {
    // Without `after` the page begins before every fix of the span's first millisecond.
    let (start, source, counter) = match after {
        Some(after) if after.time >= *span.start() => {
            (after.time, i64::from(after.source), after.counter.cast_signed())
        }
        _ => (*span.start(), -1, 0),
    };
    let mut classes = connection.prepare_cached("SELECT class FROM class_day WHERE day = ?1")?;
    let classes: Vec<FixClass> =
        classes.query_map([day], |row| class(row, 0))?.collect::<rusqlite::Result<_>>()?;
    let mut tracks = Vec::new();
    for class in classes {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT time, source, counter, lat, lon, accuracy, speed, heading, battery FROM {}
             WHERE agent = ?1 AND (time, source, counter) > (?2, ?3, ?4) AND time <= ?5
             ORDER BY time, source, counter",
            fix_table(class, day)
        ))?;
        let mut rows = statement.query(params![id, int(start.0), source, counter, int(span.end().0)])?;
        let mut track = Vec::new();
        // Until there are enough that can be read: a page that is not full is taken for the last.
        while track.len() < limit
            && let Some(row) = rows.next()?
        {
            let place = || format!("{org} {agent}, {class:?}, at {:?}", row.get::<_, i64>(0));
            let stored =
                |(source, fix)| StoredFix { org: org.clone(), agent: agent.clone(), source, class, fix };
            track.extend(damage::readable("fix", place, fix(row)).map(stored));
        }
        tracks.push(track);
    }
    Ok(merged(tracks, limit))
}

pub(super) fn latest(
    connection: &Connection,
    org: &Tenant,
    since: UnixMs,
) -> Result<Vec<StoredFix>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT time, source, counter, lat, lon, accuracy, speed, heading, battery, agent.agent, class
         FROM agent JOIN newest ON newest.agent = agent.id WHERE org = ?1 AND time > ?2",
    )?;
    let mut rows = statement.query(params![org.as_str(), int(since.0)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let stored = || -> rusqlite::Result<StoredFix> {
            let (source, fix) = fix(row)?;
            let (agent, class) = (text(row, 9)?, class(row, 10)?);
            Ok(StoredFix { org: org.clone(), agent, source, class, fix })
        };
        let place = || row.get::<_, String>(9).unwrap_or_default();
        found.extend(damage::readable("newest fix", || format!("{org} {}", place()), stored()));
    }
    Ok(newest(found))
}

/// The days from `first` to `last` that have a table, rising.
fn days(connection: &Connection, first: i64, last: i64) -> Result<Vec<i64>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT DISTINCT day FROM class_day WHERE day BETWEEN ?1 AND ?2 ORDER BY day")?;
    let days = statement.query_map([first, last], |row| row.get(0))?;
    Ok(days.collect::<rusqlite::Result<_>>()?)
}

/// The days of a class up to `last` that have a table, rising.
pub(super) fn days_of(connection: &Connection, class: FixClass, last: i64) -> Result<Vec<i64>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT day FROM class_day WHERE class = ?1 AND day <= ?2 ORDER BY day")?;
    let days = statement.query_map(params![class.as_str(), last], |row| row.get(0))?;
    Ok(days.collect::<rusqlite::Result<_>>()?)
}

fn fix(row: &Row<'_>) -> rusqlite::Result<(u32, Fix)> {
    let counter: i64 = row.get(2)?;
    let position = Position::from_e7(row.get(3)?, row.get(4)?).map_err(|bad| wrong(3, Type::Integer, bad))?;
    let motion = Motion::from_raw(row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?);
    let motion = motion.map_err(|bad| wrong(5, Type::Integer, bad))?;
    Ok((row.get(1)?, Fix { counter: counter.cast_unsigned(), time: UnixMs(nat(row, 0)?), position, motion }))
}
