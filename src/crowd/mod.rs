//! Who is here, and how much they may do, counted by address, user, organisation and for all together.
//!
//! Whoever arrives is a [`Visitor`], in a lobby of bounded size, from the first packet until it has said who it is; then
//! it is a [`Guest`] of its user and organisation. Both are guards: what they count ends with them. Shared by all
//! threads; what is not an atomic number lies under short locks of many parts.

mod guest;
mod held;
mod refusals;
mod share;
mod visitor;

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use fanfare_proto::{OrgId, UserId};
use ipnet::IpNet;

pub use guest::{Cost, Excess, Full, Guest};
pub use share::{Organisation, User};
pub use visitor::{Turned, Visitor};

use self::{held::Held, refusals::Refusals, visitor::Visits};
use crate::{
    config::Limits,
    limit::{Lobby, Meter, Rate, Table},
    time::Elapsed,
};

/// Addresses remembered, besides those that are here: about 200 bytes each.
const ADDRESSES: usize = 65_536;
/// Users and organisations remembered, besides those that are here.
const PARTIES: usize = 65_536;
/// Handshakes a second, and at once, for peers that have not shown that they receive at their address. Further ones are
/// asked to show it first, which costs them a round trip, and us nothing.
const UNPROVEN: (u32, u32) = (200, 512);

/// Everyone who is here.
#[derive(Debug)]
pub struct Crowd {
    limits: Limits,
    /// Addresses that are not counted: many people are behind each.
    exempt: Vec<IpNet>,
    lobby: Arc<Lobby>,
    unproven: Meter,
    sites: Table<Site, Visits>,
    users: Table<(OrgId, UserId), User>,
    organisations: Table<OrgId, Organisation>,
    open: AtomicUsize,
    held: Held,
    refusals: Refusals,
}

/// What is taken for one customer's address: an IPv4 address, or a network of 64 bits of IPv6, of which everyone has at
/// least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Site(IpAddr);

impl Site {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
    }
}

impl Crowd {
    /// Nobody yet. `proxies` are not counted by address: those whose requests they pass on are.
    pub fn new(limits: &Limits, proxies: &[IpNet]) -> Arc<Self> {
        Arc::new(Self {
            limits: limits.clone(),
            exempt: limits.exempt.iter().chain(proxies).copied().collect(),
            lobby: Lobby::new(limits.lobby),
            unproven: Meter::new(Rate::new(UNPROVEN.0, 1, UNPROVEN.1)),
            sites: Table::new(ADDRESSES),
            users: Table::new(PARTIES),
            organisations: Table::new(PARTIES),
            open: AtomicUsize::new(0),
            held: Held::new(limits.message_bytes.saturating_mul(share::OF_ALL)),
            refusals: Refusals::default(),
        })
    }

    /// What a user may share with all their connections.
    pub fn user(&self, org: &OrgId, user: &UserId, now: Elapsed) -> Arc<User> {
        self.users.get(&(org.clone(), user.clone()), now, || User::new(&self.limits))
    }

    /// What an organisation shares.
    pub fn organisation(&self, org: &OrgId, now: Elapsed) -> Arc<Organisation> {
        self.organisations.get(org, now, || Organisation::new(&self.limits))
    }

    /// How many connections have said who they are.
    pub fn guests(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Forgets those who have gone and have nothing to wait for.
    pub fn tidy(&self, now: Elapsed) {
        self.sites.tidy(now);
        self.users.tidy(now);
        self.organisations.tidy(now);
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.exempt.iter().any(|network| network.contains(&address))
    }
}

/// Something that counts who is there.
trait Counts {
    fn count(&self) -> &AtomicUsize;
}

impl Counts for Crowd {
    fn count(&self) -> &AtomicUsize {
        &self.open
    }
}

/// A place that is taken while this lives.
#[derive(Debug)]
struct Place<T: Counts>(Arc<T>);

impl<T: Counts> Place<T> {
    /// Takes one of `limit` places, if one is free.
    fn take(of: &Arc<T>, limit: usize) -> Option<Self> {
        let free = |taken| (taken < limit).then_some(taken + 1);
        of.count().fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok()?;
        Some(Self(of.clone()))
    }
}

impl<T: Counts> Drop for Place<T> {
    fn drop(&mut self) {
        self.0.count().fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
