//! The table of live positions and the rules that keep it true. No I/O; time is an argument.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use fanfare_proto::{
    Epoch, Fix, Motion, Position, UnixMs, UserId,
    event::{AliasedAgent, LocationAgents, LocationRemoved, LocationSnapshot, Subscription},
    tick::{Tick, Ticks},
};
use tokio::{sync::Notify, time::Instant};

use crate::AgentPosition;

/// Most agents in the table. Beyond, new ones are not shown, and counted.
const MAX_AGENTS: usize = 100_000;
/// Most ticks held for aliases that are not known yet. Full: further ones are dropped; the server repeats them.
const MAX_HELD: usize = 1024;
/// How long a tick waits for its alias.
const HOLD: Duration = Duration::from_secs(2);

/// The table behind [`Positions`]. Fed in the order in which the server speaks, except for ticks.
#[derive(Debug, Default)]
pub(crate) struct Table {
    agents: HashMap<UserId, Spot>,
    /// The view that ticks and events must belong to.
    view: Option<View>,
    held: HashMap<(View, u32), Held>,
    listeners: Vec<Weak<Listener>>,
    /// Agents and ticks that found no room.
    pub(crate) refused: u64,
    aliases: HashMap<u32, UserId>,
    /// Who was named since the view began: the others go when its snapshot is complete.
    named: HashSet<UserId>,
    /// The snapshot is not complete yet.
    filling: bool,
}

/// A view and the life of its aliases.
type View = (u32, Epoch);

#[derive(Debug)]
struct Spot {
    time: UnixMs,
    position: Position,
    motion: Motion,
}

#[derive(Debug)]
struct Held {
    tick: Tick,
    since: Instant,
}

impl Spot {
    fn told(&self, id: &UserId, now: UnixMs) -> AgentPosition {
        AgentPosition {
            agent_id: id.clone(),
            time: self.time,
            position: self.position,
            motion: self.motion,
            age: Duration::from_millis(now.since(self.time)),
        }
    }
}

impl Table {
    /// Every agent, with ages at `now`.
    pub(crate) fn all(&self, now: UnixMs) -> Vec<AgentPosition> {
        self.agents.iter().map(|(id, spot)| spot.told(id, now)).collect()
    }

    /// One agent, with its age at `now`.
    pub(crate) fn get(&self, id: &UserId, now: UnixMs) -> Option<AgentPosition> {
        self.agents.get(id).map(|spot| spot.told(id, now))
    }

    /// How many agents there are.
    pub(crate) fn len(&self) -> usize {
        self.agents.len()
    }

    /// Someone who is told of changes, first of every agent that is there.
    pub(crate) fn listen(&mut self) -> Arc<Listener> {
        let listener = Arc::new(Listener::default());
        listener.mark(self.agents.keys().cloned());
        self.listeners.push(Arc::downgrade(&listener));
        listener
    }

    /// The server granted the channel.
    pub(crate) fn subscribed(&mut self, subscription: &Subscription, now: Instant) {
        self.begin((subscription.view, subscription.epoch), now);
    }

    /// The view has ended, and another one may follow: what is still under way of it counts no more. Agents stay until then,
    /// and grow older.
    pub(crate) fn interrupted(&mut self) {
        self.view = None;
        self.aliases.clear();
        self.held.clear();
    }

    /// Nothing is followed any more.
    pub(crate) fn clear(&mut self) {
        let gone: Vec<_> = self.agents.drain().map(|(id, _)| id).collect();
        let listeners = std::mem::take(&mut self.listeners);
        *self = Self { listeners, refused: self.refused, ..Self::default() };
        self.tell(&gone);
    }

    /// Whether this is the view that ticks and events must belong to.
    pub(crate) fn is_current(&self, view: u32) -> bool {
        self.view.is_some_and(|(current, _)| current == view)
    }

    /// A part of the state of a view. A view that is not the current one has replaced it.
    pub(crate) fn snapshot(&mut self, part: LocationSnapshot, now: Instant) -> u64 {
        let view = (part.view, part.epoch);
        if self.view != Some(view) || !self.filling {
            self.begin(view, now);
        }
        let bad = self.name(view, part.agents, now);
        if !part.more {
            self.filling = false;
            let named = std::mem::take(&mut self.named);
            let gone: Vec<_> =
                self.agents.extract_if(|id, _| !named.contains(id)).map(|(id, _)| id).collect();
            self.tell(&gone);
        }
        bad
    }

    /// Agents that joined the view.
    pub(crate) fn joined(&mut self, agents: LocationAgents, now: Instant) -> u64 {
        let view = (agents.view, agents.epoch);
        if self.view != Some(view) {
            return 0;
        }
        self.name(view, agents.agents, now)
    }

    /// Agents that left the view.
    pub(crate) fn removed(&mut self, removed: &LocationRemoved) {
        let view = (removed.view, removed.epoch);
        if self.view != Some(view) {
            return;
        }
        let mut gone = Vec::new();
        for alias in &removed.aliases {
            self.held.remove(&(view, *alias));
            if let Some(id) = self.aliases.remove(alias) {
                self.named.remove(&id);
                self.agents.remove(&id);
                gone.push(id);
            }
        }
        self.tell(&gone);
    }

    /// A packet of ticks. It may overtake the names of its agents, and the word that its view begins.
    pub(crate) fn ticks(&mut self, packet: Ticks, now: Instant) {
        // Nothing is followed.
        if self.view.is_none() {
            return;
        }
        let view = (packet.view, packet.epoch);
        let mut moved = Vec::new();
        for tick in packet.ticks {
            let known = self.aliases.get(&tick.alias).filter(|_| self.view == Some(view));
            match known.cloned() {
                Some(id) => {
                    if self.put(&id, tick.time, tick.position, tick.motion) {
                        moved.push(id);
                    }
                }
                None => self.hold(view, tick, now),
            }
        }
        self.tell(&moved);
    }

    /// A new view: aliases mean something else now. Agents stay until its snapshot is complete, so that a screen does
    /// not flicker at each reconnect.
    fn begin(&mut self, view: View, now: Instant) {
        self.view = Some(view);
        self.filling = true;
        self.aliases.clear();
        self.named.clear();
        self.held.retain(|(held, _), tick| *held == view && now.duration_since(tick.since) < HOLD);
    }

    fn name(&mut self, view: View, agents: Vec<AliasedAgent>, now: Instant) -> u64 {
        let mut bad = 0;
        let mut moved = Vec::new();
        for AliasedAgent { alias, agent_id, fix } in agents {
            if self.aliases.len() >= MAX_AGENTS {
                self.refused += 1;
                continue;
            }
            self.aliases.insert(alias, agent_id.clone());
            if self.filling {
                self.named.insert(agent_id.clone());
            }
            let mut newer = false;
            if let Some(fix) = fix {
                match Fix::try_from(fix) {
                    Ok(fix) => newer |= self.put(&agent_id, fix.time, fix.position, fix.motion),
                    Err(_) => bad += 1,
                }
            }
            if let Some(held) = self.held.remove(&(view, alias))
                && now.duration_since(held.since) < HOLD
            {
                newer |= self.put(&agent_id, held.tick.time, held.tick.position, held.tick.motion);
            }
            if newer {
                moved.push(agent_id);
            }
        }
        self.tell(&moved);
        bad
    }

    /// Whether it is newer than what is there. An older fix never replaces a newer one.
    fn put(&mut self, id: &UserId, time: UnixMs, position: Position, motion: Motion) -> bool {
        if let Some(spot) = self.agents.get(id) {
            if spot.time >= time {
                return false;
            }
        } else if self.agents.len() >= MAX_AGENTS {
            self.refused += 1;
            return false;
        }
        let spot = Spot { time, position, motion };
        self.agents.insert(id.clone(), spot);
        true
    }

    fn hold(&mut self, view: View, tick: Tick, now: Instant) {
        let key = (view, tick.alias);
        if let Some(held) = self.held.get_mut(&key) {
            if held.tick.time < tick.time {
                *held = Held { tick, since: now };
            }
            return;
        }
        if self.held.len() >= MAX_HELD {
            self.held.retain(|_, held| now.duration_since(held.since) < HOLD);
        }
        if self.held.len() >= MAX_HELD {
            self.refused += 1;
            return;
        }
        self.held.insert(key, Held { tick, since: now });
    }

    fn tell(&mut self, changed: &[UserId]) {
        if changed.is_empty() {
            return;
        }
        self.listeners.retain(|listener| match listener.upgrade() {
            Some(listener) => {
                listener.mark(changed.iter().cloned());
                true
            }
            None => false,
        });
    }
}

/// Who waits for changes: agents that changed since it last looked, each once.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    dirty: Mutex<HashSet<UserId>>,
    pub(crate) changed: Notify,
}

impl Listener {
    pub(crate) fn take(&self) -> HashSet<UserId> {
        std::mem::take(&mut *self.dirty.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn mark(&self, agents: impl IntoIterator<Item = UserId>) {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner).extend(agents);
        self.changed.notify_one();
    }
}
