//! One agent: a connection of its own, and its track played on it.

use std::{sync::Arc, time::Duration};

use fanfare_client::{
    Client, CloseReason, Config, Error, Sample, State, Tracker, TrackerConfig,
    proto::{Motion, Position},
};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    tally::{Count, Tally},
    track::Track,
};
use crate::cli::link;

/// Fixes kept for the time without a connection: ten minutes at one a second. So memory stays bounded.
const KEPT: usize = 600;

/// Longest wait for the last fixes to be stored.
const DRAIN: Duration = Duration::from_secs(8);

/// How tracks are played.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How much faster than recorded.
    pub(super) speed: f64,
    /// Time between two fixes.
    pub(super) period: Duration,
    /// From the start again, when it ends.
    pub(super) again: bool,
}

/// An agent that is to play.
pub(super) struct Agent {
    pub(super) number: usize,
    pub(super) track: Track,
    pub(super) config: Config,
    pub(super) pace: Pace,
    /// Wait before the first fix, so that agents do not send all at once.
    pub(super) phase: Duration,
    /// Who may connect now.
    pub(super) gate: Arc<Semaphore>,
    pub(super) tally: Arc<Tally>,
    /// Becomes true when it is time to end.
    pub(super) stop: watch::Receiver<bool>,
}

/// Why an agent ended before its track.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Closed(#[from] CloseReason),
    #[error(transparent)]
    Client(#[from] Error),
}

impl Agent {
    /// Plays the track to its end, or until it is time to end.
    pub(super) async fn play(self) -> Result<(), Failed> {
        let mut stop = self.stop.clone();
        let Some((client, tracker)) = self.begin(&mut stop).await? else {
            return Ok(());
        };
        let played = self.fixes(&client, &tracker, &mut stop).await;
        if played.is_ok() {
            // Not stored by then: the summary tells.
            let _ = timeout(DRAIN, tracker.drained()).await;
        }
        self.count(&client, &tracker);
        tracker.stop().await;
        client.close().await;
        played
    }

    /// Connects; `None` if it is time to end before that is done.
    async fn begin(&self, stop: &mut watch::Receiver<bool>) -> Result<Option<(Client, Tracker)>, Failed> {
        let begin = async {
            // The gate is never closed.
            let _permit = self.gate.acquire().await;
            let (client, events) = Client::connect(self.config.clone())?;
            // An agent only sends.
            drop(events);
            self.tally.told(self.number, client.state());
            client.opened().await?;
            let mut config = TrackerConfig::default();
            config.keep = KEPT;
            let tracker = client.tracker(config).await?;
            Ok(Some((client, tracker)))
        };
        tokio::select! {
            begun = begin => begun,
            () = ended(stop) => Ok(None),
        }
    }

    async fn fixes(
        &self,
        client: &Client,
        tracker: &Tracker,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), Failed> {
        tokio::select! {
            () = tokio::time::sleep(self.phase) => {}
            () = ended(stop) => return Ok(()),
        }
        let mut state = client.state();
        let begun = Instant::now();
        let mut ticks = interval(self.pace.period);
        // A fix is of now: those of a time that has passed are not made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                biased;
                () = ended(stop) => return Ok(()),
                reason = closed(&mut state) => return Err(reason.into()),
                now = ticks.tick() => {
                    let Some((position, motion)) = self.place(now.duration_since(begun)) else {
                        return Ok(());
                    };
                    tracker.record(Sample { time: link::now(), position, motion }).await?;
                    self.count(client, tracker);
                }
            }
        }
    }

    /// Where the agent is after playing so long; `None` when the track has ended.
    fn place(&self, elapsed: Duration) -> Option<(Position, Motion)> {
        let mut seconds = elapsed.as_secs_f64() * self.pace.speed;
        let length = self.track.length();
        if self.pace.again && length > 0.0 {
            seconds %= length;
        } else if !self.pace.again && seconds > length {
            return None;
        }
        self.track.at(seconds)
    }

    fn count(&self, client: &Client, tracker: &Tracker) {
        let (stats, fixes) = (client.stats(), tracker.stats());
        self.tally.set(
            self.number,
            Count {
                sent: fixes.recorded,
                stored: fixes.stored,
                again: fixes.sent_reliably,
                rejected: fixes.rejected,
                dropped: fixes.dropped,
                reconnects: stats.sessions.saturating_sub(1),
            },
        );
    }
}

/// Waits until the client has ended.
async fn closed(state: &mut watch::Receiver<State>) -> CloseReason {
    match state.wait_for(State::is_closed).await.as_deref() {
        Ok(State::Closed(reason)) => reason.clone(),
        // The client's state lives as long as our handle.
        _ => CloseReason::ByApplication,
    }
}

/// Waits until it is time to end. Nobody left to tell counts as that, too.
async fn ended(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
