//! How far the replay is: a bar on a terminal, lines elsewhere.

use std::time::Duration;

use fanfare_client::Loss;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::tally::Total;

/// Shows how far the replay is, on standard error.
pub(super) struct Progress {
    begun: Instant,
    bar: ProgressBar,
    /// Where there is no terminal: how often a line is printed, and when the next one is due.
    every: Duration,
    due: Instant,
    /// Why agents have no connection, as it was last heard.
    trouble: Option<Loss>,
}

impl Progress {
    pub(super) fn new(duration: Option<Duration>, every: Duration) -> anyhow::Result<Self> {
        let bar = match duration {
            Some(duration) => ProgressBar::new(duration.as_secs())
                .with_style(ProgressStyle::with_template("[{bar:12}] {pos}/{len} s  {wide_msg}")?),
            None => ProgressBar::new_spinner()
                .with_style(ProgressStyle::with_template("{spinner} {elapsed_precise}  {wide_msg}")?),
        };
        let begun = Instant::now();
        Ok(Self { begun, bar, every, due: begun + every, trouble: None })
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Called often.
    pub(super) fn show(&mut self, mut total: Total) {
        let elapsed = self.begun.elapsed();
        // While an attempt is under way there is no reason to be seen: the one before it stays.
        self.trouble = total.trouble.take().or_else(|| self.trouble.take());
        if total.open == total.agents {
            self.trouble = None;
        }
        total.trouble.clone_from(&self.trouble);
        if !self.bar.is_hidden() {
            self.bar.set_position(elapsed.as_secs());
            self.bar.set_message(total.to_string());
        } else if self.due <= Instant::now() {
            self.due += self.every;
            eprintln!("{:6.1} s: {total}", elapsed.as_secs_f64());
        }
    }

    /// Something to be told besides.
    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
