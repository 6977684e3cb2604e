//! Threads that read a database file, each with a read-only connection of its own.
//!
//! A read runs in one transaction, so it sees one state of the file; and as it begins after the call, it sees every
//! write that had been answered by then. Reads are bounded pages: a long one would keep the write-ahead log growing.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    thread::JoinHandle,
};

use fanfare_proto::Lane;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    queue::{Bounds, Queue, Refused, Taken},
    stats::Counters,
    writer::{closed, exec, join},
};
use crate::store::StoreError;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// A pool of readers of one file. Dropping it answers what was accepted, then closes the connections.
pub(super) struct Readers {
    queue: Arc<Queue<Read>>,
    counters: Arc<Counters>,
    threads: Vec<Mutex<Option<JoinHandle<()>>>>,
}

impl Readers {
    /// One thread for each connection.
    pub(super) fn spawn(
        name: &str,
        connections: Vec<Connection>,
        bounds: Bounds,
        counters: Arc<Counters>,
        alive: &tokio::sync::watch::Sender<()>,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::<Read>::new(bounds));
        let mut pool = Self { queue, counters, threads: Vec::new() };
        for connection in connections {
            let (queue, alive) = (Arc::clone(&pool.queue), alive.clone());
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                // Given up after the connection is closed: whoever waits for the end may remove the file.
                let _alive = alive;
                serve(connection, &queue);
            })?;
            pool.threads.push(Mutex::new(Some(thread)));
        }
        Ok(pool)
    }

    /// Runs `work` on a reader. Refused at once if the queue is full; skipped if the caller has gone away.
    pub(super) async fn call<T, F>(&self, lane: Lane, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            if !reply.is_closed() {
                let _ = reply.send(snapshot(connection, work));
            }
        });
        if let Err(refused) = self.queue.push(lane, 0, read) {
            return Err(match refused {
                Refused::Full => {
                    self.counters.refused.fetch_add(1, Relaxed);
                    StoreError::Unavailable("too many reads are waiting".to_owned())
                }
                Refused::Closed => closed(),
            });
        }
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    pub(super) fn close(&self) {
        self.queue.close();
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
        self.threads.iter().for_each(join);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the connection is closed when this ends")]
fn serve(connection: Connection, queue: &Queue<Read>) {
    // One at a time: what one reader took could not be done by another that is free.
    let one = Bounds { items: 1, bytes: 0 };
    while let Taken::Batch(reads) = queue.take(one, None) {
        for read in reads {
            // A reader that ended would leave the others' callers waiting; this way only its own caller is told.
            if catch_unwind(AssertUnwindSafe(|| read(&connection))).is_err() {
                tracing::error!("a read panicked");
                if !connection.is_autocommit() {
                    let _ = exec(&connection, "ROLLBACK");
                }
            }
        }
    }
}

fn snapshot<T, F>(connection: &Connection, work: F) -> Result<T, StoreError>
where
    F: FnOnce(&Connection) -> Result<T, StoreError>,
{
    exec(connection, "BEGIN")?;
    let outcome = work(connection);
    // Nothing was written, so the end of the transaction only lets go of the snapshot. Should that fail, the next
    // BEGIN on this connection would: so what stands in the way is reported to this caller already.
    match exec(connection, "COMMIT") {
        Ok(_) => outcome,
        Err(error) => {
            if !connection.is_autocommit() {
                let _ = exec(connection, "ROLLBACK");
            }
            outcome.and(Err(error.into()))
        }
    }
}
