//! Whose turn it is to read where they stand. A herd that returns leaves room in the store, and on the thread, for those
//! who are here, and whoever brings many connections leaves turns to all others.

use std::rc::Rc;

use fanfare_proto::Lane;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Member, Shard};

/// Connections of a shard that read where they stand at once, for each lane.
const AT_ONCE: usize = 8;

/// Of each lane, so many at once. Further ones wait in the order of their coming.
#[derive(Debug)]
pub(super) struct Line {
    urgent: Semaphore,
    ordered: Semaphore,
}

impl Line {
    fn of(at_once: usize) -> Self {
        Self { urgent: Semaphore::new(at_once), ordered: Semaphore::new(at_once) }
    }

    /// That of a shard.
    pub(super) fn of_all() -> Self {
        Self::of(AT_ONCE)
    }

    const fn on(&self, lane: Lane) -> &Semaphore {
        match lane {
            Lane::Urgent => &self.urgent,
            Lane::Ordered => &self.ordered,
        }
    }
}

/// Where a connection waits before it waits with all others. There as long as one of those who share it.
#[derive(Debug)]
pub(super) struct Lines {
    user: Rc<Line>,
    org: Rc<Line>,
}

impl Lines {
    /// Those of the user's and the organisation's other connections, where there are any.
    pub(super) fn beside(of_user: Option<&Member>, of_org: Option<&Member>) -> Self {
        let new = || Rc::new(Line::of(1));
        Self {
            user: of_user.map_or_else(new, |member| member.lines.user.clone()),
            org: of_org.map_or_else(new, |member| member.lines.org.clone()),
        }
    }
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    _of_user: SemaphorePermit<'a>,
    _of_all: SemaphorePermit<'a>,
}

impl Shard {
    /// Waits for the turn of a connection that returns, in a lane.
    ///
    /// A user has one at a time, and of each organisation one waits together with those of the others: so the
    /// organisations take turns, and in each its users, however many connections some of them have.
    pub async fn turn<'a>(&'a self, member: &'a Member, lane: Lane) -> Option<Turn<'a>> {
        // None of them is ever closed.
        let of_user = member.lines.user.on(lane).acquire().await.ok()?;
        let next_of_org = member.lines.org.on(lane).acquire().await.ok()?;
        let of_all = self.turns.on(lane).acquire().await.ok()?;
        drop(next_of_org);
        Some(Turn { _of_user: of_user, _of_all: of_all })
    }
}
