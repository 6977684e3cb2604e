//! The QUIC endpoint: its settings, and how many handshakes may be under way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use quinn::{IdleTimeout, VarInt, crypto::rustls::QuicServerConfig};

use crate::net::tls::{Identity, TlsError};

/// Settings of every QUIC connection. The defaults are small on purpose: events and ticks are small, a permitted
/// stream costs memory whether it is opened or not, and what waits in a buffer below us can no longer be overtaken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// Streams of each direction that a client may have open. HTTP/3 itself takes four.
    pub streams: u32,
    /// What a client may have sent that was not read yet, on all streams.
    pub receive_window: u32,
    /// The same on one stream.
    pub stream_receive_window: u32,
    /// What may be on its way to a client, or wait in quinn, on all streams.
    pub send_window: u64,
    /// Datagrams that wait to be sent, in bytes.
    pub datagram_send_buffer: usize,
    /// Datagrams that wait to be read, in bytes. The oldest go first.
    pub datagram_receive_buffer: usize,
    /// A connection without a sign of life for this long is gone.
    pub idle: Duration,
    /// How often a sign of life is asked for. `None` leaves that to the client.
    pub keep_alive: Option<Duration>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            streams: 16,
            receive_window: 1024 * 1024,
            stream_receive_window: 256 * 1024,
            send_window: 128 * 1024,
            datagram_send_buffer: 64 * 1024,
            datagram_receive_buffer: 128 * 1024,
            idle: Duration::from_secs(30),
            keep_alive: Some(Duration::from_secs(10)),
        }
    }
}

impl Tuning {
    /// The configuration of an endpoint that shows `identity`.
    pub fn server_config(&self, identity: &Arc<Identity>) -> Result<quinn::ServerConfig, TlsError> {
        let tls =
            QuicServerConfig::try_from(identity.quic()?).map_err(|e| TlsError::Config(e.to_string()))?;
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
        config.transport_config(Arc::new(self.transport())).migration(true);
        Ok(config)
    }

    fn transport(&self) -> quinn::TransportConfig {
        let mut transport = quinn::TransportConfig::default();
        // An idle time over 2^62 ms is none at all.
        let idle = IdleTimeout::try_from(self.idle).ok();
        transport
            .max_concurrent_bidi_streams(self.streams.into())
            .max_concurrent_uni_streams(self.streams.into())
            .receive_window(VarInt::from_u32(self.receive_window))
            .stream_receive_window(VarInt::from_u32(self.stream_receive_window))
            .send_window(self.send_window)
            .datagram_send_buffer_size(self.datagram_send_buffer)
            .datagram_receive_buffer_size(Some(self.datagram_receive_buffer))
            .max_idle_timeout(idle)
            .keep_alive_interval(self.keep_alive)
            .initial_mtu(1200)
            .congestion_controller_factory(Arc::new(quinn::congestion::CubicConfig::default()));
        transport
    }
}

/// Bounds the handshakes under way, as addresses in first packets may be forged. Cheap to clone; shared by threads.
#[derive(Debug, Clone)]
pub struct Admission {
    open: Arc<AtomicUsize>,
    retry_above: usize,
    refuse_above: usize,
}

/// Held while a handshake is under way.
#[derive(Debug)]
pub struct Ticket(Arc<AtomicUsize>);

impl Admission {
    /// With more than `retry_above` handshakes under way a client must first show that it receives at its address;
    /// with more than `refuse_above` it is refused.
    pub fn new(retry_above: usize, refuse_above: usize) -> Self {
        Self { open: Arc::default(), retry_above, refuse_above }
    }

    /// Handshakes under way.
    pub fn under_way(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Lets `incoming` through, with a ticket to hold until its handshake is done. `None` when it was sent back.
    pub fn screen(&self, incoming: quinn::Incoming) -> Option<(quinn::Incoming, Ticket)> {
        let open = self.under_way();
        if open >= self.refuse_above {
            incoming.refuse();
            return None;
        }
        if open >= self.retry_above && incoming.may_retry() && !incoming.remote_address_validated() {
            // Fails only where a retry was not allowed.
            let _ = incoming.retry();
            return None;
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        Some((incoming, Ticket(Arc::clone(&self.open))))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
