//! Fewer, fuller turns of a busy thread.
//!
//! Packets of many connections arrive one by one, and each would wake its thread for itself: on a busy server waking
//! costs more than the work. So a thread that is woken often sleeps on for a moment after each turn, and then finds
//! what has gathered. A thread that has little to do, or few connections, is woken at once, as ever: there a message
//! often waits for the answer to the one before, and nothing would gather.

use std::{
    cell::Cell,
    marker::PhantomData,
    thread,
    time::{Duration, Instant},
};

/// Between two turns of a busy thread: the most that this adds to the time a message takes through it.
const GATHER: Duration = Duration::from_millis(4);

/// What is looked at to tell whether a thread is busy.
const WINDOW: Duration = Duration::from_millis(50);

/// Connections from which on it is worth it.
const MANY: usize = 64;

/// More turns in a window: the thread is busy. Fewer than [`CALM`]: no longer. Gathering allows twelve.
const BUSY: u32 = 20;
const CALM: u32 = 8;

thread_local! {
    static CONNECTIONS: Cell<usize> = const { Cell::new(0) };
    static TURNING: Cell<Option<Turning>> = const { Cell::new(None) };
}

/// To be called by a thread that is about to wait because it has nothing to do.
pub(super) fn before_park() {
    let now = Instant::now();
    let mut turning = TURNING.get().unwrap_or_else(|| Turning::new(now));
    let rest = turning.turned(now, CONNECTIONS.get());
    TURNING.set(Some(turning));
    if !rest.is_zero() {
        thread::sleep(rest);
    }
}

/// A connection of this thread, as long as it is held.
#[derive(Debug)]
pub(super) struct Connection(PhantomData<*const ()>);

impl Connection {
    pub(super) fn new() -> Self {
        CONNECTIONS.set(CONNECTIONS.get() + 1);
        Self(PhantomData)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        CONNECTIONS.set(CONNECTIONS.get().saturating_sub(1));
    }
}

/// What a thread did lately.
#[derive(Debug, Clone, Copy)]
struct Turning {
    /// When the window began, and the turns in it so far.
    since: Instant,
    turns: u32,
    busy: bool,
    /// When the last rest was over.
    rested: Instant,
}

impl Turning {
    const fn new(now: Instant) -> Self {
        Self { since: now, turns: 0, busy: false, rested: now }
    }

    /// Counts a turn that ended `now`, and tells how long to sleep on.
    fn turned(&mut self, now: Instant, connections: usize) -> Duration {
        self.turns += 1;
        if now.duration_since(self.since) >= WINDOW {
            self.busy = self.turns > if self.busy { CALM } else { BUSY };
            (self.since, self.turns) = (now, 0);
        }
        let rest = if self.busy && connections >= MANY {
            GATHER.saturating_sub(now.duration_since(self.rested))
        } else {
            Duration::ZERO
        };
        self.rested = now + rest;
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns every `every` for `span`, sleeping when told to. Answers how long it slept at most.
    fn run(turning: &mut Turning, now: &mut Instant, every: Duration, span: Duration) -> Duration {
        let (end, mut longest) = (*now + span, Duration::ZERO);
        while *now < end {
            *now += every;
            let rest = turning.turned(*now, MANY);
            *now += rest;
            longest = longest.max(rest);
        }
        longest
    }

    #[test]
    fn only_a_busy_thread_rests() {
        let mut now = Instant::now();
        let mut turning = Turning::new(now);
        let ms = Duration::from_millis;
        assert_eq!(run(&mut turning, &mut now, ms(4), ms(1000)), ms(0), "250 turns a second");
        assert_eq!(run(&mut turning, &mut now, ms(1), ms(1000)), ms(3), "1,000 a second become 250");
        assert!(turning.busy, "what it gathers keeps it busy");
        run(&mut turning, &mut now, ms(20), ms(200));
        assert_eq!(run(&mut turning, &mut now, ms(20), ms(1000)), ms(0), "50 a second");
    }

    #[test]
    fn work_counts_as_rest() {
        let mut now = Instant::now();
        let mut turning = Turning { busy: true, ..Turning::new(now) };
        now += Duration::from_millis(5);
        assert_eq!(turning.turned(now, MANY), Duration::ZERO, "longer than a rest since the last one");
    }

    #[test]
    fn few_connections_are_not_kept_waiting() {
        let now = Instant::now();
        let mut turning = Turning { busy: true, ..Turning::new(now) };
        assert_eq!(turning.turned(now, MANY - 1), Duration::ZERO);
        assert_eq!(turning.turned(now, MANY), GATHER);
    }
}
