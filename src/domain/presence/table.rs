//! Everyone of one organisation who is or was there, as this node knows them, and who watches.
//!
//! Whatever somebody is shown as has a version, which rises through the whole table: those who watch ask for what
//! changed after the one that they have, so a slow one gets the newest of everybody and nothing queues.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fanfare_proto::{
    UnixMs, UserId,
    presence::{Availability, Presence, Status},
};

use super::{
    kept::Kept,
    pages::{Listed, Pages},
    person::{Device, Elsewhere, Person, Text, json_size, last_of, stranger},
    watch::Watchers,
};
use crate::metrics::{Label, Metrics};

/// Bytes of people in one event: with its envelope it stays within what a frame may have.
pub(super) const PART_BYTES: usize = 31 * 1024;

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
    graces: BTreeSet<(UnixMs, UserId)>,
    /// Whose `last_seen` has changed since they were last taken to be stored.
    seen: Vec<UserId>,
    pages: Pages,
    /// What other nodes list, by their pages.
    nodes: HashMap<Arc<str>, HashMap<u16, Heard>>,
    watchers: Watchers,
}

/// A page of another node.
#[derive(Debug, Default)]
struct Heard {
    version: u64,
    people: Vec<UserId>,
}

/// Some of the table, and where it goes on.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) people: Vec<Presence>,
    pub(super) more: bool,
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
        // A device that comes back, from wherever, is what it was; but who said goodbye is there again.
        let was = person.elsewhere(key).filter(|was| *was != Availability::Offline);
        if let Some(device) = person.here.iter_mut().find(|device| device.key == key) {
            device.connections += 1;
            device.since = now;
            device.left = None;
        } else {
            let availability = was.unwrap_or_default();
            person.here.push(Device { key, availability, since: now, left: None, connections: 1 });
        }
        state.renew(user, &self.metrics);
        true
    }

    /// A connection of a device has ended.
    pub(super) fn leave(&self, user: &UserId, key: u32, now: UnixMs) {
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
            device.left = Some(now);
            state.graces.insert((now.plus(self.grace_ms), user.clone()));
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
    pub(super) fn lapse(&self, now: UnixMs) {
        let mut guard = self.lock();
        let state = &mut *guard;
        while let Some((end, _)) = state.graces.first()
            && *end <= now
        {
            let Some((_, user)) = state.graces.pop_first() else { return };
            let Some(person) = state.people.get_mut(&user) else { continue };
            let over = |device: &Device| device.left.filter(|left| left.plus(self.grace_ms) <= now);
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
        state.renew(user, &self.metrics);
    }

    /// What another node lists on one of its pages. Nothing older than what was heard before counts.
    pub(super) fn heard(&self, node: &Arc<str>, page: u16, version: u64, people: Vec<Listed>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let known = state.nodes.entry(node.clone()).or_default().entry(page).or_default();
        if known.version >= version {
            return;
        }
        let mut changed: BTreeSet<UserId> = std::mem::take(&mut known.people).into_iter().collect();
        *known = Heard { version, people: people.iter().map(|listed| listed.user.clone()).collect() };
        for user in &changed {
            if let Some(person) = state.people.get_mut(user) {
                person.elsewhere.retain(|there| there.node != *node || there.page != page);
            }
        }
        for listed in people {
            let text = listed.text();
            let Some(person) = state.person(&listed.user, self.limit) else { continue };
            person.last_seen = person.last_seen.max(listed.seen);
            person.text = std::mem::take(&mut person.text).max(text);
            let Listed { user, devices, in_call, .. } = listed;
            if in_call || !devices.is_empty() {
                person.elsewhere.push(Elsewhere { node: node.clone(), page, devices, in_call });
            }
            changed.insert(user);
        }
        for user in changed {
            state.renew(&user, &self.metrics);
        }
    }

    /// A node is gone: what it knew of people was right until `seen`.
    pub(super) fn forget_node(&self, node: &str, seen: UnixMs) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(pages) = state.nodes.remove(node) else { return };
        for user in pages.into_values().flat_map(|page| page.people) {
            let Some(person) = state.people.get_mut(&user) else { continue };
            for there in person.elsewhere.extract_if(.., |there| *there.node == *node) {
                person.last_seen = person.last_seen.max(last_of(&there.devices, seen));
            }
            state.renew(&user, &self.metrics);
        }
    }

    /// The pages that have changed since the last call.
    pub(super) fn take_changed_pages(&self) -> Vec<(u16, Vec<Listed>)> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let pages = state.pages.take_changed();
        let listed = |user: &UserId| Some(Listed::new(user, state.people.get(user)?));
        pages
            .into_iter()
            .map(|page| (page, state.pages.of(page).iter().filter_map(listed).collect()))
            .collect()
    }

    /// A page could not be stored.
    pub(super) fn page_failed(&self, page: u16) {
        self.lock().pages.changed(page);
    }

    /// What this node listed is no longer stored.
    pub(super) fn all_pages_lost(&self) {
        self.lock().pages.all_changed();
    }

    /// Some people in order of their ids, those after `after` only.
    pub(super) fn page(&self, after: Option<&UserId>, limit: usize) -> Part {
        use std::ops::Bound::{Excluded, Unbounded};
        let state = self.lock();
        let rest = state.people.range((after.map_or(Unbounded, Excluded), Unbounded));
        // Who was never shown is not known to anybody.
        let mut rest = rest.filter(|(_, person)| person.version > 0).peekable();
        let (mut people, mut size) = (Vec::new(), 0);
        while people.len() < limit
            && let Some((user, person)) = rest.peek()
        {
            let presence = person.presence(user);
            size += json_size(&presence);
            if size > PART_BYTES {
                break;
            }
            people.push(presence);
            rest.next();
        }
        Part { people, more: rest.peek().is_some() }
    }

    /// These people, in the order asked, whether they are known or not.
    pub(super) fn named(&self, users: &[UserId]) -> Vec<Presence> {
        let state = self.lock();
        let of = |user| state.people.get(user).map_or_else(|| stranger(user), |person| person.presence(user));
        users.iter().map(of).collect()
    }

    /// Those of these people who have changed after `version`, and the version that one has with them.
    pub(super) fn named_since(&self, users: &[UserId], version: u64) -> (u64, Vec<Presence>) {
        let state = self.lock();
        let found = users.iter().filter_map(|user| Some((user, state.people.get(user)?)));
        let changed = found.filter(|(_, person)| person.version > version);
        (state.version, changed.map(|(user, person)| person.presence(user)).collect())
    }

    /// Who has changed between `version` and the last flush, as many as fit in one event, and the version that one has
    /// with them.
    pub(super) fn since(&self, version: u64) -> (u64, Vec<Presence>) {
        let state = self.lock();
        let (mut reached, mut people, mut size) = (version, Vec::new(), 0);
        let flushed = state.watchers.flushed();
        for (changed, user) in
            state.order.range(version + 1..).take_while(|(changed, _)| **changed <= flushed)
        {
            let Some(person) = state.people.get(user) else { continue };
            let presence = person.presence(user);
            size += json_size(&presence);
            if size > PART_BYTES {
                break;
            }
            people.push(presence);
            reached = *changed;
        }
        (reached, people)
    }

    /// The version that whoever reads the table from now on has.
    pub(super) fn version(&self) -> u64 {
        self.lock().version
    }

    /// Works on those who watch.
    pub(super) fn watchers<T>(&self, work: impl FnOnce(&mut Watchers) -> T) -> T {
        work(&mut self.lock().watchers)
    }

    /// Wakes those who watch somebody that has changed since the last call.
    pub(super) fn flush(&self) {
        let mut guard = self.lock();
        let State { version, order, watchers, .. } = &mut *guard;
        watchers.wake(*version, |flushed| order.range(flushed + 1..).map(|(_, user)| user));
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

    /// Something about somebody may have changed: others are to hear of it.
    fn renew(&mut self, user: &UserId, metrics: &Metrics) {
        let Some(person) = self.people.get_mut(user) else { return };
        let here = !person.here.is_empty() || person.calls > 0 || person.unsaved;
        match person.page {
            Some(page) => self.pages.changed(page),
            None if here => person.page = Some(self.pages.add(user)),
            None => {}
        }
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
        if !here {
            self.unlist(user);
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
