//! The QUIC endpoint's settings.

use std::{sync::Arc, time::Duration};

use quinn::{IdleTimeout, VarInt, crypto::rustls::QuicServerConfig};

use crate::net::{
    GREETING_BYTES,
    tls::{Identity, TlsError},
};

/// What a client may have sent that was not read yet, on all streams, once it is admitted. Before that it is
/// [`Tuning::greeting_window`].
pub(super) const RECEIVE_WINDOW: u32 = 1024 * 1024;

/// First packets that wait to be looked at, and their bytes: of one client, and of all.
const FIRST_PACKETS: usize = 1024;
const FIRST_BYTES: u64 = 16 * 1024;
const FIRST_BYTES_OF_ALL: u64 = 4 * 1024 * 1024;

/// Settings of every QUIC connection. The defaults are small on purpose: events and ticks are small, a permitted
/// stream costs memory whether it is opened or not, and what waits in a buffer below us can no longer be overtaken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// Streams of each direction that a client may have open. HTTP/3 itself takes four.
    pub streams: u32,
    /// What a client that is not admitted may have sent that was not read yet, on all streams.
    pub greeting_window: u32,
    /// What any may have sent on one stream.
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
            greeting_window: GREETING_BYTES as u32,
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
        config
            .transport_config(Arc::new(self.transport()))
            .migration(true)
            .max_incoming(FIRST_PACKETS)
            .incoming_buffer_size(FIRST_BYTES)
            .incoming_buffer_size_total(FIRST_BYTES_OF_ALL);
        Ok(config)
    }

    fn transport(&self) -> quinn::TransportConfig {
        let mut transport = quinn::TransportConfig::default();
        // An idle time over 2^62 ms is none at all.
        let idle = IdleTimeout::try_from(self.idle).ok();
        transport
            .max_concurrent_bidi_streams(self.streams.into())
            .max_concurrent_uni_streams(self.streams.into())
            .receive_window(VarInt::from_u32(self.greeting_window))
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
