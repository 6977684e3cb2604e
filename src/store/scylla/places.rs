//! Requests to the database at the same time.
//!
//! Policy when full: whoever comes first is next. An eighth is kept for what is written on the urgent lane, with the
//! look-ups that this takes, so that an alarm never stands behind fixes, windows and pages that a slow database has let
//! pile up; it takes one of the others as well if that is free sooner.

use std::sync::Arc;

use fanfare_proto::Lane;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::options::{Hold, Options};

pub(super) struct Places {
    urgent: Semaphore,
    any: Semaphore,
    hold: Option<Arc<Hold>>,
}

/// Held while the request is under way.
pub(super) struct Place<'a> {
    _place: Option<SemaphorePermit<'a>>,
}

impl Places {
    /// At least one of either sort, where there is more than one.
    pub(super) fn new(options: &Options) -> Self {
        let all = options.in_flight.clamp(1, Semaphore::MAX_PERMITS);
        let urgent = (all / 8).max(1).min(all - 1);
        let any = all - urgent;
        Self { urgent: Semaphore::new(urgent), any: Semaphore::new(any), hold: options.hold.clone() }
    }

    pub(super) async fn take(&self, lane: Lane) -> Place<'_> {
        let place = match lane {
            Lane::Urgent => tokio::select! {
                biased;
                place = self.any.acquire() => place,
                place = self.urgent.acquire() => place,
            },
            Lane::Ordered => self.any.acquire().await,
        };
        if let (Lane::Ordered, Some(hold)) = (lane, &self.hold) {
            hold.pass().await;
        }
        // They are never closed.
        Place { _place: place.ok() }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn free(places: &Places, lane: Lane) -> Option<Place<'_>> {
        places.take(lane).now_or_never()
    }

    #[test]
    fn what_is_urgent_has_places_of_its_own_and_those_of_all() {
        for (in_flight, urgent, any) in [(1, 0, 1), (2, 1, 1), (16, 2, 14), (512, 64, 448)] {
            let places = Places::new(&Options { in_flight, ..Options::default() });
            let taken: Vec<_> = (0..any).map(|_| free(&places, Lane::Ordered)).collect();
            assert!(taken.iter().all(Option::is_some) && free(&places, Lane::Ordered).is_none());
            let own: Vec<_> = (0..urgent).map(|_| free(&places, Lane::Urgent)).collect();
            assert!(own.iter().all(Option::is_some) && free(&places, Lane::Urgent).is_none());
            drop(taken);
            let all: Vec<_> = (0..any).map(|_| free(&places, Lane::Urgent)).collect();
            assert!(all.iter().all(Option::is_some) && free(&places, Lane::Ordered).is_none());
        }
    }
}
