//! Which kinds of topics a connection hears: those whose right its token grants. What it does not hear is not sent to it,
//! whoever it is meant for.

use std::cell::RefCell;

use fanfare_proto::{TopicKind, TopicName};

use super::Member;

/// A stretch of time in which a connection hears a kind. What was begun in an earlier one has ended with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term(u32);

/// The kinds that are heard, each since its term.
#[derive(Debug, Default)]
pub(super) struct Ears(RefCell<Open>);

#[derive(Debug, Default)]
struct Open {
    kinds: Vec<(TopicKind, Term)>,
    terms: u32,
}

impl Ears {
    pub(super) fn of(kinds: impl IntoIterator<Item = TopicKind>) -> Self {
        let ears = Self::default();
        kinds.into_iter().for_each(|kind| ears.open(kind));
        ears
    }

    fn open(&self, kind: TopicKind) {
        let mut ears = self.0.borrow_mut();
        ears.terms += 1;
        let term = Term(ears.terms);
        ears.kinds.push((kind, term));
    }

    fn close(&self, kind: TopicKind) {
        self.0.borrow_mut().kinds.retain(|(heard, _)| *heard != kind);
    }

    fn term(&self, kind: TopicKind) -> Option<Term> {
        self.0.borrow().kinds.iter().find(|(heard, _)| *heard == kind).map(|(_, term)| *term)
    }
}

impl Member {
    /// The term in which the connection hears a kind, if it does.
    pub fn term(&self, kind: TopicKind) -> Option<Term> {
        self.ears.term(kind)
    }

    /// The connection hears a kind from now on. What is published before its topics are placed is noted, as for one that
    /// resumes.
    pub fn hear(&self, kind: TopicKind) {
        if self.term(kind).is_none() {
            self.ears.open(kind);
            self.resuming.set(true);
        }
    }

    /// The connection hears a kind no longer: nothing more of it is sent, and where it stood is forgotten.
    pub fn deafen(&self, kind: TopicKind) {
        self.ears.close(kind);
        self.positions.borrow_mut().retain(|name: &TopicName, _| name.kind != kind);
        if kind == TopicKind::Conversation {
            // Receipts, which are of conversations all of them.
            self.outbox.forget_states();
        }
    }
}
