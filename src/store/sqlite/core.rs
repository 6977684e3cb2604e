//! `core.db` as its writer holds it: what is durable before it is answered.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use fanfare_proto::Epoch;
use rusqlite::{Connection, OptionalExtension};

use super::writer::Database;
use crate::{
    id::{Audience, Topic},
    store::{Committed, Event, StoreError},
};

pub(super) struct Core {
    connection: Connection,
    pub(super) epoch: Epoch,
    hub: Arc<dyn Committed>,
    /// What the open transaction appended, in the order of its requests.
    appended: Vec<Batch>,
}

/// The events of one append, to be published.
pub(super) struct Batch {
    pub(super) topic: Topic,
    pub(super) audience: Audience,
    pub(super) events: Vec<Event>,
}

impl Core {
    pub(super) fn new(connection: Connection, hub: Arc<dyn Committed>) -> Result<Self, StoreError> {
        let epoch = epoch(&connection)?;
        Ok(Self { connection, epoch, hub, appended: Vec::new() })
    }

    /// Has `batch` published once the transaction is durable. The last step of a request: one that fails must not
    /// have called it.
    pub(super) fn publish(&mut self, batch: Batch) {
        self.appended.push(batch);
    }
}

impl Database for Core {
    fn connection(&self) -> &Connection {
        &self.connection
    }

    fn begin(&mut self) {
        self.appended.clear();
    }

    /// Topics are looked up in the file each time: there is nothing that could be wrong.
    fn forget(&mut self) {}

    fn committed(&mut self) {
        for batch in self.appended.drain(..) {
            let publish = || {
                self.hub.committed(&batch.topic, self.epoch, &batch.audience, &batch.events);
            };
            // The events are stored, and nodes ask for heads: losing the hint must not lose the store.
            if catch_unwind(AssertUnwindSafe(publish)).is_err() {
                tracing::error!(topic = %batch.topic, "publishing panicked");
            }
        }
    }
}

/// The life of this database. One that was emptied, or restored from a copy, begins another, so that no client takes
/// new events for ones that it has.
fn epoch(connection: &Connection) -> Result<Epoch, StoreError> {
    let stored = connection
        .query_row("SELECT value FROM meta WHERE name = 'epoch'", [], |row| row.get(0))
        .optional()?;
    if let Some(epoch) = stored {
        return Ok(Epoch(epoch));
    }
    let epoch: u32 = connection.query_row("SELECT 1 + (random() & 0x7fffffff)", [], |row| row.get(0))?;
    connection.execute("INSERT INTO meta (name, value) VALUES ('epoch', ?1)", [epoch])?;
    Ok(Epoch(epoch))
}
