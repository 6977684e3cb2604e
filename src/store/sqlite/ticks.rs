//! `ticks.db` as its writer holds it: fixes in a table per class and UTC day, and every agent's newest of each class.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use fanfare_proto::{UnixMs, UserId};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

use super::{
    schema,
    value::{int, nat, wrong},
    writer::Database,
};
use crate::id::Tenant;
use crate::store::{FixClass, FixKey, StoreError, StoredFix};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Agents remembered. Past that everything is forgotten and looked up again: it is only a cache.
const AGENTS: usize = 100_000;

pub(super) struct Ticks {
    connection: Connection,
    /// Agents' ids and newest fixes of each class, as in the open transaction.
    agents: HashMap<Tenant, HashMap<UserId, Agent>>,
    remembered: usize,
    /// Days known to have a table, as in the open transaction.
    days: HashSet<(FixClass, i64)>,
}

type Newest = [Option<FixKey>; FixClass::ALL.len()];

#[derive(Clone, Copy)]
struct Agent {
    id: i64,
    newest: Newest,
}

impl Ticks {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, agents: HashMap::new(), remembered: 0, days: HashSet::new() }
    }
}

impl Database for Ticks {
    fn connection(&self) -> &Connection {
        &self.connection
    }

    fn begin(&mut self) {
        if self.remembered > AGENTS {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.agents.clear();
        self.remembered = 0;
        self.days.clear();
    }

    /// Live delivery does not wait for the store: nothing is published from here.
    fn committed(&mut self) {}
}

/// What fixes cost in the writer's queue.
pub(super) fn size(fixes: &[StoredFix]) -> usize {
    size_of_val(fixes)
}

/// Stores fixes, agent by agent and in the order of the tables: the nearer the rows, the fewer the pages written.
pub(super) fn put(ticks: &mut Ticks, mut fixes: Vec<StoredFix>) -> Result<(), StoreError> {
    fixes.sort_unstable_by(|a, b| {
        (&a.org, &a.agent, a.class, a.key()).cmp(&(&b.org, &b.agent, b.class, b.key()))
    });
    for fixes in fixes.chunk_by(|a, b| a.class == b.class && a.agent == b.agent && a.org == b.org) {
        let agent = ticks.agent(fixes)?;
        for fixes in fixes.chunk_by(|a, b| day_of(a.fix.time) == day_of(b.fix.time)) {
            ticks.insert(agent, fixes)?;
        }
    }
    Ok(())
}

impl Ticks {
    /// The id of the agent of these fixes (never none, of one class), whose newest fix of the class is brought up to
    /// date.
    fn agent(&mut self, fixes: &[StoredFix]) -> Result<i64, StoreError> {
        let [.., newest] = fixes else {
            return Err(StoreError::NotFound);
        };
        let known = self.agents.get(&newest.org).and_then(|agents| agents.get(&newest.agent)).copied();
        let mut agent = match known {
            Some(agent) => agent,
            None => match self.find(&newest.org, &newest.agent)? {
                Some(agent) => agent,
                None => self.create(&newest.org, &newest.agent)?,
            },
        };
        let there = &mut agent.newest[newest.class as usize];
        if there.is_none_or(|there| there < newest.key()) {
            *there = Some(newest.key());
            let mut replace = self.connection.prepare_cached(
                "INSERT OR REPLACE INTO newest
                 (class, agent, time, source, counter, lat, lon, accuracy, speed, heading, battery)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?;
            replace.raw_bind_parameter(1, newest.class.as_str())?;
            for (column, value) in columns(agent.id, newest).into_iter().enumerate() {
                replace.raw_bind_parameter(column + 2, value)?;
            }
            replace.raw_execute()?;
        }
        let agents = entry(&mut self.agents, &newest.org);
        if agents.insert(newest.agent.clone(), agent).is_none() {
            self.remembered += 1;
        }
        Ok(agent.id)
    }

    fn find(&self, org: &Tenant, agent: &UserId) -> rusqlite::Result<Option<Agent>> {
        let id = self
            .connection
            .prepare_cached("SELECT id FROM agent WHERE org = ?1 AND agent = ?2")?
            .query_row(params![org.as_str(), agent.as_str()], |row| row.get(0))
            .optional()?;
        let Some(id) = id else { return Ok(None) };
        let mut found = Agent { id, newest: Newest::default() };
        let mut statement = self
            .connection
            .prepare_cached("SELECT class, time, source, counter FROM newest WHERE agent = ?1")?;
        let mut rows = statement.query([id])?;
        while let Some(row) = rows.next()? {
            let (class, counter): (_, i64) = (class(row, 0)?, row.get(3)?);
            let (time, source) = (UnixMs(nat(row, 1)?), row.get(2)?);
            found.newest[class as usize] = Some(FixKey { time, source, counter: counter.cast_unsigned() });
        }
        Ok(Some(found))
    }

    fn create(&self, org: &Tenant, agent: &UserId) -> rusqlite::Result<Agent> {
        self.connection
            .prepare_cached("INSERT INTO agent (org, agent) VALUES (?1, ?2)")?
            .execute(params![org.as_str(), agent.as_str()])?;
        Ok(Agent { id: self.connection.last_insert_rowid(), newest: Newest::default() })
    }

    /// Fixes of one agent, class and day, never none.
    fn insert(&mut self, agent: i64, fixes: &[StoredFix]) -> Result<(), StoreError> {
        let Some((class, day)) = fixes.first().map(|fix| (fix.class, day_of(fix.fix.time))) else {
            return Ok(());
        };
        if !self.days.contains(&(class, day)) {
            let new = self
                .connection
                .prepare_cached("INSERT OR IGNORE INTO class_day (class, day) VALUES (?1, ?2)")?
                .execute(params![class.as_str(), day])?;
            if new > 0 {
                self.connection.execute_batch(&schema::day_table(class, day))?;
            }
            self.days.insert((class, day));
        }
        let mut insert = self.connection.prepare_cached(&format!(
            "INSERT OR IGNORE INTO {} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            schema::fix_table(class, day)
        ))?;
        for fix in fixes {
            insert.execute(columns(agent, fix))?;
        }
        Ok(())
    }
}

/// Removes a day of a class. The newest fixes of its agents go as well where nothing newer of the class is stored: days go
/// from the oldest on.
pub(super) fn drop_day(ticks: &mut Ticks, class: FixClass, day: i64) -> Result<bool, StoreError> {
    // Also where this fails half-way: what is remembered of the day and its agents is no longer certain.
    ticks.forget();
    // A cached statement on the table would keep it from being dropped.
    ticks.connection.flush_prepared_statement_cache();
    let gone = ticks
        .connection
        .execute("DELETE FROM class_day WHERE class = ?1 AND day = ?2", params![class.as_str(), day])?;
    if gone == 0 {
        return Ok(false);
    }
    ticks.connection.execute_batch(&format!("DROP TABLE {}", schema::fix_table(class, day)))?;
    let end = (day + 1).saturating_mul(DAY_MS.cast_signed());
    ticks
        .connection
        .execute("DELETE FROM newest WHERE class = ?1 AND time < ?2", params![class.as_str(), end])?;
    // Whoever has fixes of any class has a newest one of it.
    let none = "DELETE FROM agent WHERE NOT EXISTS (SELECT 1 FROM newest WHERE newest.agent = agent.id)";
    ticks.connection.execute(none, [])?;
    Ok(true)
}

/// The class that a column names.
pub(super) fn class(row: &Row<'_>, column: usize) -> rusqlite::Result<FixClass> {
    let name = row.get_ref(column)?.as_str()?;
    FixClass::named(name).ok_or_else(|| wrong(column, Type::Text, StoreError::NotFound))
}

/// The UTC day of an instant, since 1970-01-01.
pub(super) fn day_of(time: UnixMs) -> i64 {
    int(time.0 / DAY_MS)
}

/// A fix as the tables hold it, without what says whose it is. The counter is the device's and may be any number:
/// it keeps its bits, so that it comes back as it was.
fn columns(agent: i64, fix: &StoredFix) -> [Option<i64>; 10] {
    let (lat, lon) = fix.fix.position.e7();
    let motion = fix.fix.motion;
    [
        Some(agent),
        Some(int(fix.fix.time.0)),
        Some(i64::from(fix.source)),
        Some(fix.fix.counter.cast_signed()),
        Some(i64::from(lat)),
        Some(i64::from(lon)),
        motion.accuracy_dm().map(i64::from),
        motion.speed_cms().map(i64::from),
        motion.heading_cdeg().map(i64::from),
        motion.battery_pct().map(i64::from),
    ]
}

fn entry<'a, K: Hash + Eq + Clone, V: Default>(map: &'a mut HashMap<K, V>, key: &K) -> &'a mut V {
    if !map.contains_key(key) {
        map.insert(key.clone(), V::default());
    }
    map.entry(key.clone()).or_default()
}
