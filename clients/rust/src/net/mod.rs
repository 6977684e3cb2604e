//! The network: where the server is, and the two transports that reach it.

mod dial;
mod discover;
mod quic;
mod tls;
mod websocket;
mod webtransport;
mod whereabouts;

use std::{net::SocketAddr, time::Duration};

use futures::future::BoxFuture;
use tokio::sync::OnceCell;
use url::Url;

use crate::{Config, Error, Transport, connect::Dialer, link::Link, race::race};

use discover::Places;
use tls::Trust;
use whereabouts::Whereabouts;

/// How much later the next address of the WebSocket is tried. Longer than a handshake takes far away.
const NEXT_PLACE: Duration = Duration::from_secs(1);

/// Reaches a server over the network.
pub(crate) struct Network {
    base: Url,
    config: Config,
    trust: OnceCell<Trust>,
    sockets: quic::Sockets,
    places: Whereabouts<Places>,
}

impl Network {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            base: config.base_url()?,
            sockets: quic::Sockets::new(config.endpoint.clone()),
            config: config.clone(),
            trust: OnceCell::new(),
            places: Whereabouts::new(),
        })
    }

    /// Moves QUIC to new local ports, as a change of network does.
    pub(crate) fn rebind(&self) -> std::io::Result<()> {
        self.sockets.rebind()
    }

    async fn trust(&self) -> Result<&Trust, String> {
        let load = || async {
            let more = self.config.certificates.clone();
            // The system's certificates are many files.
            tokio::task::spawn_blocking(move || Trust::load(&more)).await.map_err(|e| e.to_string())?
        };
        self.trust.get_or_try_init(load).await
    }

    fn ask(&self) -> BoxFuture<'_, Result<Places, String>> {
        Box::pin(async { discover::fetch(&self.base, &self.config.hosts, self.trust().await?).await })
    }

    async fn go(&self, transport: Transport, places: Places) -> Result<Link, String> {
        let trust = self.trust().await?;
        match transport {
            Transport::WebTransport => {
                let place = places.webtransport.ok_or("no WebTransport offered")?;
                let session = quic::connect(&self.sockets, &place, trust).await?;
                webtransport::link(session).await
            }
            Transport::WebSocket => {
                let legs = places.websocket.iter().map(|url| {
                    let leg = async move {
                        websocket::link(url, trust).await.map_err(|error| format!("{url}: {error}"))
                    };
                    Box::pin(leg) as BoxFuture<'_, _>
                });
                // One that a firewall swallows must not use up the time of the next.
                race(legs.collect(), NEXT_PLACE, |_| false)
                    .await
                    .unwrap_or_else(|| Err("no WebSocket offered".to_owned()))
            }
        }
    }
}

impl Dialer for Network {
    fn prepare(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { self.places.find(&|| self.ask()).await.map(drop) })
    }

    fn forget(&self) {
        self.places.forget();
    }

    fn doubt(&self) {
        self.places.doubt();
    }

    fn dial(&self, transport: Transport) -> BoxFuture<'_, Result<Link, String>> {
        Box::pin(async move {
            let go = |places| -> BoxFuture<'_, _> { Box::pin(self.go(transport, places)) };
            self.places.reach(&|| self.ask(), go).await.map_err(|e| format!("{transport:?}: {e}"))
        })
    }
}

/// Host, port and addresses of a URL, IPv4 and IPv6 in the resolver's order.
async fn resolve(url: &Url) -> Result<(String, Vec<SocketAddr>), String> {
    let host = url.host_str().ok_or("no host in the URL")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().ok_or("no port in the URL")?;
    let addresses = tokio::net::lookup_host((host, port)).await.map_err(|e| format!("{host}: {e}"))?;
    Ok((host.to_owned(), addresses.collect()))
}

#[cfg(test)]
mod tests {
    use fanfare_proto::DeviceId;
    use futures::StreamExt;
    use tokio::{net::TcpListener, time::Instant};

    use super::*;
    use crate::Token;

    /// A place that swallows what is sent to it, as a firewall does, and a server.
    #[tokio::test(start_paused = true)]
    async fn a_place_that_never_answers_leaves_time_for_the_next() {
        let (silent, server) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let url = |listener: &TcpListener| -> Url {
            format!("ws://{}/ws", listener.local_addr().unwrap()).parse().unwrap()
        };
        let websocket = vec![url(&silent), url(&server)];
        let answers = async move {
            let (stream, _) = server.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            while socket.next().await.is_some() {}
        };
        tokio::spawn(answers);
        let config = Config::new("http://127.0.0.1:1", Token::fixed("t"), DeviceId::new("d").unwrap());
        let network = Network::new(&config).unwrap();
        let begun = Instant::now();
        let places = Places { webtransport: None, websocket };
        let reached =
            tokio::time::timeout(config.limits.dial, network.go(Transport::WebSocket, places)).await;
        let link = reached.expect("in time").expect("a way");
        assert_eq!(link.transport, Transport::WebSocket);
        assert!(begun.elapsed() <= NEXT_PLACE + Duration::from_millis(100), "{:?}", begun.elapsed());
        drop(silent);
    }
}
