//! The tracker's task: moves fixes between the ledger, the store and the client.

use std::time::Duration;

use fanfare_proto::{
    Command, ErrorCode, Fix, ServerEvent,
    command::{LocationUpdate, MAX_FIXES},
    event::LocationStored,
    tick,
};
use futures::future::BoxFuture;
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    Discarded, Sample, TrackerConfig, TrackerStats, Why,
    clock::corrected,
    ledger::{Ledger, Settled},
    store::Store,
};
use crate::{Client, Error, actor::until};

/// The first and the longest wait after a request that failed.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(1);
/// That fixes are rejected is written to the log no more often than this.
const WARN_EVERY: Duration = Duration::from_mins(1);
/// Most fixes kept in one go.
const MAX_RECORDED: usize = 256;

/// A sample to keep.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) sample: Sample,
    pub(super) kept: oneshot::Sender<Result<u64, Error>>,
}

type Answer = Result<ServerEvent, Error>;

pub(super) struct Task {
    client: Client,
    store: Store,
    ledger: Ledger,
    counted: TrackerStats,
    stats: watch::Sender<TrackerStats>,
    discarded: broadcast::Sender<Discarded>,
    /// The request on its way.
    request: Option<BoxFuture<'static, Answer>>,
    /// Not before then the next one.
    retry_at: Option<Instant>,
    retry: Duration,
    /// Most fixes in a request: less while one of them makes the server refuse them all.
    most: usize,
    /// The session that fixes fly in.
    session: u64,
    correct_clock: bool,
    /// When it was last written to the log that fixes are rejected.
    warned: Option<Instant>,
}

impl Task {
    pub(super) fn new(
        client: Client,
        config: &TrackerConfig,
        store: Store,
        kept: Vec<Fix>,
        stats: watch::Sender<TrackerStats>,
        discarded: broadcast::Sender<Discarded>,
    ) -> Self {
        let ledger = Ledger::new(kept, config.keep, config.repeat_after);
        let mut task = Self {
            client,
            store,
            ledger,
            counted: TrackerStats::default(),
            stats,
            discarded,
            request: None,
            retry_at: None,
            retry: RETRY,
            most: MAX_FIXES,
            session: 0,
            correct_clock: config.correct_clock,
            warned: None,
        };
        task.publish();
        task
    }

    /// Runs until the tracker is dropped.
    pub(super) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut stored: mpsc::Receiver<LocationStored>,
    ) {
        let mut state = self.client.state();
        let mut recorded = Vec::new();
        loop {
            self.send().await;
            self.publish();
            let due = self.ledger.due();
            let wait = self.retry_at.filter(|_| self.request.is_none());
            tokio::select! {
                count = orders.recv_many(&mut recorded, MAX_RECORDED) => {
                    if count == 0 {
                        break;
                    }
                    self.record(&mut recorded).await;
                }
                Some(word) = stored.recv() => self.settle(&word).await,
                answer = answer(&mut self.request) => {
                    self.request = None;
                    self.answered(answer).await;
                }
                // The client's state lives as long as our handle.
                _ = state.changed() => {}
                () = until(due) => self.ledger.overdue(Instant::now()),
                () = until(wait) => self.retry_at = None,
            }
        }
        self.store.close().await;
    }

    /// Keeps what was recorded; only then does it fly.
    async fn record(&mut self, orders: &mut Vec<Order>) {
        let moment = self.client.shared().moment();
        let server = self.client.shared().server_at(moment).filter(|_| self.correct_clock);
        let timed = |time| server.map_or(time, |server| corrected(time, moment.wall, server));
        let samples: Vec<Sample> =
            orders.iter().map(|order| Sample { time: timed(order.sample.time), ..order.sample }).collect();
        let pairs = samples.iter().zip(orders.iter());
        let corrected = pairs.filter(|(sample, order)| sample.time != order.sample.time).count();
        match self.store.append(&samples).await {
            Ok(fixes) => {
                for fix in &fixes {
                    self.ledger.record(*fix, moment, self.correct_clock && server.is_none());
                }
                self.counted.recorded += fixes.len() as u64;
                self.counted.corrected += corrected as u64;
                // Before the callers go on: they may ask at once whether everything is stored.
                self.publish();
                for (order, fix) in orders.drain(..).zip(fixes) {
                    // Who no longer waits for the counter still recorded the fix.
                    let _ = order.kept.send(Ok(fix.counter));
                }
                self.make_room().await;
            }
            Err(error) => {
                for order in orders.drain(..) {
                    let _ = order.kept.send(Err(error.clone()));
                }
            }
        }
    }

    /// What was recorded before the server's clock was known gets its time now that it is. None of it has been sent, so no
    /// fix is ever sent with two times.
    async fn retime(&mut self) {
        let shared = self.client.shared();
        let changed = self.ledger.retime(|time, recorded| {
            shared.server_at(recorded).map_or(time, |server| corrected(time, recorded.wall, server))
        });
        if !changed.is_empty() {
            self.counted.corrected += changed.len() as u64;
            self.store.retime(&changed).await;
        }
    }

    /// Notes why fixes are rejected, or that they no longer are.
    fn note(&mut self, settled: &Settled) {
        if let Some((_, reason)) = settled.rejected.last() {
            self.counted.rejecting = Some(*reason);
            let now = Instant::now();
            if self.warned.is_none_or(|at| now.duration_since(at) >= WARN_EVERY) {
                self.warned = Some(now);
                let count = settled.rejected.len();
                tracing::warn!(%reason, count, "the server rejects fixes: they are lost");
            }
        } else if !settled.stored.is_empty() {
            self.counted.rejecting = None;
        }
    }

    async fn make_room(&mut self) {
        let dropped = self.ledger.overflow();
        self.counted.dropped += dropped.len() as u64;
        self.discard(dropped.into_iter().map(|fix| (fix, Why::NoRoom)).collect()).await;
    }

    async fn settle(&mut self, word: &LocationStored) {
        let settled = self.ledger.settle(word);
        self.note(&settled);
        self.counted.stored += settled.stored.len() as u64;
        self.counted.rejected += settled.rejected.len() as u64;
        self.store.remove(settled.stored).await;
        let rejected = settled.rejected.into_iter();
        self.discard(rejected.map(|(fix, why)| (fix, Why::Rejected(why))).collect()).await;
    }

    async fn discard(&mut self, fixes: Vec<(Fix, Why)>) {
        self.store.remove(fixes.iter().map(|(fix, _)| fix.counter).collect()).await;
        for (fix, why) in fixes {
            // An error means that nobody listens.
            let _ = self.discarded.send(Discarded { fix, why });
        }
    }

    /// Sends what is to be sent: fresh fixes by datagram, missing ones by request.
    async fn send(&mut self) {
        let session = self.client.stats().sessions;
        if session != self.session {
            self.session = session;
            self.ledger.lost();
        }
        if !self.client.state().borrow().is_open() {
            return;
        }
        self.retime().await;
        let fixes = self.ledger.fly(Instant::now());
        self.counted.sent_fast += fixes.len() as u64;
        for packet in tick::pack_fixes(&fixes) {
            // Dropped or lost: the fixes are not acknowledged, and go out again.
            self.client.shared().send_packet(packet);
        }
        if self.request.is_none() && self.retry_at.is_none() && self.ledger.has_missing() {
            let fixes = self.ledger.batch(self.most);
            self.counted.sent_reliably += fixes.len() as u64;
            let client = self.client.clone();
            let update = LocationUpdate { fixes: fixes.into_iter().map(Into::into).collect() };
            self.request =
                Some(Box::pin(async move { client.request(Command::LocationUpdate(update)).await }));
        }
    }

    async fn answered(&mut self, answer: Answer) {
        let word = match answer {
            Ok(event) => event.data::<LocationStored>().map_err(|e| Error::Unexpected(e.to_string())),
            Err(error) => Err(error),
        };
        self.counted.refused = match &word {
            Err(Error::Refused(error)) => Some(error.code),
            _ => None,
        };
        match word {
            Ok(word) => {
                self.settle(&word).await;
                self.most = (self.most * 2).min(MAX_FIXES);
                self.retry = RETRY;
                // The server left some open: not again at once.
                if !self.ledger.batch(0).is_empty() {
                    self.later(None);
                }
            }
            Err(Error::Refused(error))
                if matches!(error.code, ErrorCode::InvalidMessage | ErrorCode::MessageTooLarge) =>
            {
                // One fix must not keep the others from being stored: look for it by halving.
                let fixes = self.ledger.batch(0);
                self.most = (fixes.len() / 2).max(1);
                if let [fix] = fixes[..] {
                    self.ledger.remove(fix.counter);
                    self.counted.rejected += 1;
                    self.discard(vec![(fix, Why::Refused(error))]).await;
                }
            }
            Err(Error::Refused(error)) => self.later(error.retry_after_ms),
            Err(_) => self.later(None),
        }
        self.ledger.unbatch();
    }

    fn later(&mut self, server_said_ms: Option<u64>) {
        let said = Duration::from_millis(server_said_ms.unwrap_or(0)).min(RETRY_MAX);
        self.retry_at = Some(Instant::now() + self.retry.max(said));
        self.retry = (self.retry * 2).min(RETRY_MAX);
    }

    fn publish(&mut self) {
        self.counted.pending = self.ledger.len() as u64;
        let counted = self.counted;
        self.stats.send_if_modified(|stats| {
            let changed = *stats != counted;
            *stats = counted;
            changed
        });
    }
}

async fn answer(request: &mut Option<BoxFuture<'static, Answer>>) -> Answer {
    match request {
        Some(request) => request.await,
        None => std::future::pending().await,
    }
}
