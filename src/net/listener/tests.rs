use std::{net::Ipv4Addr, time::SystemTime};

use axum::{Router, routing::get};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::LocalSet,
};
use tokio_rustls::TlsConnector;

use super::*;
use crate::net::tls::Identity;

const PATIENCE: Patience = Patience { head: Duration::from_millis(300), life: Duration::from_mins(5) };

fn router() -> Router {
    Router::new()
        .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }))
}

/// Accepts one connection through an [`Acceptor`] and serves it on this shard.
async fn serve_one(tls: Option<Arc<rustls::ServerConfig>>, client: impl AsyncFnOnce(SocketAddr)) -> Served {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (hand, handed) = oneshot::channel();
    let mut hand = Some(hand);
    let acceptor = Acceptor::spawn(listener, move |stream, peer| {
        if let Some(hand) = hand.take() {
            let _ = hand.send((stream, peer));
        }
    })
    .unwrap();
    let serve = async {
        let (stream, peer) = handed.await.unwrap();
        serve(stream, peer, (), tls, router(), PATIENCE, std::future::pending()).await
    };
    tokio::join!(serve, client(acceptor.address())).0
}

type Served = Result<(), HandshakeError>;

async fn on_shard<T>(test: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), LocalSet::new().run_until(test)).await.expect("the test hangs")
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn handlers_know_the_peer() {
    let served = on_shard(serve_one(None, async |address| {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let local = stream.local_addr().unwrap().to_string();
        let answer = exchange(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&local), "{answer}");
    }));
    assert_eq!(served.await, Ok(()));
}

#[tokio::test]
async fn the_development_certificate_serves_tls() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::development(directory.path().into(), SystemTime::now()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(directory.path().join("development.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(client));
    for name in ["localhost", "127.0.0.1", "::1"] {
        let tls = Some(Arc::new(identity.tcp().unwrap()));
        let served = on_shard(serve_one(tls, async |address| {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let stream = connector.connect(ServerName::try_from(name).unwrap(), stream).await.unwrap();
            assert!(exchange(stream).await.starts_with("HTTP/1.1 200"));
        }));
        assert_eq!(served.await, Ok(()));
    }
}

#[tokio::test]
async fn who_says_nothing_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::development(directory.path().into(), SystemTime::now()).unwrap();
    for tls in [None, Some(Arc::new(identity.tcp().unwrap()))] {
        for start in [&b""[..], b"GET / HTTP/1.1\r\nx: "] {
            let served = on_shard(serve_one(tls.clone(), async |address| {
                let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
                stream.write_all(start).await.unwrap();
                let mut rest = Vec::new();
                let _ = timeout(PATIENCE.head * 5, stream.read_to_end(&mut rest)).await.expect("still open");
            }));
            assert!(served.await.is_err());
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn little_waits_in_the_kernel() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    tune(&stream).unwrap();
    assert_eq!(SockRef::from(&stream).tcp_notsent_lowat().unwrap(), NOTSENT_LOWAT);
    assert!(stream.nodelay().unwrap());
}

#[test]
fn an_acceptor_stops_when_dropped() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let acceptor = Acceptor::spawn(listener, |_, _| {}).unwrap();
    let address = acceptor.address();
    TcpStream::connect(address).unwrap();
    drop(acceptor);
    assert!(TcpStream::connect(address).is_err());
}
