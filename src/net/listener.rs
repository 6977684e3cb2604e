//! TCP: accepting on a thread of its own, and serving HTTP/1.1 on the shard that will own the connection.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

use axum::extract::ConnectInfo;
use hyper::{Request, body::Incoming, server::conn::http1, service::Service, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::HandshakeError;
use crate::{limit::LogLimiter, time::Clock};

/// What the kernel may hold unsent. It can no longer be overtaken, so it is short.
const NOTSENT_LOWAT: u32 = 16 * 1024;
/// rustls holds no more than this unsent.
const TLS_BUFFER: usize = 16 * 1024;
/// A request's head, with room for a token.
const MAX_HEAD: usize = 16 * 1024;
/// Pause after the system could not accept, as when it is out of file descriptors.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How long a connection is borne with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For the TLS handshake, for each request's head, the first and those that may follow, and for a last answer.
    pub head: Duration,
    /// Longest life of a connection that does not become something else, so that one whose peer takes nothing in ends, too.
    pub life: Duration,
}

/// Accepts TCP connections until dropped.
#[derive(Debug)]
pub struct Acceptor {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Acceptor {
    /// Starts a thread that gives each connection to `hand`, which passes it on to a shard without waiting. What `hand`
    /// drops is closed.
    pub fn spawn(
        listener: TcpListener,
        mut hand: impl FnMut(TcpStream, SocketAddr) + Send + 'static,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, mut stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("accept-tcp".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let listener = match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => listener,
                    Err(error) => return tracing::error!(%error, "cannot listen"),
                };
                let failures = LogLimiter::new();
                loop {
                    let accepted = tokio::select! {
                        _ = &mut stopped => return,
                        accepted = listener.accept() => accepted,
                    };
                    let accepted = accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
                    match accepted {
                        Ok((stream, peer)) => hand(stream, peer),
                        Err(error) if is_of_one_connection(&error) => {}
                        Err(error) => {
                            if let Some(left_out) = failures.allow(Clock::system().elapsed()) {
                                tracing::warn!(%error, left_out, "cannot accept a connection");
                            }
                            sleep(BACK_OFF).await;
                        }
                    }
                }
            });
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// The address listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whether accepting failed because of the connection, so that the next may well succeed.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Serves one connection on this shard with `router`, until it ends or becomes something else. Handlers find the peer's
/// address as [`ConnectInfo<SocketAddr>`], and `tag` among the request's extensions. After `last` the request that is
/// being answered is the last one.
pub async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    tag: impl Clone + Send + Sync + 'static,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: axum::Router,
    patience: Patience,
    last: impl Future<Output = ()>,
) -> Result<(), HandshakeError> {
    let lost = |e: io::Error| HandshakeError::Lost(e.to_string());
    tune(&stream).map_err(lost)?;
    let stream = tokio::net::TcpStream::from_std(stream).map_err(lost)?;
    let stream = match tls {
        None => Stream::Plain(stream),
        Some(config) => {
            let handshake = timeout(patience.head, TlsAcceptor::from(config).accept(stream)).await;
            let mut stream =
                handshake.map_err(|_| HandshakeError::Timeout)?.map_err(|error| refused(&error))?;
            stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
            Stream::Tls(Box::new(stream))
        }
    };
    let router = TowerToHyperService::new(router);
    let asked = Arc::<AtomicBool>::default();
    let has_asked = asked.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        has_asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(tag.clone());
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let long_enough = async {
        tokio::select! {
            () = last => {}
            () = sleep(patience.life) => {}
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = long_enough => {
            connection.as_mut().graceful_shutdown();
            timeout(patience.head, connection).await.map_err(|_| HandshakeError::Timeout)?
        }
    };
    match ended {
        Ok(()) => Ok(()),
        // It was kept open for another request.
        Err(error) if error.is_timeout() && asked.load(Ordering::Relaxed) => Ok(()),
        Err(error) if error.is_timeout() => Err(HandshakeError::Timeout),
        Err(error) if error.is_parse() => Err(HandshakeError::Protocol(error.to_string())),
        Err(error) => Err(HandshakeError::Lost(error.to_string())),
    }
}

/// Why TLS did not come about. A peer that just went away has refused nothing.
fn refused(error: &io::Error) -> HandshakeError {
    if error.kind() == io::ErrorKind::InvalidData {
        HandshakeError::Tls(error.to_string())
    } else {
        HandshakeError::Lost(error.to_string())
    }
}

/// Sends small writes at once, and keeps the kernel's unsent part short.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_notsent_lowat(NOTSENT_LOWAT)?;
    Ok(())
}

/// A TCP connection, with TLS or without.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(tokio::net::TcpStream),
    Tls(Box<TlsStream<tokio::net::TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests;
