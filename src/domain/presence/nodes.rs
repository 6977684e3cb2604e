//! Several nodes on one store. Each has a lease, a record that it renews, which also says what it changed last; and pages
//! of the people who are there. Each reads the leases of the others every second, and of what has changed the pages of
//! the organisations that it has somebody of itself. A bus can tell a page sooner ([`Table::heard`](super::table::Table::heard)
//! takes it from whomever, and knows what is old); reading stays what makes it right.
//!
//! A lease that was not renewed for its length, as seen on the reader's clock, has ended. Its people stay what they
//! were for the grace, in which they may come back elsewhere. Then they are gone, and one of the living nodes stores when
//! they were last seen, and removes the records. After a crash of the only node its next life does all this.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use fanfare_proto::UnixMs;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Slot as Here,
    pages::{Listed, key_of, parse_key},
    person::last_of,
};
use crate::{
    domain::Services,
    id::Tenant,
    store::{Put, Record, RecordKind, Slot, StoreError},
};

/// How often the others' leases are read.
const HEAR_MS: u64 = 1_000;
/// Where leases are listed.
const LEASES: &str = "nodes";
/// Most nodes, dead ones whose records are still there included.
const NODES: usize = 1_000;
/// Changes that a lease tells. A reader that has missed more reads all pages.
const TOLD: usize = 256;
/// Calls of the store at the same time.
const AT_ONCE: usize = 16;
/// Pages of a dead node that are dealt with in one turn, so that the own lease is renewed in between.
const PAGES: usize = 32;
/// What nobody has removed by then is gone by itself.
const KEPT_MS: u64 = 90 * 24 * 60 * 60 * 1000;

/// A node's lease, as it is stored.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Lease {
    /// Rises with every change that is told.
    rev: u64,
    /// When it was renewed, on the node's own clock.
    at: UnixMs,
    /// The node has stopped. Its people may come back elsewhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    over: bool,
    /// Another node says so: this one is dead, and its people are gone. It lives if it renews the lease nevertheless.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    gone: bool,
    /// The last changes: their numbers, and the pages.
    #[serde(default)]
    told: VecDeque<(u64, String)>,
}

/// Another node.
#[derive(Debug)]
struct Peer {
    id: Arc<str>,
    /// The lease's version when it was read last, and since when it is that, on this node's clock.
    version: u64,
    heard: UnixMs,
    /// Up to which change its pages were read; `None`: all are to be read.
    rev: Option<u64>,
    /// When it renewed its lease last, on its own clock.
    renewed: UnixMs,
    /// It is dead, and then its people are gone.
    ends: Option<UnixMs>,
}

/// What this node tells the others, and what it knows of them.
#[derive(Debug)]
pub(super) struct Nodes {
    id: Arc<str>,
    /// No other node can be on the store: whoever has left a lease is dead.
    alone: bool,
    lease: Lease,
    /// The lease's version, once it is there.
    version: Option<u64>,
    /// Versions of the pages in the store.
    pages: HashMap<String, u64>,
    peers: Vec<Peer>,
    asked: Option<UnixMs>,
}

impl Nodes {
    pub(super) fn new(id: Arc<str>, alone: bool) -> Self {
        Self {
            id,
            alone,
            lease: Lease::default(),
            version: None,
            pages: HashMap::new(),
            peers: Vec::new(),
            asked: None,
        }
    }

    /// Tells what has changed here, renews the lease, and hears the others.
    pub(super) async fn turn(&mut self, services: &Services, now: UnixMs) -> Result<(), StoreError> {
        let told = self.tell(services, now, false).await;
        // Whoever cannot write may still read.
        if self.asked.is_none_or(|asked| now.since(asked) >= HEAR_MS) {
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
        let told = !writes.is_empty();
        let written: Vec<_> = stream::iter(writes).buffer_unordered(AT_ONCE).collect().await;
        let mut failed = Ok(());
        for written in written {
            match written {
                Ok((key, version)) => {
                    self.lease.rev += 1;
                    self.lease.told.push_back((self.lease.rev, key.clone()));
                    self.pages.insert(key, version);
                }
                Err(error) => failed = Err(error),
            }
        }
        let surplus = self.lease.told.len().saturating_sub(TOLD);
        self.lease.told.drain(..surplus);
        // While nobody is here there is nothing to lose.
        let due = now.since(self.lease.at) >= services.presences.lease_ms / 3;
        let somebody = slots.values().any(|slot| !slot.table.is_idle());
        if told || (due && somebody) || (over && self.version.is_some()) {
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
        let before = self.version;
        let Lease { rev, ref told, .. } = self.lease;
        let lease = Lease { rev, at: now, over, gone: false, told: told.clone() };
        let version = write(services, &lease_place(&self.id), before, &lease, now).await?;
        self.lease.at = now;
        self.version = Some(version);
        if before.is_some_and(|before| version != before + 1) {
            // Somebody has taken this node for dead, and may have removed its pages.
            for slot in slots.values() {
                slot.table.all_pages_lost();
            }
        }
        Ok(())
    }

    async fn hear(&mut self, services: &Services, now: UnixMs) -> Result<(), StoreError> {
        if self.alone && self.asked.is_some() && self.peers.is_empty() {
            return Ok(());
        }
        let leases = leases(services, &self.id, now).await?;
        self.asked = Some(now);
        for peer in self.peers.extract_if(.., |peer| !leases.iter().any(|(id, ..)| *id == peer.id)) {
            services.presences.forget_node(&peer.id, peer.renewed);
            services.presences.node_is_back(&peer.id);
        }
        for (id, version, lease) in leases {
            let at = self.peers.iter().position(|peer| peer.id == id).unwrap_or_else(|| {
                let (heard, renewed) = (now, lease.at);
                self.peers.push(Peer { id, version: 0, heard, rev: None, renewed, ends: None });
                self.peers.len() - 1
            });
            let peer = &mut self.peers[at];
            if peer.version != version {
                (peer.version, peer.heard, peer.renewed) = (version, now, lease.at);
                let lives = !(self.alone || lease.over || lease.gone);
                if lives && peer.ends.take().is_some() {
                    services.presences.node_is_back(&peer.id);
                    peer.rev = None;
                }
            }
            peer.read(services, &lease, now).await?;
            let over = self.alone || lease.over || now.since(peer.heard) >= services.presences.lease_ms;
            if lease.gone {
                peer.ends = Some(now);
            } else if over && peer.ends.is_none() {
                peer.ends = Some(now.plus(services.presences.grace_ms));
                tracing::info!(node = %peer.id, "a node is gone, and its people unless they come back");
            }
        }
        self.part(services, now).await
    }

    /// Takes leave of the people of dead nodes. The first of the living nodes removes what the dead have left.
    async fn part(&mut self, services: &Services, now: UnixMs) -> Result<(), StoreError> {
        let first = self.peers.iter().filter(|peer| peer.ends.is_none()).all(|peer| self.id < peer.id);
        for peer in self.peers.iter_mut().filter(|peer| peer.ends.is_some_and(|ends| ends <= now)) {
            // First it is told, so that nobody who reads it later, in another life of this node say, takes them for back.
            if first && !peer.tell_gone(services, now).await? {
                // It lives, or another node was faster: the next reading tells.
                continue;
            }
            services.presences.forget_node(&peer.id, peer.renewed);
            if first {
                peer.remove(services, now).await?;
            }
        }
        Ok(())
    }
}

impl Peer {
    /// Reads the pages that have changed since the last time, of the organisations that are known here.
    async fn read(&mut self, services: &Services, lease: &Lease, now: UnixMs) -> Result<(), StoreError> {
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

    /// Tells all that the people of a dead node are gone; itself, too, should it live after all: its pages may be removed.
    /// Answers whether it is told.
    async fn tell_gone(&mut self, services: &Services, now: UnixMs) -> Result<bool, StoreError> {
        let place = lease_place(&self.id);
        let record = services.store.get(&place, now).await?.filter(|record| record.version == self.version);
        let Some(record) = record else { return Ok(false) };
        let lease: Lease = decode(&record)?;
        if lease.gone {
            return Ok(true);
        }
        let gone = put_of(&Lease { gone: true, ..lease }, now)?;
        match services.store.put(&place, Some(self.version), gone, now).await {
            Ok(version) => self.version = version,
            Err(StoreError::Conflict { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Stores when the people of a dead node were last seen, and removes its records, some at a time.
    async fn remove(&self, services: &Services, now: UnixMs) -> Result<(), StoreError> {
        let (store, place) = (&*services.store, lease_place(&self.id));
        let pages = store.list(&Tenant::servers(), RecordKind::Present, &self.id, None, PAGES, now).await?;
        for (key, record) in &pages {
            let Some((org, _)) = parse_key(key) else { continue };
            for listed in decode::<Vec<Listed>>(record)? {
                let seen = listed.seen.max(last_of(&listed.devices, self.renewed));
                if seen > UnixMs(0) {
                    services.presences.keeper.seen(&org, &listed.user, seen, now);
                }
            }
        }
        // What is removed is stored elsewhere first.
        if !super::keep(services, now, true).await {
            return Err(StoreError::Unavailable("what a dead node knew cannot be stored yet".into()));
        }
        let more = pages.len() == PAGES;
        let records = pages.iter().map(|(key, record)| (page_place(&self.id, key), record.version));
        for (place, version) in records.chain((!more).then_some((place, self.version))) {
            match store.put(&place, Some(version), Put { value: None, expires: None }, now).await {
                // Somebody else has, or it lives.
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What the other nodes know of an organisation that is new here.
pub(super) async fn read_all(
    services: &Services,
    org: &Tenant,
    slot: &Arc<Here>,
    now: UnixMs,
) -> Result<(), StoreError> {
    for (id, _, lease) in leases(services, &services.presences.node, now).await? {
        if lease.gone {
            services.presences.forget_node(&id, lease.at);
        }
        read_pages(services, &id, org, slot, now).await?;
    }
    Ok(())
}

/// The leases of all others.
async fn leases(
    services: &Services,
    own: &Arc<str>,
    now: UnixMs,
) -> Result<Vec<(Arc<str>, u64, Lease)>, StoreError> {
    let found = services.store.list(&Tenant::servers(), RecordKind::Node, LEASES, None, NODES, now).await?;
    let others = found.into_iter().filter(|(id, _)| **id != **own);
    others.map(|(id, record)| Ok((id.into(), record.version, decode(&record)?))).collect()
}

async fn read_pages(
    services: &Services,
    node: &Arc<str>,
    org: &Tenant,
    slot: &Arc<Here>,
    now: UnixMs,
) -> Result<(), StoreError> {
    let mut after = format!("{org}/");
    loop {
        let kind = RecordKind::Present;
        let found = services.store.list(&Tenant::servers(), kind, node, Some(&after), PAGES, now).await?;
        let full = found.len() == PAGES;
        for (key, record) in found {
            let Some((_, page)) = parse_key(&key).filter(|(of, _)| of == org) else { return Ok(()) };
            services.presences.heard(slot, node, page, record.version, decode(&record)?);
            after = key;
        }
        if !full {
            return Ok(());
        }
    }
}

async fn read_page(
    services: &Services,
    node: &Arc<str>,
    slot: Arc<Here>,
    page: u16,
    key: &str,
    now: UnixMs,
) -> Result<(), StoreError> {
    if let Some(record) = services.store.get(&page_place(node, key), now).await? {
        services.presences.heard(&slot, node, page, record.version, decode(&record)?);
    }
    Ok(())
}

/// Writes a record that nobody else writes, and answers its version.
async fn write<T: Serialize>(
    services: &Services,
    place: &Slot,
    mut expect: Option<u64>,
    value: &T,
    now: UnixMs,
) -> Result<u64, StoreError> {
    let put = put_of(value, now)?;
    loop {
        match services.store.put(place, expect, put.clone(), now).await {
            // An attempt whose answer was lost has arrived, or the record was removed.
            Err(StoreError::Conflict { actual }) => expect = (actual > 0).then_some(actual),
            written => {
                services.metrics.presence_writes.inc();
                return written;
            }
        }
    }
}

fn put_of<T: Serialize>(value: &T, now: UnixMs) -> Result<Put, StoreError> {
    let value = serde_json::to_vec(value).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(Put { value: Some(value.into()), expires: Some(now.plus(KEPT_MS)) })
}

fn decode<T: DeserializeOwned>(record: &Record) -> Result<T, StoreError> {
    serde_json::from_slice(&record.value).map_err(|error| StoreError::Corrupt(format!("presence: {error}")))
}

fn lease_place(node: &str) -> Slot {
    Slot { org: Tenant::servers(), kind: RecordKind::Node, partition: LEASES.into(), key: node.into() }
}

fn page_place(node: &str, key: &str) -> Slot {
    Slot { org: Tenant::servers(), kind: RecordKind::Present, partition: node.into(), key: key.into() }
}

/// An id for this life of a node.
pub(super) fn new_id() -> Arc<str> {
    format!("{:016x}", RandomState::new().hash_one(std::process::id())).into()
}
