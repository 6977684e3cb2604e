//! Live positions: what applications see of the table, and streams of what changed in it.

use std::{sync::Arc, time::Duration};

use fanfare_proto::{Motion, Position, UnixMs, UserId};

use crate::{Client, State, table::Listener};

/// Where an agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPosition {
    /// The agent.
    pub agent_id: UserId,
    /// When its device took the fix.
    pub time: UnixMs,
    /// Where.
    pub position: Position,
    /// How it moved.
    pub motion: Motion,
    /// How old the fix is by the server's clock.
    pub age: Duration,
}

/// A change of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An agent's newest position.
    Moved(AgentPosition),
    /// An agent is no longer shown.
    Removed(UserId),
}

/// The positions of the agents that the user may see. Follows reconnects; meanwhile positions grow older.
#[derive(Debug, Clone)]
pub struct Positions {
    client: Client,
}

impl Positions {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Every agent.
    pub fn all(&self) -> Vec<AgentPosition> {
        let shared = self.client.shared();
        shared.positions().all(shared.server_now())
    }

    /// One agent.
    pub fn get(&self, agent: &UserId) -> Option<AgentPosition> {
        let shared = self.client.shared();
        shared.positions().get(agent, shared.server_now())
    }

    /// How many agents there are.
    pub fn len(&self) -> usize {
        self.client.shared().positions().len()
    }

    /// Whether there is no agent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Agents and ticks that were not shown, as the table was full.
    pub fn refused(&self) -> u64 {
        self.client.shared().positions().refused
    }

    /// A stream of changes, beginning with every agent that is there. Whoever reads slowly gets the newest of each
    /// agent, so it holds at most one change for each.
    pub fn updates(&self) -> Updates {
        let listener = self.client.shared().positions().listen();
        Updates { client: self.client.clone(), listener }
    }
}

/// See [`Positions::updates`].
#[derive(Debug)]
pub struct Updates {
    client: Client,
    listener: Arc<Listener>,
}

impl Updates {
    /// Waits until something has changed and tells all of it. `None` when the client has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<Vec<Change>> {
        let mut state = self.client.state();
        loop {
            let changed = self.listener.changed.notified();
            let changes = self.take();
            if !changes.is_empty() {
                return Some(changes);
            }
            tokio::select! {
                () = changed => {}
                _ = state.wait_for(State::is_closed) => return None,
            }
        }
    }

    fn take(&self) -> Vec<Change> {
        let shared = self.client.shared();
        let now = shared.server_now();
        let table = shared.positions();
        let change = |id: UserId| match table.get(&id, now) {
            Some(position) => Change::Moved(position),
            None => Change::Removed(id),
        };
        self.listener.take().into_iter().map(change).collect()
    }
}
