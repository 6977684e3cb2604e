//! Time as a value that is handed in, so that tests decide what time it is. There are two kinds.
//!
//! [`UnixMs`] is the wall clock: for what is stored, shown, or compared with what others say. An operator or NTP may set it
//! back or ahead at any moment. [`Elapsed`] only goes forward, at an even pace: for rates, waits, silence and deadlines.

use std::{
    fmt,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use fanfare_proto::UnixMs;

/// Milliseconds of the monotonic clock since this process first asked for them. Means nothing in another process, and is
/// never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Elapsed(pub u64);

impl Elapsed {
    /// So many milliseconds later.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this; 0 where `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Two wall clocks of which one is right, for rules that must not break by the other: nothing ends before both say so, and
/// nothing that one of them has seen is of the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wall {
    /// It is this late at least.
    pub earliest: UnixMs,
    /// And this late at most.
    pub latest: UnixMs,
}

impl Wall {
    /// Both clocks say the same.
    pub const fn at(now: UnixMs) -> Self {
        Self { earliest: now, latest: now }
    }
}

/// Tells the time. Rules take `now` as an argument; only loops ask a clock.
#[derive(Clone, Default)]
pub struct Clock(Option<Shift>);

/// How far a test has moved the clocks.
#[derive(Clone, Default)]
struct Shift {
    /// Time that has passed: on both clocks.
    passed_ms: Arc<AtomicU64>,
    /// By how much the wall clock was set, ahead or back.
    stepped_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's clocks.
    pub const fn system() -> Self {
        Self(None)
    }

    /// The machine's clocks after a number of milliseconds that the caller may raise at any time.
    pub fn shifted(passed_ms: Arc<AtomicU64>) -> Self {
        Self::stepped(passed_ms, Arc::default())
    }

    /// The same, with a wall clock that is set by `stepped_ms`, which the caller may change at any time.
    pub const fn stepped(passed_ms: Arc<AtomicU64>, stepped_ms: Arc<AtomicI64>) -> Self {
        Self(Some(Shift { passed_ms, stepped_ms }))
    }

    /// The wall clock.
    pub fn now(&self) -> UnixMs {
        // A clock before 1970 reads as 1970: tokens then look valid, but no rule breaks.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = UnixMs(since.as_millis() as u64);
        match &self.0 {
            None => now,
            Some(shift) => {
                let passed = now.plus(shift.passed_ms.load(Ordering::Relaxed));
                UnixMs(passed.0.saturating_add_signed(shift.stepped_ms.load(Ordering::Relaxed)))
            }
        }
    }

    /// The later of the wall clock, and of what it would be had nobody set it since this process first looked: what a peer
    /// with a right clock says is not of the future because this machine's clock was set back.
    pub fn latest(&self) -> UnixMs {
        self.wall().latest
    }

    /// The wall clock, and what it would be had nobody set it since this process first looked: the earlier and the later.
    pub fn wall(&self) -> Wall {
        let (now, unset) = (self.now(), START.wall.plus(self.elapsed().0));
        Wall { earliest: now.min(unset), latest: now.max(unset) }
    }

    /// The monotonic clock.
    pub fn elapsed(&self) -> Elapsed {
        let elapsed = Elapsed(START.instant.elapsed().as_millis() as u64);
        match &self.0 {
            None => elapsed,
            Some(shift) => elapsed.plus(shift.passed_ms.load(Ordering::Relaxed)),
        }
    }
}

/// When this process first looked at either clock.
static START: LazyLock<Start> =
    LazyLock::new(|| Start { instant: Instant::now(), wall: Clock::system().now() });

struct Start {
    instant: Instant,
    wall: UnixMs,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_wall_clock_moves_no_elapsed_time() {
        let (passed, stepped) = (Arc::<AtomicU64>::default(), Arc::<AtomicI64>::default());
        let clock = Clock::stepped(passed.clone(), stepped.clone());
        let (wall, elapsed) = (clock.now(), clock.elapsed());
        stepped.store(-3_600_000, Ordering::Relaxed);
        assert!(clock.now() < wall);
        assert!((0..60_000).contains(&clock.elapsed().since(elapsed)) && clock.elapsed() >= elapsed);
        stepped.store(3_600_000, Ordering::Relaxed);
        assert!(clock.now().since(wall) >= 3_600_000);
        assert!(clock.elapsed().since(elapsed) < 60_000);
        passed.store(7_200_000, Ordering::Relaxed);
        assert!(clock.elapsed().since(elapsed) >= 7_200_000, "what passes, passes on both");
        assert!(clock.now().since(wall) >= 10_800_000);
        let ahead = clock.wall();
        assert!((3_500_000..3_700_000).contains(&ahead.latest.since(ahead.earliest)), "{ahead:?}");
        assert_eq!(clock.latest().since(ahead.latest) / 60_000, 0);
        stepped.store(-3_600_000, Ordering::Relaxed);
        let behind = clock.wall();
        assert!((3_500_000..3_700_000).contains(&ahead.earliest.since(behind.earliest)), "{behind:?}");
        assert!(behind.latest.since(ahead.earliest) < 60_000, "{behind:?}");
    }
}
