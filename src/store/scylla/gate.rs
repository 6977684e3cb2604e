//! How much may be under way, and the end of it.
//!
//! Policy when full, of calls or of the bytes that appends bring: refused at once. Urgent appends have room of their own.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use fanfare_proto::Lane;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::{Append, StoreError};

pub(super) struct Gate {
    urgent: Room,
    ordered: Room,
    calls: u32,
    bytes: u32,
    closed: AtomicBool,
}

/// What one lane has.
struct Room {
    calls: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// Held until the call is done.
pub(super) struct Place {
    _call: OwnedSemaphorePermit,
    _bytes: Option<OwnedSemaphorePermit>,
}

impl Gate {
    pub(super) fn new(calls: usize, bytes: usize) -> Self {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX).clamp(1, 1 << 24);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
        let some = |room: u32| Arc::new(Semaphore::new(room as usize));
        let lane = || Room { calls: some(calls), bytes: some(bytes) };
        Self { urgent: lane(), ordered: lane(), calls, bytes, closed: AtomicBool::new(false) }
    }

    /// A place for a call that keeps so many bytes waiting. A single one with more than there is room for still passes.
    pub(super) fn enter(&self, lane: Lane, bytes: usize) -> Result<Place, StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        let room = match lane {
            Lane::Urgent => &self.urgent,
            Lane::Ordered => &self.ordered,
        };
        let call = Arc::clone(&room.calls).try_acquire_owned();
        let call = call.map_err(|_| unavailable("too many calls are waiting"))?;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes);
        let bytes = (bytes > 0).then(|| Arc::clone(&room.bytes).try_acquire_many_owned(bytes));
        let bytes = bytes.transpose().map_err(|_| unavailable("too many bytes are waiting"))?;
        Ok(Place { _call: call, _bytes: bytes })
    }

    /// Lets nobody in any more, and waits until everybody is out.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for Room { calls, .. } in [&self.urgent, &self.ordered] {
            if let Ok(all) = calls.acquire_many(self.calls).await {
                all.forget();
            }
            calls.close();
        }
    }
}

/// About what an append takes while it waits.
pub(super) fn size(append: &Append) -> usize {
    let events = append.events.iter();
    128 + events.map(|event| 256 + event.data.len() + event.name.len()).sum::<usize>()
}

fn closed() -> StoreError {
    unavailable("the store is closed")
}

pub(super) fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_have_bytes_of_their_own() {
        let gate = Gate::new(10, 100);
        let place = gate.enter(Lane::Ordered, 60).unwrap();
        assert!(gate.enter(Lane::Ordered, 60).is_err());
        assert!(gate.enter(Lane::Ordered, 0).is_ok() && gate.enter(Lane::Ordered, 40).is_ok());
        assert!(gate.enter(Lane::Urgent, 100).is_ok());
        // A refused one leaves nothing taken.
        drop(place);
        let places: Vec<_> = (0..10).map(|_| gate.enter(Lane::Ordered, 10)).collect();
        assert!(places.iter().all(Result::is_ok));
        drop(places);
        assert!(gate.enter(Lane::Ordered, usize::MAX).is_ok());
    }
}
