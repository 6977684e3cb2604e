//! Everyone of one organisation who is or was there, as this node knows them, and who watches.
//!
//! Whatever somebody is shown as has a version, which rises through the whole table: those who watch ask for what
//! changed after the one that they have, so a slow one gets the newest of everybody and nothing queues.

mod listed;
mod shown;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fanfare_proto::{
    UnixMs, UserId,
    presence::{Availability, Status},
};

use self::listed::Heard;
pub(super) use self::shown::{PART_BYTES, Part};
use super::{
    kept::Kept,
    pages::Pages,
    person::{Device, Person, Text},
    watch::Watchers,
};
use crate::{
    metrics::{Label, Metrics},
    time::Elapsed,
};

/// Everyone of an organisation.
#[derive(Debug)]
pub(super) struct Table {
    grace_ms: u64,
    limit: usize,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    people: BTreeMap<UserId, Person>,
    /// Who was changed by which version: those with one, each once.
    order: BTreeMap<u64, UserId>,
    /// When somebody's grace may end. It has not where a device is back.
    graces: BTreeSet<(Elapsed, UserId)>,
    /// Whose `last_seen` has changed since they were last taken to be stored.
    seen: Vec<UserId>,
    pages: Pages,
    /// What other nodes list, by their pages.
    nodes: HashMap<Arc<str>, HashMap<u16, Heard>>,
    watchers: Watchers,
}

impl Table {
    pub(super) fn new(grace_ms: u64, limit: usize, metrics: Arc<Metrics>) -> Self {
        Self { grace_ms, limit, metrics, state: Mutex::default() }
    }

    /// A connection of a device begins. Answers whether there is room for its user.
    pub(super) fn arrive(&self, user: &UserId, key: u32, now: UnixMs) -> bool {
        let mut state = self.lock();
        let Some(person) = state.person(user, self.limit) else {
            self.metrics.presence_not_shown.inc();
            return false;
        };
        person.arrive(key, now);
        state.renew(user, &self.metrics);
        true
    }

    /// A connection of a device has ended.
    pub(super) fn leave(&self, user: &UserId, key: u32, now: UnixMs, elapsed: Elapsed) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(person) = state.people.get_mut(user) else { return };
        let Some(at) = person.here.iter().position(|device| device.key == key) else { return };
        let device = &mut person.here[at];
        device.connections = device.connections.saturating_sub(1);
        if device.connections > 0 {
            return;
        }
        if device.availability == Availability::Offline {
            person.here.remove(at);
        } else {
            (device.left, device.left_at) = (Some(now), Some(elapsed));
            state.graces.insert((elapsed.plus(self.grace_ms), user.clone()));
        }
        state.renew(user, &self.metrics);
    }

    /// A device says what it is.
    pub(super) fn set(&self, user: &UserId, key: u32, availability: Availability, now: UnixMs) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(person) = state.people.get_mut(user) else { return };
        let Some(device) = person.here.iter_mut().find(|device| device.key == key) else { return };
        let was = std::mem::replace(&mut device.availability, availability);
        device.was_since = None;
        if was != Availability::Offline && availability == Availability::Offline {
            state.saw(user, now);
        }
        state.renew(user, &self.metrics);
    }

    /// What is to stand as the time of a text that is set now: later than that of every other.
    pub(super) fn text_time(&self, user: &UserId, now: UnixMs) -> UnixMs {
        let state = self.lock();
        let after = state.people.get(user).map_or(UnixMs(0), |person| person.text.at.plus(1));
        now.max(after)
    }

    /// A text that is stored.
    pub(super) fn set_text(&self, user: &UserId, text: Text) {
        let mut state = self.lock();
        if let Some(person) = state.person(user, self.limit)
            && person.text < text
        {
            person.text = text;
            state.renew(user, &self.metrics);
        }
    }

    /// A call of this user begins, or ends.
    pub(super) fn call(&self, user: &UserId, begins: bool) {
        let mut state = self.lock();
        if let Some(person) = state.person(user, self.limit) {
            person.calls = if begins { person.calls + 1 } else { person.calls.saturating_sub(1) };
            state.renew(user, &self.metrics);
        }
    }

    /// Takes leave of the devices whose grace has ended.
    pub(super) fn lapse(&self, now: Elapsed) {
        let mut guard = self.lock();
        let state = &mut *guard;
        while let Some((end, _)) = state.graces.first()
            && *end <= now
        {
            let Some((_, user)) = state.graces.pop_first() else { return };
            let Some(person) = state.people.get_mut(&user) else { continue };
            let ended = |at: &Elapsed| at.plus(self.grace_ms) <= now;
            let over = |device: &Device| device.left_at.filter(ended).and(device.left);
            let left = person.here.iter().filter_map(over).max();
            person.here.retain(|device| over(device).is_none());
            if let Some(left) = left {
                state.saw(&user, left);
                state.renew(&user, &self.metrics);
            }
        }
    }

    /// When those who went away since the last call were last seen.
    pub(super) fn take_seen(&self) -> Vec<(UserId, UnixMs)> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let seen = std::mem::take(&mut state.seen);
        let with_time =
            |user: UserId| state.people.get(&user).map(|person| person.last_seen).map(|at| (user, at));
        seen.into_iter().filter_map(with_time).collect()
    }

    /// That somebody was last seen at `seen` is in the store.
    pub(super) fn saved(&self, user: &UserId, seen: UnixMs) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Some(person) = state.people.get_mut(user)
            && person.last_seen <= seen
        {
            person.unsaved = false;
            state.unlist(user);
        }
    }

    /// What the store knows of somebody.
    pub(super) fn restore(&self, user: &UserId, kept: &Kept) {
        let mut state = self.lock();
        let Some(person) = state.person(user, self.limit) else { return };
        person.text = std::mem::take(&mut person.text).max(kept.text());
        person.last_seen = person.last_seen.max(kept.seen);
        state.show(user, &self.metrics);
    }

    /// Whether nobody is here, nobody watches, and nothing waits to be stored.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.pages.is_empty() && state.watchers.is_empty() && state.seen.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under this lock could leave somebody shown as they were before, until they change again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        for person in state.people.values() {
            count(&self.metrics, person.shown.status, -1);
        }
    }
}

impl State {
    /// Somebody, who is new or not. `None`: there is no room for another.
    fn person(&mut self, user: &UserId, limit: usize) -> Option<&mut Person> {
        if !self.people.contains_key(user) {
            if self.people.len() >= limit {
                return None;
            }
            self.people.insert(user.clone(), Person::default());
        }
        self.people.get_mut(user)
    }

    /// A device that wanted to be seen is gone since `at`.
    fn saw(&mut self, user: &UserId, at: UnixMs) {
        let Some(person) = self.people.get_mut(user) else { return };
        if at > person.last_seen {
            person.last_seen = at;
            person.unsaved = true;
            self.seen.push(user.clone());
        }
    }

    /// Something about somebody has changed here: the other nodes are to hear of it. What is heard of them or of the store
    /// is not told on, or two nodes with one person would tell each other for ever.
    fn renew(&mut self, user: &UserId, metrics: &Metrics) {
        let Some(person) = self.people.get_mut(user) else { return };
        let here = !person.here.is_empty() || person.calls > 0 || person.unsaved;
        match person.page {
            Some(page) => self.pages.changed(page),
            None if here => person.page = Some(self.pages.add(user)),
            None => {}
        }
        self.show(user, metrics);
        if !here {
            self.unlist(user);
        }
    }

    /// What others see of somebody may have changed: those who watch are to hear of it.
    fn show(&mut self, user: &UserId, metrics: &Metrics) {
        let Some(person) = self.people.get_mut(user) else { return };
        let showing = person.showing();
        if person.version == 0 || showing != person.shown {
            count(metrics, person.shown.status, -1);
            count(metrics, showing.status, 1);
            metrics.presence_changes.inc();
            self.version += 1;
            self.order.remove(&person.version);
            self.order.insert(self.version, user.clone());
            person.version = self.version;
            person.shown = showing;
        }
    }

    /// Lists somebody no longer who is not here, once the store knows what is to be known of them.
    fn unlist(&mut self, user: &UserId) {
        let Some(person) = self.people.get_mut(user) else { return };
        let listed = !person.here.is_empty() || person.calls > 0 || person.unsaved;
        if !listed && let Some(page) = person.page.take() {
            self.pages.remove(page, user);
        }
    }
}

fn count(metrics: &Metrics, status: Status, by: i64) {
    let label = match status {
        Status::Offline => return,
        Status::Away => "away",
        Status::Online => "online",
        Status::Busy => "busy",
        Status::InCall => "in_call",
    };
    metrics.presence.get_or_create(&Label::of(label)).inc_by(by);
}
