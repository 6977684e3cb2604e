//! The newest position of every agent of an organisation, and the views in which it is shown.
//!
//! A view is the table as somebody with certain rights sees it. What changed is packed once for each view and shared
//! by all who follow it, so nobody ever receives what another may see.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fanfare_proto::{
    Epoch, Fix, UnixMs, UserId,
    event::{self, AliasedAgent, LocationAgents, LocationRemoved},
    frame::MAX_SENT,
    tick::{self, Tick},
};

use super::scope::Scope;
use crate::{auth::Units, frame::Frame, hub::Flush, net::Packet, shard::Changes};

/// A value that no newer one followed is sent once more after this time, in milliseconds. A little over a second, so
/// that an agent that sends every second is not repeated each time.
const HEAL_MS: u64 = 1_100;

/// The whole table is looked at for repeats within this time.
const SWEEP_MS: u64 = 250;

/// Every value passes at least every 10 s.
const REPEAT_MS: u64 = 9_500;

/// Agents in one event: at about 200 bytes each they fit in one frame.
const AGENTS_PER_EVENT: usize = MAX_SENT / 2 / 200;

/// Positions of one organisation's agents.
#[derive(Debug)]
pub struct Table {
    epoch: Epoch,
    limit: usize,
    views: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Rises with every change. An entry's version is that of its last change.
    version: u64,
    aliases: HashMap<UserId, u32>,
    /// By alias. An alias is never reused, so a tick on its way can never be taken for another agent's.
    entries: Vec<Entry>,
    /// Aliases of entries that changed since the last flush.
    changed: Vec<u32>,
    views: Vec<View>,
    /// When entries were last looked at for repeats, and the next one to look at.
    swept: UnixMs,
    next: usize,
}

#[derive(Debug)]
struct Entry {
    agent: UserId,
    units: Units,
    fix: Fix,
    version: u64,
    /// Forgotten. The alias stays taken: it must never stand for another agent.
    gone: bool,
    /// Stands in `changed`.
    dirty: bool,
    /// When it was last sent, and whether that was a repeat.
    sent: UnixMs,
    healed: bool,
}

impl Entry {
    fn tick(&self, alias: u32) -> Tick {
        Tick { alias, time: self.fix.time, position: self.fix.position, motion: self.fix.motion }
    }

    fn aliased(&self, alias: u32) -> AliasedAgent {
        AliasedAgent { alias, agent_id: self.agent.clone(), fix: Some(self.fix.into()) }
    }
}

#[derive(Debug)]
struct View {
    id: u32,
    scope: Scope,
    /// The version of the last flush.
    flushed: u64,
    joined: HashSet<u32>,
    removed: HashSet<u32>,
}

/// What was done with a fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It is the agent's newest.
    Newest,
    /// The agent has a newer one.
    Older,
    /// The table is full and the agent is not in it.
    Full,
}

/// A view as a new follower gets it.
#[derive(Debug)]
pub struct Snapshot {
    /// The view.
    pub view: u32,
    /// The life of the aliases.
    pub epoch: Epoch,
    /// Everything that changes after this version will follow.
    pub version: u64,
    /// The agents that were in it.
    pub aliases: Vec<u32>,
}

impl Table {
    /// A table of at most `limit` agents in `views` views. `epoch` must differ from those that clients may remember.
    pub fn new(epoch: Epoch, limit: usize, views: usize) -> Self {
        Self { epoch, limit, views, state: Mutex::default() }
    }

    /// Takes a fix of an agent, who works in `units`, if it is newer than what is there.
    pub fn place(&self, agent: &UserId, units: &Units, fix: Fix) -> Placed {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(&alias) = state.aliases.get(agent) else {
            if state.aliases.len() >= self.limit {
                return Placed::Full;
            }
            state.add(agent, units, fix);
            return Placed::Newest;
        };
        let entry = &mut state.entries[alias as usize];
        if entry.units != *units {
            for view in &mut state.views {
                view.moved(alias, view.scope.covers(&entry.units), view.scope.covers(units));
            }
            entry.units.clone_from(units);
        }
        if fix.time <= entry.fix.time {
            return Placed::Older;
        }
        state.renew(alias, fix);
        Placed::Newest
    }

    /// Takes a fix that was stored by an earlier life of the server. Where the agent works is not known, so until
    /// the agent is back only those see it who may see everyone.
    pub fn restore(&self, agent: &UserId, fix: Fix) {
        let mut guard = self.lock();
        let state = &mut *guard;
        match state.aliases.get(agent).copied() {
            // The agent is back already, with what it sent late.
            Some(alias) => state.renew(alias, fix),
            None if state.aliases.len() < self.limit => state.add(agent, &Units::default(), fix),
            None => {}
        }
    }

    /// The view of this scope, made if it is not there, and all that is in it. `follow` is called with the view's id
    /// before anything can be flushed, so that nothing is missed in between. `None` where there are too many views.
    pub fn snapshot<F>(
        &self,
        scope: &Scope,
        new_id: impl FnOnce() -> u32,
        follow: impl FnOnce(u32) -> F,
    ) -> Option<(Snapshot, F)> {
        let mut state = self.lock();
        let version = state.version;
        let view = if let Some(view) = state.views.iter().find(|view| view.scope == *scope) {
            view.id
        } else if state.views.len() >= self.views {
            return None;
        } else {
            let id = new_id();
            state.views.push(View {
                id,
                scope: scope.clone(),
                flushed: version,
                joined: HashSet::new(),
                removed: HashSet::new(),
            });
            id
        };
        let following = follow(view);
        let aliases = state.visible(scope).map(|(alias, _)| alias).collect();
        Some((Snapshot { view, epoch: self.epoch, version, aliases }, following))
    }

    /// Those of `aliases` that a scope sees now, with their newest fixes.
    pub fn aliased(&self, scope: &Scope, aliases: &[u32]) -> Vec<AliasedAgent> {
        let state = self.lock();
        let entries = aliases.iter().filter_map(|alias| Some((*alias, state.entries.get(*alias as usize)?)));
        let seen = entries.filter(|(_, entry)| !entry.gone && scope.covers(&entry.units));
        seen.map(|(alias, entry)| entry.aliased(alias)).collect()
    }

    /// Agents of a scope in order of their ids, those after `after` only, with their newest fixes.
    pub fn latest(&self, scope: &Scope, after: Option<&UserId>, limit: usize) -> Vec<(UserId, Fix)> {
        let state = self.lock();
        let mut found: Vec<_> = state
            .visible(scope)
            .filter(|(_, entry)| after.is_none_or(|after| entry.agent > *after))
            .map(|(_, entry)| (entry.agent.clone(), entry.fix))
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found.truncate(limit);
        found
    }

    /// The agents that a scope sees now.
    pub fn agents(&self, scope: &Scope) -> BTreeSet<UserId> {
        self.lock().visible(scope).map(|(_, entry)| entry.agent.clone()).collect()
    }

    /// Whether a scope sees an agent now.
    pub fn sees(&self, scope: &Scope, agent: &UserId) -> bool {
        let state = self.lock();
        match state.aliases.get(agent) {
            Some(alias) => scope.covers(&state.entries[*alias as usize].units),
            None => scope.covers(&Units::default()),
        }
    }

    /// What changed since the last flush, for each view that somebody follows. Other views are forgotten.
    ///
    /// Agents whose newest fix is older than `oldest` are forgotten.
    pub fn flush(&self, now: UnixMs, oldest: UnixMs, followed: impl Fn(u32) -> bool) -> Vec<Flush> {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.views.retain(|view| followed(view.id));
        let changed = std::mem::take(&mut state.changed);
        for alias in &changed {
            let entry = &mut state.entries[*alias as usize];
            entry.dirty = false;
            entry.sent = now;
        }
        let repeats = state.sweep(now, oldest);
        let (entries, to) = (&state.entries, state.version);
        let mut flushes = Vec::new();
        for view in &mut state.views {
            let ticks = |aliases: &[u32]| -> Vec<Tick> {
                let mine = aliases.iter().filter(|alias| view.scope.covers(&entries[**alias as usize].units));
                mine.map(|alias| entries[*alias as usize].tick(*alias)).collect()
            };
            let changes = pack(view.id, self.epoch, now, &ticks(&changed));
            let repeats = pack(view.id, self.epoch, now, &ticks(&repeats));
            let events = view.take_events(self.epoch, entries);
            if !(changes.is_empty() && repeats.is_empty() && events.is_empty()) {
                flushes.push(Flush { view: view.id, from: view.flushed, to, events, changes, repeats });
                // Only now: what changed without being seen in this view leaves its followers where they are.
                view.flushed = to;
            }
        }
        flushes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under this lock could leave an entry without its place in `changed`, which the next sweep mends.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, agent: &UserId, units: &Units, fix: Fix) {
        let alias = self.entries.len() as u32;
        self.version += 1;
        self.aliases.insert(agent.clone(), alias);
        self.entries.push(Entry {
            agent: agent.clone(),
            units: units.clone(),
            fix,
            version: self.version,
            gone: false,
            dirty: true,
            sent: UnixMs(0),
            healed: false,
        });
        self.changed.push(alias);
        for view in &mut self.views {
            view.moved(alias, false, view.scope.covers(units));
        }
    }

    /// Takes a fix of a known agent, if it is newer.
    fn renew(&mut self, alias: u32, fix: Fix) {
        let entry = &mut self.entries[alias as usize];
        if fix.time <= entry.fix.time {
            return;
        }
        self.version += 1;
        entry.fix = fix;
        entry.version = self.version;
        entry.healed = false;
        if !entry.dirty {
            entry.dirty = true;
            self.changed.push(alias);
        }
    }

    fn visible<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = (u32, &'a Entry)> {
        (0..).zip(&self.entries).filter(|(_, entry)| !entry.gone && scope.covers(&entry.units))
    }

    /// Values to be sent again: once soon after their last change, then now and then. Looks at a part of the table
    /// each time, so that all of it is looked at once a second and repeats are spread.
    fn sweep(&mut self, now: UnixMs, oldest: UnixMs) -> Vec<u32> {
        let mut due = Vec::new();
        let share = (self.entries.len() as u64 * now.since(self.swept).min(SWEEP_MS)).div_ceil(SWEEP_MS);
        self.swept = now;
        for _ in 0..share {
            let alias = self.next % self.entries.len();
            self.next = alias + 1;
            let entry = &mut self.entries[alias];
            if entry.gone {
                continue;
            }
            let alias = alias as u32;
            if entry.fix.time < oldest {
                entry.gone = true;
                self.aliases.remove(&entry.agent);
                for view in &mut self.views {
                    view.moved(alias, view.scope.covers(&entry.units), false);
                }
                continue;
            }
            let age = now.since(entry.sent);
            if (!entry.healed && age >= HEAL_MS) || age >= REPEAT_MS {
                entry.healed = true;
                entry.sent = now;
                due.push(alias);
            }
        }
        due
    }
}

impl View {
    fn moved(&mut self, alias: u32, before: bool, after: bool) {
        match (before, after) {
            (false, true) => {
                self.removed.remove(&alias);
                self.joined.insert(alias);
            }
            (true, false) => {
                self.joined.remove(&alias);
                self.removed.insert(alias);
            }
            _ => {}
        }
    }

    fn take_events(&mut self, epoch: Epoch, entries: &[Entry]) -> Vec<Frame> {
        let mut events = Vec::new();
        let removed: Vec<u32> = self.removed.drain().collect();
        for aliases in removed.chunks(MAX_SENT / 16) {
            let data = LocationRemoved { view: self.id, epoch, aliases: aliases.to_vec() };
            events.push(event::write(event::name::LOCATION_REMOVED, None, &data).into());
        }
        let joined: Vec<u32> = self.joined.drain().collect();
        for aliases in joined.chunks(AGENTS_PER_EVENT) {
            let agents = aliases.iter().map(|alias| entries[*alias as usize].aliased(*alias)).collect();
            let data = LocationAgents { view: self.id, epoch, agents };
            events.push(event::write(event::name::LOCATION_AGENTS, None, &data).into());
        }
        events
    }
}

fn pack(view: u32, epoch: Epoch, base: UnixMs, ticks: &[Tick]) -> Vec<Packet> {
    let packets = tick::pack_ticks(&[Packet::PREFIX], view, epoch, base, ticks);
    packets.into_iter().map(|packet| Packet::new(packet.into())).collect()
}

/// A view, for receivers that lag.
#[derive(Debug)]
pub struct Lagging {
    /// The table.
    pub table: Arc<Table>,
    /// The view's id.
    pub view: u32,
    /// The view's scope.
    pub scope: Scope,
}

impl Changes for Lagging {
    fn since(&self, version: u64) -> (u64, Vec<Packet>) {
        let state = self.table.lock();
        let changed: Vec<Tick> = state
            .visible(&self.scope)
            .filter(|(_, entry)| entry.version > version)
            .map(|(alias, entry)| entry.tick(alias))
            .collect();
        let base = changed.first().map_or(UnixMs(0), |tick| tick.time);
        (state.version, pack(self.view, self.table.epoch, base, &changed))
    }
}
