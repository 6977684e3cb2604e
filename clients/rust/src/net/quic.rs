//! QUIC under WebTransport: local sockets, and the handshake with whichever address answers first.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use quinn::{ClientConfig, Endpoint, IdleTimeout, TransportConfig, VarInt, crypto::rustls::QuicClientConfig};
use web_transport_quinn::Session;

use super::{
    dial::{MAX_ADDRESSES, NEXT_ADDRESS},
    discover::Place,
    resolve,
    tls::Trust,
};
use crate::race::race;

/// Unsent datagrams, in bytes. Small: an old position is worth nothing, and fixes are sent again anyway.
const DATAGRAMS_OUT: usize = 64 * 1024;
/// Unread datagrams, in bytes.
const DATAGRAMS_IN: usize = 256 * 1024;
/// Unread bytes of one stream, and of all.
const STREAM_WINDOW: u32 = 256 * 1024;
const WINDOW: u32 = 1024 * 1024;
/// Streams that the server may open at a time: three of HTTP/3, two lanes, and room.
const STREAMS: u32 = 16;
/// After this time without a packet the connection is dead.
const IDLE_MS: u32 = 30_000;
/// Keeps the addresses of routers alive, which forget UDP after 30 s. The client closes when it is done, so this
/// keeps nothing else alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The local UDP sockets: the application's own endpoint, or one for each family of addresses, made when needed.
pub(super) struct Sockets {
    given: Option<Endpoint>,
    made: Mutex<[Option<Endpoint>; 2]>,
}

impl Sockets {
    pub(super) fn new(given: Option<Endpoint>) -> Self {
        Self { given, made: Mutex::new([None, None]) }
    }

    fn towards(&self, remote: SocketAddr) -> std::io::Result<Endpoint> {
        if let Some(given) = &self.given {
            return Ok(given.clone());
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let [four, six] = &mut *made;
        let (slot, local) = if remote.is_ipv4() { (four, ANY_4) } else { (six, ANY_6) };
        match slot {
            Some(endpoint) => Ok(endpoint.clone()),
            None => Ok(slot.insert(Endpoint::client(local)?).clone()),
        }
    }

    /// Moves to new local ports. Connections go on: the server follows.
    pub(super) fn rebind(&self) -> std::io::Result<()> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for endpoint in made.iter().chain([&self.given]).flatten() {
            let local = if endpoint.local_addr()?.is_ipv4() { ANY_4 } else { ANY_6 };
            endpoint.rebind(UdpSocket::bind(local)?)?;
        }
        Ok(())
    }
}

const ANY_4: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
const ANY_6: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

/// Opens a WebTransport session.
pub(super) async fn connect(sockets: &Sockets, place: &Place, trust: &Trust) -> Result<Session, String> {
    let tls = trust.quic(&place.hashes).map_err(|e| e.to_string())?;
    let crypto = QuicClientConfig::try_from(tls).map_err(|e| e.to_string())?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport_config()));

    let (host, addresses) = resolve(&place.url).await?;
    let legs = addresses.into_iter().take(MAX_ADDRESSES).map(|address| {
        let leg = handshake(sockets, config.clone(), address, &host);
        Box::pin(leg) as BoxFuture<'_, _>
    });
    let connection = race(legs.collect(), NEXT_ADDRESS, |_| false)
        .await
        .ok_or_else(|| format!("{host} has no address"))??;
    Session::connect(connection, place.url.clone()).await.map_err(|e| e.to_string())
}

async fn handshake(
    sockets: &Sockets,
    config: ClientConfig,
    address: SocketAddr,
    host: &str,
) -> Result<quinn::Connection, String> {
    let endpoint = sockets.towards(address).map_err(|e| e.to_string())?;
    let connecting = endpoint.connect_with(config, address, host).map_err(|e| e.to_string())?;
    connecting.await.map_err(|e| format!("{address}: {e}"))
}

fn transport_config() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_uni_streams(VarInt::from_u32(STREAMS))
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .datagram_send_buffer_size(DATAGRAMS_OUT)
        .datagram_receive_buffer_size(Some(DATAGRAMS_IN))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MS))))
        .keep_alive_interval(Some(KEEP_ALIVE));
    config
}
