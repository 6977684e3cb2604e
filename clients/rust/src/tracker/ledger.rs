//! Which fixes are where: not sent, on their way by datagram, known to be missing, in a request. Rules without I/O;
//! time is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare_proto::{BadFix, Fix, UnixMs, event::LocationStored};
use tokio::time::Instant;

use crate::clock::Moment;

/// Every fix that is not known to be stored is in exactly one of four piles.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Not sent yet.
    fresh: BTreeMap<u64, Fresh>,
    /// Sent by datagram, and when.
    flown: BTreeMap<u64, (Fix, Instant)>,
    /// To be sent by request.
    missing: BTreeMap<u64, Fix>,
    /// In the request that is unanswered.
    batch: BTreeMap<u64, Fix>,
    keep: usize,
    repeat_after: Duration,
}

/// A fix that was not sent yet.
#[derive(Debug)]
struct Fresh {
    fix: Fix,
    recorded: Moment,
    /// The server's clock was not known then.
    untimed: bool,
}

/// What an acknowledgement says about fixes of the ledger.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) stored: Vec<u64>,
    pub(super) rejected: Vec<(Fix, BadFix)>,
}

impl Ledger {
    /// `kept`: fixes of an earlier run. Whether they were sent nobody knows.
    pub(super) fn new(kept: Vec<Fix>, keep: usize, repeat_after: Duration) -> Self {
        Self {
            fresh: BTreeMap::new(),
            flown: BTreeMap::new(),
            missing: kept.into_iter().map(|fix| (fix.counter, fix)).collect(),
            batch: BTreeMap::new(),
            keep: keep.max(1),
            repeat_after,
        }
    }

    /// Fixes not known to be stored.
    pub(super) fn len(&self) -> usize {
        self.fresh.len() + self.flown.len() + self.missing.len() + self.batch.len()
    }

    /// Takes a fix. `untimed`: its time is still to be compared with the server's clock.
    pub(super) fn record(&mut self, fix: Fix, recorded: Moment, untimed: bool) {
        self.fresh.insert(fix.counter, Fresh { fix, recorded, untimed });
    }

    /// Gives those that are untimed the time that `timed` answers. Answers those that it changes: nobody has seen them yet.
    pub(super) fn retime(&mut self, timed: impl Fn(UnixMs, Moment) -> UnixMs) -> Vec<Fix> {
        let mut changed = Vec::new();
        for fresh in self.fresh.values_mut().filter(|fresh| fresh.untimed) {
            fresh.untimed = false;
            let time = timed(fresh.fix.time, fresh.recorded);
            if time != fresh.fix.time {
                fresh.fix.time = time;
                changed.push(fresh.fix);
            }
        }
        changed
    }

    /// Removes the oldest fixes that are too many.
    pub(super) fn overflow(&mut self) -> Vec<Fix> {
        let mut dropped = Vec::new();
        while self.len() > self.keep {
            let firsts = [
                self.fresh.keys().next(),
                self.flown.keys().next(),
                self.missing.keys().next(),
                self.batch.keys().next(),
            ];
            let oldest = firsts.into_iter().flatten().min().copied();
            dropped.extend(oldest.and_then(|counter| self.remove(counter)));
        }
        dropped
    }

    /// Fixes to send by datagram now. Old ones are of no use to a live view: they go the reliable way.
    pub(super) fn fly(&mut self, now: Instant) -> Vec<Fix> {
        let mut fixes = Vec::new();
        for (counter, Fresh { fix, recorded, .. }) in std::mem::take(&mut self.fresh) {
            if now.duration_since(recorded.instant) >= self.repeat_after {
                self.missing.insert(counter, fix);
            } else {
                self.flown.insert(counter, (fix, now));
                fixes.push(fix);
            }
        }
        fixes
    }

    /// Gives up waiting for acknowledgements that are overdue.
    pub(super) fn overdue(&mut self, now: Instant) {
        let late = |_: &u64, (_, sent): &mut (Fix, Instant)| now.duration_since(*sent) >= self.repeat_after;
        let late = self.flown.extract_if(.., late);
        self.missing.extend(late.map(|(counter, (fix, _))| (counter, fix)));
    }

    /// When the next acknowledgement is overdue.
    pub(super) fn due(&self) -> Option<Instant> {
        // Fixes fly in the order of their counters.
        let first = self.flown.values().next();
        first.map(|(_, sent)| *sent + self.repeat_after)
    }

    /// The connection is gone, and with it perhaps what flew.
    pub(super) fn lost(&mut self) {
        let flown = std::mem::take(&mut self.flown);
        self.missing.extend(flown.into_iter().map(|(counter, (fix, _))| (counter, fix)));
    }

    /// The oldest missing fixes, at most `most`, for a request. There is one request at a time.
    pub(super) fn batch(&mut self, most: usize) -> Vec<Fix> {
        while self.batch.len() < most
            && let Some((counter, fix)) = self.missing.pop_first()
        {
            self.batch.insert(counter, fix);
        }
        self.batch.values().copied().collect()
    }

    /// The request is over: what it did not settle is missing again.
    pub(super) fn unbatch(&mut self) {
        self.missing.append(&mut self.batch);
    }

    /// Takes the server's word. Only fixes that were sent can be stored, so a fresh one stays.
    pub(super) fn settle(&mut self, word: &LocationStored) -> Settled {
        let mut settled = Settled::default();
        for &(first, last) in &word.stored {
            // A peer's word: such a range would be a panic.
            if first > last {
                continue;
            }
            let range = first..=last;
            let all = |_: &u64, _: &mut _| true;
            let flown = self.flown.extract_if(range.clone(), all);
            settled.stored.extend(flown.map(|(counter, _)| counter));
            for pile in [&mut self.missing, &mut self.batch] {
                let sent = pile.extract_if(range.clone(), |_, _| true);
                settled.stored.extend(sent.map(|(counter, _)| counter));
            }
        }
        for rejected in &word.rejected {
            let fix =
                if self.fresh.contains_key(&rejected.counter) { None } else { self.remove(rejected.counter) };
            settled.rejected.extend(fix.map(|fix| (fix, rejected.reason)));
        }
        settled
    }

    /// Takes a fix out, wherever it is.
    pub(super) fn remove(&mut self, counter: u64) -> Option<Fix> {
        let fresh = self.fresh.remove(&counter).map(|fresh| fresh.fix);
        let sent = || self.flown.remove(&counter).map(|(fix, _)| fix);
        fresh.or_else(sent).or_else(|| self.missing.remove(&counter)).or_else(|| self.batch.remove(&counter))
    }

    /// Whether something is to be sent by request.
    pub(super) fn has_missing(&self) -> bool {
        !self.missing.is_empty()
    }
}
