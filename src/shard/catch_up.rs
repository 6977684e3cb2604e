//! The one way in which a connection gets what it lacks: the log is read from where it stands until it has all that was
//! published meanwhile, then it goes live. A resume, a gap and a full inbox all end here.

use std::rc::Rc;

use fanfare_proto::{CloseCode, Lane, Seq};
use tokio::sync::Semaphore;

use super::{Member, Position, Shard, Term};
use crate::{
    hub::{self, LostEvents},
    id::Topic,
    store::From,
};

/// Topics that may be read at once, for each lane: returning clients must not drown the store.
const AT_ONCE: usize = 16;

/// Topics of one connection's ordered lane that are caught up at once: one with many does not keep others waiting.
pub(super) const AT_ONCE_EACH: usize = 4;

/// What one read takes.
const PAGE: usize = 100;
const PAGE_BYTES: usize = 64 * 1024;

/// How much of the store catch-ups may take, lane by lane, so that what is urgent waits for nothing else.
#[derive(Debug)]
pub(super) struct Permits {
    urgent: Semaphore,
    ordered: Semaphore,
}

impl Default for Permits {
    fn default() -> Self {
        Self { urgent: Semaphore::new(AT_ONCE), ordered: Semaphore::new(AT_ONCE) }
    }
}

impl Permits {
    fn of(&self, lane: Lane) -> &Semaphore {
        match lane {
            Lane::Urgent => &self.urgent,
            Lane::Ordered => &self.ordered,
        }
    }
}

impl Shard {
    pub(super) fn repair(self: &Rc<Self>, lost: Vec<LostEvents>) {
        for LostEvents { topic, last, audience } in lost {
            for member in self.receivers(&topic, &audience) {
                let behind = {
                    let mut positions = member.positions.borrow_mut();
                    match positions.get_mut(&topic.name) {
                        Some(Position::Live(at)) => Some(*at),
                        // Being caught up, or to be placed: it will be sent all up to what was lost.
                        Some(Position::Behind { seen, .. }) => {
                            *seen = (*seen).max(last);
                            None
                        }
                        None if member.resuming.get() => {
                            positions.insert(topic.name.clone(), Position::Behind { at: None, seen: last });
                            None
                        }
                        // All that were there when it came have been placed: this one has begun since.
                        None => Some(Seq::ZERO),
                    }
                };
                if let Some(at) = behind.filter(|at| *at < last) {
                    self.start_catch_up(&member, &topic, at, last);
                }
            }
        }
    }

    /// Tells where a member stands, once that is known: it has everything up to `at`, and the log's end is `head`.
    pub fn place(self: &Rc<Self>, member: &Rc<Member>, topic: &Topic, at: Seq, head: Seq) {
        let seen = match member.positions.borrow().get(&topic.name) {
            Some(Position::Behind { seen, .. }) => head.max(*seen),
            _ => head,
        };
        if seen > at {
            self.start_catch_up(member, topic, at, seen);
        } else {
            member.positions.borrow_mut().insert(topic.name.clone(), Position::Live(at));
        }
    }

    /// All of a member's topics have been placed.
    pub fn placed(self: &Rc<Self>, member: &Rc<Member>) {
        member.resuming.set(false);
        // What was published meanwhile in topics that nobody placed is new to the user: all of it follows.
        let unplaced: Vec<_> = {
            let positions = member.positions.borrow();
            let unplaced = positions.iter().filter_map(|(name, position)| match position {
                Position::Behind { at: None, seen } => Some((name.clone(), *seen)),
                _ => None,
            });
            unplaced.collect()
        };
        for (name, seen) in unplaced {
            let topic = Topic { org: member.org.clone(), name };
            self.start_catch_up(member, &topic, Seq::ZERO, seen);
        }
    }

    pub(super) fn start_catch_up(self: &Rc<Self>, member: &Rc<Member>, topic: &Topic, at: Seq, seen: Seq) {
        let Some(term) = member.term(topic.kind()) else { return };
        member.positions.borrow_mut().insert(topic.name.clone(), Position::Behind { at: Some(at), seen });
        tokio::task::spawn_local(self.clone().catch_up(member.clone(), topic.clone(), term, at));
    }

    /// Reads the log from `at` until the member has all that was published, then lets it go live. Ends with the term, too.
    async fn catch_up(self: Rc<Self>, member: Rc<Member>, topic: Topic, term: Term, mut at: Seq) {
        self.metrics.catch_ups.inc();
        let lane = topic.kind().lane();
        let over = || member.outbox.closing().is_some() || member.term(topic.kind()) != Some(term);
        let permits = self.permits.of(lane);
        let _own = match lane {
            Lane::Urgent => None,
            Lane::Ordered => member.catching_up.acquire().await.ok(),
        };
        loop {
            // Room is waited for without a permit: a client that does not read must not hold up the others.
            member.outbox.room(lane).await;
            let Ok(permit) = permits.acquire().await else {
                return;
            };
            if over() {
                return;
            }
            let read = self.store.read(&topic, From::After(at), PAGE, PAGE_BYTES).await;
            if over() {
                return;
            }
            let Ok(page) = read else {
                // It resumes later, from the same position.
                member.outbox.close(CloseCode::Unavailable);
                return;
            };
            drop(permit);
            if page.events.first().is_some_and(|event| event.seq > at.next()) {
                // Retention removed what it lacks: it must learn of the gap, which a resume tells.
                member.outbox.close(CloseCode::Slow);
                return;
            }
            for event in &page.events {
                // Each looks for itself: other topics of the member may be read at the same time.
                member.outbox.room(lane).await;
                if over() {
                    return;
                }
                at = event.seq;
                member.outbox.push(lane, hub::encode(&topic, page.head.epoch, event));
                self.metrics.events_delivered.inc();
            }
            let mut positions = member.positions.borrow_mut();
            let Some(Position::Behind { at: reached, seen }) = positions.get_mut(&topic.name) else {
                return;
            };
            *reached = Some(at);
            if !page.more && (*seen <= at || page.events.is_empty()) {
                positions.insert(topic.name.clone(), Position::Live(at));
                return;
            }
        }
    }
}
