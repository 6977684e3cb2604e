//! Those who watch: everyone's presence, or that of the people they name.
//!
//! Each has a task that sends what changed after the version that it has, once the connection has room. So what is
//! gathered while somebody reads slowly is the newest of each person, and takes no memory.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use fanfare_proto::{
    Lane, UserId,
    event::{self, name},
    presence::{Presence, PresenceChanged, PresenceSnapshot},
};
use tokio::sync::Notify;

use super::{
    Slot,
    person::json_size,
    table::{PART_BYTES, Part},
};
use crate::{frame::Frame, shard::Member};

/// Encoded events that are kept for the next who has the same version.
const SHARED: usize = 32;

/// Who watches in one organisation.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    next: u64,
    woken: HashMap<u64, Arc<Notify>>,
    everyone: HashSet<u64>,
    named: HashMap<UserId, BTreeSet<u64>>,
    /// The version of the last flush.
    flushed: u64,
    /// Events for whoever watches everyone, by the version that they follow, with the version reached.
    shared: HashMap<u64, (u64, Frame)>,
}

impl Watchers {
    fn add(&mut self, who: &Who) -> (u64, Arc<Notify>) {
        let id = self.next;
        self.next += 1;
        let woken = Arc::new(Notify::new());
        self.woken.insert(id, woken.clone());
        match who {
            Who::Everyone => drop(self.everyone.insert(id)),
            Who::Named(users) => {
                for user in users.iter() {
                    self.named.entry(user.clone()).or_default().insert(id);
                }
            }
        }
        (id, woken)
    }

    fn remove(&mut self, id: u64, who: &Who) {
        self.woken.remove(&id);
        self.everyone.remove(&id);
        let Who::Named(users) = who else { return };
        for user in users.iter() {
            if let Some(ids) = self.named.get_mut(user) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.named.remove(user);
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.woken.is_empty()
    }

    /// What comes later is gathered until the next flush.
    pub(super) const fn flushed(&self) -> u64 {
        self.flushed
    }

    /// Wakes who watches one of those that `changed` after the version that it is given.
    pub(super) fn wake<'a, I>(&mut self, version: u64, changed: impl FnOnce(u64) -> I)
    where
        I: Iterator<Item = &'a UserId>,
    {
        if version == self.flushed {
            return;
        }
        self.shared.clear();
        let named: HashSet<u64> = if self.named.is_empty() {
            HashSet::new()
        } else {
            changed(self.flushed).filter_map(|user| self.named.get(user)).flatten().copied().collect()
        };
        for id in self.everyone.iter().chain(&named) {
            if let Some(woken) = self.woken.get(id) {
                woken.notify_one();
            }
        }
        self.flushed = version;
    }
}

/// Whom somebody watches.
#[derive(Debug, Clone)]
pub(super) enum Who {
    Everyone,
    /// Each once.
    Named(Arc<[UserId]>),
}

/// A subscription. It ends when it is dropped.
#[derive(Debug)]
pub struct Watching {
    slot: Arc<Slot>,
    view: u32,
    who: Who,
    id: u64,
    woken: Arc<Notify>,
    /// What changes after this version is still to be sent, whatever the snapshot says.
    version: u64,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.slot.table.watchers(|watchers| watchers.remove(self.id, &self.who));
    }
}

impl Watching {
    /// Watches from now on.
    pub(super) fn new(slot: Arc<Slot>, view: u32, who: Who) -> Self {
        let (id, woken) = slot.table.watchers(|watchers| watchers.add(&who));
        // Only now: a change that falls in between is in the snapshot, or wakes.
        let version = slot.table.version();
        Self { slot, view, who, id, woken, version }
    }

    /// Sends the snapshot, then what changes, as the connection takes it. Ends only by being dropped.
    pub async fn send(mut self, member: Rc<Member>) {
        match self.who.clone() {
            Who::Everyone => self.send_everyone(&member).await,
            Who::Named(users) => self.send_named(&users, &member).await,
        }
    }

    async fn send_everyone(&mut self, member: &Member) {
        let mut after = None;
        loop {
            member.outbox.room(Lane::Ordered).await;
            let Part { people, more } = self.slot.table.page(after.as_ref(), usize::MAX);
            after = people.last().map(|person| person.user_id.clone());
            push(member, self.snapshot(people, more));
            if !more {
                break;
            }
        }
        loop {
            member.outbox.room(Lane::Ordered).await;
            match self.next_for_everyone() {
                Some(frame) => push(member, frame),
                None => self.woken.notified().await,
            }
        }
    }

    async fn send_named(&mut self, users: &[UserId], member: &Member) {
        let mut snapshot = parts(self.slot.table.named(users)).into_iter().peekable();
        loop {
            member.outbox.room(Lane::Ordered).await;
            let part = snapshot.next().unwrap_or_default();
            let more = snapshot.peek().is_some();
            push(member, self.snapshot(part, more));
            if !more {
                break;
            }
        }
        loop {
            member.outbox.room(Lane::Ordered).await;
            let (version, people) = self.slot.table.named_since(users, self.version);
            self.version = version;
            for part in parts(people) {
                push(member, self.changed(part));
            }
            self.woken.notified().await;
        }
    }

    /// What comes after the version that this one has; made once for all who have it.
    fn next_for_everyone(&mut self) -> Option<Frame> {
        let table = &self.slot.table;
        let shared = table.watchers(|watchers| watchers.shared.get(&self.version).cloned());
        let (version, frame) = if let Some(shared) = shared {
            shared
        } else {
            let (version, people) = table.since(self.version);
            if people.is_empty() {
                return None;
            }
            let made = (version, self.changed(people));
            table.watchers(|watchers| {
                if watchers.shared.len() < SHARED {
                    watchers.shared.insert(self.version, made.clone());
                }
            });
            made
        };
        self.version = version;
        Some(frame)
    }

    fn snapshot(&self, users: Vec<Presence>, more: bool) -> Frame {
        let data = PresenceSnapshot { view: self.view, users, more };
        event::write(name::PRESENCE_SNAPSHOT, None, &data).into()
    }

    fn changed(&self, users: Vec<Presence>) -> Frame {
        let data = PresenceChanged { view: self.view, users };
        event::write(name::PRESENCE_CHANGED, None, &data).into()
    }
}

/// People in parts that fit in an event each.
fn parts(people: Vec<Presence>) -> Vec<Vec<Presence>> {
    let (mut parts, mut size) = (Vec::<Vec<Presence>>::new(), 0);
    for person in people {
        size += json_size(&person);
        match parts.last_mut() {
            Some(part) if size <= PART_BYTES => part.push(person),
            _ => {
                size = json_size(&person);
                parts.push(vec![person]);
            }
        }
    }
    parts
}

fn push(member: &Member, frame: Frame) {
    member.outbox.push(Lane::Ordered, frame);
}

#[cfg(test)]
mod tests {
    use fanfare_proto::UnixMs;
    use tokio::sync::OnceCell;

    use super::{super::table::Table, *};

    fn slot() -> Arc<Slot> {
        let table = Table::new(10_000, 10, Arc::default());
        Arc::new(Slot { table, view: 1, read: OnceCell::new() })
    }

    #[test]
    fn who_stops_watching_is_forgotten() {
        let slot = slot();
        let users: Arc<[UserId]> = ["ann", "bob"].map(|id| UserId::new(id).unwrap()).into();
        let everyone = Watching::new(slot.clone(), 1, Who::Everyone);
        let named = Watching::new(slot.clone(), 2, Who::Named(users.clone()));
        let other = Watching::new(slot.clone(), 3, Who::Named(users[..1].into()));
        drop(everyone);
        drop(named);
        assert_eq!(
            slot.table.watchers(|all| (all.woken.len(), all.everyone.len(), all.named.len())),
            (1, 0, 1)
        );
        slot.table.arrive(&users[0], 1, UnixMs(1));
        slot.table.flush();
        drop(other);
        assert!(slot.table.watchers(|all| all.is_empty() && all.named.is_empty()));
    }

    #[tokio::test]
    async fn only_those_are_woken_who_watch_somebody_that_has_changed() {
        let slot = slot();
        let users: Arc<[UserId]> = ["ann", "bob"].map(|id| UserId::new(id).unwrap()).into();
        let of = |n: usize| Watching::new(slot.clone(), 1, Who::Named(users[n..=n].into()));
        let (ann, bob, all) = (of(0), of(1), Watching::new(slot.clone(), 2, Who::Everyone));
        slot.table.arrive(&users[0], 1, UnixMs(1));
        slot.table.flush();
        let woken = async |watching: &Watching| {
            tokio::select! { biased; () = watching.woken.notified() => true, () = std::future::ready(()) => false }
        };
        assert_eq!([woken(&ann).await, woken(&bob).await, woken(&all).await], [true, false, true]);
        slot.table.flush();
        assert!(!woken(&ann).await, "nothing has changed since");
    }
}
