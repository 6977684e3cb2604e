//! One thread's connections: who is here, what each has, and the fan-out to them. No locks, nothing shared.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
};

use fanfare_proto::{CloseCode, Cursor, Epoch, Lane, OrgId, Seq, TopicName, UserId};
use tokio::sync::{Notify, Semaphore};

use crate::{
    hub::{self, Flush, Hub, Inbox, Log, Publication, State},
    id::{Audience, Topic},
    metrics::Metrics,
    net::{Datagrams, Packet},
    outbox::Outbox,
    store::{From, Store},
};

/// Receivers served before other work of the thread gets its turn.
const TURN: usize = 256;

/// Topics that may be read from the log at once, for each lane: returning clients must not drown the store.
const CATCH_UPS: usize = 16;

/// A page of a catch-up.
const PAGE: usize = 100;
const PAGE_BYTES: usize = 128 * 1024;

/// A thread's connections.
#[derive(Debug)]
pub struct Shard {
    /// Which of the hub's shards.
    pub index: usize,
    /// Where it joins.
    pub hub: Arc<Hub>,
    /// What it reads catch-ups from.
    pub store: Arc<dyn Store>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    members: RefCell<HashMap<OrgId, HashMap<u64, Rc<Member>>>>,
    users: RefCell<HashMap<(OrgId, UserId), Devices>>,
    followers: RefCell<HashMap<u32, Followers>>,
    urgent_catch_ups: Semaphore,
    ordered_catch_ups: Semaphore,
}

/// A connection, as publications see it.
#[derive(Debug)]
pub struct Member {
    /// Tells connections apart.
    pub id: u64,
    /// The tenant.
    pub org: OrgId,
    /// The user.
    pub user: UserId,
    /// Where events for it go.
    pub outbox: Rc<Outbox>,
    /// Where ticks for it go.
    pub ticks: TickPort,
    positions: RefCell<HashMap<TopicName, Position>>,
    /// Until its topics have been looked up, an unknown topic is one whose position is still to be told.
    resuming: Cell<bool>,
}

/// Where a connection stands in a topic.
#[derive(Debug, Clone, Copy)]
enum Position {
    /// It has everything up to here; what comes next is sent at once.
    Live(Seq),
    /// It is being caught up, or will be once `at` is known; `seen` is the newest position published meanwhile.
    Behind { at: Option<Seq>, seen: Seq },
}

/// The way of ticks out of a connection.
#[derive(Debug)]
pub enum TickPort {
    /// Each packet a datagram of its own.
    Datagrams(Datagrams),
    /// A slot that the connection's writer empties.
    Slot(Rc<TickSlot>),
}

/// Holds one flush at most: who has not sent the last one gets no new one.
#[derive(Debug, Default)]
pub struct TickSlot {
    packets: RefCell<Vec<Packet>>,
    busy: Cell<bool>,
    /// The slot was filled.
    pub filled: Notify,
}

impl TickSlot {
    /// Takes what is to be sent. Until [`Self::sent`] nothing new is put in.
    pub fn take(&self) -> Vec<Packet> {
        std::mem::take(&mut *self.packets.borrow_mut())
    }

    /// What was taken has been sent.
    pub fn sent(&self) {
        if self.packets.borrow().is_empty() {
            self.busy.set(false);
        }
    }
}

impl TickPort {
    fn ready(&self) -> bool {
        match self {
            Self::Datagrams(datagrams) => datagrams.idle(),
            Self::Slot(slot) => !slot.busy.get(),
        }
    }

    fn send(&self, changes: &[Packet], repeats: &[Packet]) -> usize {
        match self {
            Self::Datagrams(datagrams) => changes
                .iter()
                .chain(repeats)
                .filter(|packet| datagrams.send(packet))
                .count(),
            Self::Slot(slot) if changes.is_empty() => {
                debug_assert!(!slot.busy.get());
                0
            }
            Self::Slot(slot) => {
                slot.packets.borrow_mut().extend_from_slice(changes);
                slot.busy.set(true);
                slot.filled.notify_one();
                changes.len()
            }
        }
    }
}

/// Tells a receiver that lags what it lacks.
pub trait Changes: std::fmt::Debug + Send + Sync {
    /// What changed after `version`, and the version that a receiver has with it.
    fn since(&self, version: u64) -> (u64, Vec<Packet>);
}

/// The connections of one user.
type Devices = Vec<Rc<Member>>;

/// Those who follow one view, by connection.
type Followers = HashMap<u64, Rc<Follower>>;

/// A connection that follows a view.
#[derive(Debug)]
struct Follower {
    member: Rc<Member>,
    changes: Arc<dyn Changes>,
    version: Cell<u64>,
}

impl Shard {
    /// A shard without connections.
    pub fn new(index: usize, hub: Arc<Hub>, store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Rc<Self> {
        Rc::new(Self {
            index,
            hub,
            store,
            metrics,
            members: RefCell::default(),
            users: RefCell::default(),
            followers: RefCell::default(),
            urgent_catch_ups: Semaphore::new(CATCH_UPS),
            ordered_catch_ups: Semaphore::new(CATCH_UPS),
        })
    }

    /// Makes a connection known, here and to the hub. From now on it receives; it is gone when the guard is dropped.
    pub fn join(
        self: &Rc<Self>,
        id: u64,
        org: OrgId,
        user: UserId,
        outbox: Rc<Outbox>,
        ticks: TickPort,
    ) -> Membership {
        let member = Rc::new(Member {
            id,
            org: org.clone(),
            user: user.clone(),
            outbox,
            ticks,
            positions: RefCell::default(),
            resuming: Cell::new(true),
        });
        self.members
            .borrow_mut()
            .entry(org.clone())
            .or_default()
            .insert(id, member.clone());
        self.users
            .borrow_mut()
            .entry((org.clone(), user.clone()))
            .or_default()
            .push(member.clone());
        let joined = self.hub.join(self.index, org, user);
        Membership {
            shard: self.clone(),
            member,
            _joined: joined,
        }
    }

    /// Sends a member what changes in a view after `version`, until the guard is dropped.
    pub fn follow(
        self: &Rc<Self>,
        member: &Rc<Member>,
        view: u32,
        version: u64,
        changes: Arc<dyn Changes>,
        watching: hub::Watching,
    ) -> Following {
        let follower = Rc::new(Follower {
            member: member.clone(),
            changes,
            version: Cell::new(version),
        });
        self.followers
            .borrow_mut()
            .entry(view)
            .or_default()
            .insert(member.id, follower);
        Following {
            shard: self.clone(),
            view,
            member: member.id,
            _watching: watching,
        }
    }

    /// Closes every connection.
    pub fn close_all(&self, code: CloseCode) {
        for member in self.members.borrow().values().flat_map(HashMap::values) {
            member.outbox.close(code);
        }
    }

    /// Serves publications until the hub is gone.
    pub async fn fan_out(self: Rc<Self>, mut inbox: Inbox) {
        loop {
            let publication = tokio::select! {
                biased;
                publication = inbox.urgent.recv() => publication,
                () = inbox.lost.changed.notified() => {
                    self.repair(inbox.lost.take());
                    continue;
                }
                publication = inbox.ordinary.recv() => publication,
            };
            match publication {
                Some(Publication::Log(log)) => self.deliver(&log).await,
                Some(Publication::State(state)) => self.deliver_state(&state),
                Some(Publication::Flush(flush)) => self.deliver_flush(&flush).await,
                None => return,
            }
        }
    }

    async fn deliver(self: &Rc<Self>, log: &Log) {
        for (done, member) in self
            .receivers(&log.topic.org, &log.audience)
            .into_iter()
            .enumerate()
        {
            self.deliver_to(&member, log);
            if done % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn deliver_to(self: &Rc<Self>, member: &Rc<Member>, log: &Log) {
        let (Some((first, _)), Some((last, _))) = (log.frames.first(), log.frames.last()) else {
            return;
        };
        let name = &log.topic.name;
        let at = {
            let mut positions = member.positions.borrow_mut();
            match positions.get_mut(name) {
                Some(Position::Live(at)) => *at,
                Some(Position::Behind { seen, .. }) => {
                    *seen = (*seen).max(*last);
                    return;
                }
                None if member.resuming.get() => {
                    positions.insert(
                        name.clone(),
                        Position::Behind {
                            at: None,
                            seen: *last,
                        },
                    );
                    return;
                }
                // A topic that is new to this user: it starts here.
                None => Seq(first.0 - 1),
            }
        };
        if *first > at.next() {
            self.start_catch_up(member, &log.topic, at, *last);
            return;
        }
        let lane = log.topic.kind().lane();
        for (_, frame) in log.frames.iter().filter(|(seq, _)| *seq > at) {
            member.outbox.push(lane, frame.clone());
            self.metrics.events_delivered.inc();
        }
        member
            .positions
            .borrow_mut()
            .insert(name.clone(), Position::Live(at.max(*last)));
    }

    fn deliver_state(&self, state: &State) {
        for member in self.receivers(&state.org, &state.audience) {
            member.outbox.push_state(state.key.clone(), state.frame.clone());
        }
    }

    async fn deliver_flush(&self, flush: &Flush) {
        let followers: Vec<_> = match self.followers.borrow().get(&flush.view) {
            Some(followers) => followers.values().cloned().collect(),
            None => return,
        };
        for (done, follower) in followers.into_iter().enumerate() {
            for event in &flush.events {
                follower.member.outbox.push(Lane::Ordered, event.clone());
            }
            if !follower.member.ticks.ready() {
                self.metrics.ticks_skipped.inc();
            } else if follower.version.get() >= flush.from {
                let sent = follower.member.ticks.send(&flush.changes, &flush.repeats);
                self.metrics.packets_sent.inc_by(sent as u64);
                follower.version.set(flush.to);
            } else {
                let (version, changes) = follower.changes.since(follower.version.get());
                let sent = follower.member.ticks.send(&changes, &[]);
                self.metrics.packets_sent.inc_by(sent as u64);
                follower.version.set(version);
            }
            if done % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn receivers(&self, org: &OrgId, audience: &Audience) -> Vec<Rc<Member>> {
        match audience {
            Audience::Organisation => self
                .members
                .borrow()
                .get(org)
                .map(|members| members.values().cloned().collect())
                .unwrap_or_default(),
            Audience::Members(users) => {
                let here = self.users.borrow();
                let of = |user: &UserId| {
                    here.get(&(org.clone(), user.clone()))
                        .cloned()
                        .unwrap_or_default()
                };
                users.iter().flat_map(of).collect()
            }
        }
    }

    fn repair(self: &Rc<Self>, lost: Vec<(Topic, Seq, Audience)>) {
        for (topic, after, audience) in lost {
            for member in self.receivers(&topic.org, &audience) {
                let behind = match member.positions.borrow_mut().get_mut(&topic.name) {
                    Some(Position::Live(at)) => Some(*at),
                    // Being caught up: it must read on past what was lost.
                    Some(Position::Behind { seen, .. }) => {
                        *seen = (*seen).max(after.next());
                        None
                    }
                    None => Some(after),
                };
                if let Some(at) = behind {
                    self.start_catch_up(&member, &topic, at, after.next());
                }
            }
        }
    }

    /// Tells where a member stands, once that is known: it has everything up to `at`, and the log's end is `head`.
    pub fn place(self: &Rc<Self>, member: &Rc<Member>, topic: &Topic, at: Seq, head: Seq) {
        let seen = match member.positions.borrow().get(&topic.name) {
            Some(Position::Behind { seen, .. }) => head.max(*seen),
            _ => head,
        };
        if seen > at {
            self.start_catch_up(member, topic, at, seen);
        } else {
            member
                .positions
                .borrow_mut()
                .insert(topic.name.clone(), Position::Live(at));
        }
    }

    /// All of a member's topics have been placed.
    pub fn placed(self: &Rc<Self>, member: &Rc<Member>) {
        member.resuming.set(false);
        // What was published meanwhile in topics that nobody placed is new to the user: all of it follows.
        let unplaced: Vec<_> = {
            let positions = member.positions.borrow();
            let unplaced = positions.iter().filter_map(|(name, position)| match position {
                Position::Behind { at: None, seen } => Some((name.clone(), *seen)),
                _ => None,
            });
            unplaced.collect()
        };
        for (name, seen) in unplaced {
            let topic = Topic {
                org: member.org.clone(),
                name,
            };
            self.start_catch_up(member, &topic, Seq::ZERO, seen);
        }
    }

    fn start_catch_up(self: &Rc<Self>, member: &Rc<Member>, topic: &Topic, at: Seq, seen: Seq) {
        member
            .positions
            .borrow_mut()
            .insert(topic.name.clone(), Position::Behind { at: Some(at), seen });
        tokio::task::spawn_local(self.clone().catch_up(member.clone(), topic.clone(), at));
    }

    /// Reads the log from `at` until the member has all that was published, then lets it go live.
    async fn catch_up(self: Rc<Self>, member: Rc<Member>, topic: Topic, mut at: Seq) {
        self.metrics.catch_ups.inc();
        let lane = topic.kind().lane();
        let permits = match lane {
            Lane::Urgent => &self.urgent_catch_ups,
            Lane::Ordered => &self.ordered_catch_ups,
        };
        loop {
            // Room is waited for without a permit: a client that does not read must not hold up the others.
            member.outbox.room(lane).await;
            let Ok(permit) = permits.acquire().await else {
                return;
            };
            if member.outbox.closing().is_some() {
                return;
            }
            let Ok(page) = self.store.read(&topic, From::After(at), PAGE, PAGE_BYTES).await else {
                // It resumes later, from the same position.
                member.outbox.close(CloseCode::Unavailable);
                return;
            };
            drop(permit);
            if page.events.first().is_some_and(|event| event.seq > at.next()) {
                // Retention removed what it lacks: it must learn of the gap, which a resume tells.
                member.outbox.close(CloseCode::Slow);
                return;
            }
            for event in &page.events {
                at = event.seq;
                member
                    .outbox
                    .push(lane, hub::encode(&topic, page.head.epoch, event));
                self.metrics.events_delivered.inc();
            }
            let mut positions = member.positions.borrow_mut();
            let Some(Position::Behind { at: reached, seen }) = positions.get_mut(&topic.name) else {
                return;
            };
            *reached = Some(at);
            if *seen <= at || (page.events.is_empty() && !page.more) {
                positions.insert(topic.name.clone(), Position::Live(at));
                return;
            }
        }
    }
}

impl Member {
    /// Where the connection stands in a topic, if it is live there.
    pub fn cursor(&self, topic: &TopicName, epoch: Epoch) -> Option<Cursor> {
        match self.positions.borrow().get(topic) {
            Some(Position::Live(seq)) => Some(Cursor {
                topic: topic.clone(),
                epoch,
                seq: *seq,
            }),
            _ => None,
        }
    }
}

/// Keeps a connection known to its shard and the hub.
#[derive(Debug)]
pub struct Membership {
    shard: Rc<Shard>,
    /// The connection.
    pub member: Rc<Member>,
    _joined: hub::Joined,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let member = &self.member;
        let mut members = self.shard.members.borrow_mut();
        if let Some(of_org) = members.get_mut(&member.org) {
            of_org.remove(&member.id);
            if of_org.is_empty() {
                members.remove(&member.org);
            }
        }
        let mut users = self.shard.users.borrow_mut();
        let key = (member.org.clone(), member.user.clone());
        if let Some(of_user) = users.get_mut(&key) {
            of_user.retain(|other| other.id != member.id);
            if of_user.is_empty() {
                users.remove(&key);
            }
        }
    }
}

/// Keeps a connection following a view.
#[derive(Debug)]
pub struct Following {
    shard: Rc<Shard>,
    view: u32,
    member: u64,
    _watching: hub::Watching,
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut followers = self.shard.followers.borrow_mut();
        if let Some(of_view) = followers.get_mut(&self.view) {
            of_view.remove(&self.member);
            if of_view.is_empty() {
                followers.remove(&self.view);
            }
        }
    }
}
