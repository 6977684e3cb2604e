//! One thread's connections: who is here, what each has, and the fan-out to them. No locks, nothing shared.

mod catch_up;
mod ears;
mod leave;
mod ticks;
mod turns;

use ears::Term;
pub use ticks::{Changes, Following, Standing, TickPort, TickSlot};

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
};

use fanfare_proto::{CloseCode, Cursor, Epoch, Seq, TopicKind, TopicName, UserId};
use tokio::sync::{Notify, Semaphore};

use self::{
    ears::Ears,
    ticks::Followers,
    turns::{Line, Lines},
};
use crate::{
    hub::{self, Connection, Hub, Inbox, Log, Publication, State},
    id::{Audience, Tenant, Topic},
    metrics::Metrics,
    outbox::Outbox,
    store::Store,
};

/// Receivers served before other work of the thread gets its turn.
const TURN: usize = 256;

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
    members: RefCell<HashMap<Tenant, HashMap<u64, Rc<Member>>>>,
    users: RefCell<HashMap<Tenant, HashMap<UserId, Devices>>>,
    followers: RefCell<HashMap<u32, Followers>>,
    permits: catch_up::Permits,
    turns: Line,
}

/// The connections of one user.
type Devices = Vec<Rc<Member>>;

/// A connection, as publications see it.
#[derive(Debug)]
pub struct Member {
    /// Tells connections apart.
    pub id: u64,
    /// The tenant.
    pub org: Tenant,
    /// The user.
    pub user: UserId,
    /// What all threads see of it.
    pub connection: Arc<Connection>,
    /// Where events for it go.
    pub outbox: Rc<Outbox>,
    /// Where ticks for it go.
    pub ticks: TickPort,
    /// It is to be closed, once what it asked for is done.
    leaving: Notify,
    positions: RefCell<HashMap<TopicName, Position>>,
    catching_up: Semaphore,
    lines: Lines,
    ears: Ears,
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
            permits: catch_up::Permits::default(),
            turns: Line::of_all(),
        })
    }

    /// Makes a connection known, here and to the hub. From now on it receives what is of these kinds; it is gone when the
    /// guard is dropped.
    pub fn join(
        self: &Rc<Self>,
        connection: Connection,
        hears: impl IntoIterator<Item = TopicKind>,
        outbox: Rc<Outbox>,
        ticks: TickPort,
    ) -> Membership {
        let connection = Arc::new(connection);
        let identity = connection.identity();
        let (id, org, user) = (connection.id, identity.org.clone(), identity.user.clone());
        let joined = self.hub.join(self.index, &connection);
        let mut users = self.users.borrow_mut();
        let mut members = self.members.borrow_mut();
        let devices = users.entry(org.clone()).or_default().entry(user.clone()).or_default();
        let of_org = members.entry(org.clone()).or_default();
        let lines = Lines::beside(devices.first().map(Rc::as_ref), of_org.values().next().map(Rc::as_ref));
        let member = Rc::new(Member {
            id,
            org,
            user,
            connection,
            outbox,
            ticks,
            leaving: Notify::new(),
            positions: RefCell::default(),
            catching_up: Semaphore::new(catch_up::AT_ONCE_EACH),
            lines,
            ears: Ears::of(hears),
            resuming: Cell::new(true),
        });
        of_org.insert(id, member.clone());
        devices.push(member.clone());
        drop((users, members));
        Membership { shard: self.clone(), member, _joined: joined }
    }

    /// Closes these connections, as far as they are still there.
    fn close(&self, closing: HashMap<(Tenant, u64), CloseCode>) {
        let members = self.members.borrow();
        for ((org, id), code) in closing {
            if let Some(member) = members.get(&org).and_then(|of_org| of_org.get(&id)) {
                member.outbox.close(code);
            }
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
                    self.close(inbox.lost.take_closing());
                    self.repair(inbox.lost.take());
                    self.repair_views(&inbox.lost.take_views());
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
        for (done, member) in self.receivers(&log.topic, &log.audience).into_iter().enumerate() {
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
        // It may have ended since the receivers were looked up.
        if member.term(log.topic.kind()).is_none() {
            return;
        }
        let name = &log.topic.name;
        let at = {
            let mut positions = member.positions.borrow_mut();
            match positions.get_mut(name) {
                Some(Position::Live(at)) => {
                    let had = *at;
                    if *first <= had.next() {
                        *at = had.max(*last);
                    }
                    had
                }
                Some(Position::Behind { seen, .. }) => {
                    *seen = (*seen).max(*last);
                    return;
                }
                None if member.resuming.get() => {
                    positions.insert(name.clone(), Position::Behind { at: None, seen: *last });
                    return;
                }
                // All that were there when it came have been placed: this one has begun since, and is sent from its
                // first event on.
                None => {
                    positions.insert(name.clone(), Position::Live(*last));
                    Seq::ZERO
                }
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
    }

    fn deliver_state(&self, state: &State) {
        for member in self.receivers(&state.topic, &state.audience) {
            member.outbox.push_state(state.key.clone(), state.version, state.frame.clone());
        }
    }

    /// Those here who are meant, and hear topics of this kind.
    fn receivers(&self, topic: &Topic, audience: &Audience) -> Vec<Rc<Member>> {
        let (members, users) = (self.members.borrow(), self.users.borrow());
        let hears = |member: &&Rc<Member>| member.term(topic.kind()).is_some();
        match audience {
            Audience::Organisation => {
                let here = members.get(&topic.org).into_iter().flat_map(HashMap::values);
                here.filter(hears).cloned().collect()
            }
            Audience::Members(named) => {
                let Some(here) = users.get(&topic.org) else { return Vec::new() };
                named.iter().filter_map(|user| here.get(user)).flatten().filter(hears).cloned().collect()
            }
        }
    }
}

impl Member {
    /// Waits until the connection is to be closed, as the server is going away.
    pub async fn leaving(&self) {
        self.leaving.notified().await;
    }

    /// Where the connection stands in a topic, if it is live there.
    pub fn cursor(&self, topic: &TopicName, epoch: Epoch) -> Option<Cursor> {
        match self.positions.borrow().get(topic) {
            Some(Position::Live(seq)) => Some(Cursor { topic: topic.clone(), epoch, seq: *seq }),
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
        if let Some(of_org) = users.get_mut(&member.org) {
            if let Some(of_user) = of_org.get_mut(&member.user) {
                of_user.retain(|other| other.id != member.id);
                if of_user.is_empty() {
                    of_org.remove(&member.user);
                }
            }
            if of_org.is_empty() {
                users.remove(&member.org);
            }
        }
    }
}
