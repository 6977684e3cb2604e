//! What the connections of a user, and those of an organisation, have together.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Counts, held::Held};
use crate::{
    config::Limits,
    limit::{Meter, Rate, Rests},
    time::Elapsed,
};

/// Messages of full size of which as much may be held as is not whole. An organisation leaves as much to the others.
const OF_A_USER: usize = 16;
const OF_AN_ORGANISATION: usize = 64;
/// The same of all.
pub(super) const OF_ALL: usize = 128;

/// A user's share, of all their devices.
#[derive(Debug)]
pub struct User {
    open: AtomicUsize,
    pub(super) held: Held,
    pub(super) messages: Meter,
    pub(super) broadcasts: Meter,
    pub(super) urgent: Meter,
    pub(super) conversations: Meter,
}

/// An organisation's share, of all its users.
#[derive(Debug)]
pub struct Organisation {
    open: AtomicUsize,
    pub(super) held: Held,
    pub(super) messages: Meter,
    pub(super) broadcasts: Meter,
    pub(super) conversations: Meter,
}

/// So many a second; twice as many at once.
fn second(count: u32) -> Meter {
    Meter::new(Rate::new(count, 1, count.saturating_mul(2)))
}

/// So many a minute, all of which may come at once.
fn minute(count: u32) -> Meter {
    Meter::new(Rate::new(count, 60, count))
}

impl User {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            open: AtomicUsize::new(0),
            held: Held::new(limits.message_bytes.saturating_mul(OF_A_USER)),
            messages: second(limits.messages_per_second_per_user),
            broadcasts: minute(limits.broadcasts_per_minute_per_user),
            urgent: minute(limits.urgent_per_minute_per_user),
            conversations: minute(limits.conversations_per_minute_per_user),
        }
    }
}

impl Organisation {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            open: AtomicUsize::new(0),
            held: Held::new(limits.message_bytes.saturating_mul(OF_AN_ORGANISATION)),
            messages: second(limits.messages_per_second_per_organisation),
            broadcasts: minute(limits.broadcasts_per_minute_per_organisation),
            conversations: minute(limits.conversations_per_minute_per_organisation),
        }
    }
}

impl Counts for User {
    fn count(&self) -> &AtomicUsize {
        &self.open
    }
}

impl Counts for Organisation {
    fn count(&self) -> &AtomicUsize {
        &self.open
    }
}

impl Rests for User {
    fn is_at_rest(&self, now: Elapsed) -> bool {
        let meters = [&self.messages, &self.broadcasts, &self.urgent, &self.conversations];
        self.open.load(Ordering::Relaxed) == 0 && meters.iter().all(|meter| meter.is_full(now))
    }
}

impl Rests for Organisation {
    fn is_at_rest(&self, now: Elapsed) -> bool {
        let meters = [&self.messages, &self.broadcasts, &self.conversations];
        self.open.load(Ordering::Relaxed) == 0 && meters.iter().all(|meter| meter.is_full(now))
    }
}
