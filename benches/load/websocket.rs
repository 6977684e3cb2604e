//! WebSocket, for Fanfare and for Socket.IO.

use std::sync::Arc;

use futures::{SinkExt, StreamExt, stream::SplitStream};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::mpsc,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use super::{link::Got, server::Server};

/// A TCP stream, encrypted or not.
pub trait Pipe: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Pipe for T {}

type Socket = WebSocketStream<Box<dyn Pipe>>;

/// The receiving side.
pub struct Receiver(SplitStream<Socket>);

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl Receiver {
    pub(super) async fn recv(&mut self) -> Option<Got> {
        loop {
            match self.0.next().await? {
                Ok(Message::Text(text)) => return Some(Got::Text(text.into())),
                Ok(Message::Binary(packet)) => return Some(Got::Packet(packet)),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

pub(super) async fn open(server: &Server, url: &str) -> (mpsc::UnboundedSender<Message>, Receiver) {
    let stream = TcpStream::connect(&server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let pipe: Box<dyn Pipe> = match &server.certificate {
        None => Box::new(stream),
        Some(certificate) => {
            let mut roots = RootCertStore::empty();
            roots.add(certificate.clone()).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let name = ServerName::try_from("localhost").unwrap();
            let connector = TlsConnector::from(Arc::new(config));
            Box::new(connector.connect(name, stream).await.unwrap())
        }
    };
    let config = WebSocketConfig::default().read_buffer_size(8 * 1024).write_buffer_size(0);
    let (socket, _) = client_async_with_config(url, pipe, Some(config)).await.unwrap();
    let (mut sink, stream) = socket.split();
    let (sender, mut waiting) = mpsc::unbounded_channel();
    tokio::task::spawn_local(async move {
        while let Some(message) = waiting.recv().await {
            if sink.send(message).await.is_err() {
                return;
            }
        }
        let _ = sink.close().await;
    });
    (sender, Receiver(stream))
}
