//! The way down: not ready, nobody let in, everybody told to move, what was accepted stored, all of it by a deadline.

use std::{pin::pin, thread, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout_at},
};

use super::Server;
use crate::{config::Drain, domain::presence, stage::Stage};

const LAST: Duration = Drain::LAST;

/// What the store gets to close at least, also when the deadline has passed.
const STORE: Duration = Duration::from_secs(1);

impl Server {
    /// Stops as the configuration says.
    pub async fn stop(self) {
        self.stop_unless(std::future::pending()).await;
    }

    /// The same, but from `hurry` on nobody is waited for any more: who is still here is closed at once.
    pub async fn stop_unless(mut self, hurry: impl Future<Output = ()>) {
        let drain = self.services.config.drain.clone();
        let started = Instant::now();
        let deadline = started + drain.deadline();
        let mut hurry = pin!(hurry);

        self.enter(Stage::Fading);
        let mut hurried = false;
        if drain.pause_ms > 0 {
            tracing::info!(pause_ms = drain.pause_ms, "not ready: balancers may notice");
            tokio::select! {
                () = sleep_until(started + drain.pause()) => {}
                () = &mut hurry => hurried = true,
            }
        }
        let connections = self.services.crowd.guests();
        let (spread_ms, notice_ms) = (drain.spread_ms, drain.notice_ms);
        tracing::info!(connections, spread_ms, notice_ms, "nobody is let in; connections are told to move");
        self.enter(Stage::Moving);
        let last = deadline.checked_sub(LAST).map_or(started, |last| last.max(started));
        let mut settled = false;
        if !hurried {
            tokio::select! {
                // Nothing is ever sent: it ends with its senders.
                _ = self.settled.recv() => settled = true,
                () = sleep_until(last) => {}
                () = &mut hurry => hurried = true,
            }
        }
        if !settled {
            tracing::warn!(
                connections = self.services.crowd.guests(),
                hurried,
                "closing those that are still here"
            );
        }
        self.enter(Stage::Closing);
        let patience = if hurried { deadline.min(Instant::now() + LAST) } else { deadline };
        if timeout_at(patience, self.join()).await.is_ok() {
            tracing::info!("connections are closed, fixes are stored");
        } else {
            tracing::warn!("not all connections could be closed in time");
        }
        drop(self.acceptor.take());
        for chore in &self.chores {
            chore.abort();
        }
        let patience = deadline.max(Instant::now() + STORE);
        if timeout_at(patience, presence::stop(&self.services)).await.is_err() {
            tracing::warn!("the other nodes were not told who leaves: they will see it");
        }
        let patience = deadline.max(Instant::now() + STORE);
        if timeout_at(patience, self.services.store.close()).await.is_ok() {
            tracing::info!("the store is closed");
        } else {
            tracing::warn!("the store does not close; what it has confirmed is stored");
        }
        tracing::info!(ms = started.elapsed().as_millis() as u64, "stopped");
    }

    /// Waits for the threads, on one of its own, as that blocks and may be given up.
    fn join(&mut self) -> impl Future<Output = ()> + use<> {
        let shards = std::mem::take(&mut self.shards);
        let (done, joined) = oneshot::channel();
        let joining = thread::Builder::new().name("stop".into()).spawn(move || {
            for shard in shards {
                let _ = shard.join();
            }
            let _ = done.send(());
        });
        if let Err(error) = joining {
            tracing::error!(%error, "no thread to wait with");
        }
        async {
            // An error means that there is nobody to wait for.
            let _ = joined.await;
        }
    }

    fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }
}
