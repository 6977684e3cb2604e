//! Who is connected to this node.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{Arc, Mutex, PoisonError},
};

use fanfare_proto::{DeviceId, UnixMs};

use crate::auth::Identity;
use crate::id::Tenant;

/// An authenticated connection, as all threads see it.
#[derive(Debug)]
pub struct Connection {
    /// Tells connections of this node apart.
    pub id: u64,
    /// The device, as it names itself.
    pub device: Option<DeviceId>,
    /// How it is connected.
    pub transport: &'static str,
    /// Since when.
    pub since: UnixMs,
    identity: Mutex<Arc<Identity>>,
}

impl Connection {
    /// A connection of this identity.
    pub const fn new(
        id: u64,
        identity: Arc<Identity>,
        device: Option<DeviceId>,
        transport: &'static str,
        since: UnixMs,
    ) -> Self {
        Self { id, device, transport, since, identity: Mutex::new(identity) }
    }

    /// Who it is, by the token that holds now.
    pub fn identity(&self) -> Arc<Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It is the same user by a newer token.
    pub fn renew(&self, identity: Arc<Identity>) {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
    }
}

/// The connections of a node, each with its shard.
#[derive(Debug, Default)]
pub(super) struct Here(HashMap<Tenant, BTreeMap<u64, (usize, Arc<Connection>)>>);

impl Here {
    pub(super) fn add(&mut self, org: Tenant, shard: usize, connection: Arc<Connection>) {
        self.0.entry(org).or_default().insert(connection.id, (shard, connection));
    }

    pub(super) fn remove(&mut self, org: &Tenant, id: u64) {
        if let Some(of_org) = self.0.get_mut(org) {
            of_org.remove(&id);
            if of_org.is_empty() {
                self.0.remove(org);
            }
        }
    }

    /// Connections of an organisation in the order of their ids, those after `after` only, at most `limit`.
    pub(super) fn of(&self, org: &Tenant, after: Option<u64>, limit: usize) -> Vec<Arc<Connection>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let of_org = self.0.get(org).into_iter().flat_map(|of_org| of_org.range((from, Bound::Unbounded)));
        of_org.take(limit).map(|(_, (_, connection))| connection.clone()).collect()
    }

    pub(super) fn one(&self, org: &Tenant, id: u64) -> Option<Arc<Connection>> {
        self.0.get(org)?.get(&id).map(|(_, connection)| connection.clone())
    }

    pub(super) fn shard_of(&self, org: &Tenant, id: u64) -> Option<usize> {
        self.0.get(org)?.get(&id).map(|(shard, _)| *shard)
    }
}
