//! Settings of the backend.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::{id::Topic, store::FixClass};

/// Settings. The defaults suit a cluster in the same data centre.
#[derive(Debug, Clone)]
pub struct Options {
    /// Nodes to begin with, as `host:port`. The others are found through them.
    pub nodes: Vec<String>,
    /// The keyspace.
    pub keyspace: String,
    /// Development: make the keyspace and the tables where they are missing.
    /// Its replication as CQL writes it: `{'class': …}`.
    pub create: Option<String>,
    /// The data centre whose nodes are spoken to; without it, all.
    pub datacenter: Option<String>,
    /// User name and password.
    pub credentials: Option<(String, String)>,
    /// How connections are encrypted; plain without it.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// What to do where the database cannot be reached at the start.
    pub start: Start,
    /// Time for a connection to come about.
    pub connect: Duration,
    /// Time for a read or an ordinary write.
    pub data: Duration,
    /// Time for a write of fixes.
    pub ticks: Duration,
    /// Time for one attempt at a conditional write.
    pub cas: Duration,
    /// Time for an append with all its attempts; then its caller is told that it is unavailable.
    pub append: Duration,
    /// Calls under way and waiting, urgent appends and all others counted apart. More are refused at once.
    pub waiting: usize,
    /// Bytes of appends under way and waiting, urgent ones and all others counted apart. More are refused at once.
    pub waiting_bytes: usize,
    /// Requests to the database at the same time; an eighth of them is kept for what is written on the urgent lane.
    pub in_flight: usize,
    /// Events of a partition, at about which the next one is begun.
    pub bucket_events: u64,
    /// Bytes of events of a partition, at about which the next one is begun.
    pub bucket_bytes: u64,
    /// Days that fixes of the standard class are kept; the tables' time to live.
    pub fix_days: u32,
    /// The same of the short class.
    pub short_fix_days: u32,
    /// The same of the long class.
    pub long_fix_days: u32,
    /// For tests: answers to so many conditional writes, and pages of lists, get lost, as by a time-out after the write
    /// was applied.
    #[doc(hidden)]
    pub lose: Arc<AtomicU32>,
    /// For tests: what comes in place of an answer that gets lost.
    #[doc(hidden)]
    pub lost: Lost,
    /// For tests: what goes wrong with appends.
    #[doc(hidden)]
    pub faults: Arc<Faults>,
    /// For tests: a database that has become slow.
    #[doc(hidden)]
    pub hold: Option<Arc<Hold>>,
}

/// Requests wait under way, but for what is written on the urgent lane, until a test lets them go on.
#[doc(hidden)]
#[derive(Debug)]
pub struct Hold {
    waiting: AtomicUsize,
    /// Closed once they may go on.
    over: Semaphore,
}

impl Default for Hold {
    fn default() -> Self {
        Self { waiting: AtomicUsize::new(0), over: Semaphore::new(0) }
    }
}

impl Hold {
    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// They go on, and so do all others.
    pub fn release(&self) {
        self.over.close();
    }

    pub(super) async fn pass(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.over.acquire().await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What goes wrong with the appends to some topics, in tests.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Faults(Mutex<HashMap<Topic, Fault>>);

/// See [`Faults`].
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written, and nobody knows.
    Unsent,
    /// It is written, and nobody knows.
    Unanswered,
}

/// What comes in place of an answer, in tests.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lost {
    /// Nothing.
    #[default]
    TimeOut,
    /// What a node also says when it has too much to do once a conditional write is accepted.
    Overloaded,
    /// What a node also says when others went away once a conditional write was accepted.
    Unavailable,
}

impl Faults {
    /// From now on; `None`: nothing any more.
    pub fn set(&self, topic: &Topic, fault: Option<Fault>) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            Some(fault) => faults.insert(topic.clone(), fault),
            None => faults.remove(topic),
        };
    }

    pub(super) fn of(&self, topic: &Topic) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(topic).copied()
    }
}

/// What to do where the database cannot be reached at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Say so and give up.
    Exit,
    /// Say so and try again, ever more slowly.
    Retry,
}

impl Options {
    /// Bytes that a partition of a log may come to by amendments once it is full: twice as many as it was to have, and so
    /// many fewer than 100 MB that an append of another node, which does not know of them yet, still fits.
    pub(super) fn amended_bytes(&self) -> u64 {
        self.bucket_bytes.saturating_mul(2).min(95_000_000)
    }

    pub(super) const fn days_of(&self, class: FixClass) -> u32 {
        match class {
            FixClass::Short => self.short_fix_days,
            FixClass::Standard => self.fix_days,
            FixClass::Long => self.long_fix_days,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: vec!["127.0.0.1:9042".to_owned()],
            keyspace: "fanfare".to_owned(),
            create: None,
            datacenter: None,
            credentials: None,
            tls: None,
            start: Start::Retry,
            connect: Duration::from_secs(2),
            data: Duration::from_secs(2),
            ticks: Duration::from_secs(2),
            cas: Duration::from_secs(1),
            append: Duration::from_secs(5),
            waiting: 8_192,
            waiting_bytes: 64 << 20,
            in_flight: 512,
            bucket_events: 30_000,
            bucket_bytes: 50 << 20,
            fix_days: 30,
            short_fix_days: 7,
            long_fix_days: 365,
            lose: Arc::default(),
            lost: Lost::default(),
            faults: Arc::default(),
            hold: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scylla::LARGEST;

    #[test]
    fn partitions_stay_below_100_mb() {
        // The default, and the most that the configuration lets pass.
        for bucket_bytes in [Options::default().bucket_bytes, 64 << 20] {
            let options = Options { bucket_bytes, ..Options::default() };
            for full in [bucket_bytes, options.amended_bytes()] {
                assert!(full + LARGEST as u64 <= 100_000_000);
            }
            assert!(options.amended_bytes() > bucket_bytes + LARGEST as u64, "a full one can be amended");
        }
    }
}
