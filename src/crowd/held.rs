//! What is held for peers that have begun to say something and not ended it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that many connections hold together, and their bound.
#[derive(Debug)]
pub(super) struct Held {
    bytes: AtomicUsize,
    bound: usize,
}

impl Held {
    pub(super) const fn new(bound: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), bound }
    }

    /// Takes so many more, or none where that would be too many.
    pub(super) fn take(&self, more: usize) -> bool {
        let fits = |bytes: usize| bytes.checked_add(more).filter(|all| *all <= self.bound);
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
