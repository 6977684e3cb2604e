//! The newest position of every agent of an organisation, and the views in which it is shown.
//!
//! A view is the table as somebody with certain rights sees it. What changed is packed once for each view and shared
//! by all who follow it, so nobody ever receives what another may see.

mod entry;
mod follow;
mod order;
mod state;
#[cfg(test)]
mod tests;
mod view;
mod views;

use std::sync::{Mutex, MutexGuard, PoisonError};

use fanfare_proto::{Epoch, Fix, UnixMs, UserId, event::AliasedAgent};

pub use self::{entry::Arrival, follow::Lagging, state::Placed};
use self::{
    state::State,
    view::{View, pack},
};
use super::scope::Scope;
use crate::{auth::Units, hub::Flush, shard::Standing, time::Elapsed};

/// Positions of one organisation's agents.
#[derive(Debug)]
pub struct Table {
    limit: usize,
    views: usize,
    state: Mutex<State>,
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
}

impl Snapshot {
    /// Where a receiver stands that has it.
    pub const fn standing(&self) -> Standing {
        Standing { epoch: self.epoch, version: self.version }
    }
}

impl Table {
    /// A table of at most `limit` agents in `views` views. `epoch` must differ from those that clients may remember, and so
    /// must those that follow it by one.
    pub fn new(epoch: Epoch, limit: usize, views: usize) -> Self {
        Self { limit, views, state: State::new(epoch).into() }
    }

    /// Takes a fix of an agent, who works in `units`, if it is newer than what is there. Where the table is full, the agent
    /// of whom nothing has come for longest makes room, unless something has come lately.
    pub fn place(&self, agent: &UserId, units: &Units, arrival: &Arrival) -> Placed {
        self.lock().place(agent, units, arrival, self.limit)
    }

    /// Whether it is to be stored where an agent works. It will be: the next answer is no.
    pub fn is_unkept(&self, agent: &UserId, now: UnixMs) -> bool {
        self.lock().is_unkept(agent, now)
    }

    /// Takes what was stored by an earlier life of the server: the newest fixes, and where their agents worked.
    pub fn restore(&self, mut stored: Vec<(UserId, Units, Arrival)>) {
        // The newest first, where there are too many.
        stored.sort_by_key(|(_, _, arrival)| std::cmp::Reverse(arrival.fix.time));
        let mut state = self.lock();
        for (agent, units, arrival) in stored {
            state.restore(&agent, &units, &arrival, self.limit);
        }
    }

    /// The view of this scope, made if it is not there, as it is now: see [`Self::part`]. `follow` is called with the view's id
    /// before anything can be flushed, so that nothing is missed in between. `None` where there are too many views.
    pub fn snapshot<F>(
        &self,
        scope: &Scope,
        new_id: impl FnOnce() -> u32,
        follow: impl FnOnce(u32) -> F,
    ) -> Option<(Snapshot, F)> {
        let mut state = self.lock();
        let version = state.version;
        let view = if let Some(view) = state.views.find(scope) {
            view
        } else if state.views.len() >= self.views {
            return None;
        } else {
            let id = new_id();
            state.views.add(View::new(id, scope.clone(), version));
            id
        };
        let following = follow(view);
        Some((state.snapshot(view), following))
    }

    /// Part of what a scope sees: agents in order of their ids, those after `after` only, at most `limit`. `None` where an epoch
    /// has begun since.
    pub fn part(
        &self,
        epoch: Epoch,
        scope: &Scope,
        after: Option<&UserId>,
        limit: usize,
    ) -> Option<Vec<AliasedAgent>> {
        let state = self.lock();
        if state.epoch != epoch {
            return None;
        }
        let agents = state.order.of(scope, after).take(limit);
        Some(agents.filter_map(|(_, alias)| Some(state.entries.get(&alias)?.aliased(alias))).collect())
    }

    /// Agents of a scope in order of their ids, those after `after` only, with their newest fixes.
    pub fn latest(&self, scope: &Scope, after: Option<&UserId>, limit: usize) -> Vec<(UserId, Fix)> {
        let state = self.lock();
        let page = state.order.of(scope, after).take(limit);
        let newest =
            page.filter_map(|(agent, alias)| Some((agent.clone(), state.entries.get(&alias)?.newest)));
        newest.map(|(agent, newest)| (agent, newest.shown)).collect()
    }

    /// The newest fix of an agent, if it is shown and a scope sees it.
    pub fn newest(&self, scope: &Scope, agent: &UserId) -> Option<Fix> {
        let state = self.lock();
        let entry = state.aliases.get(agent).and_then(|alias| state.entries.get(alias))?;
        scope.covers(&entry.units).then_some(entry.newest.shown)
    }

    /// The agents that a scope sees now, from `from` on, at most `limit`.
    pub fn agents(&self, scope: &Scope, from: Option<&UserId>, limit: usize) -> Vec<UserId> {
        let state = self.lock();
        let first = from.filter(|agent| state.sees(scope, agent) && state.aliases.contains_key(*agent));
        let rest = state.order.of(scope, from).map(|(agent, _)| agent);
        first.into_iter().chain(rest).take(limit).cloned().collect()
    }

    /// Whether a scope sees an agent now.
    pub fn sees(&self, scope: &Scope, agent: &UserId) -> bool {
        self.lock().sees(scope, agent)
    }

    /// What changed since the last flush, for each view that somebody follows. Other views are forgotten.
    ///
    /// Agents whose newest fix is older than `oldest` are forgotten.
    pub fn flush(
        &self,
        now: UnixMs,
        elapsed: Elapsed,
        oldest: UnixMs,
        followed: impl Fn(u32) -> bool,
    ) -> Vec<Flush> {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.views.retain(followed);
        if state.has_used_up_aliases(self.limit) {
            state.renew();
        }
        let changed = std::mem::take(&mut state.changed);
        for alias in &changed {
            if let Some(entry) = state.entries.get_mut(alias) {
                entry.dirty = false;
                entry.sent = elapsed;
            }
        }
        let repeats = state.sweep(elapsed, oldest);
        let State { entries, epoch, version: to, renewed, views, .. } = state;
        let (to, epoch, renewed) = (*to, *epoch, renewed.take().is_some());
        let mut flushes = Vec::new();
        let (changed, repeated) = (views.ticks(&changed, entries), views.ticks(&repeats, entries));
        for ((view, changed), repeated) in views.iter_mut().zip(changed).zip(repeated) {
            let changes = pack(view.id, epoch, now, &changed);
            let repeats = pack(view.id, epoch, now, &repeated);
            let events = view.take_events(epoch, |alias| Some(entries.get(&alias)?.aliased(alias)));
            if renewed || !(changes.is_empty() && repeats.is_empty() && events.is_empty()) {
                flushes.push(Flush {
                    view: view.id,
                    epoch,
                    from: view.flushed,
                    to,
                    renewed,
                    events,
                    changes,
                    repeats,
                });
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

/// Nothing has come of an agent for so long: it may make room for another one. Longer than anyone who moves is silent.
const DEPARTED_MS: u64 = 10 * 60 * 1000;

fn has_departed(heard: Option<Elapsed>, now: Option<Elapsed>) -> bool {
    match (heard, now) {
        (None, _) => true,
        (Some(heard), Some(now)) => now.since(heard) >= DEPARTED_MS,
        (Some(_), None) => false,
    }
}
