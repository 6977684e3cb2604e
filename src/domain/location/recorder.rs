//! Fixes on their way to the store: gathered for a moment, written together, then acknowledged to their senders.
//!
//! One recorder a shard. The live view never waits for it.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use fanfare_proto::{
    BadFix, Lane,
    event::{self, LocationStored, RejectedFix},
    frame::MAX_SENT,
};
use tokio::{sync::Notify, time::Instant};

use super::units::Keeper;
use crate::{
    limit::LogLimiter,
    metrics::Metrics,
    outbox::Outbox,
    store::{Store, StoredFix},
    time::Clock,
};

/// Attempts that failed, of which there are some a second for each shard.
static FAILED: LogLimiter = LogLimiter::new();

/// Fixes that may wait for the store. Full: new ones are left with their senders, who send them again.
const WAITING: usize = 50_000;

/// Fixes written together.
const BATCH: usize = 5_000;

/// How long fixes are gathered: many small writes cost the store more than one a little later. Short against the
/// interval at which senders are told, so they do not notice.
const GATHER: Duration = Duration::from_millis(200);

/// After a failed write.
const PAUSE: Duration = Duration::from_millis(500);

/// Ranges in one acknowledgement.
const MAX_RANGES: usize = MAX_SENT / 64;

/// A shard's recorder.
#[derive(Debug)]
pub struct Recorder {
    clock: Clock,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    units: Arc<Keeper>,
    waiting: RefCell<VecDeque<(StoredFix, Rc<Receipts>)>>,
    arrived: Notify,
    interval: Duration,
    /// Connections that have something to be told.
    owed: RefCell<Vec<Rc<Receipts>>>,
}

/// What one connection is still to be told about its fixes.
#[derive(Debug)]
pub struct Receipts {
    outbox: Rc<Outbox>,
    stored: RefCell<Vec<u64>>,
    rejected: RefCell<Vec<RejectedFix>>,
    owed: Cell<bool>,
    /// Stands in the recorder's list.
    listed: Cell<bool>,
    told: Cell<Instant>,
}

impl Receipts {
    /// Nothing to be told yet.
    pub fn new(outbox: Rc<Outbox>) -> Rc<Self> {
        Rc::new(Self {
            outbox,
            stored: RefCell::default(),
            rejected: RefCell::default(),
            owed: Cell::new(false),
            listed: Cell::new(false),
            told: Cell::new(Instant::now()),
        })
    }
}

impl Recorder {
    /// A recorder with nothing to do, which tells each sender every `interval` what is stored.
    pub fn new(
        store: Arc<dyn Store>,
        metrics: Arc<Metrics>,
        units: Arc<Keeper>,
        clock: Clock,
        interval: Duration,
    ) -> Rc<Self> {
        Rc::new(Self {
            clock,
            store,
            metrics,
            units,
            waiting: RefCell::default(),
            arrived: Notify::new(),
            interval,
            owed: RefCell::default(),
        })
    }

    /// Takes a fix to be stored.
    pub fn record(&self, fix: StoredFix, receipts: &Rc<Receipts>) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= WAITING {
            self.metrics.fixes_deferred.inc();
            return;
        }
        waiting.push_back((fix, receipts.clone()));
        if waiting.len() == 1 {
            self.arrived.notify_one();
        }
    }

    /// Notes that a fix will never be stored.
    pub fn reject(&self, counter: u64, reason: BadFix, receipts: &Rc<Receipts>) {
        receipts.rejected.borrow_mut().push(RejectedFix { counter, reason, index: None });
        self.owe(receipts);
    }

    /// Writes what waits, again and again.
    pub async fn write(self: Rc<Self>) {
        loop {
            if self.waiting.borrow().is_empty() {
                self.arrived.notified().await;
            }
            if self.waiting.borrow().len() < BATCH {
                tokio::time::sleep(GATHER).await;
            }
            if !self.write_batch().await {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Writes all that waits, for the last time.
    pub async fn write_out(&self) {
        while !self.waiting.borrow().is_empty() && self.write_batch().await {}
    }

    /// Writes the oldest of what waits. False where the store could not.
    async fn write_batch(&self) -> bool {
        let (fixes, senders): (Vec<_>, Vec<_>) = {
            let mut waiting = self.waiting.borrow_mut();
            let count = waiting.len().min(BATCH);
            waiting.drain(..count).unzip()
        };
        if fixes.is_empty() {
            return true;
        }
        // Once the fixes are stored, those see the agents after a restart who see them now.
        self.units.write(&*self.store, self.clock.now(), self.clock.elapsed()).await;
        if let Err(error) = self.store.put_fixes(fixes.clone()).await {
            if let Some(left_out) = FAILED.allow(self.clock.elapsed()) {
                tracing::warn!(%error, fixes = fixes.len(), left_out, "fixes are not stored yet");
            }
            self.put_back(fixes.into_iter().zip(senders));
            return false;
        }
        self.metrics.fixes_stored.inc_by(fixes.len() as u64);
        for (fix, receipts) in fixes.iter().zip(&senders) {
            receipts.stored.borrow_mut().push(fix.fix.counter);
            self.owe(receipts);
        }
        true
    }

    /// Takes back what could not be stored, as far as there is room; the rest stays with its senders.
    fn put_back(&self, batch: impl DoubleEndedIterator<Item = (StoredFix, Rc<Receipts>)>) {
        let mut waiting = self.waiting.borrow_mut();
        for fix in batch.rev() {
            if waiting.len() < WAITING {
                waiting.push_front(fix);
            } else {
                self.metrics.fixes_deferred.inc();
            }
        }
    }

    /// Tells a sender what is stored, if it is time. Called when something has come from it: what is told now goes
    /// out with the transport's own acknowledgement.
    pub fn tell_if_due(&self, receipts: &Receipts) {
        if receipts.owed.get() && receipts.told.get().elapsed() >= self.interval {
            receipts.tell();
        }
    }

    /// Tells those who are silent, a little later than those who are not.
    pub async fn acknowledge(self: Rc<Self>) {
        let mut timer = tokio::time::interval(self.interval / 4);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            let late = self.interval + self.interval / 4;
            let (due, later) = self.owed.take().into_iter().partition(|r| r.told.get().elapsed() >= late);
            let due: Vec<Rc<Receipts>> = due;
            self.owed.borrow_mut().extend::<Vec<_>>(later);
            for receipts in due {
                receipts.listed.set(false);
                receipts.tell();
            }
        }
    }

    fn owe(&self, receipts: &Rc<Receipts>) {
        receipts.owed.set(true);
        if !receipts.listed.replace(true) {
            self.owed.borrow_mut().push(receipts.clone());
        }
    }
}

impl Receipts {
    /// Tells what there is to be told.
    fn tell(&self) {
        self.owed.set(false);
        self.told.set(Instant::now());
        let mut ranges = ranges(self.stored.take());
        let mut rejected = self.rejected.take();
        while !(ranges.is_empty() && rejected.is_empty()) {
            let rest = ranges.split_off(ranges.len().min(MAX_RANGES));
            let more = rejected.split_off(rejected.len().min(MAX_RANGES));
            let told = LocationStored { stored: ranges, rejected };
            let frame = event::write(event::name::LOCATION_STORED, None, &told);
            self.outbox.push(Lane::Ordered, frame.into());
            (ranges, rejected) = (rest, more);
        }
    }
}

/// Counters as ranges, rising.
pub fn ranges(mut counters: Vec<u64>) -> Vec<(u64, u64)> {
    counters.sort_unstable();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for counter in counters {
        match ranges.last_mut() {
            Some((_, last)) if counter <= last.saturating_add(1) => *last = counter,
            _ => ranges.push((counter, counter)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn neighbours_and_repeats_join() {
        assert_eq!(ranges(vec![5, 1, 2, 2, 3, 9, 10, 7]), [(1, 3), (5, 5), (7, 7), (9, 10)]);
        assert_eq!(ranges(vec![u64::MAX, u64::MAX]), [(u64::MAX, u64::MAX)]);
        assert_eq!(ranges(vec![]), []);
    }
}
