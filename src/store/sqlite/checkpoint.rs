//! Keeps the write-ahead log short. Only the writer does this, between batches and after their answers.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::{file, stats::Counters};
use crate::{limit::LogLimiter, time::Clock};

/// The log is looked at once in so many batches.
const EVERY: u32 = 8;
/// Pages not yet in the database file from which they are copied there (4 MiB).
const COPY: u64 = 1_000;
/// Pages from which the writer waits for readers, so that the log can begin anew (64 MiB). A log is only reused once
/// no reader looks at it: under steady reads it would grow without end.
const LIMIT: u64 = 16_000;
/// How long the writer waits then, and how long it leaves a reader alone that took longer (a backup may).
const PATIENCE: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Wal {
    counters: Arc<Counters>,
    batches: u32,
    dirty: bool,
    /// Not to wait for readers before.
    wait_from: Option<Instant>,
    failures: LogLimiter,
}

impl Wal {
    pub(super) const fn new(counters: Arc<Counters>) -> Self {
        // A file that was not closed may come with a log, so it counts as written to.
        Self { counters, batches: 0, dirty: true, wait_from: None, failures: LogLimiter::new() }
    }

    /// A batch was committed.
    pub(super) fn written(&mut self, connection: &Connection) {
        self.dirty = true;
        self.batches += 1;
        if self.batches < EVERY {
            return;
        }
        self.batches = 0;
        let Some(log) = self.checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)") else {
            return;
        };
        let now = Instant::now();
        if log.pages >= LIMIT && self.wait_from.is_none_or(|from| from <= now) {
            let emptied = self.truncate(connection, PATIENCE);
            self.wait_from = (!emptied).then(|| now + PAUSE);
        } else if log.pages.saturating_sub(log.copied) >= COPY {
            self.checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)");
        }
    }

    /// Nothing is being written: copies everything and gives the log's space back, unless somebody reads.
    pub(super) fn empty(&mut self, connection: &Connection) {
        if self.dirty {
            self.dirty = !self.truncate(connection, Duration::ZERO);
        }
    }

    fn truncate(&self, connection: &Connection, patience: Duration) -> bool {
        let patient = connection.busy_timeout(patience);
        let log = self.checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)");
        if let Err(error) = patient.and_then(|()| connection.busy_timeout(file::BUSY)) {
            tracing::debug!(%error, "cannot set how long the store waits");
        }
        log.is_some_and(|log| log.pages == 0)
    }

    /// A failure costs nothing but space: the log holds all that was committed.
    fn checkpoint(&self, connection: &Connection, pragma: &str) -> Option<Log> {
        let looked = connection.prepare_cached(pragma).and_then(|mut pragma| {
            pragma.query_row([], |row| {
                let (pages, copied): (i64, i64) = (row.get(1)?, row.get(2)?);
                Ok(Log { pages: pages.max(0).unsigned_abs(), copied: copied.max(0).unsigned_abs() })
            })
        });
        match looked {
            Ok(log) => {
                self.counters.wal_pages.store(log.pages, Relaxed);
                Some(log)
            }
            Err(error) => {
                if let Some(left_out) = self.failures.allow(Clock::system().elapsed()) {
                    tracing::warn!(%error, pragma, left_out, "cannot checkpoint");
                }
                None
            }
        }
    }
}

/// Pages in the log, and how many of them are in the database file as well.
struct Log {
    pages: u64,
    copied: u64,
}
