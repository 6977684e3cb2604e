//! Ticks on their way to the connections of a shard. Only the newest matters: who is not ready is skipped, and gets what
//! it lacks with a later flush.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use fanfare_proto::{CloseCode, Epoch, Lane};
use futures::future::LocalBoxFuture;
use tokio::{
    sync::Notify,
    task::{AbortHandle, spawn_local},
};

use super::{Member, Shard, TURN};
use crate::{
    hub::{self, Flush},
    metrics::Metrics,
    net::{Datagrams, Packet},
};

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

    /// Forgets what has not been taken yet.
    fn clear(&self) {
        if !std::mem::take(&mut *self.packets.borrow_mut()).is_empty() {
            self.busy.set(false);
        }
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

    /// Sends packets, as many as there is room for.
    fn send(&self, packets: &[Packet]) -> usize {
        match self {
            Self::Datagrams(datagrams) => packets.iter().take_while(|packet| datagrams.send(packet)).count(),
            Self::Slot(slot) => {
                if !packets.is_empty() {
                    slot.packets.borrow_mut().extend_from_slice(packets);
                    slot.busy.set(true);
                    slot.filled.notify_one();
                }
                packets.len()
            }
        }
    }
}

/// What a receiver has of a view: everything up to this version, by the aliases of this epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The life of the aliases.
    pub epoch: Epoch,
    /// The version.
    pub version: u64,
}

/// Tells a receiver that lags what it lacks.
pub trait Changes: std::fmt::Debug + Send + Sync {
    /// What changed since a receiver stood there, and the version that it has with it. `None` where an epoch has begun since:
    /// it would not know whom the aliases mean.
    fn since(&self, standing: Standing) -> Option<(u64, Vec<Packet>)>;

    /// A snapshot for a receiver, whatever it has: where it stands with it, and what sends it.
    fn begin(&self, member: Rc<Member>) -> (Standing, LocalBoxFuture<'static, ()>);
}

/// Those who follow one view, by connection.
pub(super) type Followers = HashMap<u64, Rc<Follower>>;

/// A connection that follows a view.
#[derive(Debug)]
pub(super) struct Follower {
    member: Rc<Member>,
    changes: Arc<dyn Changes>,
    standing: Cell<Standing>,
    /// It follows no longer. A flush that is being delivered may still hold it.
    over: Cell<bool>,
    /// What sends the snapshot of a new life of the aliases.
    beginning: RefCell<Option<AbortHandle>>,
}

impl Follower {
    fn new(member: Rc<Member>, standing: Standing, changes: Arc<dyn Changes>) -> Self {
        let (standing, over, beginning) = (Cell::new(standing), Cell::new(false), RefCell::default());
        Self { member, changes, standing, over, beginning }
    }

    /// Sends what a flush brings. Where the aliases that the receiver has mean something else by now, a snapshot goes first.
    fn take(&self, flush: &Flush, metrics: &Metrics) {
        if self.standing.get().epoch != flush.epoch {
            // It waited here until after the snapshot, which holds all that it brings.
            if flush.to <= self.standing.get().version {
                return;
            }
            self.begin_anew();
        }
        for event in &flush.events {
            self.member.outbox.push(Lane::Ordered, event.clone());
        }
        self.send(flush, metrics);
    }

    fn begin_anew(&self) {
        let (standing, sending) = self.changes.begin(self.member.clone());
        self.standing.set(standing);
        let before = self.beginning.replace(Some(spawn_local(sending).abort_handle()));
        if let Some(before) = before {
            before.abort();
        }
    }

    fn send(&self, flush: &Flush, metrics: &Metrics) {
        let (ticks, standing) = (&self.member.ticks, self.standing.get());
        if !ticks.ready() {
            metrics.ticks_skipped.inc();
            return;
        }
        let own;
        let (version, changes) = if standing.version >= flush.from {
            (flush.to, &flush.changes)
        } else if let Some(since) = self.changes.since(standing) {
            own = since;
            (own.0, &own.1)
        } else {
            // The flush that begins the epoch comes behind this one, and the snapshot with it.
            return;
        };
        let sent = ticks.send(changes);
        if sent == changes.len() {
            self.standing.set(Standing { version, ..standing });
        }
        let repeated = ticks.send(&flush.repeats);
        metrics.packets_sent.inc_by((sent + repeated) as u64);
    }
}

impl Shard {
    /// Sends a member what changes in a view after what it has, until the guard is dropped.
    pub fn follow(
        self: &Rc<Self>,
        member: &Rc<Member>,
        view: u32,
        standing: Standing,
        changes: Arc<dyn Changes>,
        watching: hub::Watching,
    ) -> Following {
        let follower = Rc::new(Follower::new(member.clone(), standing, changes));
        self.followers.borrow_mut().entry(view).or_default().insert(member.id, follower.clone());
        Following { shard: self.clone(), view, follower, _watching: watching }
    }

    /// An event of these views was lost on its way here. Their followers come back, and begin with a snapshot.
    pub(super) fn repair_views(&self, views: &HashSet<u32>) {
        let followers = self.followers.borrow();
        for follower in views.iter().filter_map(|view| followers.get(view)).flat_map(HashMap::values) {
            follower.member.outbox.close(CloseCode::Slow);
        }
    }

    pub(super) async fn deliver_flush(&self, flush: &Flush) {
        let followers: Vec<_> = match self.followers.borrow().get(&flush.view) {
            Some(followers) => followers.values().cloned().collect(),
            None => return,
        };
        for (done, follower) in followers.into_iter().enumerate() {
            // Others have worked in between: somebody may have lost the right to see this. One that is being closed still
            // follows as long as a request of it is under way.
            if !follower.over.get() && follower.member.outbox.closing().is_none() {
                follower.take(flush, &self.metrics);
            }
            if done % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Keeps a connection following a view.
#[derive(Debug)]
pub struct Following {
    shard: Rc<Shard>,
    view: u32,
    follower: Rc<Follower>,
    _watching: hub::Watching,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.follower.over.set(true);
        if let Some(beginning) = self.follower.beginning.take() {
            beginning.abort();
        }
        if let TickPort::Slot(slot) = &self.follower.member.ticks {
            slot.clear();
        }
        let mut followers = self.shard.followers.borrow_mut();
        if let Some(of_view) = followers.get_mut(&self.view) {
            let id = self.follower.member.id;
            // A later subscription to the same view has taken this one's place: it stays.
            if of_view.get(&id).is_some_and(|follower| Rc::ptr_eq(follower, &self.follower)) {
                of_view.remove(&id);
            }
            if of_view.is_empty() {
                followers.remove(&self.view);
            }
        }
    }
}
