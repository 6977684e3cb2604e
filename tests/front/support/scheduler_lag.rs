//! How slow the machine is meanwhile: what a test must not hold against the server.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::sleep};

/// Between two looks.
const BEAT: Duration = Duration::from_millis(10);

/// Notes how late this process gets to run what is due, for as long as it is kept.
pub struct Late {
    times: Arc<Mutex<Vec<Duration>>>,
    task: JoinHandle<()>,
}

impl Late {
    pub fn begin() -> Self {
        let times = Arc::<Mutex<Vec<_>>>::default();
        let noted = times.clone();
        let task = tokio::spawn(async move {
            loop {
                let due = Instant::now() + BEAT;
                // Nothing is waited for: to be woken is what is measured.
                sleep(BEAT).await;
                noted.lock().unwrap().push(due.elapsed());
            }
        });
        Self { times, task }
    }

    pub fn p99(&self) -> Duration {
        p99(self.times.lock().unwrap().clone())
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What 99 of 100 take at most; nothing of nothing.
pub fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() * 99 / 100).copied().unwrap_or_default()
}
