//! What may happen any number of times is logged at most once a minute.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use crate::time::Elapsed;

/// Between two lines about the same.
const PAUSE_MS: u64 = 60_000;
/// Keys remembered. Further ones are logged together, at most once a minute all of them.
const MOST: usize = 1024;

/// Says when something may be logged: once a minute for each key. Bounded, whoever chooses the keys.
#[derive(Debug)]
pub struct LogLimiter<K> {
    state: Mutex<State<K>>,
}

#[derive(Debug)]
struct State<K> {
    known: HashMap<K, Line>,
    others: Line,
}

#[derive(Debug, Default)]
struct Line {
    at: Option<Elapsed>,
    left_out: u64,
}

impl Line {
    fn allow(&mut self, now: Elapsed) -> Option<u64> {
        if self.at.is_some_and(|at| now.since(at) < PAUSE_MS) {
            self.left_out += 1;
            return None;
        }
        self.at = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

impl<K> Default for LogLimiter<K> {
    fn default() -> Self {
        Self { state: Mutex::new(State { known: HashMap::new(), others: Line::default() }) }
    }
}

impl<K: Hash + Eq> LogLimiter<K> {
    /// Whether to log something about `key` now: `Some` with the number of times that it was not logged since the last line.
    pub fn allow<Q>(&self, key: &Q, now: Elapsed) -> Option<u64>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = state.known.get_mut(key) {
            return line.allow(now);
        }
        if state.known.len() >= MOST {
            state.known.retain(|_, line| line.at.is_some_and(|at| now.since(at) < PAUSE_MS));
        }
        if state.known.len() >= MOST {
            return state.others.allow(now);
        }
        state.known.entry(key.to_owned()).or_default().allow(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_minute_for_each_key() {
        let log = LogLimiter::<String>::default();
        assert_eq!(log.allow("a", Elapsed(5)), Some(0));
        assert_eq!(log.allow("b", Elapsed(6)), Some(0));
        for now in 7..100 {
            assert_eq!(log.allow("a", Elapsed(now)), None);
        }
        assert_eq!(log.allow("a", Elapsed(60_004)), None);
        assert_eq!(log.allow("a", Elapsed(60_005)), Some(94));
        assert_eq!(log.allow("b", Elapsed(60_006)), Some(0));
    }

    #[test]
    fn a_flood_of_keys_is_logged_once_a_minute() {
        let log = LogLimiter::<String>::default();
        let lines =
            |now| (0..10_000).filter(|n| log.allow(&format!("{now} {n}"), Elapsed(now)).is_some()).count();
        assert_eq!(lines(0), MOST + 1);
        assert_eq!(lines(1), 0);
        assert!(log.state.lock().unwrap().known.len() <= MOST);
        assert_eq!(lines(60_001), MOST + 1);
    }
}
