//! What may happen any number of times is logged at most once a minute.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::time::Elapsed;

/// Between two lines about the same.
const PAUSE_MS: u64 = 60_000;
/// Whom a limiter tells apart. What concerns others is logged together, each reason at most once a minute for all of them.
const MOST: usize = 1024;
/// How often those are looked for who may be forgotten, while there are too many.
const TIDY_MS: u64 = 1_000;

/// Rate-limited log: says when something may be logged, once a minute for each reason and whom it concerns, and how often
/// it was left out before. Bounded, whoever chooses whom it concerns; reasons are those that the code has.
///
/// Time is [`Elapsed`], as in all limits: it goes forward only, and tests move it. Where no clock is handed in, as in the
/// store, and where servers of one process share a limiter in a `static`, callers take it of the machine's clock,
/// `Clock::system()`: clocks that tests have moved by different times would leave lines out.
#[derive(Debug)]
pub struct LogLimiter<W = ()> {
    state: Mutex<State<W>>,
}

#[derive(Debug)]
struct State<W> {
    known: BTreeMap<(&'static str, W), Line>,
    others: BTreeMap<&'static str, Line>,
    tidied: Option<Elapsed>,
}

#[derive(Debug, Default)]
struct Line {
    at: Option<Elapsed>,
    left_out: u64,
}

impl Line {
    fn is_recent(&self, now: Elapsed) -> bool {
        self.at.is_some_and(|at| now.since(at) < PAUSE_MS)
    }

    fn allow(&mut self, now: Elapsed) -> Option<u64> {
        if self.is_recent(now) {
            self.left_out += 1;
            return None;
        }
        self.at = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

impl<W> LogLimiter<W> {
    /// Nothing has been logged yet.
    pub const fn new() -> Self {
        Self { state: Mutex::new(State { known: BTreeMap::new(), others: BTreeMap::new(), tidied: None }) }
    }
}

impl<W> Default for LogLimiter<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl LogLimiter {
    /// Whether to log it now, where there is one thing to log: `Some` with the number of times that it was not since the last
    /// line.
    pub fn allow(&self, now: Elapsed) -> Option<u64> {
        self.allow_for("", (), now)
    }
}

impl<W: Ord> LogLimiter<W> {
    /// Whether to log now that something happens for a reason, and whom it concerns: `Some` with the number of times that it
    /// was not since the last line.
    pub fn allow_for(&self, reason: &'static str, whom: W, now: Elapsed) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (reason, whom);
        if let Some(line) = state.known.get_mut(&key) {
            return line.allow(now);
        }
        if state.has_room(now) {
            return state.known.entry(key).or_default().allow(now);
        }
        state.others.entry(reason).or_default().allow(now)
    }
}

impl<W: Ord> State<W> {
    /// Whether one more can be told apart. A flood of them must not cost a look at all that are known each time.
    fn has_room(&mut self, now: Elapsed) -> bool {
        if self.known.len() >= MOST && self.tidied.is_none_or(|at| now.since(at) >= TIDY_MS) {
            self.tidied = Some(now);
            self.known.retain(|_, line| line.is_recent(now));
        }
        self.known.len() < MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_minute_with_the_number_of_the_others() {
        static LOG: LogLimiter = LogLimiter::new();
        let at = |seconds: u64| LOG.allow(Elapsed(seconds * 1000));
        assert_eq!(
            [at(0), at(1), at(59), at(60), at(61), at(119), at(600)],
            [Some(0), None, None, Some(2), None, None, Some(2)]
        );
    }

    #[test]
    fn each_reason_and_whom_it_concerns_has_lines_of_its_own() {
        let log = LogLimiter::default();
        let at = |reason, whom, seconds: u64| log.allow_for(reason, whom, Elapsed(seconds * 1000));
        assert_eq!(at("tls", "a", 0), Some(0));
        assert_eq!(at("tls", "a", 1), None);
        assert_eq!(at("tls", "a", 59), None);
        assert_eq!(at("tls", "b", 59), Some(0));
        assert_eq!(at("quic", "a", 59), Some(0));
        assert_eq!(at("tls", "a", 60), Some(2));
        assert_eq!(at("tls", "a", 120), Some(0));
    }

    #[test]
    fn a_flood_is_logged_once_a_minute_and_hides_no_other_reason() {
        let log = LogLimiter::default();
        let lines = |reason, from, now| {
            let allowed = |n: &u64| log.allow_for(reason, n.to_string(), Elapsed(now)).is_some();
            (from..from + 10_000).filter(allowed).count()
        };
        assert_eq!(lines("tls", 0, 0), MOST + 1, "all others share one line");
        assert_eq!(lines("tls", 0, 1), 0);
        assert_eq!(log.allow_for("quic", "a".into(), Elapsed(1)), Some(0));
        assert!(log.state.lock().unwrap().known.len() <= MOST);
        assert_eq!(lines("tls", 10_000, 60_001), MOST + 1, "who comes later is told apart again");
        assert!(log.state.lock().unwrap().known.len() <= MOST);
    }
}
