//! The server's clock, as well as a device knows it. Rules without I/O; both clocks of the device are arguments.
//!
//! Either side's wall clock may be set while they talk. The monotonic clock of the device tells which one it was: nobody sets
//! it, although it stands still while the device sleeps.

use std::{cmp::Ordering, time::Duration};

use fanfare_proto::UnixMs;
use tokio::time::Instant;

/// A clock that differs from the server's by more than this is wrong: less is the network's time.
pub(crate) const WRONG_MS: u64 = 10_000;
/// A clock that is off by more than this, from what it should show, was set. Less is drift, and what the network adds.
const SET_MS: u64 = 5_000;
/// A server that tells another time than before is believed after so long, where no other clock bears witness.
const BELIEVED_AFTER: Duration = Duration::from_mins(10);

/// What both clocks of the device show at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) wall: UnixMs,
    pub(crate) instant: Instant,
}

/// How far the server's clock is ahead of the device's.
#[derive(Debug, Default)]
pub(crate) struct ServerClock {
    known: Option<Known>,
    /// Since when the server tells a time that is not believed.
    doubted: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    at: Moment,
    /// In milliseconds.
    ahead: i64,
}

impl Known {
    /// By how much the device's wall clock has gone further than its monotonic one since: it was set, or the device slept.
    fn drift(&self, moment: Moment) -> i64 {
        let ms = |from: Instant, to: Instant| to.saturating_duration_since(from).as_millis() as i64;
        let passed = ms(self.at.instant, moment.instant) - ms(moment.instant, self.at.instant);
        (moment.wall.0 as i64).saturating_sub(self.at.wall.0 as i64).saturating_sub(passed)
    }

    /// How far the server's clock is ahead at a moment, as far as the device's own clocks tell.
    fn ahead(&self, moment: Moment) -> i64 {
        let drift = self.drift(moment);
        let if_set = self.ahead.saturating_sub(drift);
        // Sleep sets no clock back. One that went ahead was set only where that made it right.
        let was_set = match moment.instant.cmp(&self.at.instant) {
            Ordering::Less => drift > 0,
            Ordering::Equal => false,
            Ordering::Greater => drift < 0 || if_set.unsigned_abs() <= WRONG_MS,
        };
        if drift.unsigned_abs() > SET_MS && was_set { if_set } else { self.ahead }
    }
}

impl ServerClock {
    /// What the server's clock shows at a moment, which may have passed; `None` before its first word.
    pub(crate) fn at(&self, moment: Moment) -> Option<UnixMs> {
        self.known.map(|known| UnixMs(moment.wall.0.saturating_add_signed(known.ahead(moment))))
    }

    /// The server says what its clock shows.
    pub(crate) fn said(&mut self, time: UnixMs, now: Moment) {
        let said = (time.0 as i64).saturating_sub(now.wall.0 as i64);
        let ahead = self.known.map_or(said, |known| {
            let expected = known.ahead(now);
            if self.believes(&known, said, expected, now) { said } else { expected }
        });
        self.known = Some(Known { at: now, ahead });
    }

    /// Whether it is the server's clock that was right, where it shows something else than expected.
    fn believes(&mut self, known: &Known, said: i64, expected: i64, now: Moment) -> bool {
        let is_near = said.abs_diff(expected) <= SET_MS;
        // It agrees with the device's clock, or the device's was set.
        if is_near || said.unsigned_abs() <= WRONG_MS || known.drift(now).unsigned_abs() > SET_MS {
            self.doubted = None;
            return true;
        }
        // Both agreed, and the device's has gone on evenly: the server's was set.
        if expected.unsigned_abs() <= WRONG_MS {
            return false;
        }
        let since = *self.doubted.get_or_insert(now.instant);
        let is_believed = now.instant.duration_since(since) >= BELIEVED_AFTER;
        if is_believed {
            self.doubted = None;
        }
        is_believed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 1_790_000_000_000;
    const MINUTE: i64 = 60_000;

    /// A device and its server, both of whose clocks may be set.
    struct World {
        clock: ServerClock,
        start: Instant,
        passed: u64,
        asleep: u64,
        device: i64,
        server: i64,
    }

    impl World {
        fn new(device: i64, server: i64) -> Self {
            let (clock, start) = (ServerClock::default(), Instant::now());
            let mut world = Self { clock, start, passed: 0, asleep: 0, device, server };
            world.ping();
            world
        }

        fn now(&self) -> Moment {
            let wall = UnixMs((T + self.passed).saturating_add_signed(self.device));
            Moment { wall, instant: self.start + Duration::from_millis(self.passed - self.asleep) }
        }

        fn pass(&mut self, seconds: u64) {
            self.passed += seconds * 1000;
        }

        fn sleep(&mut self, seconds: u64) {
            self.pass(seconds);
            self.asleep += seconds * 1000;
        }

        fn ping(&mut self) {
            let time = UnixMs((T + self.passed).saturating_add_signed(self.server));
            self.clock.said(time, self.now());
        }

        /// By how much what the device takes for the server's clock is wrong, in milliseconds.
        fn error(&self) -> i64 {
            self.clock.at(self.now()).unwrap().0 as i64 - (T + self.passed) as i64
        }
    }

    #[test]
    fn nothing_is_known_before_the_first_word() {
        let now = Moment { wall: UnixMs(T), instant: Instant::now() };
        assert_eq!(ServerClock::default().at(now), None);
    }

    #[test]
    fn a_step_of_the_server_is_not_followed() {
        for device in [0, 2 * MINUTE, -2 * MINUTE] {
            for step in [-60 * MINUTE, 60 * MINUTE, -2 * MINUTE - 30_000] {
                let mut world = World::new(device, 0);
                world.server = step;
                for _ in 0..20 {
                    world.pass(25);
                    world.ping();
                    assert_eq!(world.error(), 0, "device {device}, step {step}");
                }
                world.server = 0;
                world.pass(25);
                world.ping();
                assert_eq!(world.error(), 0, "undone: device {device}, step {step}");
            }
        }
    }

    #[test]
    fn a_step_of_the_device_is_seen_at_once() {
        // A fast one and a slow one are set right, and a right one wrong.
        for (before, after) in [(2 * MINUTE, 0), (-2 * MINUTE, 0), (0, -60 * MINUTE), (2 * MINUTE, MINUTE)] {
            let mut world = World::new(before, 0);
            world.pass(10);
            world.device = after;
            assert_eq!(world.error(), 0, "{before} to {after}, before the next word");
            world.pass(10);
            world.ping();
            assert_eq!(world.error(), 0, "{before} to {after}");
        }
        // Whether it slept or was set the server tells.
        let mut world = World::new(0, 0);
        world.device = 60 * MINUTE;
        world.pass(10);
        world.ping();
        assert_eq!(world.error(), 0);
    }

    #[test]
    fn sleep_is_no_step() {
        for device in [0, 2 * MINUTE, -2 * MINUTE] {
            let mut world = World::new(device, 0);
            for _ in 0..3 {
                world.pass(1);
                world.sleep(3_600);
                assert_eq!(world.error(), 0, "{device}");
                world.pass(1);
                world.ping();
                assert_eq!(world.error(), 0, "{device}");
            }
        }
    }

    #[test]
    fn a_server_that_was_wrong_from_the_start_is_believed_once_it_is_set_right() {
        // At once where the device's clock bears witness, and otherwise later.
        for (device, after) in [(0, 0), (2 * MINUTE, 10 * 60)] {
            let mut world = World::new(device, 60 * MINUTE);
            assert_eq!(world.error(), 60 * MINUTE);
            world.server = 0;
            world.ping();
            for _ in 0..after / 25 {
                assert_eq!(world.error(), 60 * MINUTE, "{device}");
                world.pass(25);
                world.ping();
            }
            assert_eq!(world.error(), 0, "{device}");
        }
    }

    #[test]
    fn what_was_before_the_first_word_is_known_after_it() {
        for device in [0, 2 * MINUTE, -2 * MINUTE] {
            let mut world = World { clock: ServerClock::default(), ..World::new(device, 0) };
            let (before, right) = (world.now(), T + world.passed);
            world.pass(1);
            world.sleep(600);
            world.ping();
            assert_eq!(world.clock.at(before), Some(UnixMs(right)), "{device}");
            // Set right as soon as there was a network, and only then connected.
            if device >= 0 {
                let mut world = World { clock: ServerClock::default(), ..World::new(device, 0) };
                let before = world.now();
                world.pass(5);
                world.device = 0;
                world.ping();
                assert_eq!(world.clock.at(before), Some(UnixMs(T)), "{device}");
            }
        }
    }

    #[test]
    fn a_word_that_was_long_on_the_way_sets_nothing() {
        let mut world = World::new(0, 0);
        world.server = -30_000;
        world.pass(25);
        world.ping();
        assert_eq!(world.error(), 0);
    }
}
