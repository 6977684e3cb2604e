//! What those see who ask or watch: the newest of each person, in parts that fit in an event.

use fanfare_proto::{UserId, presence::Presence};

use super::{
    super::{
        person::{json_size, stranger},
        watch::Watchers,
    },
    State, Table,
};

/// Bytes of people in one event: with its envelope it stays within what a frame may have.
pub(in super::super) const PART_BYTES: usize = 31 * 1024;

/// Some of the table, and where it goes on.
#[derive(Debug)]
pub(in super::super) struct Part {
    pub(in super::super) people: Vec<Presence>,
    pub(in super::super) more: bool,
}

impl Table {
    /// Some people in order of their ids, those after `after` only.
    pub(in super::super) fn page(&self, after: Option<&UserId>, limit: usize) -> Part {
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
    pub(in super::super) fn named(&self, users: &[UserId]) -> Vec<Presence> {
        let state = self.lock();
        let of = |user| state.people.get(user).map_or_else(|| stranger(user), |person| person.presence(user));
        users.iter().map(of).collect()
    }

    /// Those of these people who have changed after `version`, and the version that one has with them.
    pub(in super::super) fn named_since(&self, users: &[UserId], version: u64) -> (u64, Vec<Presence>) {
        let state = self.lock();
        let found = users.iter().filter_map(|user| Some((user, state.people.get(user)?)));
        let changed = found.filter(|(_, person)| person.version > version);
        (state.version, changed.map(|(user, person)| person.presence(user)).collect())
    }

    /// Who has changed between `version` and the last flush, as many as fit in one event, and the version that one has
    /// with them.
    pub(in super::super) fn since(&self, version: u64) -> (u64, Vec<Presence>) {
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
    pub(in super::super) fn version(&self) -> u64 {
        self.lock().version
    }

    /// Works on those who watch.
    pub(in super::super) fn watchers<T>(&self, work: impl FnOnce(&mut Watchers) -> T) -> T {
        work(&mut self.lock().watchers)
    }

    /// Wakes those who watch somebody that has changed since the last call.
    pub(in super::super) fn flush(&self) {
        let mut guard = self.lock();
        let State { version, order, watchers, .. } = &mut *guard;
        watchers.wake(*version, |flushed| order.range(flushed + 1..).map(|(_, user)| user));
    }
}
