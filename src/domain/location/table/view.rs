//! A view: the table as those see it who have certain rights.

use std::collections::HashSet;

use fanfare_proto::{
    Epoch, UnixMs,
    event::{self, AliasedAgent, LocationAgents, LocationRemoved},
    frame::MAX_SENT,
    tick::{self, Tick},
};

use super::super::scope::Scope;
use crate::{frame::Frame, net::Packet};

/// Agents in one event: at about 200 bytes each they fit in one frame.
const AGENTS_PER_EVENT: usize = MAX_SENT / 2 / 200;

#[derive(Debug)]
pub(super) struct View {
    pub(super) id: u32,
    pub(super) scope: Scope,
    /// The version of the last flush.
    pub(super) flushed: u64,
    joined: HashSet<u32>,
    removed: HashSet<u32>,
}

impl View {
    pub(super) fn new(id: u32, scope: Scope, flushed: u64) -> Self {
        Self { id, scope, flushed, joined: HashSet::new(), removed: HashSet::new() }
    }

    /// An agent is in the view from now on.
    pub(super) fn shows(&mut self, alias: u32) {
        self.removed.remove(&alias);
        self.joined.insert(alias);
    }

    /// An agent is in the view no more.
    pub(super) fn hides(&mut self, alias: u32) {
        self.joined.remove(&alias);
        self.removed.insert(alias);
    }

    /// All aliases mean something else from now on.
    pub(super) fn renew(&mut self, version: u64) {
        self.joined.clear();
        self.removed.clear();
        self.flushed = version;
    }

    /// What followers are told on the ordered lane.
    pub(super) fn take_events(
        &mut self,
        epoch: Epoch,
        agent: impl Fn(u32) -> Option<AliasedAgent>,
    ) -> Vec<Frame> {
        let mut events = Vec::new();
        let removed: Vec<u32> = self.removed.drain().collect();
        for aliases in removed.chunks(MAX_SENT / 16) {
            let data = LocationRemoved { view: self.id, epoch, aliases: aliases.to_vec() };
            events.push(event::write(event::name::LOCATION_REMOVED, None, &data).into());
        }
        let joined: Vec<u32> = self.joined.drain().collect();
        for aliases in joined.chunks(AGENTS_PER_EVENT) {
            let agents = aliases.iter().filter_map(|alias| agent(*alias)).collect();
            let data = LocationAgents { view: self.id, epoch, agents };
            events.push(event::write(event::name::LOCATION_AGENTS, None, &data).into());
        }
        events
    }
}

pub(super) fn pack(view: u32, epoch: Epoch, base: UnixMs, ticks: &[Tick]) -> Vec<Packet> {
    let packets = tick::pack_ticks(&[Packet::PREFIX], view, epoch, base, ticks);
    packets.into_iter().map(|packet| Packet::new(packet.into())).collect()
}
