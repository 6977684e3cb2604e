//! Presence: who is there, what they say of themselves, when they were last seen.
//!
//! Each organisation that has somebody here has a [table](table::Table) of its people, on whatever node they are. What is
//! here comes from connections, by a guard each; what is elsewhere is read from the store, where nodes list their people
//! under a [lease](nodes); what people show and when they were last seen is [kept](kept) for good.
//!
//! Nothing waits for the store but a text that is set. A status is not stored but with its node's list.

mod kept;
#[cfg(test)]
mod memory;
mod nodes;
mod pages;
mod person;
mod table;
mod watch;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use fanfare_proto::{
    Epoch, ErrorBody, UnixMs, UserId,
    command::Channel,
    event::Subscription,
    presence::{Availability, MAX_PRESENCE_PAGE, PresenceGet, PresencePage, PresenceSet},
};
use tokio::sync::OnceCell;

pub use self::watch::Watching;
use self::{
    kept::Keeper,
    nodes::Nodes,
    pages::Listed,
    person::{Text, last_of},
    table::{Part, Table},
    watch::Who,
};
use super::{Answer, Caller, Services, answer};
use crate::{
    config::{Config, StoreKind},
    error::refused,
    id::Tenant,
    limit::LogLimiter,
    metrics::Metrics,
    store::StoreError,
    time::{Clock, Elapsed},
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The people of all organisations that have somebody here.
#[derive(Debug)]
pub struct Presences {
    slots: Mutex<HashMap<Tenant, Arc<Slot>>>,
    next_view: AtomicU32,
    epoch: Epoch,
    limit: usize,
    grace_ms: u64,
    lease_ms: u64,
    keeper: Keeper,
    /// This life of this node.
    node: Arc<str>,
    /// No other node can be on the store: whoever has left a lease is dead, and was on this machine.
    alone: bool,
    /// Held by one turn at a time; nothing else waits for it.
    nodes: tokio::sync::Mutex<Nodes>,
    /// Dead nodes whose people are gone, and until when they were there.
    gone: Mutex<HashMap<Arc<str>, UnixMs>>,
    metrics: Arc<Metrics>,
}

/// An organisation's table, and whether it holds yet what the store knows.
#[derive(Debug)]
struct Slot {
    table: Table,
    /// The view of whoever watches everyone.
    view: u32,
    read: OnceCell<()>,
}

impl Presences {
    /// Nobody. `epoch` differs from those of earlier lives of the server.
    pub fn new(config: &Config, epoch: Epoch, metrics: Arc<Metrics>) -> Self {
        let node = nodes::new_id();
        // The embedded store is opened by one process at a time.
        let alone = config.store.kind == StoreKind::Sqlite;
        Self {
            slots: Mutex::default(),
            next_view: AtomicU32::new(1),
            epoch,
            limit: config.limits.people_per_organisation,
            grace_ms: config.presence.grace_ms,
            lease_ms: config.presence.lease_ms,
            keeper: Keeper::default(),
            nodes: tokio::sync::Mutex::new(Nodes::new(node.clone())),
            node,
            alone,
            gone: Mutex::default(),
            metrics,
        }
    }

    /// A connection of a user's device begins. It ends when the guard is dropped; a device that has none left counts
    /// for another while, unless it has said goodbye by being offline.
    pub fn arrive(&self, org: &Tenant, user: &UserId, device: u32, clock: &Clock) -> Here {
        let slot = self.slot(org);
        let counted = slot.table.arrive(user, device, clock.now());
        Here { slot, user: user.clone(), device, clock: clock.clone(), counted }
    }

    /// A user is in a call, until the guard is dropped.
    pub fn in_call(&self, org: &Tenant, user: &UserId) -> InCall {
        let slot = self.slot(org);
        slot.table.call(user, true);
        InCall { slot, user: user.clone() }
    }

    fn slot(&self, org: &Tenant) -> Arc<Slot> {
        let new = || {
            let table = Table::new(self.grace_ms, self.limit, self.metrics.clone());
            Arc::new(Slot { table, view: self.new_view(), read: OnceCell::new() })
        };
        lock(&self.slots).entry(org.clone()).or_insert_with(new).clone()
    }

    fn slots(&self) -> HashMap<Tenant, Arc<Slot>> {
        lock(&self.slots).clone()
    }

    fn new_view(&self) -> u32 {
        self.next_view.fetch_add(1, Ordering::Relaxed)
    }

    /// What another node lists. Of a dead one, only when its people were last seen still counts.
    fn heard(&self, slot: &Slot, node: &Arc<str>, page: u16, version: u64, mut people: Vec<Listed>) {
        if let Some(until) = lock(&self.gone).get(node) {
            for listed in &mut people {
                listed.seen = listed.seen.max(last_of(&listed.devices, *until));
                listed.devices.clear();
                listed.in_call = false;
            }
        }
        slot.table.heard(node, page, version, people);
    }

    /// A node is dead, and so are its people's devices.
    fn forget_node(&self, node: &Arc<str>, seen: UnixMs) {
        lock(&self.gone).insert(node.clone(), seen);
        for slot in lock(&self.slots).values() {
            slot.table.forget_node(node, seen);
        }
    }

    /// When the people of a node are gone that has turned out to be dead now, and renewed its lease last at `renewed`. They
    /// may be on their way; where it was on this machine, and so counted by this clock, only for so long after its death.
    fn parting(&self, renewed: UnixMs, now: UnixMs) -> UnixMs {
        let ends = now.plus(self.grace_ms);
        if self.alone { ends.min(renewed.plus(self.lease_ms + self.grace_ms)) } else { ends }
    }

    /// A node is alive, or has left nothing. Answers whether it was taken for dead: then nothing is known of its people.
    fn node_is_back(&self, node: &Arc<str>) -> bool {
        let back = lock(&self.gone).remove(node).is_some();
        if back {
            for slot in lock(&self.slots).values() {
                slot.table.forget_node(node, UnixMs(0));
            }
        }
        back
    }
}

/// A connection of somebody who is there.
#[derive(Debug)]
pub struct Here {
    slot: Arc<Slot>,
    user: UserId,
    device: u32,
    clock: Clock,
    /// Whether there was room. Who is not counted looks like somebody who never was there.
    counted: bool,
}

impl Here {
    fn set(&self, availability: Availability) {
        if self.counted {
            self.slot.table.set(&self.user, self.device, availability, self.clock.now());
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        if self.counted {
            self.slot.table.leave(&self.user, self.device, self.clock.now(), self.clock.elapsed());
        }
    }
}

/// A call of somebody.
#[derive(Debug)]
pub struct InCall {
    slot: Arc<Slot>,
    user: UserId,
}

impl Drop for InCall {
    fn drop(&mut self) {
        self.slot.table.call(&self.user, false);
    }
}

/// `presence:set`
pub async fn set(services: &Services, caller: &Caller<'_>, here: &Here, command: PresenceSet) -> Answer {
    if let Some(text) = command.text {
        let slot = whole(services, &caller.identity.org).await?;
        let at = slot.table.text_time(caller.user(), services.clock.now());
        let text = Text { at, text: text.into() };
        let org = &caller.identity.org;
        services.presences.keeper.text(org, caller.user(), text.clone()).await.map_err(refused)?;
        slot.table.set_text(caller.user(), text);
    }
    if let Some(availability) = command.status {
        here.set(availability);
    }
    let slot = services.presences.slot(&caller.identity.org);
    answer(&slot.table.named(std::slice::from_ref(caller.user())).pop())
}

/// `presence:get`
pub async fn get(services: &Services, caller: &Caller<'_>, command: PresenceGet) -> Answer {
    let slot = whole(services, &caller.identity.org).await?;
    if let Some(users) = &command.users {
        return answer(&PresencePage { users: slot.table.named(users), next: None });
    }
    let limit = command.limit.map_or(MAX_PRESENCE_PAGE, usize::from).clamp(1, MAX_PRESENCE_PAGE);
    let Part { people, more } = slot.table.page(command.after.as_ref(), limit);
    let next = people.last().filter(|_| more).map(|last| last.user_id.clone());
    answer(&PresencePage { users: people, next })
}

/// `subscribe` to presence: watch first, then the snapshot, so that nothing falls in between.
pub async fn subscribe(
    services: &Services,
    caller: &Caller<'_>,
    users: Option<&[UserId]>,
) -> Result<(Subscription, Watching), ErrorBody> {
    let presences = &services.presences;
    let slot = whole(services, &caller.identity.org).await?;
    let (view, who) = match users {
        None => (slot.view, Who::Everyone),
        Some(users) => {
            let mut once = HashSet::new();
            let users = users.iter().filter(|user| once.insert(*user)).cloned().collect();
            (presences.new_view(), Who::Named(users))
        }
    };
    let subscription = Subscription { channel: Channel::Presence, view, epoch: presences.epoch };
    Ok((subscription, Watching::new(slot, view, who)))
}

/// The table with what the store knows.
async fn whole(services: &Services, org: &Tenant) -> Result<Arc<Slot>, ErrorBody> {
    let slot = services.presences.slot(org);
    let read = || async {
        let now = services.clock.now();
        nodes::read_all(services, org, &slot, now).await?;
        for (user, kept) in kept::read(&*services.store, org, now).await? {
            slot.table.restore(&user, &kept);
        }
        Ok::<_, StoreError>(())
    };
    slot.read.get_or_try_init(read).await.map_err(refused)?;
    Ok(slot)
}

/// Ends what graces have ended, and wakes those who watch somebody that has changed. Called every flush interval.
pub fn flush(services: &Services, now: Elapsed) {
    let presences = &services.presences;
    for (org, slot) in presences.slots() {
        slot.table.lapse(now);
        for (user, seen) in slot.table.take_seen() {
            presences.keeper.seen(&org, &user, seen, now);
        }
        slot.table.flush();
    }
    // An organisation that nobody is here of is read again when somebody comes.
    let unused = |slot: &Arc<Slot>| Arc::strong_count(slot) == 1 && slot.table.is_idle();
    lock(&presences.slots).retain(|_, slot| !unused(slot));
}

/// Turns that failed, of which there are two a second.
static FAILED: LogLimiter = LogLimiter::new();

/// Tells the other nodes what has changed here and hears what has there; reads what is new here.
pub async fn turn(services: &Services) {
    let presences = &services.presences;
    let turn = presences.nodes.lock().await.turn(services, services.clock.now()).await;
    if let Err(error) = turn
        && let Some(left_out) = FAILED.allow(Clock::system().elapsed())
    {
        tracing::warn!(%error, left_out, "presence could not be told or heard, and is tried again");
    }
    for (org, slot) in presences.slots() {
        if !slot.read.initialized() && whole(services, &org).await.is_err() {
            return;
        }
    }
}

/// Waits until somebody waits for a text to be stored.
pub async fn hurry(services: &Services) {
    services.presences.keeper.hurry.notified().await;
}

/// Stores what people show and when they were last seen, as far as it is due or all of it. Answers whether it could.
pub async fn keep(services: &Services, now: UnixMs, all: bool) -> bool {
    let presences = &services.presences;
    let days = u64::from(services.config.retention.presence_days);
    let forget = UnixMs(now.since(UnixMs(days * DAY_MS)));
    let written = presences.keeper.write(&*services.store, now, services.clock.elapsed(), forget, all).await;
    let slots = presences.slots();
    let mut stored = true;
    for written in written {
        let Some(written) = written else {
            stored = false;
            continue;
        };
        services.metrics.presence_writes.inc();
        let Some(slot) = slots.get(&written.org) else { continue };
        for (user, seen) in written.people {
            slot.table.saved(&user, seen);
        }
    }
    stored
}

/// On the way down, once all connections are gone: stores what is to be kept, and tells the other nodes who leaves.
pub async fn stop(services: &Services) {
    let now = services.clock.now();
    flush(services, services.clock.elapsed());
    // First: of whom everything is stored the others need not be told.
    keep(services, now, true).await;
    // A turn that was cut off may have been about to write any of them.
    for slot in services.presences.slots().values() {
        slot.table.all_pages_lost();
    }
    let told = services.presences.nodes.lock().await.stop(services, now).await;
    if let Err(error) = told {
        tracing::warn!(%error, "the other nodes could not be told who leaves");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under these locks can leave a map half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use fanfare_proto::{OrgId, presence::Status};

    use super::*;

    #[test]
    fn a_call_is_shown_while_it_lasts() {
        let presences = Presences::new(&Config::default(), Epoch(1), Arc::default());
        let (org, user) = (Tenant::stored(OrgId::new("acme").unwrap()), UserId::new("ann").unwrap());
        let slot = presences.slot(&org);
        let status = || slot.table.named(std::slice::from_ref(&user))[0].status;
        let early = presences.in_call(&org, &user);
        assert_eq!(status(), Status::Offline, "nobody is there who could be in a call");
        let here = presences.arrive(&org, &user, 1, &Clock::system());
        assert_eq!(status(), Status::InCall);
        here.set(Availability::Busy);
        let other = presences.in_call(&org, &user);
        drop(early);
        assert_eq!(status(), Status::InCall, "there is another");
        drop(other);
        assert_eq!(status(), Status::Busy, "what it was before");
    }
}
