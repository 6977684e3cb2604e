//! Every number that the server tells about itself, named once.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// A label with one value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Label {
    /// What is told apart.
    pub kind: &'static str,
}

impl Label {
    /// The label of this value.
    pub const fn of(kind: &'static str) -> Self {
        Self { kind }
    }
}

/// An organisation as a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Organisation {
    /// Its name.
    pub organisation: String,
}

/// Organisations that have a number of their own; further ones share one. So there is never more than that to be told.
const ORGANISATIONS: usize = 100;

/// A number for each organisation that ever had one.
#[derive(Debug, Clone, Default)]
pub struct ByOrganisation {
    family: Family<Organisation, Counter>,
    known: Arc<Mutex<HashSet<String>>>,
}

impl ByOrganisation {
    fn inc(&self, name: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = known.contains(name) || known.len() < ORGANISATIONS && known.insert(name.to_owned());
        drop(known);
        // No organisation has such a name.
        let organisation = if is_known { name } else { "(others)" }.to_owned();
        self.family.get_or_create(&Organisation { organisation }).inc();
    }
}

/// The numbers.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Open connections by transport, authenticated or not.
    pub connections: Family<Label, Gauge>,
    /// Handshakes that failed, by transport.
    pub handshakes_failed: Family<Label, Counter>,
    /// Those that were turned away before anything was done for them, by what there was too much of.
    pub turned_away: Family<Label, Counter>,
    /// Connections closed by the server, by reason.
    pub closed: Family<Label, Counter>,
    /// Requests by command.
    pub requests: Family<Label, Counter>,
    /// Requests refused, by error code.
    pub refused: Family<Label, Counter>,
    /// Fetches of issuers' keys, by outcome.
    pub key_fetches: Family<Label, Counter>,
    /// Log events delivered to connections.
    pub events_delivered: Counter,
    /// Events compressed, each once for all its receivers, by whether they got smaller.
    pub compressed: Family<Label, Counter>,
    /// Times an event went out compressed.
    pub sent_compressed: Counter,
    /// Bytes that did not go out because of it.
    pub compression_saved_bytes: Counter,
    /// Compressed requests of clients, by outcome.
    pub inflated: Family<Label, Counter>,
    /// Bytes of those requests, inflated.
    pub inflated_bytes: Counter,
    /// Publications that a shard's full inbox turned into a read of the log.
    pub inbox_full: Counter,
    /// State events and ticks dropped at a shard's full inbox.
    pub inbox_dropped: Counter,
    /// Topics caught up from the log.
    pub catch_ups: Counter,
    /// Fixes accepted.
    pub fixes_accepted: Counter,
    /// Fixes rejected, by reason.
    pub fixes_rejected: Family<Label, Counter>,
    /// Fixes of agents that were not shown live, as limits.agents_per_organisation was reached.
    pub fixes_not_shown: ByOrganisation,
    /// Agents that had departed and made room for others, as that limit was reached.
    pub agents_made_room: ByOrganisation,
    /// Fixes stored.
    pub fixes_stored: Counter,
    /// Fixes that were not stored because the store or its queue could not take them. Their senders keep them.
    pub fixes_deferred: Counter,
    /// People who are there, on whatever node, by status.
    pub presence: Family<Label, Gauge>,
    /// Times that somebody was shown as something else.
    pub presence_changes: Counter,
    /// Records of presence written.
    pub presence_writes: Counter,
    /// Other nodes that list people, and dead ones whose people have not been taken leave of.
    pub presence_nodes: Gauge,
    /// Arrivals that were not counted, as limits.people_per_organisation was reached.
    pub presence_not_shown: Counter,
    /// Tick packets handed to transports.
    pub packets_sent: Counter,
    /// Times a receiver of ticks was not ready and was skipped.
    pub ticks_skipped: Counter,
}

impl Metrics {
    /// Registers every number.
    pub fn register(&self, registry: &mut Registry) {
        let r = registry.sub_registry_with_prefix("fanfare");
        r.register("connections", "Open connections", self.connections.clone());
        r.register("handshakes_failed", "Handshakes that failed", self.handshakes_failed.clone());
        r.register("turned_away", "Turned away at the door", self.turned_away.clone());
        r.register("closed", "Connections closed by the server", self.closed.clone());
        r.register("requests", "Requests", self.requests.clone());
        r.register("refused", "Requests refused", self.refused.clone());
        r.register("key_fetches", "Fetches of issuers' keys", self.key_fetches.clone());
        r.register("events_delivered", "Log events delivered", self.events_delivered.clone());
        r.register("compressed", "Events compressed, each once", self.compressed.clone());
        r.register("sent_compressed", "Events sent compressed", self.sent_compressed.clone());
        r.register(
            "compression_saved_bytes",
            "Bytes not sent thanks to compression",
            self.compression_saved_bytes.clone(),
        );
        r.register("inflated", "Compressed requests", self.inflated.clone());
        r.register("inflated_bytes", "Bytes of compressed requests, inflated", self.inflated_bytes.clone());
        r.register("inbox_full", "Publications read again from the log", self.inbox_full.clone());
        r.register("inbox_dropped", "State events and ticks dropped", self.inbox_dropped.clone());
        r.register("catch_ups", "Topics caught up from the log", self.catch_ups.clone());
        r.register("fixes_accepted", "Fixes accepted", self.fixes_accepted.clone());
        r.register("fixes_rejected", "Fixes rejected", self.fixes_rejected.clone());
        r.register(
            "fixes_not_shown",
            "Fixes not shown live, as the table is full",
            self.fixes_not_shown.family.clone(),
        );
        r.register(
            "agents_made_room",
            "Departed agents that made room for others in the full table",
            self.agents_made_room.family.clone(),
        );
        r.register("fixes_stored", "Fixes stored", self.fixes_stored.clone());
        r.register("fixes_deferred", "Fixes left with their senders", self.fixes_deferred.clone());
        r.register("presence", "People who are there", self.presence.clone());
        r.register("presence_changes", "Changes of presence", self.presence_changes.clone());
        r.register("presence_writes", "Records of presence written", self.presence_writes.clone());
        r.register("presence_nodes", "Other nodes that list people", self.presence_nodes.clone());
        r.register(
            "presence_not_shown",
            "Arrivals not counted, as the table is full",
            self.presence_not_shown.clone(),
        );
        r.register("packets_sent", "Tick packets sent", self.packets_sent.clone());
        r.register("ticks_skipped", "Tick flushes skipped for a slow receiver", self.ticks_skipped.clone());
    }

    /// A fix of an organisation's agent was not shown.
    pub fn not_shown(&self, organisation: &str) {
        self.fixes_not_shown.inc(organisation);
    }

    /// A departed agent of an organisation made room.
    pub fn made_room(&self, organisation: &str) {
        self.agents_made_room.inc(organisation);
    }

    /// All numbers in Prometheus' text format.
    pub fn render(registry: &Registry) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, registry);
        text
    }
}
