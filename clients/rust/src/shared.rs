//! What the client's task and the handles both see.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fanfare_proto::{UnixMs, event::LocationStored};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{
    Environment, State, Stats,
    clock::{Moment, ServerClock},
    stats::Counters,
    table::Table,
};

/// Acknowledgements that wait for the tracker. Full: they are dropped; the fixes go out again and are acknowledged
/// by the answer.
pub(crate) const STORED: usize = 64;

/// What the client's task and the handles both see. Locks are held for moments only.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: watch::Sender<State>,
    pub(crate) counters: Counters,
    pub(crate) positions: Mutex<Table>,
    pub(crate) environment: Environment,
    clock: Mutex<ServerClock>,
    /// Where packets go while a connection is open.
    packets: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
    /// Where acknowledgements go while a tracker is there.
    stored: Mutex<Option<mpsc::Sender<LocationStored>>>,
    #[cfg(test)]
    pub(crate) history: Mutex<Vec<State>>,
}

impl Shared {
    pub(crate) fn new(environment: Environment) -> Self {
        Self {
            state: watch::Sender::new(State::Connecting),
            counters: Counters::default(),
            positions: Mutex::default(),
            environment,
            clock: Mutex::default(),
            packets: Mutex::default(),
            stored: Mutex::default(),
            #[cfg(test)]
            history: Mutex::default(),
        }
    }

    pub(crate) fn enter(&self, state: State) {
        #[cfg(test)]
        lock(&self.history).push(state.clone());
        self.state.send_replace(state);
    }

    pub(crate) fn stats(&self) -> Stats {
        let transport = match &*self.state.borrow() {
            State::Open(transport) => Some(*transport),
            _ => None,
        };
        self.counters.stats(transport)
    }

    /// What our own clocks show.
    pub(crate) fn moment(&self) -> Moment {
        Moment { wall: self.environment.now(), instant: Instant::now() }
    }

    /// The server's clock at a moment; `None` before the server's first word.
    pub(crate) fn server_at(&self, moment: Moment) -> Option<UnixMs> {
        lock(&self.clock).at(moment)
    }

    /// The server's clock, as well as it is known.
    pub(crate) fn server_now(&self) -> UnixMs {
        let now = self.moment();
        self.server_at(now).unwrap_or(now.wall)
    }

    pub(crate) fn server_said(&self, time: UnixMs) {
        lock(&self.clock).said(time, self.moment());
    }

    pub(crate) fn positions(&self) -> MutexGuard<'_, Table> {
        lock(&self.positions)
    }

    /// Says where packets go; `None` while there is no connection.
    pub(crate) fn carry(&self, packets: Option<mpsc::Sender<Vec<u8>>>) {
        *lock(&self.packets) = packets;
    }

    /// Sends a packet by the fast lane. `false`: it is dropped.
    pub(crate) fn send_packet(&self, packet: Vec<u8>) -> bool {
        let taken = lock(&self.packets).as_ref().is_some_and(|lane| lane.try_send(packet).is_ok());
        let counter = if taken { &self.counters.packets_sent } else { &self.counters.packets_dropped };
        counter.add(1);
        taken
    }

    /// Opens the way for acknowledgements; `None` if a tracker has it already.
    pub(crate) fn track(&self) -> Option<mpsc::Receiver<LocationStored>> {
        let mut stored = lock(&self.stored);
        if stored.as_ref().is_some_and(|s| !s.is_closed()) {
            return None;
        }
        let (sender, receiver) = mpsc::channel(STORED);
        *stored = Some(sender);
        Some(receiver)
    }

    pub(crate) fn acknowledge(&self, stored: LocationStored) {
        if let Some(tracker) = &*lock(&self.stored) {
            drop(tracker.try_send(stored));
        }
    }
}

/// No code panics while it holds one of these locks, and their content is whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
