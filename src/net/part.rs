//! A message of which some has come, and not its end.

use tokio::time::Instant;

/// Told at its beginning, and again whenever another such part of a full message has come.
const STEPS: usize = 16;

/// What is held of messages that are not whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Bytes that have come of them.
    pub bytes: usize,
    /// Since when the oldest is waited for.
    pub since: Option<Instant>,
}

impl Unfinished {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, since: self.since.into_iter().chain(other.since).min() }
    }
}

/// What is held of one stream's next message.
#[derive(Debug)]
pub(super) struct Part {
    held: Unfinished,
    told: usize,
    step: usize,
}

impl Part {
    /// Messages have at most `full` bytes.
    pub(super) fn new(full: usize) -> Self {
        Self { held: Unfinished::default(), told: 0, step: full / STEPS }
    }

    /// All that has come was looked at, and so many bytes are no whole message. True where that should be told.
    pub(super) fn is(&mut self, bytes: usize) -> bool {
        if bytes == 0 {
            self.ends();
            return false;
        }
        self.held.bytes = bytes;
        let tell = self.held.since.is_none() || bytes >= self.told + self.step;
        if tell {
            self.held.since.get_or_insert_with(Instant::now);
            self.told = bytes;
        }
        tell
    }

    /// A message is whole.
    pub(super) fn ends(&mut self) {
        (self.held, self.told) = (Unfinished::default(), 0);
    }

    /// The time in which nobody has read is not the peer's.
    pub(super) fn excuse(&mut self) {
        if let Some(since) = &mut self.held.since {
            *since = Instant::now();
        }
    }

    pub(super) fn held(&self) -> Unfinished {
        self.held
    }
}
