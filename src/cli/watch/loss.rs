//! How much of what agents told did not come: an estimate.
//!
//! Packets of positions are not numbered, as a newer one makes up for an older one. But agents send at regular times,
//! so two fixes of an agent that are twice its usual time apart mean that one between them did not come here:
//! lost on its way to the server, or from the server to us.

use std::collections::HashMap;

use fanfare_client::proto::{UnixMs, UserId};

/// Intervals from which an agent's usual one is taken.
const KNOWN: usize = 8;

/// More than so many missing at once are a pause of the agent, and not counted.
const PAUSE: u64 = 30;

#[derive(Debug, Default)]
pub(super) struct Loss {
    agents: HashMap<UserId, Rhythm>,
    came: u64,
    missing: u64,
}

#[derive(Debug)]
struct Rhythm {
    last: UnixMs,
    /// The newest intervals in milliseconds, as a ring.
    intervals: [u64; KNOWN],
    count: usize,
}

impl Loss {
    /// A position of an agent came. Its time is that of the fix, so delays on the way do not matter.
    pub(super) fn came(&mut self, agent: &UserId, time: UnixMs) {
        let Some(rhythm) = self.agents.get_mut(agent) else {
            self.agents.insert(agent.clone(), Rhythm::new(time));
            return;
        };
        if time <= rhythm.last {
            return;
        }
        let interval = time.since(rhythm.last);
        rhythm.last = time;
        if let Some(usual) = rhythm.usual() {
            let missing = ((interval + usual / 2) / usual).saturating_sub(1);
            if missing > PAUSE {
                return;
            }
            self.came += 1;
            self.missing += missing;
        }
        rhythm.learn(interval);
    }

    /// An agent is no longer there.
    pub(super) fn gone(&mut self, agent: &UserId) {
        self.agents.remove(agent);
    }

    /// The share that did not come, 0 to 1; `None` while there is nothing to judge by.
    pub(super) fn share(&self) -> Option<f64> {
        let all = self.came + self.missing;
        (all > 0).then(|| self.missing as f64 / all as f64)
    }
}

impl Rhythm {
    const fn new(last: UnixMs) -> Self {
        Self { last, intervals: [0; KNOWN], count: 0 }
    }

    fn learn(&mut self, interval: u64) {
        if let Some(slot) = self.intervals.get_mut(self.count % KNOWN) {
            *slot = interval;
            self.count += 1;
        }
    }

    /// The median, which some missing ones do not move.
    fn usual(&self) -> Option<u64> {
        if self.count < KNOWN / 2 {
            return None;
        }
        let mut known: Vec<u64> = self.intervals.iter().copied().take(self.count).collect();
        known.sort_unstable();
        known.get((known.len() - 1) / 2).copied().filter(|usual| *usual > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(times: impl IntoIterator<Item = u64>) -> Option<f64> {
        let mut loss = Loss::default();
        let agent = UserId::new("a").expect("an id");
        for time in times {
            loss.came(&agent, UnixMs(time));
        }
        loss.share()
    }

    #[test]
    fn nothing_is_said_before_the_rhythm_is_known() {
        assert_eq!(share([0, 1000, 2000, 3000]), None);
    }

    #[test]
    fn all_that_came_is_no_loss() {
        assert_eq!(share((0..100).map(|i| i * 1000 + i % 3 * 100)), Some(0.0));
    }

    #[test]
    fn what_is_missing_is_counted() {
        let all = (0..1000_u64).filter(|i| i % 10 != 7).map(|i| i * 1000);
        let share = share(all).expect("known");
        assert!((share - 0.1).abs() < 0.005, "{share}");
    }

    #[test]
    fn a_pause_or_another_rhythm_is_no_loss() {
        let pause = (0..50).chain(5000..5050).map(|i| i * 1000);
        assert_eq!(share(pause), Some(0.0));
        let slower = (0..50).map(|i| i * 1000).chain((11..200).map(|i| i * 5000));
        assert!(share(slower).expect("known") < 0.1);
    }
}
