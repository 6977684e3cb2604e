//! Requests of one lane that were read: done one after another, so that none overtakes.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

use fanfare_proto::Request;

/// Counted for a request besides its text.
const BESIDES: usize = 256;

/// Requests of one lane, and what those that are not done yet take.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: RefCell<VecDeque<(Request, usize)>>,
    /// Those that wait, and the one that is being done. Only [`done`](Self::done) lowers this, and whoever waits for room
    /// is told then.
    requests: Cell<usize>,
    bytes: Cell<usize>,
}

impl Line {
    /// Puts in a request of so many bytes of text. True where it is the only one: somebody must begin to work.
    pub(super) fn push(&self, request: Request, text: usize) -> bool {
        let bytes = text + BESIDES;
        self.waiting.borrow_mut().push_back((request, bytes));
        self.bytes.set(self.bytes.get() + bytes);
        self.requests.replace(self.requests.get() + 1) == 0
    }

    /// The next request, and what to say when it is [done](Self::done).
    pub(super) fn next(&self) -> Option<(Request, usize)> {
        self.waiting.borrow_mut().pop_front()
    }

    /// A request is done.
    pub(super) fn done(&self, bytes: usize) {
        self.requests.set(self.requests.get() - 1);
        self.bytes.set(self.bytes.get() - bytes);
    }

    /// How many are not done yet.
    pub(super) fn requests(&self) -> usize {
        self.requests.get()
    }

    /// The bytes of those.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.get()
    }
}
