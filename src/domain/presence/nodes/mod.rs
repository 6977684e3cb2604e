//! Several nodes on one store. Each has a lease, a record that it renews, which also says what it changed last; and pages
//! of the people who are there. Each reads the leases of the others every second, and of what has changed the pages of
//! the organisations that it has somebody of itself. A bus can tell a page sooner ([`Table::heard`](super::table::Table::heard)
//! takes it from whomever, and knows what is old); reading stays what makes it right.
//!
//! A lease that was not renewed for its length, as seen on the reader's clock, has ended. Its people stay what they
//! were for the grace, in which they may come back elsewhere. Then they are gone, and one of the living nodes stores when
//! they were last seen, and removes the records. After a crash of the only node its next life does all this.

mod peer;
mod records;

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use fanfare_proto::UnixMs;
use futures::{StreamExt, stream};

pub(super) use self::peer::read_all;
use self::{
    peer::Peer,
    records::{Lease, PAGES, is_gone, lease_place, leases, page_place, put_of, write},
};
use super::{
    Slot as Here,
    pages::{Listed, key_of, parse_key},
};
use crate::{domain::Services, id::Tenant, store::StoreError, time::Elapsed};

/// How often the others' leases are read.
const HEAR_MS: u64 = 1_000;
/// Changes that a lease tells. A reader that has missed more reads all pages.
const TOLD: usize = 256;
/// Calls of the store at the same time.
const AT_ONCE: usize = 16;
/// How long the first of the living nodes has to remove what a dead one has left, before others do.
const FIRST_MS: u64 = 5_000;

/// What this node tells the others, and what it knows of them.
#[derive(Debug)]
pub(super) struct Nodes {
    id: Arc<str>,
    lease: Lease,
    /// Pages were written that the lease in the store does not tell.
    untold: bool,
    /// The lease's version, once it is there.
    version: Option<u64>,
    /// Versions of the pages in the store.
    pages: HashMap<String, u64>,
    peers: Vec<Peer>,
    /// When the others' leases were read last.
    asked: Option<Elapsed>,
    /// When this node's own was renewed last.
    renewed: Option<Elapsed>,
}

impl Nodes {
    pub(super) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            lease: Lease::default(),
            untold: false,
            version: None,
            pages: HashMap::new(),
            peers: Vec::new(),
            asked: None,
            renewed: None,
        }
    }

    /// Tells what has changed here, renews the lease, and hears the others.
    pub(super) async fn turn(&mut self, services: &Services, now: UnixMs) -> Result<(), StoreError> {
        let told = self.tell(services, now, false).await;
        let elapsed = services.clock.elapsed();
        // Whoever cannot write may still read.
        if self.asked.is_none_or(|asked| elapsed.since(asked) >= HEAR_MS) {
            self.hear(services, now).await?;
        }
        told
    }

    /// Tells what has changed here. `over`: that this node is no more.
    pub(super) async fn tell(
        &mut self,
        services: &Services,
        now: UnixMs,
        over: bool,
    ) -> Result<(), StoreError> {
        let slots = services.presences.slots();
        self.pages.retain(|key, _| parse_key(key).is_some_and(|(org, _)| slots.contains_key(&org)));
        let mut writes = Vec::new();
        for (org, slot) in &slots {
            for (page, people) in slot.table.take_changed_pages() {
                let key = key_of(org, page);
                writes.push(self.write_page(services, slot.clone(), page, key, people, now));
            }
        }
        let written: Vec<_> = stream::iter(writes).buffer_unordered(AT_ONCE).collect().await;
        let mut failed = Ok(());
        for written in written {
            match written {
                Ok((key, version)) => {
                    self.lease.rev += 1;
                    self.lease.told.push_back((self.lease.rev, key.clone()));
                    self.pages.insert(key, version);
                    self.untold = true;
                }
                Err(error) => failed = Err(error),
            }
        }
        let surplus = self.lease.told.len().saturating_sub(TOLD);
        self.lease.told.drain(..surplus);
        // While nobody is here there is nothing to lose.
        let third = services.presences.lease_ms / 3;
        let due = self.renewed.is_none_or(|renewed| services.clock.elapsed().since(renewed) >= third);
        let somebody = slots.values().any(|slot| !slot.table.is_idle());
        if self.untold || (due && somebody) || (over && self.version.is_some()) {
            self.renew(services, &slots, now, over).await?;
        }
        failed
    }

    async fn write_page(
        &self,
        services: &Services,
        slot: Arc<Here>,
        page: u16,
        key: String,
        people: Vec<Listed>,
        now: UnixMs,
    ) -> Result<(String, u64), StoreError> {
        let place = page_place(&self.id, &key);
        let before = self.pages.get(&key).copied();
        let written = write(services, &place, before, &people, now).await;
        written.map(|version| (key, version)).inspect_err(|_| slot.table.page_failed(page))
    }

    async fn renew(
        &mut self,
        services: &Services,
        slots: &HashMap<Tenant, Arc<Here>>,
        now: UnixMs,
        over: bool,
    ) -> Result<(), StoreError> {
        let Lease { rev, ref told, .. } = self.lease;
        let lease = put_of(&Lease { rev, at: now, over, gone: false, told: told.clone() }, now)?;
        let place = lease_place(&self.id);
        // Before it is written: others count from when they read it.
        let renewed = services.clock.elapsed();
        let version = loop {
            match services.store.put(&place, self.version, lease.clone(), now).await {
                Err(StoreError::Conflict { .. }) => {}
                written => break written?,
            }
            // An attempt whose answer was lost has arrived; or this node was taken for dead, and its pages may be removed.
            let found = services.store.get(&place, now).await?;
            if found.as_ref().is_none_or(is_gone) {
                for slot in slots.values() {
                    slot.table.all_pages_lost();
                }
            }
            self.version = found.map(|record| record.version);
        };
        services.metrics.presence_writes.inc();
        self.untold = false;
        self.lease.at = now;
        self.renewed = Some(renewed);
        self.version = Some(version);
        Ok(())
    }

    async fn hear(&mut self, services: &Services, now: UnixMs) -> Result<(), StoreError> {
        let alone = services.presences.alone;
        if alone && self.asked.is_some() && self.peers.is_empty() {
            return Ok(());
        }
        let leases = leases(services, &self.id, now).await?;
        let elapsed = services.clock.elapsed();
        self.asked = Some(elapsed);
        for peer in self.peers.extract_if(.., |peer| !leases.iter().any(|(id, ..)| *id == peer.id)) {
            services.presences.forget_node(&peer.id, peer.renewed);
            services.presences.node_is_back(&peer.id);
        }
        for (id, version, lease) in leases {
            let at = self.peers.iter().position(|peer| peer.id == id).unwrap_or_else(|| {
                let (heard, renewed) = (elapsed, lease.as_ref().map_or(now, |lease| lease.at));
                self.peers.push(Peer { id, version: 0, heard, rev: None, renewed, ends: None });
                self.peers.len() - 1
            });
            let peer = &mut self.peers[at];
            let (over, gone) = lease.as_ref().map_or((false, false), |lease| (lease.over, lease.gone));
            if peer.version != version {
                (peer.version, peer.heard) = (version, elapsed);
                peer.renewed = lease.as_ref().map_or(now, |lease| lease.at);
                let lives = !(alone || over || gone);
                // Who reads all pages may have known sooner that it was dead.
                if lives && (services.presences.node_is_back(&peer.id) | peer.ends.take().is_some()) {
                    peer.rev = None;
                }
                if lease.is_none() {
                    tracing::warn!(node = %peer.id, "a node's lease cannot be read: what it lists is not followed");
                }
            }
            if let Some(lease) = &lease {
                peer.read(services, lease, now).await?;
            }
            let over = alone || over || elapsed.since(peer.heard) >= services.presences.lease_ms;
            if gone {
                peer.ends = Some(elapsed);
            } else if over && peer.ends.is_none() {
                let left_ms = services.presences.parting(peer.renewed, now).since(now);
                peer.ends = Some(elapsed.plus(left_ms));
                if alone {
                    tracing::debug!("who was here before this start is gone unless they come back");
                } else {
                    tracing::info!(node = %peer.id, "a node is gone, and its people unless they come back");
                }
            }
        }
        services.metrics.presence_nodes.set(self.peers.len() as i64);
        self.part(services, now).await
    }

    /// Takes leave of the people of dead nodes. The first of the living nodes removes what the dead have left. It may be
    /// dead itself, which nobody knows for as long as its lease lasts: then another does it, or whoever starts meanwhile
    /// would show them again.
    async fn part(&mut self, services: &Services, now: UnixMs) -> Result<(), StoreError> {
        let elapsed = services.clock.elapsed();
        let first = self.peers.iter().filter(|peer| peer.ends.is_none()).all(|peer| self.id < peer.id);
        for peer in &mut self.peers {
            if let Some(ends) = peer.ends.filter(|ends| *ends <= elapsed) {
                let duty = first || ends.plus(FIRST_MS) <= elapsed;
                peer.part(services, duty, now).await?;
            }
        }
        Ok(())
    }

    /// Says that this node is no more. A lease under which nobody is listed has nothing to tell: it is given back, and its
    /// pages with it.
    pub(super) async fn stop(&mut self, services: &Services, now: UnixMs) -> Result<(), StoreError> {
        let nobody = services.presences.slots().values().all(|slot| slot.table.lists_nobody());
        let Some(lease) = self.version.filter(|_| nobody) else {
            return self.tell(services, now, true).await;
        };
        loop {
            let pages = records::some_pages(services, &self.id, now).await?;
            let more = pages.len() == PAGES;
            let pages = pages.into_iter().map(|(key, record)| (page_place(&self.id, &key), record.version));
            let lease = (!more).then(|| (lease_place(&self.id), lease));
            records::remove(services, pages.chain(lease), now).await?;
            if !more {
                return Ok(());
            }
        }
    }
}

/// An id for this life of a node.
pub(super) fn new_id() -> Arc<str> {
    format!("{:016x}", RandomState::new().hash_one(std::process::id())).into()
}
