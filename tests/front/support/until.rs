//! Waiting for what happens elsewhere, in another process or on another thread, and is told to nobody; and the pace at
//! which a test does things itself.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};

/// Nothing that is waited for takes longer, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Looks again and again until it is so.
pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !so().await {
            sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("in vain until {what}"));
}

/// The pace of somebody who does a thing again and again. Nothing is waited for by it. What could not be done in time is
/// not made up for.
pub fn pace(every: Duration) -> Interval {
    let mut pace = interval(every);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}
