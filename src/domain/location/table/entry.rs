//! An agent in the table, and which of its fixes is the newest.

use fanfare_proto::{Fix, UnixMs, UserId, event::AliasedAgent, tick::Tick};

use crate::{auth::Units, time::Elapsed};

/// A fix further ahead of the server's clock than this was taken by a clock that is wrong. Less is the network's and the
/// clocks' usual difference.
const AHEAD_MS: u64 = 2_000;

/// A fix as it came.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// The fix.
    pub fix: Fix,
    /// Which device of the agent took it.
    pub source: u32,
    /// When it came, by the server's clock.
    pub at: UnixMs,
    /// The same, by the clock that nobody sets; `None`: in an earlier life of the server.
    pub heard: Option<Elapsed>,
}

/// The newest fix of an agent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newest {
    /// As it is shown: its time is never ahead of the server's clock when it came.
    pub(super) shown: Fix,
    source: u32,
    /// The time that the device gave it.
    taken: UnixMs,
}

impl Newest {
    pub(super) fn first(arrival: &Arrival) -> Self {
        let time = arrival.seen();
        Self { shown: Fix { time, ..arrival.fix }, source: arrival.source, taken: arrival.fix.time }
    }

    /// What is shown once another fix has come; `None`: what is shown now.
    ///
    /// The later one is shown, by the time that its device gave it. A clock that was ahead and has been set right must not
    /// hold its agent back until that time has come: so a time ahead of the server's counts as the moment when the fix came.
    /// Of those a device says the order by its counters.
    pub(super) fn replaced_by(&self, arrival: &Arrival) -> Option<Self> {
        let Fix { counter, time, .. } = arrival.fix;
        let same_device = arrival.source == self.source;
        if arrival.is_ahead() && same_device && counter <= self.shown.counter && time <= self.taken {
            return None;
        }
        let mut new = Self::first(arrival);
        if new.shown.time <= self.shown.time {
            let ordered = same_device && counter > self.shown.counter && time > self.taken;
            if !(ordered && arrival.is_ahead()) {
                return None;
            }
            // Several came at once. Receivers tell the newer one by its time.
            new.shown.time = self.shown.time.plus(1);
        }
        Some(new)
    }
}

impl Arrival {
    fn is_ahead(&self) -> bool {
        self.fix.time > self.at.plus(AHEAD_MS)
    }

    fn seen(&self) -> UnixMs {
        if self.is_ahead() { self.at } else { self.fix.time }
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) agent: UserId,
    pub(super) units: Units,
    pub(super) newest: Newest,
    pub(super) version: u64,
    /// When it was last stored where the agent works.
    pub(super) kept: Option<UnixMs>,
    /// When something came last. Where it stands in the order of silence may be up to a minute older.
    pub(super) silent: Silence,
    /// Stands in the list of those that changed.
    pub(super) dirty: bool,
    /// When it was last sent, and whether that was a repeat.
    pub(super) sent: Elapsed,
    pub(super) healed: bool,
}

/// For how long nothing has come of an agent: the order in which agents make room for others. First those of an earlier life
/// of the server, by the time of their fix.
pub(super) type Silence = (Option<Elapsed>, UnixMs);

impl Entry {
    pub(super) fn tick(&self, alias: u32) -> Tick {
        let Fix { time, position, motion, .. } = self.newest.shown;
        Tick { alias, time, position, motion }
    }

    pub(super) fn aliased(&self, alias: u32) -> AliasedAgent {
        AliasedAgent { alias, agent_id: self.agent.clone(), fix: Some(self.newest.shown.into()) }
    }
}
