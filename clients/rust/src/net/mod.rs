//! The network: where the server is, and the two transports that reach it.

mod dial;
mod discover;
mod quic;
mod tls;
mod websocket;
mod webtransport;

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout},
};
use url::Url;

use crate::{Config, Error, Transport, connect::Dialer, link::Link};

use discover::Places;
use tls::Trust;

/// How long an answer to "where" is used. Certificates and their hashes change, so it does not last.
const PLACES_LAST: Duration = Duration::from_mins(1);

/// Longest wait for an answer to "where" while an older one is at hand.
const REFRESH: Duration = Duration::from_secs(3);

/// Reaches a server over the network.
pub(crate) struct Network {
    base: Url,
    config: Config,
    trust: OnceCell<Trust>,
    sockets: quic::Sockets,
    places: Mutex<Option<(Places, Instant)>>,
}

impl Network {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            base: config.base_url()?,
            sockets: quic::Sockets::new(config.endpoint.clone()),
            config: config.clone(),
            trust: OnceCell::new(),
            places: Mutex::new(None),
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

    fn known(&self) -> Option<(Places, Instant)> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn learn(&self, places: Places) {
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) = Some((places, Instant::now()));
    }

    async fn places(&self) -> Result<Places, String> {
        let known = self.known();
        if let Some((places, at)) = &known
            && at.elapsed() < PLACES_LAST
        {
            return Ok(places.clone());
        }
        let fetch = discover::fetch(&self.base, self.trust().await?);
        let Some((old, _)) = known else {
            let places = fetch.await?;
            self.learn(places.clone());
            return Ok(places);
        };
        match timeout(REFRESH, fetch).await {
            Ok(Ok(places)) => {
                self.learn(places.clone());
                Ok(places)
            }
            // Where the server was is better than nowhere.
            _ => Ok(old),
        }
    }

    async fn reach(&self, transport: Transport) -> Result<Link, String> {
        let places = self.places().await?;
        let trust = self.trust().await?;
        match transport {
            Transport::WebTransport => {
                let place = places.webtransport.ok_or("no WebTransport offered")?;
                let session = quic::connect(&self.sockets, &place, trust).await?;
                webtransport::link(session).await
            }
            Transport::WebSocket => {
                let place = places.websocket.ok_or("no WebSocket offered")?;
                websocket::link(&place.url, trust).await
            }
        }
    }
}

impl Dialer for Network {
    fn prepare(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { self.places().await.map(drop) })
    }

    fn forget(&self) {
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn dial(&self, transport: Transport) -> BoxFuture<'_, Result<Link, String>> {
        Box::pin(async move { self.reach(transport).await.map_err(|e| format!("{transport:?}: {e}")) })
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
