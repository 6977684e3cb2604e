//! What a table holds, under its lock.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
};

use fanfare_proto::{Epoch, UnixMs, UserId};

use super::{
    Snapshot,
    entry::{Arrival, Entry, Newest, Silence},
    has_departed,
    order::Order,
    views::Views,
};
use crate::{
    auth::Units,
    domain::location::{scope::Scope, units::KEPT_EVERY_MS},
    time::Elapsed,
};

/// A value that no newer one followed is sent once more after this time, in milliseconds. A little over a second, so
/// that an agent that sends every second is not repeated each time.
const HEAL_MS: u64 = 1_100;

/// The whole table is looked at for repeats within this time; where nobody follows, for those who have gone, within this one.
const SWEEP_MS: u64 = 250;
const IDLE_SWEEP_MS: u64 = 30_000;

/// Every value passes at least every 10 s.
const REPEAT_MS: u64 = 9_500;

/// An epoch ends when it has given so many aliases for each agent that the table may hold: they stay small numbers.
const ALIASES_FOR_EACH: usize = 16;
const LEAST_ALIASES: usize = 64;

/// Where an agent stands in the order of silence is brought up to date no more often than this.
const HEARD_EVERY_MS: u64 = 60_000;

/// What was done with a fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It is the agent's newest.
    Newest,
    /// It is the first one of an agent that has taken the place of one that had departed.
    MadeRoom,
    /// The agent has a newer one.
    Older,
    /// The table is full of others that are there.
    Full,
}

#[derive(Debug)]
pub(super) struct State {
    /// The life of the aliases.
    pub(super) epoch: Epoch,
    /// Rises with every change. An entry's version is that of its last change.
    pub(super) version: u64,
    pub(super) aliases: HashMap<UserId, u32>,
    /// By alias. An alias is never given again in an epoch, so a tick on its way can never be taken for another agent's.
    pub(super) entries: BTreeMap<u32, Entry>,
    next_alias: u32,
    pub(super) order: Order,
    /// Aliases by their entry's version.
    recent: BTreeMap<u64, u32>,
    silent: BTreeSet<(Silence, u32)>,
    /// Aliases of entries that changed since the last flush.
    pub(super) changed: Vec<u32>,
    pub(super) views: Views,
    /// An epoch has begun, at this version, of which followers do not know yet.
    pub(super) renewed: Option<u64>,
    /// When entries were last looked at for repeats, and the last one that was.
    swept: Elapsed,
    at: u32,
}

impl State {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            version: 0,
            aliases: HashMap::new(),
            entries: BTreeMap::new(),
            next_alias: 0,
            order: Order::default(),
            recent: BTreeMap::new(),
            silent: BTreeSet::new(),
            changed: Vec::new(),
            views: Views::default(),
            renewed: None,
            swept: Elapsed(0),
            at: 0,
        }
    }

    pub(super) fn place(&mut self, agent: &UserId, units: &Units, arrival: &Arrival, limit: usize) -> Placed {
        let known = self.aliases.get(agent).copied();
        let Some((alias, entry)) = known.and_then(|alias| Some((alias, self.entries.get_mut(&alias)?)))
        else {
            let mut placed = Placed::Newest;
            if self.aliases.len() >= limit {
                if !self.make_room(arrival) {
                    return Placed::Full;
                }
                placed = Placed::MadeRoom;
            }
            self.add(agent, units, arrival);
            return placed;
        };
        if entry.units != *units {
            self.views.moved(alias, Some(&entry.units), Some(units));
            self.order.remove(agent, &entry.units);
            self.order.add(agent, units, alias);
            entry.units.clone_from(units);
            entry.kept = None;
        }
        let silence = (arrival.heard, arrival.at);
        let is_later = match (entry.silent.0, silence.0) {
            (Some(before), Some(now)) => now.since(before) >= HEARD_EVERY_MS,
            (before, now) => before < now,
        };
        if is_later {
            self.silent.remove(&(entry.silent, alias));
            self.silent.insert((silence, alias));
            entry.silent = silence;
        }
        self.renew_fix(alias, arrival)
    }

    pub(super) fn restore(&mut self, agent: &UserId, units: &Units, arrival: &Arrival, limit: usize) {
        match self.aliases.get(agent).copied() {
            // The agent is back already, with what it sent late, and its token says where it works.
            Some(alias) => {
                self.renew_fix(alias, arrival);
            }
            None if self.aliases.len() < limit => self.add(agent, units, arrival),
            None => {}
        }
    }

    /// Whether it is to be stored where an agent works, at `now`: not for this life of the entry, or not for a day.
    pub(super) fn is_unkept(&mut self, agent: &UserId, now: UnixMs) -> bool {
        let Some(entry) = self.aliases.get(agent).and_then(|alias| self.entries.get_mut(alias)) else {
            return false;
        };
        let unkept = entry.kept.is_none_or(|kept| now.since(kept) >= KEPT_EVERY_MS);
        if unkept {
            entry.kept = Some(now);
        }
        unkept
    }

    fn add(&mut self, agent: &UserId, units: &Units, arrival: &Arrival) {
        let alias = self.next_alias;
        self.next_alias += 1;
        self.version += 1;
        let newest = Newest::first(arrival);
        let silent = (arrival.heard, if arrival.heard.is_some() { arrival.at } else { newest.shown.time });
        self.aliases.insert(agent.clone(), alias);
        self.order.add(agent, units, alias);
        self.recent.insert(self.version, alias);
        self.silent.insert((silent, alias));
        let entry = Entry {
            agent: agent.clone(),
            units: units.clone(),
            newest,
            version: self.version,
            kept: None,
            silent,
            dirty: true,
            sent: Elapsed(0),
            healed: false,
        };
        self.entries.insert(alias, entry);
        self.changed.push(alias);
        self.views.moved(alias, None, Some(units));
    }

    fn remove(&mut self, alias: u32) {
        let Some(entry) = self.entries.remove(&alias) else { return };
        self.aliases.remove(&entry.agent);
        self.order.remove(&entry.agent, &entry.units);
        self.recent.remove(&entry.version);
        self.silent.remove(&(entry.silent, alias));
        self.views.moved(alias, Some(&entry.units), None);
    }

    /// Removes the agent of whom nothing has come for longest, if it has departed.
    fn make_room(&mut self, arrival: &Arrival) -> bool {
        let Some(((heard, _), alias)) = self.silent.first().copied() else { return false };
        let departed = has_departed(heard, arrival.heard);
        if departed {
            self.remove(alias);
        }
        departed
    }

    /// Takes a fix of a known agent, if it is newer.
    fn renew_fix(&mut self, alias: u32, arrival: &Arrival) -> Placed {
        let Some(entry) = self.entries.get_mut(&alias) else { return Placed::Older };
        let Some(newest) = entry.newest.replaced_by(arrival) else { return Placed::Older };
        self.version += 1;
        self.recent.remove(&entry.version);
        self.recent.insert(self.version, alias);
        entry.newest = newest;
        entry.version = self.version;
        entry.healed = false;
        if !entry.dirty {
            entry.dirty = true;
            self.changed.push(alias);
        }
        Placed::Newest
    }

    pub(super) fn sees(&self, scope: &Scope, agent: &UserId) -> bool {
        match self.aliases.get(agent).and_then(|alias| self.entries.get(alias)) {
            Some(entry) => scope.covers(&entry.units),
            None => scope.covers(&Units::default()),
        }
    }

    pub(super) const fn snapshot(&self, view: u32) -> Snapshot {
        Snapshot { view, epoch: self.epoch, version: self.version }
    }

    /// Entries of a scope that changed after a version.
    pub(super) fn since<'a>(
        &'a self,
        scope: &'a Scope,
        version: u64,
    ) -> impl Iterator<Item = (u32, &'a Entry)> {
        let later = self.recent.range((Bound::Excluded(version), Bound::Unbounded));
        let entries = later.filter_map(|(_, alias)| Some((*alias, self.entries.get(alias)?)));
        entries.filter(|(_, entry)| scope.covers(&entry.units))
    }

    pub(super) fn has_used_up_aliases(&self, limit: usize) -> bool {
        let most = limit.saturating_mul(ALIASES_FOR_EACH).max(LEAST_ALIASES);
        self.next_alias as usize >= most.min(u32::MAX as usize / 2)
    }

    #[cfg(test)]
    pub(super) const fn next_alias(&self) -> u32 {
        self.next_alias
    }

    /// Begins a new epoch, in which all aliases begin again. Followers need a snapshot.
    pub(super) fn renew(&mut self) {
        self.epoch = Epoch(self.epoch.0.wrapping_add(1));
        self.version += 1;
        self.changed.clear();
        self.recent.clear();
        self.silent.clear();
        self.order = Order::default();
        self.at = 0;
        let entries = std::mem::take(&mut self.entries);
        for (alias, (_, mut entry)) in (0..).zip(entries) {
            // The snapshot holds it.
            entry.dirty = false;
            self.aliases.insert(entry.agent.clone(), alias);
            self.order.add(&entry.agent, &entry.units, alias);
            self.version += 1;
            entry.version = self.version;
            self.recent.insert(entry.version, alias);
            self.silent.insert((entry.silent, alias));
            self.entries.insert(alias, entry);
        }
        self.next_alias = self.entries.len() as u32;
        for view in self.views.iter_mut() {
            view.renew(self.version);
        }
        self.renewed = Some(self.version);
    }

    /// Values to be sent again: once soon after their last change, then now and then. Looks at a part of the table
    /// each time, so that all of it is looked at once in a while and repeats are spread.
    pub(super) fn sweep(&mut self, now: Elapsed, oldest: UnixMs) -> Vec<u32> {
        let within = if self.views.is_empty() { IDLE_SWEEP_MS } else { SWEEP_MS };
        let share = (self.entries.len() as u64 * now.since(self.swept).min(within)).div_ceil(within);
        self.swept = now;
        let (mut due, mut gone) = (Vec::new(), Vec::new());
        let mut left = share as usize;
        // To the end, and then from the beginning.
        for range in
            [(Bound::Excluded(self.at), Bound::Unbounded), (Bound::Unbounded, Bound::Included(self.at))]
        {
            for (alias, entry) in self.entries.range_mut(range).take(left) {
                left -= 1;
                self.at = *alias;
                if entry.newest.shown.time < oldest {
                    gone.push(*alias);
                    continue;
                }
                let age = now.since(entry.sent);
                if (!entry.healed && age >= HEAL_MS) || age >= REPEAT_MS {
                    entry.healed = true;
                    entry.sent = now;
                    due.push(*alias);
                }
            }
        }
        for alias in gone {
            self.remove(alias);
        }
        due
    }
}
