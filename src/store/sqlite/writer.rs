//! The one thread that writes to a database file, and what it promises.
//!
//! It takes the requests that wait, runs them in one transaction, each in a savepoint of its own so that one that
//! fails undoes only itself, commits, lets the database publish, and then answers them all. While a commit waits
//! for the disk the next batch gathers: under load one sync pays for many requests, at rest for one.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use fanfare_proto::Lane;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    checkpoint::Wal,
    file,
    health::{Files, Health},
    queue::{Bounds, Queue, Refused, Taken},
    stats::Counters,
};
use crate::store::StoreError;

/// A database file as its writer sees it: the connection, and what is remembered beside it.
pub(super) trait Database: Send + 'static {
    fn connection(&self) -> &Connection;

    /// A transaction begins.
    fn begin(&mut self);

    /// Something was rolled back: what was remembered of the file may be wrong now.
    fn forget(&mut self);

    /// The transaction is durable; nobody has been answered yet.
    fn committed(&mut self);
}

/// A write that waits, runs, and is answered.
trait Request<D>: Send {
    /// Answers whether its changes are to be kept.
    fn run(&mut self, database: &mut D) -> bool;

    /// Whether its own outcome is that the file cannot be used.
    fn is_refused(&self) -> bool;

    /// `batch` is how the transaction as a whole ended; it overrides what the request itself came to.
    fn answer(self: Box<Self>, batch: &Result<(), StoreError>);
}

/// A file's writer. Dropping it stores what was accepted, then closes the file.
pub(super) struct Writer<D: Database> {
    queue: Arc<Queue<Box<dyn Request<D>>>>,
    counters: Arc<Counters>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<D: Database> Writer<D> {
    pub(super) fn spawn(
        name: &str,
        database: D,
        queue: Bounds,
        batch: Bounds,
        counters: Arc<Counters>,
        (files, health): (Files, Arc<Health>),
        alive: tokio::sync::watch::Sender<()>,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(queue));
        let (taken, counted) = (Arc::clone(&queue), Arc::clone(&counters));
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Dropped last, also when something panics: whoever still waits is told, and so is `close`.
            let _alive = alive;
            let guard = Abandon(taken);
            serve(database, &guard.0, batch, &counted, (files, &health));
        })?;
        Ok(Self { queue, counters, thread: Mutex::new(Some(thread)) })
    }

    /// Runs `work` in a transaction and answers its outcome once that is durable. Refused at once if the queue is
    /// full. A caller that goes away changes nothing: what was accepted is done.
    pub(super) async fn call<T, F>(&self, lane: Lane, bytes: usize, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut D) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let request = Box::new(Call { work: Some(work), outcome: None, reply });
        if let Err(refused) = self.queue.push(lane, bytes, request) {
            return Err(match refused {
                Refused::Full => {
                    self.counters.refused.fetch_add(1, Relaxed);
                    StoreError::Unavailable("too many writes are waiting".to_owned())
                }
                Refused::Closed => closed(),
            });
        }
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Writes waiting.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Accepts nothing more. The thread ends once it has done what it accepted.
    pub(super) fn close(&self) {
        self.queue.close();
    }
}

impl<D: Database> Drop for Writer<D> {
    fn drop(&mut self) {
        self.close();
        join(&self.thread);
    }
}

/// Waits for a thread that has been told to end, unless it is the caller's own.
pub(super) fn join(thread: &Mutex<Option<JoinHandle<()>>>) {
    let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(thread) = thread else { return };
    if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
        tracing::error!("a thread of the store panicked");
    }
}

pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

/// Runs one cached statement without parameters or rows.
pub(super) fn exec(connection: &Connection, sql: &str) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute([])
}

struct Abandon<D>(Arc<Queue<Box<dyn Request<D>>>>);

impl<D> Drop for Abandon<D> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

struct Call<T, F> {
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<D, T, F> Request<D> for Call<T, F>
where
    T: Send,
    F: FnOnce(&mut D) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, database: &mut D) -> bool {
        self.outcome = self.work.take().map(|work| work(database));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn is_refused(&self) -> bool {
        matches!(self.outcome, Some(Err(StoreError::Unavailable(_))))
    }

    fn answer(self: Box<Self>, batch: &Result<(), StoreError>) {
        let answer = match batch {
            Ok(()) => self.outcome.unwrap_or_else(|| Err(closed())),
            Err(error) => Err(error.clone()),
        };
        // Nobody may be waiting any more, which is fine.
        let _ = self.reply.send(answer);
    }
}

/// After so long without a write, the write-ahead log is emptied and the file is looked at.
const IDLE: Duration = Duration::from_secs(1);

fn serve<D: Database>(
    mut database: D,
    queue: &Queue<Box<dyn Request<D>>>,
    most: Bounds,
    counters: &Arc<Counters>,
    (mut files, health): (Files, &Health),
) {
    let mut wal = Wal::new(Arc::clone(counters));
    let mut probed = Instant::now();
    loop {
        match queue.take(most, Some(IDLE)) {
            Taken::Batch(mut batch) => {
                // What is written to a file that has been removed is lost, although every write of it succeeds: so the
                // files are looked at before the batch, and after its commit before anyone is answered.
                let outcome = files.check().and_then(|()| transact(&mut database, &mut batch));
                let outcome = outcome.and_then(|()| files.check());
                counters.batch(batch.len(), outcome.is_ok());
                match &outcome {
                    Ok(()) => database.committed(),
                    Err(_) => database.forget(),
                }
                match &outcome {
                    // Each may have failed for a reason of its own, such as a file that is read-only now.
                    Ok(()) if batch.iter().all(|request| request.is_refused()) => {
                        health.set(probe(database.connection(), health));
                    }
                    Ok(()) => {}
                    Err(error) => health.set(Err(error.clone())),
                }
                for request in batch {
                    request.answer(&outcome);
                }
                wal.written(database.connection());
            }
            Taken::Idle => match files.check() {
                Ok(()) => wal.empty(database.connection()),
                Err(error) => health.set(Err(error)),
            },
            Taken::Closed => break,
        }
        // Nobody may write while the server is not ready, and what little is written may fit where more does not: so it is
        // tried here.
        if health.trouble().is_some() && probed.elapsed() >= IDLE {
            probed = Instant::now();
            health.set(files.check().and_then(|()| probe(database.connection(), health)));
        }
    }
    wal.empty(database.connection());
}

/// Writes something that changes nothing.
fn probe(connection: &Connection, health: &Health) -> Result<(), StoreError> {
    health.room()?;
    exec(connection, "BEGIN IMMEDIATE")?;
    let written = connection
        .pragma_update(None, "application_id", file::APPLICATION)
        .and_then(|()| exec(connection, "COMMIT").map(drop));
    if written.is_err() && !connection.is_autocommit() {
        let _ = exec(connection, "ROLLBACK");
    }
    Ok(written?)
}

fn transact<D: Database>(database: &mut D, batch: &mut [Box<dyn Request<D>>]) -> Result<(), StoreError> {
    let outcome = run(database, batch);
    if outcome.is_err() && !database.connection().is_autocommit() {
        // A failure of the rollback shows when the next transaction cannot begin.
        if let Err(error) = exec(database.connection(), "ROLLBACK") {
            tracing::debug!(%error, "cannot roll back");
        }
    }
    outcome
}

fn run<D: Database>(database: &mut D, batch: &mut [Box<dyn Request<D>>]) -> Result<(), StoreError> {
    database.begin();
    exec(database.connection(), "BEGIN IMMEDIATE")?;
    for request in batch {
        exec(database.connection(), "SAVEPOINT request")?;
        if !request.run(database) {
            // A full disk and its like make SQLite give up the whole transaction: then the batch has failed, and
            // no request of it may be answered from what it saw there.
            if database.connection().is_autocommit() {
                return Err(StoreError::Unavailable("the transaction was given up".to_owned()));
            }
            exec(database.connection(), "ROLLBACK TO request")?;
            database.forget();
        }
        exec(database.connection(), "RELEASE request")?;
    }
    exec(database.connection(), "COMMIT")?;
    Ok(())
}
