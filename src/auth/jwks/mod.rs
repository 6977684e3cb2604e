//! Keys that issuers publish, fetched ahead of time and kept.
//!
//! One task keeps each address; verifying asks it for more when a token names a key that is not there. However many
//! ask, there is one fetch at a time, and a pause between two.

mod fetch;
mod set;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use fanfare_proto::IssuerId;
use futures::FutureExt;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

pub use self::fetch::BadUrl;
use self::{
    fetch::Fetcher,
    set::{LeftOut, Set},
};
use super::key::{Algorithm, Key};

/// How long a token waits for the pause between two fetches to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Keys that are not used and named in the log.
const NAMED: usize = 20;

/// How keys are fetched.
#[derive(Debug, Clone)]
pub struct Times {
    /// For a fetch, from connecting to the last byte.
    pub timeout: Duration,
    /// Between the beginnings of two fetches, whoever asks.
    pub pause: Duration,
    /// Least time between two fetches that nobody asked for.
    pub least: Duration,
    /// Most time between them.
    pub most: Duration,
    /// For how long the last set holds while no newer one comes.
    pub kept: Duration,
}

/// One address of an issuer, and the keys that were last found there.
#[derive(Debug)]
pub struct Source {
    issuer: IssuerId,
    fetcher: Fetcher,
    times: Times,
    set: ArcSwap<Set>,
    wanted: Notify,
    state: watch::Sender<State>,
    /// The keys that are not used, as they were logged last.
    named: Mutex<String>,
}

/// What the task that keeps the keys is at.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// When the last fetch began.
    began: Option<Instant>,
    /// It has not ended.
    running: bool,
    /// It brought a set.
    ok: bool,
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The issuer has none by this name.
    Unknown,
    /// It could not be asked. Later it can.
    Later {
        /// When.
        ms: u64,
    },
}

impl Source {
    /// Checks the address. `authority`: certificates as PEM, one of which must have signed that of the address.
    pub fn new(issuer: IssuerId, url: &str, times: Times, authority: Option<&[u8]>) -> Result<Self, BadUrl> {
        let fetcher = Fetcher::new(url, times.timeout, authority)?;
        Ok(Self {
            issuer,
            fetcher,
            times,
            set: ArcSwap::default(),
            wanted: Notify::new(),
            state: watch::Sender::new(State::default()),
            named: Mutex::default(),
        })
    }

    /// The key, if it is known already.
    pub(super) fn known(&self, algorithm: Algorithm, kid: Option<&str>) -> Option<Arc<Key>> {
        self.set.load().find(algorithm, kid)
    }

    /// The key, if need be fetched for it. That there is none is certain only by a fetch that began after this did:
    /// an issuer that has just changed its keys must not cost its users their connections.
    pub(super) async fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<Arc<Key>, Missing> {
        let mut state = self.state.subscribe();
        let pause_ends = state.borrow().began.map(|began| began + self.times.pause);
        // Not worth sending anybody away for.
        if let Some(soon) =
            pause_ends.filter(|ends| ends.saturating_duration_since(Instant::now()) <= PATIENCE)
        {
            sleep_until(soon).await;
        }
        let asked = Instant::now();
        let pause_ends = state.borrow().began.map(|began| began + self.times.pause);
        let sure = pause_ends.is_none_or(|ends| ends <= asked);
        if sure {
            self.wanted.notify_one();
        }
        // One that is under way may bring it just as well.
        let done = state.wait_for(|s| {
            let later = s.began.is_some_and(|began| began >= asked);
            !s.running && (later || !sure || self.known(algorithm, kid).is_some())
        });
        // The fetch has its own end; this is for one that nobody begins.
        let ok = match timeout(self.times.timeout * 2, done).await {
            Ok(Ok(state)) => state.ok,
            _ => false,
        };
        match self.known(algorithm, kid) {
            Some(key) => Ok(key),
            None if sure && ok => Err(Missing::Unknown),
            None => {
                let ends = self.state.borrow().began.map_or(asked, |began| began) + self.times.pause;
                let ms = ends.saturating_duration_since(Instant::now()).as_millis() as u64;
                Err(Missing::Later { ms: ms.max(1) })
            }
        }
    }

    /// Names the keys that are not used, once for as long as they stay the same.
    fn log_left_out(&self, left_out: &[LeftOut]) {
        let text = left_out.iter().take(NAMED).map(LeftOut::to_string).collect::<Vec<_>>().join("; ");
        let changed =
            self.named.lock().is_ok_and(|mut named| std::mem::replace(&mut *named, text.clone()) != text);
        if changed && !text.is_empty() {
            let (issuer, url, count) = (&self.issuer, self.fetcher.place(), left_out.len());
            tracing::info!(%issuer, url, count, keys = text, "published keys are not used");
        }
    }

    /// Fetches at once, then whenever the last set is no longer fresh or a key is missing. Never ends. `counted` is
    /// told how each fetch went.
    pub(super) async fn keep(&self, counted: impl Fn(bool)) {
        let mut fetched_at = None;
        loop {
            // Who has asked until now is served by this fetch.
            let _ = self.wanted.notified().now_or_never();
            let began = Instant::now();
            self.state.send_modify(|state| *state = State { began: Some(began), running: true, ok: false });
            let fetched = self.fetcher.fetch().await;
            let ok = fetched.is_ok();
            let mut next = self.times.pause;
            match fetched {
                Ok(fetched) => {
                    tracing::debug!(issuer = %self.issuer, keys = fetched.set.len(), "keys fetched");
                    self.log_left_out(fetched.set.left_out());
                    if fetched_at.replace(began).is_none() {
                        tracing::info!(issuer = %self.issuer, url = self.fetcher.place(), "has the issuer's keys");
                    }
                    self.set.store(Arc::new(fetched.set));
                    next =
                        fetched.max_age.unwrap_or(self.times.most).clamp(self.times.least, self.times.most);
                }
                Err(error) => {
                    tracing::warn!(issuer = %self.issuer, url = self.fetcher.place(), %error, "keys cannot be fetched");
                    if fetched_at.is_some_and(|at| began.duration_since(at) > self.times.kept) {
                        tracing::error!(issuer = %self.issuer, "its keys are too old, and not used any more");
                        self.set.store(Arc::default());
                        fetched_at = None;
                    }
                }
            }
            self.state.send_modify(|state| *state = State { running: false, ok, ..*state });
            counted(ok);
            sleep_until(began + self.times.pause).await;
            tokio::select! {
                () = self.wanted.notified() => {}
                () = sleep(next.saturating_sub(self.times.pause)) => {}
            }
        }
    }
}
