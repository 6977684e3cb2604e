//! What nodes keep in the store for one another: a lease each, and pages of the people whom they list.

use std::{collections::VecDeque, sync::Arc};

use fanfare_proto::UnixMs;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::super::{
    Slot as Here,
    pages::{Listed, parse_key},
};
use crate::{
    domain::Services,
    id::Tenant,
    store::{Put, Record, RecordKind, Slot, StoreError},
};

/// Where leases are listed.
const LEASES: &str = "nodes";
/// Most nodes, dead ones whose records are still there included.
const NODES: usize = 1_000;
/// Pages that are read, or dealt with, at once.
pub(super) const PAGES: usize = 32;
/// What nobody has removed by then is gone by itself.
const KEPT_MS: u64 = 90 * 24 * 60 * 60 * 1000;

/// A node's lease, as it is stored.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Lease {
    /// Rises with every change that is told.
    pub(super) rev: u64,
    /// When it was renewed, on the node's own clock.
    pub(super) at: UnixMs,
    /// The node has stopped. Its people may come back elsewhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) over: bool,
    /// Another node says so: this one is dead, and its people are gone. It lives if it renews the lease nevertheless.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) gone: bool,
    /// The last changes: their numbers, and the pages.
    #[serde(default)]
    pub(super) told: VecDeque<(u64, String)>,
}

/// Whether a lease says that its node is dead.
pub(super) fn is_gone(lease: &Record) -> bool {
    decode::<Lease>(lease).is_some_and(|lease| lease.gone)
}

/// The versions of the leases of all others, and what they say; `None` where this version of the server cannot read it.
pub(super) async fn leases(
    services: &Services,
    own: &Arc<str>,
    now: UnixMs,
) -> Result<Vec<(Arc<str>, u64, Option<Lease>)>, StoreError> {
    let found = services.store.list(&Tenant::servers(), RecordKind::Node, LEASES, None, NODES, now).await?;
    let others = found.into_iter().filter(|(id, _)| **id != **own);
    Ok(others.map(|(id, record)| (id.into(), record.version, decode(&record))).collect())
}

pub(super) async fn read_pages(
    services: &Services,
    node: &Arc<str>,
    org: &Tenant,
    slot: &Arc<Here>,
    now: UnixMs,
) -> Result<(), StoreError> {
    let of_org = format!("{org}/");
    let mut after = of_org.clone();
    loop {
        let kind = RecordKind::Present;
        let found = services.store.list(&Tenant::servers(), kind, node, Some(&after), PAGES, now).await?;
        let full = found.len() == PAGES;
        for (key, record) in found {
            if !key.starts_with(&of_org) {
                return Ok(());
            }
            if let (Some((_, page)), Some(people)) = (parse_key(&key), people_of(node, &key, &record)) {
                services.presences.heard(slot, node, page, record.version, people);
            }
            after = key;
        }
        if !full {
            return Ok(());
        }
    }
}

pub(super) async fn read_page(
    services: &Services,
    node: &Arc<str>,
    slot: Arc<Here>,
    page: u16,
    key: &str,
    now: UnixMs,
) -> Result<(), StoreError> {
    if let Some(record) = services.store.get(&page_place(node, key), now).await?
        && let Some(people) = people_of(node, key, &record)
    {
        services.presences.heard(&slot, node, page, record.version, people);
    }
    Ok(())
}

/// Who is on a page. One that another version of the server has written otherwise is left out, so that the others count.
pub(super) fn people_of(node: &str, key: &str, page: &Record) -> Option<Vec<Listed>> {
    let people = decode(page);
    if people.is_none() {
        tracing::warn!(node, key, "a page of people cannot be read, and is passed over");
    }
    people
}

/// Writes a record that nobody else writes, and answers its version.
pub(super) async fn write<T: Serialize>(
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

pub(super) fn put_of<T: Serialize>(value: &T, now: UnixMs) -> Result<Put, StoreError> {
    let value = serde_json::to_vec(value).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(Put { value: Some(value.into()), expires: Some(now.plus(KEPT_MS)) })
}

pub(super) fn decode<T: DeserializeOwned>(record: &Record) -> Option<T> {
    serde_json::from_slice(&record.value).ok()
}

pub(super) fn lease_place(node: &str) -> Slot {
    Slot { org: Tenant::servers(), kind: RecordKind::Node, partition: LEASES.into(), key: node.into() }
}

pub(super) fn page_place(node: &str, key: &str) -> Slot {
    Slot { org: Tenant::servers(), kind: RecordKind::Present, partition: node.into(), key: key.into() }
}

/// A node's pages of all organisations, some of them: their keys, versions and who is on them.
pub(super) async fn some_pages(
    services: &Services,
    node: &str,
    now: UnixMs,
) -> Result<Vec<(String, Record)>, StoreError> {
    services.store.list(&Tenant::servers(), RecordKind::Present, node, None, PAGES, now).await
}

/// Removes records. One that has changed stays: somebody was faster, or its node lives.
pub(super) async fn remove(
    services: &Services,
    records: impl IntoIterator<Item = (Slot, u64)>,
    now: UnixMs,
) -> Result<(), StoreError> {
    for (place, version) in records {
        match services.store.put(&place, Some(version), Put { value: None, expires: None }, now).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
