//! What all agents together have done so far.

use std::{
    fmt,
    ops::AddAssign,
    sync::{Mutex, MutexGuard, PoisonError},
};

use fanfare_client::{Loss, State};
use indicatif::HumanCount;
use tokio::sync::watch;

/// What was counted of fixes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) sent: u64,
    pub(super) stored: u64,
    /// Those that went by request, as no word of them came in time.
    pub(super) again: u64,
    pub(super) rejected: u64,
    /// Those that were given up while there was no connection.
    pub(super) dropped: u64,
    pub(super) reconnects: u64,
}

/// What each agent has counted, and where its client stands.
#[derive(Debug)]
pub(super) struct Tally(Mutex<Vec<Slot>>);

#[derive(Debug, Clone, Default)]
struct Slot {
    count: Count,
    state: Option<watch::Receiver<State>>,
}

/// The sum.
#[derive(Debug, Default)]
pub(super) struct Total {
    pub(super) agents: usize,
    pub(super) open: usize,
    pub(super) count: Count,
    /// Why one of them has no connection at the moment.
    pub(super) trouble: Option<Loss>,
}

impl Tally {
    pub(super) fn new(agents: usize) -> Self {
        Self(Mutex::new(vec![Slot::default(); agents]))
    }

    /// An agent has a client now.
    pub(super) fn told(&self, agent: usize, state: watch::Receiver<State>) {
        if let Some(slot) = self.slots().get_mut(agent) {
            slot.state = Some(state);
        }
    }

    /// What an agent has counted so far.
    pub(super) fn set(&self, agent: usize, count: Count) {
        if let Some(slot) = self.slots().get_mut(agent) {
            slot.count = count;
        }
    }

    pub(super) fn total(&self) -> Total {
        let slots = self.slots();
        let mut total = Total { agents: slots.len(), ..Total::default() };
        for slot in slots.iter() {
            total.count += slot.count;
            match slot.state.as_ref().map(|state| state.borrow().clone()) {
                Some(State::Open(_)) => total.open += 1,
                Some(State::Backoff { cause, .. }) => total.trouble = Some(cause),
                _ => {}
            }
        }
        total
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.stored += other.stored;
        self.again += other.again;
        self.rejected += other.rejected;
        self.dropped += other.dropped;
        self.reconnects += other.reconnects;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [sent, stored, again] = [self.sent, self.stored, self.again].map(HumanCount);
        write!(f, "{sent} fixes made, {stored} stored, {again} sent again")?;
        write!(f, ", {} rejected", HumanCount(self.rejected))?;
        if self.dropped > 0 {
            write!(f, ", {} dropped", HumanCount(self.dropped))?;
        }
        write!(f, "; {} reconnects", HumanCount(self.reconnects))
    }
}

impl Count {
    /// Fixes of which no word came.
    pub(super) const fn unknown(&self) -> u64 {
        self.sent.saturating_sub(self.stored + self.rejected + self.dropped)
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} agents connected; {}", self.open, self.agents, self.count)?;
        match &self.trouble {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_up() {
        let tally = Tally::new(3);
        let count = Count { sent: 1000, stored: 999, again: 2, reconnects: 1, ..Count::default() };
        let (state, told) = watch::channel(State::Connecting);
        tally.told(1, told);
        tally.set(0, count);
        tally.set(1, count);
        tally.set(1, count);
        // Nobody has this number.
        tally.set(7, count);
        state.send_replace(State::Open(fanfare_client::Transport::WebSocket));
        assert_eq!(
            tally.total().to_string(),
            "1 of 3 agents connected; 2,000 fixes made, 1,998 stored, 4 sent again, 0 rejected; 2 reconnects"
        );
    }
}
