//! What waits to be sent on one connection: its lanes, each bounded, each with a policy for a full lane.
//!
//! Belongs to one shard's thread. The connection's writers take from it; everyone else on the thread puts in.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    time::Duration,
};

use fanfare_proto::{CloseCode, Lane};
use tokio::{sync::Notify, time::Instant};

use crate::frame::Frame;

/// Bounds of a connection's lanes.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes that may wait on the urgent lane. Full: the connection is closed with "slow, resume".
    pub urgent: usize,
    /// Bytes that may wait on the ordered lane. Full: likewise.
    pub ordered: usize,
    /// How old the oldest unsent frame may get. Older: likewise.
    pub age: Duration,
}

/// Bytes taken for one write. Small, so that an urgent frame never waits behind much.
const BATCH: usize = 16 * 1024;

/// What a replay may find on a lane when it adds its next page. With a page it takes a slow phone a few seconds.
const LITTLE: usize = 32 * 1024;

/// State events that may wait, each under a key of its own. Full: the oldest is dropped.
const MAX_STATES: usize = 256;

/// Of two state events with one key only the newer is of interest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StateKey(pub String);

#[derive(Debug)]
struct StateFrame {
    key: StateKey,
    version: u64,
    frame: Frame,
}

/// The lanes of one connection.
#[derive(Debug)]
pub struct Outbox {
    bounds: Bounds,
    urgent: RefCell<Queue>,
    ordered: RefCell<Queue>,
    states: RefCell<VecDeque<StateFrame>>,
    closing: Cell<Option<CloseCode>>,
    /// The client can undo compression, and was told that there is some.
    compress: Cell<bool>,
    /// Something was put in, or the outbox closed. One for each lane: each may have a writer of its own.
    urgent_changed: Notify,
    ordered_changed: Notify,
    /// Something was taken out.
    room: Notify,
    closed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<(Instant, Frame)>,
    bytes: usize,
}

impl Queue {
    fn push(&mut self, frame: Frame) {
        self.bytes += frame.size();
        self.frames.push_back((Instant::now(), frame));
    }

    fn take(&mut self, batch: &mut Batch) {
        while batch.bytes < BATCH
            && let Some((at, frame)) = self.frames.pop_front()
        {
            self.bytes -= frame.size();
            batch.add(at, frame);
        }
        if self.frames.is_empty() && self.frames.capacity() > 32 {
            // An idle connection keeps nothing of a burst.
            self.frames = VecDeque::new();
        }
    }
}

/// Frames for one write, with the time by which it must be done.
#[derive(Debug, Default)]
pub struct Batch {
    /// The frames, in order.
    pub frames: Vec<Frame>,
    bytes: usize,
    oldest: Option<Instant>,
}

impl Batch {
    fn add(&mut self, at: Instant, frame: Frame) {
        self.bytes += frame.size();
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
        self.frames.push(frame);
    }
}

impl Outbox {
    /// Empty lanes.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            urgent: RefCell::default(),
            ordered: RefCell::default(),
            states: RefCell::default(),
            closing: Cell::new(None),
            compress: Cell::new(false),
            urgent_changed: Notify::new(),
            ordered_changed: Notify::new(),
            room: Notify::new(),
            closed: Notify::new(),
        }
    }

    /// From now on ordered frames may go out compressed. Urgent ones never do: nothing may come between them and whoever
    /// waits for them.
    pub fn compress(&self) {
        self.compress.set(true);
    }

    /// Whether they may.
    pub fn compresses(&self) -> bool {
        self.compress.get()
    }

    /// The frame as it may go out on a lane. What waits is counted by its text, so that it makes no difference to the
    /// bounds what becomes of it.
    fn form(&self, lane: Lane, frame: Frame) -> Frame {
        if lane == Lane::Ordered && self.compress.get() { frame } else { frame.as_text() }
    }

    /// Puts a frame on a lane. A full lane closes the connection: its client returns and reads the log.
    pub fn push(&self, lane: Lane, frame: Frame) {
        if self.closing.get().is_some() {
            return;
        }
        let (queue, bound, changed) = match lane {
            Lane::Urgent => (&self.urgent, self.bounds.urgent, &self.urgent_changed),
            Lane::Ordered => (&self.ordered, self.bounds.ordered, &self.ordered_changed),
        };
        let full = {
            let mut queue = queue.borrow_mut();
            let full = queue.bytes + frame.size() > bound;
            if !full {
                queue.push(self.form(lane, frame));
            }
            full
        };
        if full {
            self.close(CloseCode::Slow);
        } else {
            changed.notify_one();
        }
    }

    /// Puts a state event on the ordered lane, in place of an unsent older one of the same key.
    pub fn push_state(&self, key: StateKey, version: u64, frame: Frame) {
        if self.closing.get().is_some() {
            return;
        }
        let frame = self.form(Lane::Ordered, frame);
        let mut states = self.states.borrow_mut();
        if let Some(waiting) = states.iter_mut().find(|waiting| waiting.key == key) {
            // Two that were made at the same time may come in either order.
            if waiting.version <= version {
                *waiting = StateFrame { key, version, frame };
            }
        } else {
            if states.len() == MAX_STATES {
                states.pop_front();
            }
            states.push_back(StateFrame { key, version, frame });
        }
        self.ordered_changed.notify_one();
    }

    /// What waits of state events is not sent any more.
    pub fn forget_states(&self) {
        self.states.borrow_mut().clear();
    }

    /// Waits until little is left on a lane, so that a long replay neither fills it nor grows old on it.
    pub async fn room(&self, lane: Lane) {
        let queue = match lane {
            Lane::Urgent => &self.urgent,
            Lane::Ordered => &self.ordered,
        };
        while self.closing.get().is_none() && queue.borrow().bytes > LITTLE {
            self.room.notified().await;
        }
    }

    /// Closes. What waits is still sent, unless the client is too slow for it. The first reason stays.
    pub fn close(&self, code: CloseCode) {
        if self.closing.get().is_some() {
            return;
        }
        self.closing.set(Some(code));
        if matches!(code, CloseCode::Slow | CloseCode::Silent) {
            *self.urgent.borrow_mut() = Queue::default();
            *self.ordered.borrow_mut() = Queue::default();
            self.states.borrow_mut().clear();
        }
        self.urgent_changed.notify_one();
        self.ordered_changed.notify_one();
        self.room.notify_waiters();
        self.closed.notify_waiters();
    }

    /// Why it closed, if it did.
    pub fn closing(&self) -> Option<CloseCode> {
        self.closing.get()
    }

    /// Waits until it closes.
    pub async fn closed(&self) -> CloseCode {
        loop {
            let closed = self.closed.notified();
            if let Some(code) = self.closing.get() {
                return code;
            }
            closed.await;
        }
    }

    /// The next frames of one lane, for a writer that has the lane to itself. `None` once closed and empty.
    pub async fn next(&self, lane: Lane) -> Option<Batch> {
        loop {
            let mut batch = Batch::default();
            match lane {
                Lane::Urgent => self.urgent.borrow_mut().take(&mut batch),
                Lane::Ordered => self.take_ordered(&mut batch),
            }
            if let Some(batch) = self.taken(batch)? {
                return Some(batch);
            }
            match lane {
                Lane::Urgent => self.urgent_changed.notified().await,
                Lane::Ordered => self.ordered_changed.notified().await,
            }
        }
    }

    /// The next frames of all lanes, urgent first, for a writer that serves them all. `None` once closed and empty.
    ///
    /// `wake` ends the wait with an empty batch.
    pub async fn next_of_all(&self, wake: &Notify) -> Option<Batch> {
        loop {
            let mut batch = Batch::default();
            self.urgent.borrow_mut().take(&mut batch);
            self.take_ordered(&mut batch);
            if let Some(batch) = self.taken(batch)? {
                return Some(batch);
            }
            tokio::select! {
                () = self.urgent_changed.notified() => {}
                () = self.ordered_changed.notified() => {}
                () = wake.notified() => return Some(Batch::default()),
            }
        }
    }

    /// When a batch must be written.
    pub fn deadline(&self, batch: &Batch) -> Instant {
        batch.oldest.unwrap_or_else(Instant::now) + self.bounds.age
    }

    fn take_ordered(&self, batch: &mut Batch) {
        self.ordered.borrow_mut().take(batch);
        let mut states = self.states.borrow_mut();
        while batch.bytes < BATCH
            && let Some(state) = states.pop_front()
        {
            batch.add(Instant::now(), state.frame);
        }
    }

    /// `Some(Some(batch))`: there is something. `Some(None)`: wait. `None`: it is over.
    #[allow(clippy::option_option)]
    fn taken(&self, batch: Batch) -> Option<Option<Batch>> {
        if !batch.frames.is_empty() {
            self.room.notify_waiters();
            return Some(Some(batch));
        }
        if self.closing.get().is_some() { None } else { Some(None) }
    }
}
