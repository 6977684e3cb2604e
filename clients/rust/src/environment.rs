//! Time of day and randomness, given from outside so that tests decide them.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, SystemTime},
};

use fanfare_proto::{ClientId, UnixMs};

/// Where the time of day and random numbers come from. Durations are measured with tokio's clock, which tests pause.
#[derive(Clone)]
pub struct Environment {
    /// The time of day.
    pub now: Arc<dyn Fn() -> UnixMs + Send + Sync>,
    /// 64 random bits: for jitter and for the ids of requests.
    pub random: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Environment {
    /// The time of day.
    pub fn now(&self) -> UnixMs {
        (self.now)()
    }

    /// A random part of `window`.
    pub(crate) fn part_of(&self, window: Duration) -> Duration {
        // 53 bits are what a float holds exactly.
        let fraction = ((self.random)() >> 11) as f64 / (1_u64 << 53) as f64;
        window.mul_f64(fraction)
    }

    /// An id that no other request has.
    pub(crate) fn client_id(&self) -> Result<ClientId, fanfare_proto::InvalidId> {
        ClientId::new(&format!("{:016x}{:016x}", (self.random)(), (self.random)()))
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self { now: Arc::new(system_time), random: Arc::new(system_random) }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

fn system_time() -> UnixMs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMs(since.as_millis() as u64)
}

fn system_random() -> u64 {
    // The hasher's keys are random too: weaker, but no reason to end the process.
    getrandom::u64().unwrap_or_else(|_| RandomState::new().hash_one(system_time().0))
}
