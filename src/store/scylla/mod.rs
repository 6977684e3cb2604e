//! The backend for several machines: ScyllaDB 2025.4 or newer, or Apache Cassandra 5.
//!
//! # What `Ok` means
//!
//! A majority of the replicas in the local data centre has it (LOCAL_QUORUM, LOCAL_SERIAL for conditional writes), and
//! it survives the loss of a minority of them. Whether a node still has it after a power cut, or after `kill -9`, is
//! the database's to say: with Cassandra's `commitlog_sync: batch` or `group` it has; with `periodic` it forgets the
//! last seconds, which is a loss when a majority does so at once, or when it is the only one. ScyllaDB syncs conditional
//! writes in any case.
//!
//! # How it runs
//!
//! A runtime of its own (`Scylla::open`). `link` holds the session, and another once that one is of no use any more;
//! `db` makes requests on it; `gate` bounds the calls that are under way. Each topic has a line of appends (`append`),
//! of which a group becomes one conditional batch (`group`, `write`); what a topic's partitions are is in `topic`. The other
//! shapes are a file each.
//!
//! # Order and repetitions
//!
//! Nothing is ever appended but by a batch that is conditional on the head of the bucket that it goes to, so two
//! writers, whatever they believe, cannot both get a position. A repetition is looked for in every bucket with events
//! of the last 24 h before the append, and the head's condition keeps another writer from adding it meanwhile.

mod amend;
mod append;
mod connect;
mod db;
mod expire;
mod gate;
mod group;
mod history;
mod link;
mod lock;
mod log;
mod mark;
mod options;
mod places;
mod plan;
mod reach;
mod record;
mod restore;
mod roll;
mod rows;
mod schema;
mod slots;
mod statements;
mod store;
mod tables;
mod text;
mod ticks;
mod timer;
mod topic;
mod track;
mod value;
mod words;
mod write;

use std::sync::{Arc, mpsc};

use fanfare_proto::{Epoch, Lane};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::Mutex,
};

pub use self::options::{Fault, Faults, Hold, Lost, Options, Start};
use self::{
    append::Lines,
    db::Db,
    gate::{Gate, Place, unavailable},
    link::Link,
};
use super::{Committed, StoreError};

/// Bytes of the data of one append's events, at most: more is refused as too large.
pub const LARGEST: usize = write::MOST;

/// The store on a CQL database.
pub struct Scylla {
    link: Arc<Link>,
    lines: Arc<Lines>,
    gate: Gate,
    epoch: Epoch,
    options: Arc<Options>,
    known: Arc<ticks::Known>,
    /// One at a time of this node takes timers; among nodes their claims are conditional.
    taking: Arc<Mutex<()>>,
    threads: Threads,
}

impl std::fmt::Debug for Scylla {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scylla").finish_non_exhaustive()
    }
}

impl Scylla {
    /// Connects, and checks (or, with [`Options::create`], makes) the tables. Blocks; meant for start-up.
    ///
    /// What is appended is handed to `committed`, on a thread of the store's.
    pub fn open(options: Options, committed: Arc<dyn Committed>) -> Result<Arc<Self>, StoreError> {
        let threads = Threads::start()?;
        let options = Arc::new(options);
        let (link, epoch) = threads.wait(Link::open(Arc::clone(&options)))??;
        let lines = Lines::new(Arc::clone(&link), committed, epoch, Arc::clone(&options));
        let gate = Gate::new(options.waiting, options.waiting_bytes);
        let (known, taking) = (Arc::default(), Arc::default());
        Ok(Arc::new(Self { link, lines, gate, epoch, options, known, taking, threads }))
    }

    /// Brings the tables of a database up to date, and answers the versions before and after. Blocks.
    pub fn migrate(options: Options) -> Result<(u32, u32), StoreError> {
        Threads::start()?.wait(async move { connect::migrate(&options).await })?
    }

    /// The life of this database's logs.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// A place among the calls under way. While no node answers, none are begun: they would only wait.
    fn enter(&self, lane: Lane, bytes: usize) -> Result<Place, StoreError> {
        let place = self.gate.enter(lane, bytes)?;
        if self.link.is_up() { Ok(place) } else { Err(unavailable("the database does not answer")) }
    }

    /// Reads, or does something else that can wait for requests of the ordered lane, also where it is let in as urgent:
    /// many who come back together and read must not hold up what is written.
    async fn call<T, F, Fut>(&self, lane: Lane, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Db>) -> Fut,
        Fut: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.run(lane, work(self.link.db())).await
    }

    /// Writes, with the lane's places among the requests under way.
    async fn write<T, F, Fut>(&self, lane: Lane, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Db>) -> Fut,
        Fut: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.run(lane, work(self.link.db().of(lane))).await
    }

    /// Does something on the store's threads, to its end even if the caller goes away.
    async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = self.enter(lane, 0)?;
        let task = self.threads.handle.spawn(async move {
            let _place = place;
            work.await
        });
        task.await.unwrap_or_else(|error| Err(unavailable(&format!("a task of the store's ended: {error}"))))
    }
}

/// The threads of the store. Dropping them does not block.
struct Threads {
    handle: Handle,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Threads {
    fn start() -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("store").enable_all().build();
        runtime
            .map(|runtime| Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
            .map_err(|error| unavailable(&format!("cannot start a thread: {error}")))
    }

    /// Waits for work on these threads, from within any other runtime.
    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, answer) = mpsc::channel();
        self.handle.spawn(async move {
            // Nobody may be waiting any more, which is fine.
            let _ = done.send(work.await);
        });
        answer.recv().map_err(|_| unavailable("the store's thread ended"))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
