//! What a file's threads count, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one database file, since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Calls refused because a queue was full.
    pub refused: u64,
    /// Writes waiting now.
    pub waiting: u64,
    /// Batches committed.
    pub commits: u64,
    /// Writes in those batches.
    pub writes: u64,
    /// Batches that failed as a whole.
    pub failed: u64,
    /// Pages in the write-ahead log when last looked at.
    pub wal_pages: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) refused: AtomicU64,
    commits: AtomicU64,
    writes: AtomicU64,
    failed: AtomicU64,
    pub(super) wal_pages: AtomicU64,
}

impl Counters {
    pub(super) fn batch(&self, requests: usize, committed: bool) {
        if committed {
            self.commits.fetch_add(1, Relaxed);
            self.writes.fetch_add(requests as u64, Relaxed);
        } else {
            self.failed.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn stats(&self, waiting: usize) -> Stats {
        Stats {
            refused: self.refused.load(Relaxed),
            waiting: waiting as u64,
            commits: self.commits.load(Relaxed),
            writes: self.writes.load(Relaxed),
            failed: self.failed.load(Relaxed),
            wal_pages: self.wal_pages.load(Relaxed),
        }
    }
}
