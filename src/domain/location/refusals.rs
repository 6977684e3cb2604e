//! Fixes of an organisation's agents that were refused: noted for those who watch the agents, and for the log once a minute.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use fanfare_proto::{BadFix, UnixMs, UserId, event::RefusedFixes};

use super::scope::Scope;
use crate::{auth::Units, id::Tenant, time::Elapsed};

/// Agents of whom it is noted. Beyond, only the log tells.
const AGENTS: usize = 10_000;
/// Agents that a line of the log names.
const NAMED: usize = 10;
/// A line of each kind is written no more often than this.
const EVERY_MS: u64 = 60_000;
/// What was refused longer ago says nothing of now.
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;

/// Reasons of what is no refusal.
pub(super) const NOT_SHOWN: &str = "not_shown";
pub(super) const MADE_ROOM: &str = "made_room";

/// What was refused in one organisation.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Whether anything is noted, so that who takes good fixes need not look.
    any: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    agents: BTreeMap<UserId, Noted>,
    /// By reason, for the log.
    lines: BTreeMap<&'static str, Line>,
    tidied: Option<Elapsed>,
}

#[derive(Debug)]
struct Noted {
    fixes: RefusedFixes,
    /// Where the agent works, as its token said with the last of them.
    units: Units,
}

#[derive(Debug, Default)]
struct Line {
    count: u64,
    named: BTreeSet<UserId>,
    unnamed: bool,
    logged: Option<Elapsed>,
}

/// A line for the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) reason: &'static str,
    pub(super) count: u64,
    pub(super) agents: String,
}

impl Refusals {
    /// A fix was refused.
    pub(super) fn refused(&self, agent: &UserId, units: &Units, reason: BadFix, now: UnixMs) {
        let mut state = self.lock();
        state.line(reason.as_str(), agent);
        if let Some(noted) = state.agents.get_mut(agent) {
            noted.fixes = RefusedFixes { reason, count: noted.fixes.count + 1, last_at: now };
            noted.units.clone_from(units);
        } else if state.agents.len() < AGENTS {
            let fixes = RefusedFixes { reason, count: 1, last_at: now };
            state.agents.insert(agent.clone(), Noted { fixes, units: units.clone() });
        }
        self.any.store(true, Ordering::Relaxed);
    }

    /// Something else was not done for an agent, which only the log tells.
    pub(super) fn note(&self, agent: &UserId, reason: &'static str) {
        self.lock().line(reason, agent);
        self.any.store(true, Ordering::Relaxed);
    }

    /// A fix was taken.
    pub(super) fn taken(&self, agent: &UserId) {
        if self.any.load(Ordering::Relaxed) {
            self.lock().agents.remove(agent);
        }
    }

    /// What was refused of an agent.
    pub(super) fn of(&self, agent: &UserId) -> Option<RefusedFixes> {
        let any = self.any.load(Ordering::Relaxed);
        any.then(|| self.lock().agents.get(agent).map(|noted| noted.fixes)).flatten()
    }

    /// The agents of a scope of whom fixes were refused, in order, those after `after` only.
    pub(super) fn page(
        &self,
        scope: &Scope,
        after: Option<&UserId>,
        limit: usize,
    ) -> Vec<(UserId, RefusedFixes)> {
        let state = self.lock();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let agents = state.agents.range::<UserId, _>((from, Bound::Unbounded));
        let seen = agents.filter(|(_, noted)| scope.covers(&noted.units)).take(limit);
        seen.map(|(agent, noted)| (agent.clone(), noted.fixes)).collect()
    }

    /// Writes to the log what is due, and forgets what is long ago. Called often.
    pub(super) fn flush(&self, org: &Tenant, now: UnixMs, elapsed: Elapsed) {
        if !self.any.load(Ordering::Relaxed) {
            return;
        }
        let due = self.lock().due(elapsed);
        for Told { reason, count, agents } in due {
            match reason {
                NOT_SHOWN => tracing::info!(
                    %org, fixes = count, agents,
                    "fixes were stored but are not shown live: limits.agents_per_organisation are there"
                ),
                MADE_ROOM => tracing::info!(
                    %org, count, agents,
                    "limits.agents_per_organisation is reached: agents took the places of departed ones"
                ),
                _ => tracing::info!(%org, reason, fixes = count, agents, "fixes of agents were refused"),
            }
        }
        let mut state = self.lock();
        if state.tidied.is_some_and(|at| elapsed.since(at) < EVERY_MS) {
            return;
        }
        state.tidied = Some(elapsed);
        state.agents.retain(|_, noted| now.since(noted.fixes.last_at) < KEPT_MS);
        state
            .lines
            .retain(|_, line| line.count > 0 || line.logged.is_some_and(|at| elapsed.since(at) < EVERY_MS));
        self.any.store(!(state.agents.is_empty() && state.lines.is_empty()), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under this lock can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn line(&mut self, reason: &'static str, agent: &UserId) {
        let line = self.lines.entry(reason).or_default();
        line.count += 1;
        if line.named.len() < NAMED || line.named.contains(agent) {
            line.named.insert(agent.clone());
        } else {
            line.unnamed = true;
        }
    }

    fn due(&mut self, now: Elapsed) -> Vec<Told> {
        let mut told = Vec::new();
        for (reason, line) in &mut self.lines {
            if line.count == 0 || line.logged.is_some_and(|at| now.since(at) < EVERY_MS) {
                continue;
            }
            let named = std::mem::take(&mut line.named);
            let mut agents = named.iter().map(UserId::as_str).collect::<Vec<_>>().join(" ");
            if std::mem::take(&mut line.unnamed) {
                agents.push_str(" and others");
            }
            told.push(Told { reason, count: std::mem::take(&mut line.count), agents });
            line.logged = Some(now);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    #[test]
    fn the_log_tells_once_a_minute() {
        let refusals = Refusals::default();
        let due = |seconds: u64| refusals.lock().due(Elapsed(seconds * 1000));
        for n in 0..5_000 {
            refusals.refused(
                &agent(&format!("a{:04}", n % 2_500)),
                &Units::default(),
                BadFix::TooOld,
                UnixMs(1),
            );
        }
        refusals.note(&agent("b"), "rate");
        let told = due(0);
        assert_eq!(told.len(), 2);
        assert_eq!((told[1].reason, told[1].count), ("too_old", 5_000));
        assert!(told[1].agents.starts_with("a0000 a0001 ") && told[1].agents.ends_with(" and others"));
        assert!(told[1].agents.len() < 100);
        assert_eq!(due(1), []);
        refusals.refused(&agent("c"), &Units::default(), BadFix::TooOld, UnixMs(2));
        assert_eq!(due(59), []);
        assert_eq!(due(60), [Told { reason: "too_old", count: 1, agents: "c".into() }]);
        assert_eq!(due(200), []);
    }

    #[test]
    fn a_good_fix_ends_it_and_memory_is_bounded() {
        let refusals = Refusals::default();
        for n in 0..AGENTS + 10 {
            refusals.refused(
                &agent(&format!("a{n}")),
                &Units::default(),
                BadFix::ClockAhead,
                UnixMs(n as u64),
            );
        }
        assert_eq!(refusals.lock().agents.len(), AGENTS);
        let one = agent("a7");
        refusals.refused(&one, &Units::default(), BadFix::TooOld, UnixMs(50));
        let fixes = RefusedFixes { reason: BadFix::TooOld, count: 2, last_at: UnixMs(50) };
        assert_eq!(refusals.of(&one), Some(fixes));
        refusals.taken(&one);
        assert_eq!(refusals.of(&one), None);
        let org = Tenant::stored(fanfare_proto::OrgId::new("acme").unwrap());
        refusals.flush(&org, UnixMs(KEPT_MS * 2), Elapsed(0));
        assert!(refusals.lock().agents.is_empty());
    }
}
