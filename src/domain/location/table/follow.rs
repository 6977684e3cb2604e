//! A view, for receivers that lag, and for all who follow it when an epoch begins.

use std::{rc::Rc, sync::Arc};

use fanfare_proto::{UnixMs, tick::Tick};
use futures::future::LocalBoxFuture;

use super::{Table, pack};
use crate::{
    domain::location::{LocationParts, scope::Scope},
    net::Packet,
    shard::{Changes, Member},
};

/// A view, for receivers that lag.
#[derive(Debug)]
pub struct Lagging {
    /// The table.
    pub table: Arc<Table>,
    /// The view's id.
    pub view: u32,
    /// The view's scope.
    pub scope: Scope,
}

impl Changes for Lagging {
    fn since(&self, version: u64) -> (u64, Vec<Packet>) {
        let state = self.table.lock();
        let changed: Vec<Tick> =
            state.since(&self.scope, version).map(|(alias, entry)| entry.tick(alias)).collect();
        let base = changed.first().map_or(UnixMs(0), |tick| tick.time);
        (state.version, pack(self.view, state.epoch, base, &changed))
    }

    fn begin(&self, member: Rc<Member>) -> (u64, LocalBoxFuture<'static, ()>) {
        let snapshot = self.table.lock().snapshot(self.view);
        let version = snapshot.version;
        let parts = LocationParts { table: self.table.clone(), scope: self.scope.clone(), snapshot };
        (version, Box::pin(parts.send(member)))
    }
}
