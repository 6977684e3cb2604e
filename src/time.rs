//! Wall-clock time as a value that is handed in, so that tests decide what time it is.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use fanfare_proto::UnixMs;

/// Tells the time. Rules take `now` as an argument; only loops ask a clock.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Shifted(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// The machine's clock plus a number of milliseconds that the caller may raise at any time.
    pub const fn shifted(by_ms: Arc<AtomicU64>) -> Self {
        Self(Source::Shifted(by_ms))
    }

    /// The time.
    pub fn now(&self) -> UnixMs {
        // A clock before 1970 reads as 1970: tokens then look valid, but no rule breaks.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = UnixMs(since.as_millis() as u64);
        match &self.0 {
            Source::System => now,
            Source::Shifted(by) => now.plus(by.load(Ordering::Relaxed)),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
