//! A bounded queue with two lanes, between callers on any thread and the threads of a database.
//!
//! Policy when full: the push is refused at once; nothing waits and nothing is dropped that was accepted. Each lane
//! has its own bounds, so a flood of ordinary requests never keeps an urgent one out.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use fanfare_proto::Lane;

/// How much of something there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// At most so many requests.
    pub(super) items: usize,
    /// At most so many bytes, as the callers estimate them. A single larger request still passes.
    pub(super) bytes: usize,
}

/// Why a push was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

/// What a consumer found.
pub(super) enum Taken<T> {
    /// At least one item, urgent ones first, each lane in the order of its pushes.
    Batch(Vec<T>),
    /// Nothing came in the time given.
    Idle,
    /// Closed, and everything that was accepted has been taken.
    Closed,
}

pub(super) struct Queue<T> {
    lanes: Mutex<Lanes<T>>,
    ready: Condvar,
    bounds: Bounds,
}

struct Lanes<T> {
    urgent: Waiting<T>,
    ordered: Waiting<T>,
    closed: bool,
}

/// One lane.
struct Waiting<T> {
    items: VecDeque<(usize, T)>,
    bytes: usize,
}

impl<T> Queue<T> {
    /// `bounds` hold for each lane.
    pub(super) fn new(bounds: Bounds) -> Self {
        let lanes = Lanes { urgent: Waiting::new(), ordered: Waiting::new(), closed: false };
        Self { lanes: Mutex::new(lanes), ready: Condvar::new(), bounds }
    }

    pub(super) fn push(&self, lane: Lane, bytes: usize, item: T) -> Result<(), Refused> {
        let mut lanes = self.lock();
        if lanes.closed {
            return Err(Refused::Closed);
        }
        let waiting = match lane {
            Lane::Urgent => &mut lanes.urgent,
            Lane::Ordered => &mut lanes.ordered,
        };
        if !waiting.fits(bytes, self.bounds) {
            return Err(Refused::Full);
        }
        waiting.bytes += bytes;
        waiting.items.push_back((bytes, item));
        drop(lanes);
        self.ready.notify_one();
        Ok(())
    }

    /// Takes what is waiting, up to `most`. Without anything, waits for `patience` (`None`: until something comes).
    pub(super) fn take(&self, most: Bounds, patience: Option<Duration>) -> Taken<T> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut lanes = self.lock();
        loop {
            let batch = lanes.drain(most);
            if !batch.is_empty() {
                return Taken::Batch(batch);
            }
            if lanes.closed {
                return Taken::Closed;
            }
            lanes = match deadline {
                None => self.ready.wait(lanes).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Taken::Idle;
                    }
                    self.ready.wait_timeout(lanes, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Refuses further pushes. What was accepted can still be taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    /// Closes, and drops what nobody will take any more, which tells its callers.
    pub(super) fn abandon(&self) {
        let mut lanes = self.lock();
        lanes.closed = true;
        let dropped = (std::mem::take(&mut lanes.urgent.items), std::mem::take(&mut lanes.ordered.items));
        drop(lanes);
        drop(dropped);
        self.ready.notify_all();
    }

    /// Requests waiting in both lanes.
    pub(super) fn len(&self) -> usize {
        let lanes = self.lock();
        lanes.urgent.items.len() + lanes.ordered.items.len()
    }

    /// No code that can panic runs under the lock, so a poisoned one still holds whole lanes.
    fn lock(&self) -> MutexGuard<'_, Lanes<T>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Lanes<T> {
    fn drain(&mut self, most: Bounds) -> Vec<T> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for lane in [&mut self.urgent, &mut self.ordered] {
            while let Some((size, _)) = lane.items.front() {
                if !batch.is_empty() && (batch.len() >= most.items || bytes + size > most.bytes) {
                    return batch;
                }
                let Some((size, item)) = lane.items.pop_front() else {
                    break;
                };
                lane.bytes -= size;
                bytes += size;
                batch.push(item);
            }
        }
        batch
    }
}

impl<T> Waiting<T> {
    const fn new() -> Self {
        Self { items: VecDeque::new(), bytes: 0 }
    }

    fn fits(&self, bytes: usize, bounds: Bounds) -> bool {
        self.items.is_empty() || (self.items.len() < bounds.items && self.bytes + bytes <= bounds.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Bounds = Bounds { items: 2, bytes: 100 };

    fn taken(queue: &Queue<u32>, most: Bounds) -> Vec<u32> {
        match queue.take(most, Some(Duration::ZERO)) {
            Taken::Batch(batch) => batch,
            Taken::Idle | Taken::Closed => Vec::new(),
        }
    }

    #[test]
    fn urgent_comes_first_and_has_room_of_its_own() {
        let queue = Queue::new(SMALL);
        assert_eq!(queue.push(Lane::Ordered, 1, 1), Ok(()));
        assert_eq!(queue.push(Lane::Ordered, 1, 2), Ok(()));
        assert_eq!(queue.push(Lane::Ordered, 1, 3), Err(Refused::Full));
        assert_eq!(queue.push(Lane::Urgent, 1, 9), Ok(()));
        assert_eq!(queue.len(), 3);
        assert_eq!(taken(&queue, Bounds { items: 2, bytes: 100 }), [9, 1]);
        assert_eq!(taken(&queue, SMALL), [2]);
        assert!(matches!(queue.take(SMALL, Some(Duration::ZERO)), Taken::Idle));
    }

    #[test]
    fn bytes_bound_the_lane_and_the_batch_but_one_always_passes() {
        let queue = Queue::new(SMALL);
        assert_eq!(queue.push(Lane::Ordered, 1_000, 1), Ok(()));
        assert_eq!(queue.push(Lane::Ordered, 1, 2), Err(Refused::Full));
        assert_eq!(taken(&queue, Bounds { items: 9, bytes: 10 }), [1]);
        assert_eq!(queue.push(Lane::Ordered, 60, 3), Ok(()));
        assert_eq!(queue.push(Lane::Ordered, 40, 4), Ok(()));
        assert_eq!(taken(&queue, Bounds { items: 9, bytes: 99 }), [3]);
        assert_eq!(taken(&queue, SMALL), [4]);
    }

    #[test]
    fn closed_gives_out_what_it_accepted() {
        let queue = Queue::new(SMALL);
        assert_eq!(queue.push(Lane::Ordered, 1, 1), Ok(()));
        queue.close();
        assert_eq!(queue.push(Lane::Ordered, 1, 2), Err(Refused::Closed));
        assert_eq!(taken(&queue, SMALL), [1]);
        assert!(matches!(queue.take(SMALL, None), Taken::Closed));
    }
}
