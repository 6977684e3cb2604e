//! Between whoever publishes and the shards: one message for each shard that has receivers, never a lock held
//! across work, never a wait.

mod here;

pub use here::Connection;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fanfare_proto::{
    CloseCode, Epoch, Lane, Seq, UserId,
    event::{self, LogEntry},
};
use tokio::sync::{Notify, mpsc};

use self::here::Here;
use crate::{
    frame::Frame,
    id::{Audience, Tenant, Topic},
    metrics::Metrics,
    net::Packet,
    outbox::StateKey,
    store::{Committed, Event},
};

/// Messages that may wait for a shard, for each of its two inboxes.
const INBOX: usize = 1024;

/// Connections looked up at once.
const PART: usize = 256;

/// What a shard is told.
#[derive(Debug, Clone)]
pub enum Publication {
    /// Events of a log, durable.
    Log(Arc<Log>),
    /// A state event.
    State(Arc<State>),
    /// What changed in a view.
    Flush(Arc<Flush>),
}

/// Events of one topic, encoded once for everyone.
#[derive(Debug)]
pub struct Log {
    /// Their topic.
    pub topic: Topic,
    /// Who receives them.
    pub audience: Audience,
    /// Positions and encoded events, rising without gaps.
    pub frames: Vec<(Seq, Frame)>,
}

/// A state event, encoded.
#[derive(Debug)]
pub struct State {
    /// The topic that it belongs to.
    pub topic: Topic,
    /// Who receives it.
    pub audience: Audience,
    /// What it is the state of.
    pub key: StateKey,
    /// The higher replaces the lower.
    pub version: u64,
    /// The event.
    pub frame: Frame,
}

/// What changed in a view since its last flush.
#[derive(Debug)]
pub struct Flush {
    /// The view.
    pub view: u32,
    /// The life of the aliases. A receiver that has those of another one begins with a snapshot.
    pub epoch: Epoch,
    /// A receiver that has the view at this version …
    pub from: u64,
    /// … has it at this version with `changes`.
    pub to: u64,
    /// The epoch begins with it.
    pub renewed: bool,
    /// Events for the ordered lane, to be sent first: new aliases, removals.
    pub events: Vec<Frame>,
    /// New values.
    pub changes: Vec<Packet>,
    /// Values sent before: they heal what datagrams lost. A reliable transport leaves them out.
    pub repeats: Vec<Packet>,
}

/// The sending side of a shard.
#[derive(Debug)]
struct Port {
    urgent: mpsc::Sender<Publication>,
    ordinary: mpsc::Sender<Publication>,
    lost: Arc<Lost>,
}

/// What did not fit in a shard's inbox: topics are read again from the log, followers of views start anew. And what must
/// not be lost in it: connections to be closed.
#[derive(Debug, Default)]
pub struct Lost {
    topics: Mutex<HashMap<Topic, LostEvents>>,
    views: Mutex<HashSet<u32>>,
    closing: Mutex<HashMap<(Tenant, u64), CloseCode>>,
    /// Something was lost, or is to be closed.
    pub changed: Notify,
}

/// Events of a topic that a shard did not get.
#[derive(Debug)]
pub struct LostEvents {
    /// The topic.
    pub topic: Topic,
    /// The last of them.
    pub last: Seq,
    /// Who receives them.
    pub audience: Audience,
}

impl Lost {
    /// Takes the topics.
    pub fn take(&self) -> Vec<LostEvents> {
        std::mem::take(&mut *lock(&self.topics)).into_values().collect()
    }

    /// Takes the views of which an event was lost.
    pub fn take_views(&self) -> HashSet<u32> {
        std::mem::take(&mut *lock(&self.views))
    }

    /// Takes the connections that are to be closed.
    pub fn take_closing(&self) -> HashMap<(Tenant, u64), CloseCode> {
        std::mem::take(&mut *lock(&self.closing))
    }

    fn close(&self, org: &Tenant, connection: u64, code: CloseCode) {
        lock(&self.closing).insert((org.clone(), connection), code);
        self.changed.notify_one();
    }

    fn add(&self, log: &Log) {
        if let Some((last, _)) = log.frames.last() {
            let new = || LostEvents { topic: log.topic.clone(), last: *last, audience: log.audience.clone() };
            let mut topics = lock(&self.topics);
            let events = topics.entry(log.topic.clone()).or_insert_with(new);
            events.last = events.last.max(*last);
            drop(topics);
            self.changed.notify_one();
        }
    }

    fn add_view(&self, view: u32) {
        lock(&self.views).insert(view);
        self.changed.notify_one();
    }
}

/// The receiving side of a shard.
#[derive(Debug)]
pub struct Inbox {
    /// Publications of the urgent lane.
    pub urgent: mpsc::Receiver<Publication>,
    /// All others.
    pub ordinary: mpsc::Receiver<Publication>,
    /// What did not fit.
    pub lost: Arc<Lost>,
}

/// Knows which shards have receivers of what.
#[derive(Debug)]
pub struct Hub {
    ports: Vec<Port>,
    interest: Mutex<Interest>,
    metrics: Arc<Metrics>,
}

/// For each shard, the connections of a user and of an organisation. Empty entries are removed.
#[derive(Debug, Default)]
struct Interest {
    users: HashMap<Tenant, HashMap<UserId, Vec<u32>>>,
    orgs: HashMap<Tenant, Vec<u32>>,
    views: HashMap<u32, Vec<u32>>,
    here: Here,
}

impl Hub {
    /// A hub for `shards` shards, and their inboxes.
    pub fn new(shards: usize, metrics: Arc<Metrics>) -> (Arc<Self>, Vec<Inbox>) {
        let mut ports = Vec::new();
        let mut inboxes = Vec::new();
        for _ in 0..shards {
            let (urgent, urgent_rx) = mpsc::channel(INBOX);
            let (ordinary, ordinary_rx) = mpsc::channel(INBOX);
            let lost = Arc::<Lost>::default();
            ports.push(Port { urgent, ordinary, lost: lost.clone() });
            inboxes.push(Inbox { urgent: urgent_rx, ordinary: ordinary_rx, lost });
        }
        (Arc::new(Self { ports, interest: Mutex::default(), metrics }), inboxes)
    }

    /// A connection joins a shard. It leaves when the guard is dropped.
    pub fn join(self: &Arc<Self>, shard: usize, connection: &Arc<Connection>) -> Joined {
        let identity = connection.identity();
        let (org, user) = (identity.org.clone(), identity.user.clone());
        let mut interest = lock(&self.interest);
        interest.here.add(org.clone(), shard, connection.clone());
        count(interest.orgs.entry(org.clone()).or_default(), shard, self.ports.len());
        let of_org = interest.users.entry(org.clone()).or_default();
        count(of_org.entry(user.clone()).or_default(), shard, self.ports.len());
        Joined { hub: self.clone(), shard, connection: connection.id, org, user }
    }

    /// The connections of an organisation to this node, in the order of their ids. However many they are, nobody who publishes
    /// waits for more than some of them to be looked up.
    pub fn connections(&self, org: &Tenant, mut after: Option<u64>) -> impl Iterator<Item = Arc<Connection>> {
        let part = move || {
            let part = lock(&self.interest).here.of(org, after, PART);
            after = part.last().map(|last| last.id);
            Some(part).filter(|part| !part.is_empty())
        };
        std::iter::from_fn(part).flatten()
    }

    /// A connection of an organisation to this node.
    pub fn connection(&self, org: &Tenant, id: u64) -> Option<Arc<Connection>> {
        lock(&self.interest).here.one(org, id)
    }

    /// Closes a connection, and answers whether the organisation has it.
    pub fn close(&self, org: &Tenant, connection: u64, code: CloseCode) -> bool {
        let Some(shard) = lock(&self.interest).here.shard_of(org, connection) else { return false };
        self.ports[shard].lost.close(org, connection, code);
        true
    }

    /// A connection of a shard follows a view. It stops when the guard is dropped.
    pub fn watch(self: &Arc<Self>, shard: usize, view: u32) -> Watching {
        count(lock(&self.interest).views.entry(view).or_default(), shard, self.ports.len());
        Watching { hub: self.clone(), shard, view }
    }

    /// Whether anyone follows a view.
    pub fn watched(&self, view: u32) -> bool {
        lock(&self.interest).views.contains_key(&view)
    }

    /// Sends a state event to whoever is connected. Dropped, and counted, where a shard cannot take it.
    pub fn publish_state(&self, state: State) {
        let shards = self.shards_of(&state.topic.org, &state.audience);
        let state = Publication::State(Arc::new(state));
        for shard in shards {
            if self.ports[shard].ordinary.try_send(state.clone()).is_err() {
                self.metrics.inbox_dropped.inc();
            }
        }
    }

    /// Sends what changed in a view. Where a shard cannot take it, its receivers catch up with a later flush.
    pub fn publish_flush(&self, flush: Flush) {
        let shards = with_receivers(lock(&self.interest).views.get(&flush.view));
        // Ticks that are dropped come again; aliases and removals do not.
        let (view, events) = (flush.view, !flush.events.is_empty() || flush.renewed);
        let flush = Publication::Flush(Arc::new(flush));
        for shard in shards {
            if self.ports[shard].ordinary.try_send(flush.clone()).is_err() {
                self.metrics.inbox_dropped.inc();
                if events {
                    self.ports[shard].lost.add_view(view);
                }
            }
        }
    }

    fn shards_of(&self, org: &Tenant, audience: &Audience) -> Vec<usize> {
        let interest = lock(&self.interest);
        match audience {
            Audience::Organisation => with_receivers(interest.orgs.get(org)),
            Audience::Members(members) => {
                let here = with_receivers(interest.orgs.get(org));
                let Some(users) = interest.users.get(org) else { return Vec::new() };
                let connected = |shard: &usize| {
                    members.iter().any(|user| users.get(user).is_some_and(|counts| counts[*shard] > 0))
                };
                here.into_iter().filter(connected).collect()
            }
        }
    }
}

impl Committed for Hub {
    fn committed(&self, topic: &Topic, epoch: Epoch, audience: &Audience, events: &[Event]) {
        let shards = self.shards_of(&topic.org, audience);
        if shards.is_empty() || events.is_empty() {
            return;
        }
        let frames = events.iter().map(|event| (event.seq, encode(topic, epoch, event))).collect();
        let log = Arc::new(Log { topic: topic.clone(), audience: audience.clone(), frames });
        for shard in shards {
            let port = &self.ports[shard];
            let inbox = match topic.kind().lane() {
                Lane::Urgent => &port.urgent,
                Lane::Ordered => &port.ordinary,
            };
            if inbox.try_send(Publication::Log(log.clone())).is_err() {
                self.metrics.inbox_full.inc();
                port.lost.add(&log);
            }
        }
    }
}

/// An event of a log as it goes over the wire.
pub fn encode(topic: &Topic, epoch: Epoch, event: &Event) -> Frame {
    // A store may hold what nobody wrote there.
    let Ok(data) = event.text() else {
        return encode(topic, epoch, &event.clone().checked(topic));
    };
    let entry = LogEntry {
        topic: topic.name.clone(),
        epoch,
        seq: event.seq,
        at: event.at,
        by: event.author.clone(),
        client_id: event.client_id.clone(),
    };
    event::write_log(&event.name, &entry, data).into()
}

/// Keeps a user's connection known to the hub.
#[derive(Debug)]
pub struct Joined {
    hub: Arc<Hub>,
    shard: usize,
    connection: u64,
    org: Tenant,
    user: UserId,
}

impl Drop for Joined {
    fn drop(&mut self) {
        let mut interest = lock(&self.hub.interest);
        interest.here.remove(&self.org, self.connection);
        uncount(&mut interest.orgs, &self.org, self.shard);
        if let Some(of_org) = interest.users.get_mut(&self.org) {
            uncount(of_org, &self.user, self.shard);
            if of_org.is_empty() {
                interest.users.remove(&self.org);
            }
        }
    }
}

/// Keeps a view's follower known to the hub.
#[derive(Debug)]
pub struct Watching {
    hub: Arc<Hub>,
    shard: usize,
    view: u32,
}

impl Drop for Watching {
    fn drop(&mut self) {
        uncount(&mut lock(&self.hub.interest).views, &self.view, self.shard);
    }
}

fn count(counts: &mut Vec<u32>, shard: usize, shards: usize) {
    counts.resize(shards, 0);
    counts[shard] += 1;
}

fn uncount<K: std::hash::Hash + Eq>(map: &mut HashMap<K, Vec<u32>>, key: &K, shard: usize) {
    if let Some(counts) = map.get_mut(key) {
        counts[shard] -= 1;
        if counts.iter().all(|count| *count == 0) {
            map.remove(key);
        }
    }
}

fn with_receivers(counts: Option<&Vec<u32>>) -> Vec<usize> {
    let counts = counts.map_or(&[][..], Vec::as_slice);
    counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(shard, _)| shard).collect()
}

/// Nothing that is done under these locks can leave a map half changed, so a poisoned one is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
