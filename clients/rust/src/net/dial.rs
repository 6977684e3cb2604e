//! TCP, and TLS where the URL asks for it: under both the WebSocket and the one HTTP request.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use url::Url;

use super::{resolve, tls::Trust};
use crate::race::race;

/// How much later the next address of a host is tried.
pub(super) const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// Most addresses of a host that are tried.
pub(super) const MAX_ADDRESSES: usize = 4;

/// A byte stream, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Whether a URL's scheme means encryption.
pub(super) fn secure(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "wss")
}

/// Connects to the host of `url`.
pub(super) async fn tcp(url: &Url, trust: &Trust) -> Result<Box<dyn Stream>, String> {
    let (host, addresses) = resolve(url).await?;
    let legs = addresses.into_iter().take(MAX_ADDRESSES).map(|address| {
        let leg = async move { TcpStream::connect(address).await };
        Box::pin(leg) as BoxFuture<'_, std::io::Result<TcpStream>>
    });
    let stream = race(legs.collect(), NEXT_ADDRESS, |_| false)
        .await
        .ok_or_else(|| format!("{host} has no address"))?
        .map_err(|e| format!("{host}: {e}"))?;
    // Small messages that must not wait for each other.
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    if !secure(url) {
        return Ok(Box::new(stream));
    }
    let config = trust.tls().map_err(|e| e.to_string())?;
    let name = ServerName::try_from(host).map_err(|e| e.to_string())?;
    let stream =
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|e| format!("TLS: {e}"))?;
    Ok(Box::new(stream))
}
