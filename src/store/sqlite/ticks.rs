//! `ticks.db` as its writer holds it: fixes in a table per UTC day, and every agent's newest.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use fanfare_proto::{OrgId, UnixMs, UserId};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    schema,
    value::{int, nat},
    writer::Database,
};
use crate::store::{FixKey, StoreError, StoredFix};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Agents remembered. Past that everything is forgotten and looked up again: it is only a cache.
const AGENTS: usize = 100_000;

pub(super) struct Ticks {
    connection: Connection,
    /// Agents' ids and newest fixes, as in the open transaction.
    agents: HashMap<OrgId, HashMap<UserId, Agent>>,
    remembered: usize,
    /// Days known to have a table, as in the open transaction.
    days: HashSet<i64>,
}

#[derive(Clone, Copy)]
struct Agent {
    id: i64,
    newest: FixKey,
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
    fixes.sort_unstable_by(|a, b| (&a.org, &a.agent, a.key()).cmp(&(&b.org, &b.agent, b.key())));
    for fixes in fixes.chunk_by(|a, b| a.agent == b.agent && a.org == b.org) {
        let agent = ticks.agent(fixes)?;
        for fixes in fixes.chunk_by(|a, b| day_of(a.fix.time) == day_of(b.fix.time)) {
            ticks.insert(agent, fixes)?;
        }
    }
    Ok(())
}

impl Ticks {
    /// The id of the agent of these fixes (never none), whose newest fix is brought up to date.
    fn agent(&mut self, fixes: &[StoredFix]) -> Result<i64, StoreError> {
        let [.., newest] = fixes else {
            return Err(StoreError::NotFound);
        };
        let known = self.agents.get(&newest.org).and_then(|agents| agents.get(&newest.agent)).copied();
        let known = match known {
            Some(agent) => Some(agent),
            None => self.find(&newest.org, &newest.agent)?,
        };
        let agent = match known {
            Some(agent) if newest.key() <= agent.newest => agent,
            Some(Agent { id, .. }) => {
                self.connection
                    .prepare_cached(
                        "UPDATE agent SET time = ?2, source = ?3, counter = ?4, lat = ?5, lon = ?6,
                         accuracy = ?7, speed = ?8, heading = ?9, battery = ?10 WHERE id = ?1",
                    )?
                    .execute(columns(id, newest))?;
                Agent { id, newest: newest.key() }
            }
            None => Agent { id: self.create(newest)?, newest: newest.key() },
        };
        let agents = entry(&mut self.agents, &newest.org);
        if agents.insert(newest.agent.clone(), agent).is_none() {
            self.remembered += 1;
        }
        Ok(agent.id)
    }

    fn find(&self, org: &OrgId, agent: &UserId) -> rusqlite::Result<Option<Agent>> {
        self.connection
            .prepare_cached("SELECT id, time, source, counter FROM agent WHERE org = ?1 AND agent = ?2")?
            .query_row(params![org.as_str(), agent.as_str()], |row| {
                let counter: i64 = row.get(3)?;
                let newest = FixKey {
                    time: UnixMs(nat(row, 1)?),
                    source: row.get(2)?,
                    counter: counter.cast_unsigned(),
                };
                Ok(Agent { id: row.get(0)?, newest })
            })
            .optional()
    }

    fn create(&self, newest: &StoredFix) -> rusqlite::Result<i64> {
        let [_, fix @ ..] = columns(0, newest);
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO agent (org, agent, time, source, counter, lat, lon, accuracy, speed, heading, battery)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        statement.raw_bind_parameter(1, newest.org.as_str())?;
        statement.raw_bind_parameter(2, newest.agent.as_str())?;
        for (column, value) in fix.into_iter().enumerate() {
            statement.raw_bind_parameter(column + 3, value)?;
        }
        statement.raw_execute()?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Fixes of one agent and one day, never none.
    fn insert(&mut self, agent: i64, fixes: &[StoredFix]) -> Result<(), StoreError> {
        let Some(day) = fixes.first().map(|fix| day_of(fix.fix.time)) else {
            return Ok(());
        };
        if !self.days.contains(&day) {
            let new = self
                .connection
                .prepare_cached("INSERT OR IGNORE INTO day (day) VALUES (?1)")?
                .execute([day])?;
            if new > 0 {
                self.connection.execute_batch(&schema::day_table(day))?;
            }
            self.days.insert(day);
        }
        let mut insert = self.connection.prepare_cached(&format!(
            "INSERT OR IGNORE INTO fix_{day} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        ))?;
        for fix in fixes {
            insert.execute(columns(agent, fix))?;
        }
        Ok(())
    }
}

/// Removes a day. Its agents' newest fixes go as well where nothing newer is stored: days go from the oldest on.
pub(super) fn drop_day(ticks: &mut Ticks, day: i64) -> Result<bool, StoreError> {
    // Also where this fails half-way: what is remembered of the day and its agents is no longer certain.
    ticks.forget();
    // A cached statement on the table would keep it from being dropped.
    ticks.connection.flush_prepared_statement_cache();
    if ticks.connection.execute("DELETE FROM day WHERE day = ?1", [day])? == 0 {
        return Ok(false);
    }
    ticks.connection.execute_batch(&format!("DROP TABLE fix_{day}"))?;
    let end = (day + 1).saturating_mul(DAY_MS.cast_signed());
    ticks.connection.execute("DELETE FROM agent WHERE time < ?1", [end])?;
    Ok(true)
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
