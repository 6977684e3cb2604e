//! How many calls may be under way, and the end of it.
//!
//! Policy when full: refused at once. Urgent appends have room of their own.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use fanfare_proto::Lane;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::StoreError;

pub(super) struct Gate {
    urgent: Arc<Semaphore>,
    ordered: Arc<Semaphore>,
    room: u32,
    closed: AtomicBool,
}

impl Gate {
    pub(super) fn new(room: usize) -> Self {
        let room = u32::try_from(room).unwrap_or(u32::MAX).clamp(1, 1 << 24);
        let lane = || Arc::new(Semaphore::new(room as usize));
        Self { urgent: lane(), ordered: lane(), room, closed: AtomicBool::new(false) }
    }

    /// A place, held until the call is done.
    pub(super) fn enter(&self, lane: Lane) -> Result<OwnedSemaphorePermit, StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        let places = match lane {
            Lane::Urgent => &self.urgent,
            Lane::Ordered => &self.ordered,
        };
        Arc::clone(places).try_acquire_owned().map_err(|_| unavailable("too many calls are waiting"))
    }

    /// Lets nobody in any more, and waits until everybody is out.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for places in [&self.urgent, &self.ordered] {
            if let Ok(all) = places.acquire_many(self.room).await {
                all.forget();
            }
            places.close();
        }
    }
}

fn closed() -> StoreError {
    unavailable("the store is closed")
}

pub(super) fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}
