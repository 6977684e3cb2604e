//! Whoever has not said who they are.

use std::{
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use fanfare_proto::{OrgId, UserId};

use super::{Counts, Crowd, Full, Guest, Place, Site, guest};
use crate::{
    limit::{Meter, Rate, Rests, Seat},
    time::Elapsed,
};

/// What is known of an address.
#[derive(Debug)]
pub(super) struct Visits {
    /// Its guests.
    open: AtomicUsize,
    /// Its visitors.
    waiting: AtomicUsize,
    attempts: Meter,
    failures: Meter,
    requests: Meter,
}

impl Visits {
    /// Whether the next that comes from there is turned away.
    fn turns_away(&self, lobby: usize, now: Elapsed) -> bool {
        self.failures.has_one(now).is_err()
            || self.attempts.has_one(now).is_err()
            || self.waiting.load(Ordering::Relaxed) >= lobby
    }
}

/// Why somebody is turned away before anything was done for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Turned {
    /// Their address tries too often.
    #[error("too many attempts from this address")]
    Attempts {
        /// When it may try again.
        retry_after_ms: u64,
    },
    /// Too many tokens from their address were refused.
    #[error("too many refused tokens from this address")]
    Failures {
        /// When it may try again.
        retry_after_ms: u64,
    },
    /// Their address asks too often by HTTP.
    #[error("too many requests from this address")]
    Requests {
        /// When it may ask again.
        retry_after_ms: u64,
    },
    /// Too many of their address have not said who they are.
    #[error("too many unauthenticated connections from this address")]
    Waiting,
}

impl Turned {
    /// For the log.
    const fn reason(self) -> &'static str {
        match self {
            Self::Attempts { .. } => "too many attempts from this address",
            Self::Failures { .. } => "too many refused tokens from this address",
            Self::Requests { .. } => "too many requests from this address",
            Self::Waiting => "too many unauthenticated connections from this address",
        }
    }

    /// A word for metrics.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Attempts { .. } => "attempts",
            Self::Failures { .. } => "failures",
            Self::Requests { .. } => "requests",
            Self::Waiting => "waiting",
        }
    }

    /// When to try again, in milliseconds.
    pub const fn retry_after_ms(self) -> u64 {
        match self {
            Self::Attempts { retry_after_ms }
            | Self::Failures { retry_after_ms }
            | Self::Requests { retry_after_ms } => retry_after_ms,
            Self::Waiting => guest::RETRY_MS,
        }
    }
}

/// A connection that has not said who it is. Clones are the same visitor.
#[derive(Debug, Clone)]
pub struct Visitor(Arc<Visit>);

#[derive(Debug)]
struct Visit {
    crowd: Arc<Crowd>,
    address: IpAddr,
    seat: Seat,
    /// Once the address is proven, unless it is not counted.
    visits: OnceLock<Waits>,
}

/// Counts a visitor of an address until it is a guest, or gone.
#[derive(Debug)]
struct Waits {
    visits: Arc<Visits>,
    over: AtomicBool,
}

impl Waits {
    fn end(&self) {
        if !self.over.swap(true, Ordering::Relaxed) {
            self.visits.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.end();
    }
}

impl Crowd {
    /// Somebody comes from an address that is really theirs.
    pub fn arrive(self: &Arc<Self>, address: IpAddr, now: Elapsed) -> Result<Visitor, Turned> {
        let visitor = self.seat(address);
        visitor.prove(now)?;
        Ok(visitor)
    }

    /// Somebody comes who may have forged their address, so it is not charged: none if they must prove it first, as
    /// there are many such, or as somebody who is really there would be turned away. Once it is proven, tell by
    /// [`Visitor::prove`].
    pub fn arrive_unproven(self: &Arc<Self>, address: IpAddr, now: Elapsed) -> Option<Visitor> {
        // Before many wait, nobody can be kept from a seat by those who are not there.
        if self.lobby.len() >= self.limits.lobby / 8 {
            return None;
        }
        if !self.is_exempt(address) {
            let visits = self.sites.find(&Site::of(address));
            if visits.is_some_and(|visits| visits.turns_away(self.limits.lobby_per_ip, now)) {
                return None;
            }
        }
        self.unproven.take(now).ok()?;
        Some(self.seat(address))
    }

    /// Whether somebody from this address may show a token: not after too many were refused.
    pub fn may_try(&self, address: IpAddr, now: Elapsed) -> Result<(), Turned> {
        let visits = self.visits(address, now);
        let refused = visits.map_or(Ok(()), |visits| visits.failures.has_one(now));
        self.noted(address, refused.map_err(|retry_after_ms| Turned::Failures { retry_after_ms }), now)
    }

    /// A token from this address was refused.
    pub fn failed(&self, address: IpAddr, now: Elapsed) {
        if let Some(visits) = self.visits(address, now) {
            // None left: the next that come from there are turned away.
            let _ = visits.failures.take(now);
        }
    }

    /// Somebody at this address asks something by HTTP, on whatever connection.
    pub fn ask(&self, address: IpAddr, now: Elapsed) -> Result<(), Turned> {
        let visits = self.visits(address, now);
        let taken = visits.map_or(Ok(()), |visits| visits.requests.take(now));
        self.noted(address, taken.map_err(|retry_after_ms| Turned::Requests { retry_after_ms }), now)
    }

    /// The same answer, and a line in the log where it is a refusal.
    fn noted<T>(&self, address: IpAddr, answer: Result<T, Turned>, now: Elapsed) -> Result<T, Turned> {
        answer.inspect_err(|turned| self.log_address(address, turned.reason(), now))
    }

    fn seat(self: &Arc<Self>, address: IpAddr) -> Visitor {
        let visits = OnceLock::new();
        Visitor(Arc::new(Visit { crowd: self.clone(), address, seat: self.lobby.enter(), visits }))
    }

    fn visits(&self, address: IpAddr, now: Elapsed) -> Option<Arc<Visits>> {
        if self.is_exempt(address) {
            return None;
        }
        let limits = &self.limits;
        let at_once = u32::try_from(limits.connections_per_ip).unwrap_or(u32::MAX);
        Some(self.sites.get(&Site::of(address), now, || Visits {
            open: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            attempts: Meter::new(Rate::new(limits.attempts_per_second_per_ip, 1, at_once)),
            failures: Meter::new(Rate::new(limits.failures_per_minute_per_ip, 60, at_once)),
            requests: Meter::new(Rate::new(limits.requests_per_second_per_ip, 1, at_once.saturating_mul(2))),
        }))
    }
}

impl Visitor {
    /// The address is really theirs: it is charged for the attempt.
    pub fn prove(&self, now: Elapsed) -> Result<(), Turned> {
        self.0.crowd.noted(self.0.address, self.charge(now), now)
    }

    fn charge(&self, now: Elapsed) -> Result<(), Turned> {
        let crowd = &self.0.crowd;
        let Some(visits) = crowd.visits(self.0.address, now) else {
            return Ok(());
        };
        visits.failures.has_one(now).map_err(|retry_after_ms| Turned::Failures { retry_after_ms })?;
        visits.attempts.take(now).map_err(|retry_after_ms| Turned::Attempts { retry_after_ms })?;
        let limit = crowd.limits.lobby_per_ip;
        let free = |waiting| (waiting < limit).then_some(waiting + 1);
        let seated = visits.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free);
        seated.map_err(|_| Turned::Waiting)?;
        // A second proof is dropped here, and with it what it counted.
        let _ = self.0.visits.set(Waits { visits, over: AtomicBool::new(false) });
        Ok(())
    }

    /// Waits until the seat is needed for somebody else: then it is time to leave.
    pub async fn called(&self) {
        self.0.seat.called().await;
    }

    /// Their token was refused.
    pub fn failed(&self, now: Elapsed) {
        self.0.crowd.failed(self.0.address, now);
    }

    /// They have shown who they are, and leave the lobby, if there is room for them.
    pub fn admit(&self, org: &OrgId, user: &UserId, now: Elapsed) -> Result<Guest, Full> {
        self.enter(org, user, now)
            .inspect_err(|full| self.0.crowd.log_full(*full, self.0.address, org, user, now))
    }

    fn enter(&self, org: &OrgId, user: &UserId, now: Elapsed) -> Result<Guest, Full> {
        let crowd = &self.0.crowd;
        let limits = &crowd.limits;
        let waits = self.0.visits.get();
        let site = match waits {
            Some(waits) => Some(Place::take(&waits.visits, limits.connections_per_ip).ok_or(Full::Address)?),
            None => None,
        };
        let user = Place::take(&crowd.user(org, user, now), limits.connections_per_user).ok_or(Full::User)?;
        let organisation = Place::take(&crowd.organisation(org, now), limits.connections_per_organisation)
            .ok_or(Full::Organisation)?;
        let node = Place::take(crowd, limits.connections).ok_or(Full::Server)?;
        self.0.seat.leave();
        if let Some(waits) = waits {
            waits.end();
        }
        Ok(Guest::new(node, site, user, organisation))
    }
}

impl Counts for Visits {
    fn count(&self) -> &AtomicUsize {
        &self.open
    }
}

impl Rests for Visits {
    fn is_at_rest(&self, now: Elapsed) -> bool {
        let nobody = [&self.open, &self.waiting].iter().all(|count| count.load(Ordering::Relaxed) == 0);
        nobody && [&self.attempts, &self.failures, &self.requests].iter().all(|meter| meter.is_full(now))
    }
}
