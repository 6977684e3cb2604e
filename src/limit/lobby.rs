//! Those who wait to be let in. There is room for so many: when one more comes, the one that has waited longest has to
//! leave. Who goes straight through is hardly ever that one, however many stand around.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// A bounded number of seats.
#[derive(Debug)]
pub struct Lobby {
    room: usize,
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    /// In the order in which they were taken.
    taken: BTreeMap<u64, Arc<Notify>>,
    next: u64,
}

/// A seat in a lobby, until it is given up or dropped.
#[derive(Debug)]
pub struct Seat {
    lobby: Arc<Lobby>,
    number: u64,
    called: Arc<Notify>,
}

impl Lobby {
    /// A lobby with so many seats.
    pub fn new(room: usize) -> Arc<Self> {
        Arc::new(Self { room: room.max(1), seats: Mutex::default() })
    }

    /// Takes a seat. There always is one.
    pub fn enter(self: &Arc<Self>) -> Seat {
        let called = Arc::new(Notify::new());
        let mut seats = self.lock();
        let number = seats.next;
        seats.next += 1;
        seats.taken.insert(number, called.clone());
        let oldest = if seats.taken.len() > self.room { seats.taken.pop_first() } else { None };
        drop(seats);
        if let Some((_, oldest)) = oldest {
            oldest.notify_one();
        }
        Seat { lobby: self.clone(), number, called }
    }

    /// How many sit there.
    pub fn len(&self) -> usize {
        self.lock().taken.len()
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Waits until this seat is needed for another. For one waiter.
    pub async fn called(&self) {
        self.called.notified().await;
    }

    /// Gives the seat up.
    pub fn leave(&self) {
        self.lobby.lock().taken.remove(&self.number);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn the_one_that_waited_longest_makes_room() {
        let lobby = Lobby::new(2);
        let [first, second, third] = [(); 3].map(|()| lobby.enter());
        assert!(first.called().now_or_never().is_some());
        assert!(second.called().now_or_never().is_none());
        assert_eq!(lobby.len(), 2);
        drop(first);
        assert_eq!(lobby.len(), 2, "it had left already");
        second.leave();
        let fourth = lobby.enter();
        assert!(third.called().now_or_never().is_none());
        drop((third, fourth));
        assert!(lobby.is_empty());
        drop(second);
    }
}
