//! How often many threads together may do something.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::time::Elapsed;

/// `burst` at once, and one more every `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    interval_us: u64,
    burst_us: u64,
}

impl Rate {
    /// `count` in `seconds`, of which `burst` may come at once. None of them may be zero.
    pub fn new(count: u32, seconds: u32, burst: u32) -> Self {
        let interval_us = (u64::from(seconds) * 1_000_000 / u64::from(count.max(1))).max(1);
        Self { interval_us, burst_us: interval_us * u64::from(burst.max(1)) }
    }

    /// The time in which so many come, at most a burst.
    fn cost_us(self, count: u32) -> u64 {
        (self.interval_us * u64::from(count)).min(self.burst_us)
    }
}

/// A token bucket in one atomic: the time at which it will be full again. Shared by threads without a lock.
#[derive(Debug)]
pub struct Meter {
    rate: Rate,
    full_us: AtomicU64,
}

impl Meter {
    /// A full one.
    pub const fn new(rate: Rate) -> Self {
        Self { rate, full_us: AtomicU64::new(0) }
    }

    /// Takes one, or tells in how many milliseconds it will be there. A refusal costs nothing.
    pub fn take(&self, now: Elapsed) -> Result<(), u64> {
        self.take_many(1, now)
    }

    /// The same for several at once. More than a burst is never there: it takes a whole one instead.
    pub fn take_many(&self, count: u32, now: Elapsed) -> Result<(), u64> {
        let mut seen = self.settled(now);
        loop {
            let full = self.after(count, seen, now)?;
            match self.full_us.compare_exchange_weak(seen, full, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => seen = other,
            }
        }
    }

    /// Whether one could be taken; else in how many milliseconds.
    pub fn has_one(&self, now: Elapsed) -> Result<(), u64> {
        self.after(1, self.settled(now), now).map(|_| ())
    }

    /// Gives so many back, for something that was not done after all.
    pub fn give_back(&self, count: u32) {
        let cost = self.rate.cost_us(count);
        let less = |full: u64| Some(full.saturating_sub(cost));
        let _ = self.full_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Whether it is full: forgetting it then changes nothing.
    pub fn is_full(&self, now: Elapsed) -> bool {
        self.full_us.load(Ordering::Relaxed) <= micros(now)
    }

    /// When it will be full again. After the clock has stepped back it is empty at worst, not emptied in the future.
    fn settled(&self, now: Elapsed) -> u64 {
        let latest = micros(now) + self.rate.burst_us;
        self.full_us.fetch_min(latest, Ordering::Relaxed).min(latest)
    }

    /// When it would be full again if so many were taken.
    fn after(&self, count: u32, full_us: u64, now: Elapsed) -> Result<u64, u64> {
        let now = micros(now);
        let full = full_us.max(now) + self.rate.cost_us(count);
        let wait = full.saturating_sub(now + self.rate.burst_us);
        if wait == 0 { Ok(full) } else { Err(wait.div_ceil(1000)) }
    }
}

fn micros(now: Elapsed) -> u64 {
    // Room above for a burst.
    now.0.saturating_mul(1000).min(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(count: u32, seconds: u32, burst: u32) -> Meter {
        Meter::new(Rate::new(count, seconds, burst))
    }

    #[test]
    fn a_burst_then_the_rate() {
        let meter = meter(10, 1, 3);
        let now = Elapsed(1_000_000);
        for _ in 0..3 {
            assert_eq!(meter.take(now), Ok(()));
        }
        assert_eq!(meter.has_one(now), Err(100));
        assert_eq!(meter.take(now), Err(100));
        assert_eq!(meter.take(now.plus(99)), Err(1));
        assert_eq!(meter.take(now.plus(100)), Ok(()));
        assert!(!meter.is_full(now.plus(399)));
        assert!(meter.is_full(now.plus(400)));
    }

    #[test]
    fn what_is_given_back_is_there_again() {
        let meter = meter(1, 60, 1);
        let now = Elapsed(1_000_000);
        assert_eq!(meter.take(now), Ok(()));
        assert_eq!(meter.take(now), Err(60_000));
        meter.give_back(1);
        assert_eq!(meter.take(now), Ok(()));
    }

    #[test]
    fn several_are_taken_together_or_not_at_all() {
        let meter = meter(10, 1, 5);
        let now = Elapsed(1_000_000);
        assert_eq!(meter.take_many(3, now), Ok(()));
        assert_eq!(meter.take_many(3, now), Err(100));
        assert_eq!(meter.take_many(2, now), Ok(()), "a refusal costs nothing");
        assert_eq!(meter.take_many(9, now.plus(499)), Err(1), "as if a burst were asked for");
        assert_eq!(meter.take_many(9, now.plus(500)), Ok(()));
        meter.give_back(9);
        assert!(meter.is_full(now.plus(500)), "no more than was taken");
    }

    #[test]
    fn a_clock_that_steps_back_locks_nobody_out() {
        let meter = meter(10, 1, 10);
        assert_eq!(meter.take(Elapsed(9_000_000)), Ok(()));
        assert_eq!(meter.take(Elapsed(1_000_000)), Err(100), "it is empty at worst");
        assert_eq!(meter.take(Elapsed(1_000_100)), Ok(()), "and fills from there");
    }

    #[test]
    fn whoever_waits_as_told_gets_one() {
        let meter = meter(7, 1, 5);
        let mut taken = 0;
        for now in 0..10_000 {
            match meter.take(Elapsed(now)) {
                Ok(()) => taken += 1,
                Err(wait) => assert_eq!(meter.has_one(Elapsed(now + wait)), Ok(()), "at {now}"),
            }
        }
        assert_eq!(taken, 5 + 7 * 10 - 1);
    }

    #[test]
    fn threads_share_what_there_is() {
        let meter = meter(1, 1, 1000);
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).filter(|_| meter.take(Elapsed(5)).is_ok()).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1000);
    }
}
