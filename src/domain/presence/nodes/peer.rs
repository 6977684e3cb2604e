//! Another node: what it lists is read, and once it is dead, its people are taken leave of.

use std::sync::Arc;

use fanfare_proto::UnixMs;
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    super::{Slot as Here, pages::parse_key, person::last_of},
    AT_ONCE,
    records::{self, Lease, PAGES, decode, is_gone, lease_place, page_place, put_of, read_page, read_pages},
};
use crate::{
    domain::Services,
    id::Tenant,
    store::{Record, StoreError},
    time::Elapsed,
};

/// Another node.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: Arc<str>,
    /// The lease's version when it was read last, and since when it is that, on this node's monotonic clock.
    pub(super) version: u64,
    pub(super) heard: Elapsed,
    /// Up to which change its pages were read; `None`: all are to be read.
    pub(super) rev: Option<u64>,
    /// When it renewed its lease last, on its own clock.
    pub(super) renewed: UnixMs,
    /// It is dead, and then its people are gone.
    pub(super) ends: Option<Elapsed>,
}

impl Peer {
    /// Reads the pages that have changed since the last time, of the organisations that are known here.
    pub(super) async fn read(
        &mut self,
        services: &Services,
        lease: &Lease,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        if self.ends.is_some() || self.rev == Some(lease.rev) {
            return Ok(());
        }
        let slots = services.presences.slots();
        let first_told = lease.told.front().map_or(lease.rev + 1, |(rev, _)| *rev);
        match self.rev {
            Some(rev) if first_told <= rev + 1 => {
                let mut reads = Vec::new();
                for (_, key) in lease.told.iter().filter(|(told, _)| *told > rev) {
                    let Some((org, page)) = parse_key(key) else { continue };
                    if let Some(slot) = slots.get(&org) {
                        reads.push(read_page(services, &self.id, slot.clone(), page, key, now));
                    }
                }
                stream::iter(reads).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            }
            _ => {
                let mut reads = Vec::new();
                for (org, slot) in &slots {
                    reads.push(read_pages(services, &self.id, org, slot, now));
                }
                stream::iter(reads).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            }
        }
        self.rev = Some(lease.rev);
        Ok(())
    }

    /// The lease, if it is still the one that was read last.
    async fn lease(&self, services: &Services, now: UnixMs) -> Result<Option<Record>, StoreError> {
        let lease = services.store.get(&lease_place(&self.id), now).await?;
        Ok(lease.filter(|lease| lease.version == self.version))
    }

    /// Tells all that the people of a dead node are gone; itself, too, should it live after all: its pages may be removed.
    /// Answers whether it is told.
    async fn tell_gone(&mut self, services: &Services, now: UnixMs) -> Result<bool, StoreError> {
        let Some(record) = self.lease(services, now).await? else { return Ok(false) };
        if is_gone(&record) {
            return Ok(true);
        }
        let lease = decode(&record).unwrap_or_else(|| Lease { at: self.renewed, ..Lease::default() });
        let gone = put_of(&Lease { gone: true, ..lease }, now)?;
        match services.store.put(&lease_place(&self.id), Some(self.version), gone, now).await {
            Ok(version) => self.version = version,
            Err(StoreError::Conflict { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Takes leave of its people. `duty`: this node is to remove what it has left.
    pub(super) async fn part(
        &mut self,
        services: &Services,
        duty: bool,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        // First it is told, so that nobody who reads it later, in another life of this node say, takes them for back.
        if duty && !self.tell_gone(services, now).await? {
            // It lives, or another node was faster: the next reading tells.
            return Ok(());
        }
        services.presences.forget_node(&self.id, self.renewed);
        if duty { self.remove(services, now).await } else { Ok(()) }
    }

    /// Stores when its people were last seen, and removes its records, some at a time.
    async fn remove(&self, services: &Services, now: UnixMs) -> Result<(), StoreError> {
        let pages = records::some_pages(services, &self.id, now).await?;
        for (key, record) in &pages {
            let Some((org, _)) = parse_key(key) else { continue };
            for listed in records::people_of(&self.id, key, record).unwrap_or_default() {
                let seen = listed.seen.max(last_of(&listed.devices, self.renewed));
                if seen > UnixMs(0) {
                    services.presences.keeper.seen(&org, &listed.user, seen, services.clock.elapsed());
                }
            }
        }
        // What is removed is stored elsewhere first.
        if !super::super::keep(services, now, true).await {
            return Err(StoreError::Unavailable("what a dead node knew cannot be stored yet".into()));
        }
        // In this order: what it writes once it knows that it was taken for dead is not among those pages.
        if self.lease(services, now).await?.is_none() {
            return Ok(());
        }
        let more = pages.len() == PAGES;
        let lease = (!more).then(|| (lease_place(&self.id), self.version));
        let pages = pages.into_iter().map(|(key, record)| (page_place(&self.id, &key), record.version));
        records::remove(services, pages.chain(lease), now).await
    }
}

/// What the other nodes know of an organisation that is new here.
pub(in super::super) async fn read_all(
    services: &Services,
    org: &Tenant,
    slot: &Arc<Here>,
    now: UnixMs,
) -> Result<(), StoreError> {
    let nodes = records::leases(services, &services.presences.node, now).await?;
    let mut reads = Vec::new();
    let presences = &services.presences;
    for (id, _, lease) in &nodes {
        // Also who left long before this start is not to be shown once more.
        let parted =
            |lease: &Lease| lease.gone || (presences.alone && presences.parting(lease.at, now) <= now);
        if let Some(lease) = lease.as_ref().filter(|lease| parted(lease)) {
            presences.forget_node(id, lease.at);
        }
        reads.push(read_pages(services, id, org, slot, now));
    }
    stream::iter(reads).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    Ok(())
}
