//! The embedded backend: SQLite, in two files of one directory.
//!
//! # What `Ok` means
//!
//! | file | holds | survives `kill -9` | survives power loss |
//! |---|---|---|---|
//! | `core.db` | log, records, marks, timers, text | all of it | all of it: each commit is synced to the disk |
//! | `ticks.db` | fixes | all of it | what was stored up to the last sync, seconds ago; never damaged |
//!
//! Provided that the disk keeps what it says it has written. A call that fails as [`StoreError::Unavailable`] may
//! have been stored all the same (a sync that failed, a power cut before the answer): repeat it.
//!
//! # How it runs
//!
//! Each file has one writer thread, which groups what waits into one transaction (`writer`), and a few readers
//! (`reader`). Callers only push into bounded queues and await; a full queue refuses at once.
//! Every reader sees what has been answered.
//!
//! # How long things stay
//!
//! Repetitions of an append are known as long as the event is in the log, and at least 24 h (`expire`). A topic's
//! row, and the version of a deleted record, stay for good. A copy made with [`backup`] begins a new epoch when
//! it is opened.

mod backup;
mod checkpoint;
mod core;
mod expire;
mod file;
mod folder;
mod health;
mod history;
mod log;
mod mark;
mod queue;
mod reader;
mod record;
mod roll;
mod schema;
mod stats;
mod store;
#[cfg(test)]
mod tests;
mod text;
mod ticks;
mod timer;
mod topic;
mod track;
mod value;
mod writer;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use fanfare_proto::Epoch;
use tokio::sync::watch;

pub use self::{
    backup::{CopyError, backup, restore},
    file::make_dir,
    folder::check_beside,
    stats::Stats,
};
use self::{
    core::Core,
    file::{Lock, Synchronous},
    health::{Files, Health},
    queue::Bounds,
    reader::Readers,
    stats::Counters,
    ticks::Ticks,
    writer::{Database, Writer},
};
use super::{Committed, StoreError};

/// Sizes of the backend. The defaults suit a server with two cores.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads that read logs, records and marks.
    pub readers: usize,
    /// Calls that may wait in each queue, urgent and ordinary ones counted apart.
    pub queue: usize,
    /// Bytes that may wait in each writer's queue, counted alike.
    pub queue_bytes: usize,
    /// Writes in one transaction at most. An urgent write waits for one such transaction at most.
    pub batch: usize,
    /// Bytes in one transaction at most (a single larger write still passes).
    pub batch_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 2, queue: 8_192, queue_bytes: 64 << 20, batch: 256, batch_bytes: 2 << 20 }
    }
}

/// The embedded store.
///
/// Dropping it without [`close`](super::Store::close) also stores everything that was accepted, but blocks meanwhile.
pub struct Sqlite {
    // Dropped in this order: threads end before the directory is given up.
    core: Writer<Core>,
    ticks: Writer<Ticks>,
    readers: Readers,
    /// Searches may take long, so they have a reader of their own.
    searchers: Readers,
    trackers: Readers,
    epoch: Epoch,
    counters: [Arc<Counters>; 2],
    /// Closed once every thread has ended.
    ended: watch::Receiver<()>,
    /// Of the two files.
    health: [Arc<Health>; 2],
    lock: Mutex<Option<Lock>>,
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqlite").finish_non_exhaustive()
    }
}

impl Sqlite {
    /// Opens, creates or migrates the database in `dir`. Blocks; meant for start-up.
    ///
    /// What is appended is handed to `committed`. The directory belongs to this store until it is closed or dropped:
    /// a second one, in this process or another, is refused.
    pub fn open(
        dir: &Path,
        committed: Arc<dyn Committed>,
        options: &Options,
    ) -> Result<Arc<Self>, StoreError> {
        let lock = file::lock(dir)?;
        // Wherever the process goes, and whatever becomes of the name.
        let dir = &dir.canonicalize().map_err(|error| file::unavailable(dir, &error))?;
        let (core_path, ticks_path) = file::paths(dir);
        folder::check(dir)?;
        let core = file::writer(&core_path, schema::CORE, Synchronous::Full)?;
        folder::check_ticks(&core, dir)?;
        let core = Core::new(core, committed)?;
        let ticks = Ticks::new(file::writer(&ticks_path, schema::TICKS, Synchronous::Normal)?);
        file::sync_dir(dir)?;
        folder::set_whole(core.connection())?;
        let files = [Files::new(&core_path)?, Files::new(&ticks_path)?];
        let health = [Health::new(&core_path), Health::new(&ticks_path)];
        let epoch = core.epoch;
        let readers = |path: &Path, count: usize| (0..count.max(1)).map(|_| file::reader(path)).collect();
        let (core_readers, searchers): (Result<Vec<_>, _>, Result<Vec<_>, _>) =
            (readers(&core_path, options.readers), readers(&core_path, 1));
        let trackers: Result<Vec<_>, _> = readers(&ticks_path, 1);

        let counters: [Arc<Counters>; 2] = Default::default();
        let [core_counters, ticks_counters] = &counters;
        let (alive, ended) = watch::channel(());
        let reads = Bounds { items: options.queue, bytes: usize::MAX };
        let pool = |name, connections: Result<_, StoreError>, counters| {
            Readers::spawn(name, connections?, reads, Arc::clone(counters), &alive).map_err(|e| thread(&e))
        };
        let readers = pool("core-read", core_readers, core_counters)?;
        let searchers = pool("core-search", searchers, core_counters)?;
        let trackers = pool("ticks-read", trackers, ticks_counters)?;
        let queue = Bounds { items: options.queue, bytes: options.queue_bytes };
        let batch = Bounds { items: options.batch, bytes: options.batch_bytes };
        let [core_files, ticks_files] = files;
        let core_watch = (core_files, Arc::clone(&health[0]));
        let ticks_watch = (ticks_files, Arc::clone(&health[1]));
        let counters_of = [Arc::clone(core_counters), Arc::clone(ticks_counters)];
        let [core_counters, ticks_counters] = counters_of;
        let core = Writer::spawn("core-write", core, queue, batch, core_counters, core_watch, alive.clone());
        let ticks = Writer::spawn("ticks-write", ticks, queue, batch, ticks_counters, ticks_watch, alive);
        Ok(Arc::new(Self {
            core: core.map_err(|e| thread(&e))?,
            ticks: ticks.map_err(|e| thread(&e))?,
            readers,
            searchers,
            trackers,
            epoch,
            counters,
            ended,
            health,
            lock: Mutex::new(Some(lock)),
        }))
    }

    /// The life of this database's logs.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Counters of `core.db` and of `ticks.db`.
    pub fn stats(&self) -> (Stats, Stats) {
        let [core, ticks] = &self.counters;
        (core.stats(self.core.waiting()), ticks.stats(self.ticks.waiting()))
    }

    /// Closes everything, and waits until it is.
    async fn end(&self) {
        self.core.close();
        self.ticks.close();
        self.readers.close();
        self.searchers.close();
        self.trackers.close();
        // Every thread holds a sender until its end, and nobody ever sends.
        let _ = self.ended.clone().changed().await;
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn thread(error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("cannot start a thread: {error}"))
}
