//! Fixes that arrive in the end: by datagram at once, again by request until the server has stored them, and kept
//! meanwhile, on disk if asked.

mod clock;
#[cfg(feature = "disk")]
mod disk;
mod ledger;
mod store;
mod task;

use std::time::Duration;

use fanfare_proto::{BadFix, ErrorBody, ErrorCode, Fix, Motion, Position, UnixMs, id::MAX_NUMBER};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::{Client, Error};

use store::Store;
use task::{Order, Task};

/// Fixes that wait for the tracker's task. Full: [`Tracker::record`] waits.
const ORDERS: usize = 256;
/// Discarded fixes that wait for the application. Full: the oldest is forgotten; [`TrackerStats`] counts it still.
const DISCARDED: usize = 256;

/// How fixes are kept and sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TrackerConfig {
    /// Most fixes kept. Beyond, the oldest is dropped and told as [`Discarded`].
    pub keep: usize,
    /// A fix not acknowledged after this time is sent again, reliably. The server acknowledges every 2 s.
    pub repeat_after: Duration,
    /// The counter of the first fix ever. Without one it is the time of day in milliseconds, so that it never meets
    /// counters of an earlier installation or, without a disk, of an earlier run.
    pub first_counter: Option<u64>,
    /// Whether fresh samples whose time was given by the device's clock get the server's time where that clock is wrong by more
    /// than 10 s. Its error is known with the first connection: what was recorded before gets its time then, before it is sent;
    /// what an earlier run left in the file keeps the one that it has. A step of the server's clock is not followed. Default: yes.
    pub correct_clock: bool,
    /// Where fixes are kept; without, in memory.
    #[cfg(feature = "disk")]
    pub disk: Option<Disk>,
}

/// A file that keeps fixes across restarts.
#[cfg(feature = "disk")]
#[derive(Debug, Clone)]
pub struct Disk {
    /// The file. One tracker at a time.
    pub path: std::path::PathBuf,
    /// Whose fixes it holds, for example the user's id. A file of somebody else is refused: their fixes would count
    /// as this user's.
    pub owner: String,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            keep: 100_000,
            repeat_after: Duration::from_secs(5),
            first_counter: None,
            correct_clock: true,
            #[cfg(feature = "disk")]
            disk: None,
        }
    }
}

impl TrackerConfig {
    /// The same, with fixes kept in a file.
    #[cfg(feature = "disk")]
    #[must_use]
    pub fn disk(mut self, path: impl Into<std::path::PathBuf>, owner: impl Into<String>) -> Self {
        self.disk = Some(Disk { path: path.into(), owner: owner.into() });
        self
    }
}

/// What a device measured. The tracker gives it its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub time: UnixMs,
    /// Where.
    pub position: Position,
    /// How it moved.
    pub motion: Motion,
}

/// A fix that the server will never store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarded {
    /// The fix.
    pub fix: Fix,
    /// Why.
    pub why: Why,
}

/// Why a fix was discarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The server rejected it.
    Rejected(BadFix),
    /// The server refused the request that carried it alone.
    Refused(ErrorBody),
    /// More fixes were kept than [`TrackerConfig::keep`]; it was the oldest.
    NoRoom,
}

/// What a tracker has counted since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TrackerStats {
    /// Fixes recorded.
    pub recorded: u64,
    /// Fixes that are kept and not known to be stored, those of earlier runs included.
    pub pending: u64,
    /// Fixes that the server has stored.
    pub stored: u64,
    /// Fixes that were rejected or refused.
    pub rejected: u64,
    /// Why the server rejected the last one that it did, as long as it has stored none since. `ClockAhead`: the device's clock
    /// is fast; `TooOld`: it is far behind, or its receiver is.
    pub rejecting: Option<BadFix>,
    /// Fixes whose time was corrected: see [`TrackerConfig::correct_clock`].
    pub corrected: u64,
    /// Fixes that were dropped because there was no room.
    pub dropped: u64,
    /// Why the server refused the last request with fixes; they are kept, and sent again. `Unauthorized`: the user
    /// may not send fixes.
    pub refused: Option<ErrorCode>,
    /// Fixes sent by datagram.
    pub sent_fast: u64,
    /// Fixes sent by request: recorded without a connection, or sent by datagram and not acknowledged in time. The
    /// latter were lost, so this tells about the loss on the way.
    pub sent_reliably: u64,
}

/// Sends a device's fixes. Dropped, it stops; fixes on disk are sent by the next one.
#[derive(Debug)]
pub struct Tracker {
    orders: mpsc::Sender<Order>,
    stats: watch::Receiver<TrackerStats>,
    discarded: broadcast::Sender<Discarded>,
    ended: oneshot::Receiver<()>,
}

impl Tracker {
    pub(crate) async fn start(client: Client, config: TrackerConfig) -> Result<Self, Error> {
        let stored =
            client.shared().track().ok_or_else(|| Error::Config("there is a tracker already".into()))?;
        let (store, kept) = Store::open(&config, client.shared().environment.now()).await?;
        let (orders, orders_end) = mpsc::channel(ORDERS);
        let (stats_end, stats) = watch::channel(TrackerStats::default());
        let (discarded, _) = broadcast::channel(DISCARDED);
        let (ended_end, ended) = oneshot::channel();
        let task = Task::new(client, &config, store, kept, stats_end, discarded.clone());
        tokio::spawn(async move {
            task.run(orders_end, stored).await;
            // Who dropped the tracker does not wait.
            let _ = ended_end.send(());
        });
        Ok(Self { orders, stats, discarded, ended })
    }

    /// Keeps a fix and sends it. Returns its counter when it is kept (on disk: durably). Waits for no connection.
    pub async fn record(&self, sample: Sample) -> Result<u64, Error> {
        if sample.time.0 > MAX_NUMBER {
            return Err(Error::Invalid(format!("no such time: {}", sample.time.0)));
        }
        let (kept, wait) = oneshot::channel();
        self.orders.send(Order { sample, kept }).await.map_err(|_| Error::Closed)?;
        wait.await.unwrap_or(Err(Error::Closed))
    }

    /// What the tracker has counted.
    pub fn stats(&self) -> TrackerStats {
        *self.stats.borrow()
    }

    /// Waits until the server has stored every fix that was recorded before (or it was discarded).
    pub async fn drained(&self) {
        let mut stats = self.stats.clone();
        // An error means that the tracker's task has ended, and nothing more will change.
        let _ = stats.wait_for(|stats| stats.pending == 0).await;
    }

    /// Fixes that are discarded from now on.
    pub fn discarded(&self) -> broadcast::Receiver<Discarded> {
        self.discarded.subscribe()
    }

    /// Stops, and waits until the store is closed.
    pub async fn stop(self) {
        drop(self.orders);
        // An error means that the task has ended.
        let _ = self.ended.await;
    }
}
