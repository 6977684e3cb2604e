//! What a client counts.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::Transport;

/// What a client has counted since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// What carries the connection, while one is open.
    pub transport: Option<Transport>,
    /// The newest round trip of `client:ping`.
    pub rtt: Option<Duration>,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Attempts that failed and sessions that were lost.
    pub losses: u64,
    /// Topics that were resumed without a gap.
    pub recovered: u64,
    /// Topics that have a gap, each told as [`Event::Gap`](crate::Event::Gap).
    pub gaps: u64,
    /// Events that came.
    pub events: u64,
    /// Events of a log that came twice and were passed on once.
    pub duplicates: u64,
    /// Events outside logs that were dropped because the application had not taken the earlier ones.
    pub dropped: u64,
    /// Packets handed to the transport.
    pub packets_sent: u64,
    /// Packets dropped before they were sent: no connection, or more than it takes.
    pub packets_dropped: u64,
    /// Packets that came.
    pub packets_received: u64,
    /// Packets and fixes that could not be read.
    pub unreadable: u64,
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sessions: Counter,
    pub(crate) losses: Counter,
    pub(crate) recovered: Counter,
    pub(crate) gaps: Counter,
    pub(crate) events: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) dropped: Counter,
    pub(crate) packets_sent: Counter,
    pub(crate) packets_dropped: Counter,
    pub(crate) packets_received: Counter,
    pub(crate) unreadable: Counter,
    /// Microseconds plus one; 0: not measured.
    rtt: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Counters {
    pub(crate) fn measured(&self, rtt: Duration) {
        self.rtt.store(rtt.as_micros() as u64 + 1, Relaxed);
    }

    pub(crate) fn stats(&self, transport: Option<Transport>) -> Stats {
        let rtt = self.rtt.load(Relaxed).checked_sub(1);
        Stats {
            transport,
            rtt: rtt.map(Duration::from_micros),
            sessions: self.sessions.get(),
            losses: self.losses.get(),
            recovered: self.recovered.get(),
            gaps: self.gaps.get(),
            events: self.events.get(),
            duplicates: self.duplicates.get(),
            dropped: self.dropped.get(),
            packets_sent: self.packets_sent.get(),
            packets_dropped: self.packets_dropped.get(),
            packets_received: self.packets_received.get(),
            unreadable: self.unreadable.get(),
        }
    }
}
