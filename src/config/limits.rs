//! How much of anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::Deserialize;

use super::{Invalid, within};

/// See [`Config::limits`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Authenticated connections in all.
    pub connections: usize,
    /// Those of one organisation.
    pub connections_per_organisation: usize,
    /// Those of one user: devices and tabs.
    pub connections_per_user: usize,
    /// Those from one address (of IPv6: one /64).
    pub connections_per_ip: usize,
    /// Connections that have not said who they are, HTTP included. One more, and the oldest of them is closed.
    pub lobby: usize,
    /// Those from one address; further ones are turned away.
    pub lobby_per_ip: usize,
    /// Connection attempts from one address; `connections_per_ip` at once.
    pub attempts_per_second_per_ip: u32,
    /// HTTP requests from one address, on all its connections; twice `connections_per_ip` at once.
    pub requests_per_second_per_ip: u32,
    /// Refused tokens from one address, after which it is turned away; `connections_per_ip` at once.
    pub failures_per_minute_per_ip: u32,
    /// Networks whose addresses are not counted. This machine, where a proxy may stand.
    pub exempt: Vec<IpNet>,
    /// Requests a second of one connection; twice as many at once.
    pub messages_per_second: u32,
    /// The same of all connections of one user.
    pub messages_per_second_per_user: u32,
    /// The same of all connections of one organisation.
    pub messages_per_second_per_organisation: u32,
    /// Notices of one user.
    pub broadcasts_per_minute_per_user: u32,
    /// Notices of one organisation.
    pub broadcasts_per_minute_per_organisation: u32,
    /// Urgent requests of one user that cost nothing else: whoever has spent all else can still raise an alarm.
    pub urgent_per_minute_per_user: u32,
    /// Conversations that one user creates. 50 members cost as much as another one.
    pub conversations_per_minute_per_user: u32,
    /// Those that one organisation creates.
    pub conversations_per_minute_per_organisation: u32,
    /// Newer tokens that one connection sends.
    pub refreshes_per_minute: u32,
    /// Packets of ticks a second of one connection; twice as many at once. Those above are dropped.
    pub packets_per_second: u32,
    /// Largest request in bytes.
    pub message_bytes: usize,
    /// Requests of one connection that may be under way, unless they are small; the next is not read until one is done.
    pub in_flight: usize,
    /// Invalid or refused requests a minute before a connection is closed for good.
    pub strikes_per_minute: u32,
    /// Agents of one organisation whose newest position is kept in memory.
    pub agents_per_organisation: usize,
    /// People of one organisation whose presence is known.
    pub people_per_organisation: usize,
    /// Different views of the positions of one organisation, by departments and teams, that are followed.
    pub views_per_organisation: usize,
    /// Revocations of one organisation that stand.
    pub revocations_per_organisation: usize,
    /// Bytes that may wait on a connection's ordered lane.
    pub ordered_bytes: usize,
    /// Bytes that may wait on a connection's urgent lane.
    pub urgent_bytes: usize,
    /// Events of a topic that a resuming client is sent at most; with more, it gets the newest page.
    pub resume_events: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_organisation: 5_000,
            connections_per_user: 100,
            connections_per_ip: 2_500,
            lobby: 4_096,
            lobby_per_ip: 1_024,
            attempts_per_second_per_ip: 100,
            requests_per_second_per_ip: 500,
            failures_per_minute_per_ip: 600,
            exempt: vec![
                IpNet::new_assert(IpAddr::V4(Ipv4Addr::LOCALHOST), 8).trunc(),
                IpNet::new_assert(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
            ],
            messages_per_second: 100,
            messages_per_second_per_user: 300,
            messages_per_second_per_organisation: 5_000,
            broadcasts_per_minute_per_user: 30,
            broadcasts_per_minute_per_organisation: 120,
            urgent_per_minute_per_user: 30,
            conversations_per_minute_per_user: 60,
            conversations_per_minute_per_organisation: 600,
            refreshes_per_minute: 12,
            packets_per_second: 100,
            message_bytes: fanfare_proto::frame::MAX_EVENT,
            in_flight: 32,
            strikes_per_minute: 60,
            agents_per_organisation: 100_000,
            people_per_organisation: 100_000,
            views_per_organisation: 1_000,
            revocations_per_organisation: 5_000,
            ordered_bytes: 1024 * 1024,
            urgent_bytes: 1024 * 1024,
            resume_events: 500,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        for (count, key) in [
            (self.connections, "limits.connections"),
            (self.connections_per_organisation, "limits.connections_per_organisation"),
            (self.connections_per_user, "limits.connections_per_user"),
            (self.connections_per_ip, "limits.connections_per_ip"),
            (self.lobby_per_ip, "limits.lobby_per_ip"),
            (self.agents_per_organisation, "limits.agents_per_organisation"),
            (self.people_per_organisation, "limits.people_per_organisation"),
            (self.views_per_organisation, "limits.views_per_organisation"),
        ] {
            within(count, 1..=1_000_000, key)?;
        }
        // Some of it is for those who have not shown that they receive at their address.
        within(self.lobby, 8..=1_000_000, "limits.lobby")?;
        // More than a fifth of all would not be granted: see auth::revocation.
        within(self.revocations_per_organisation, 1..=10_000, "limits.revocations_per_organisation")?;
        within(self.in_flight, 1..=1_024, "limits.in_flight")?;
        for (rate, key) in [
            (self.attempts_per_second_per_ip, "limits.attempts_per_second_per_ip"),
            (self.requests_per_second_per_ip, "limits.requests_per_second_per_ip"),
            (self.failures_per_minute_per_ip, "limits.failures_per_minute_per_ip"),
            (self.messages_per_second, "limits.messages_per_second"),
            (self.messages_per_second_per_user, "limits.messages_per_second_per_user"),
            (self.messages_per_second_per_organisation, "limits.messages_per_second_per_organisation"),
            (self.packets_per_second, "limits.packets_per_second"),
            (self.broadcasts_per_minute_per_user, "limits.broadcasts_per_minute_per_user"),
            (self.broadcasts_per_minute_per_organisation, "limits.broadcasts_per_minute_per_organisation"),
            (self.urgent_per_minute_per_user, "limits.urgent_per_minute_per_user"),
            (self.conversations_per_minute_per_user, "limits.conversations_per_minute_per_user"),
            (
                self.conversations_per_minute_per_organisation,
                "limits.conversations_per_minute_per_organisation",
            ),
            (self.refreshes_per_minute, "limits.refreshes_per_minute"),
            (self.strikes_per_minute, "limits.strikes_per_minute"),
        ] {
            within(rate, 1..=1_000_000, key)?;
        }
        within(self.message_bytes, 4_096..=16 << 20, "limits.message_bytes")?;
        let lane = fanfare_proto::frame::MAX_SENT * 2..=1 << 30;
        within(self.ordered_bytes, lane.clone(), "limits.ordered_bytes")?;
        within(self.urgent_bytes, lane, "limits.urgent_bytes")?;
        within(self.resume_events, 1..=1_000_000, "limits.resume_events")
    }
}
