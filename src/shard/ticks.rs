//! Ticks on their way to the connections of a shard. Only the newest matters: who is not ready is skipped, and gets what
//! it lacks with a later flush.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use fanfare_proto::{CloseCode, Lane};
use futures::future::LocalBoxFuture;
use tokio::{
    sync::Notify,
    task::{AbortHandle, spawn_local},
};

use super::{Member, Shard, TURN};
use crate::{
    hub::{self, Flush},
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

/// Tells a receiver that lags what it lacks.
pub trait Changes: std::fmt::Debug + Send + Sync {
    /// What changed after `version`, and the version that a receiver has with it.
    fn since(&self, version: u64) -> (u64, Vec<Packet>);

    /// A snapshot for a receiver, whatever it has: the version that it has with it, and what sends it.
    fn begin(&self, member: Rc<Member>) -> (u64, LocalBoxFuture<'static, ()>);
}

/// Those who follow one view, by connection.
pub(super) type Followers = HashMap<u64, Rc<Follower>>;

/// A connection that follows a view.
#[derive(Debug)]
pub(super) struct Follower {
    member: Rc<Member>,
    changes: Arc<dyn Changes>,
    version: Cell<u64>,
    /// It follows no longer. A flush that is being delivered may still hold it.
    over: Cell<bool>,
    /// What sends the snapshot of a new life of the aliases.
    beginning: RefCell<Option<AbortHandle>>,
}

impl Follower {
    /// Begins with a snapshot, if the aliases that the receiver has mean something else since `renewed`.
    fn begin_anew(&self, renewed: u64) {
        if self.version.get() >= renewed {
            return;
        }
        let (version, sending) = self.changes.begin(self.member.clone());
        self.version.set(version);
        let before = self.beginning.replace(Some(spawn_local(sending).abort_handle()));
        if let Some(before) = before {
            before.abort();
        }
    }
}

impl Shard {
    /// Sends a member what changes in a view after `version`, until the guard is dropped.
    pub fn follow(
        self: &Rc<Self>,
        member: &Rc<Member>,
        view: u32,
        version: u64,
        changes: Arc<dyn Changes>,
        watching: hub::Watching,
    ) -> Following {
        let (version, over) = (Cell::new(version), Cell::new(false));
        let beginning = RefCell::default();
        let follower = Rc::new(Follower { member: member.clone(), changes, version, over, beginning });
        self.followers.borrow_mut().entry(view).or_default().insert(member.id, follower.clone());
        Following { shard: self.clone(), view, follower, _watching: watching }
    }

    fn send_flush(&self, follower: &Follower, flush: &Flush) {
        let ticks = &follower.member.ticks;
        if !ticks.ready() {
            self.metrics.ticks_skipped.inc();
            return;
        }
        let own;
        let (version, changes) = if follower.version.get() >= flush.from {
            (flush.to, &flush.changes)
        } else {
            own = follower.changes.since(follower.version.get());
            (own.0, &own.1)
        };
        let sent = ticks.send(changes);
        if sent == changes.len() {
            follower.version.set(version);
        }
        let repeated = ticks.send(&flush.repeats);
        self.metrics.packets_sent.inc_by((sent + repeated) as u64);
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
                if let Some(renewed) = flush.renewed {
                    follower.begin_anew(renewed);
                }
                for event in &flush.events {
                    follower.member.outbox.push(Lane::Ordered, event.clone());
                }
                self.send_flush(&follower, flush);
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
