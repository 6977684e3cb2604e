//! A tap between a QUIC client and the server: it counts what passes, and lets through what it is told to.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;
use tokio::net::UdpSocket;

/// What the tap passes on to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    All,
    /// Only the server's request for a proof of the address.
    Retry,
    Nothing,
}

#[derive(Debug, Default)]
pub struct Counts {
    /// Bytes to the server.
    pub to: AtomicUsize,
    /// Bytes from the server.
    pub back: AtomicUsize,
    /// Packets that ask for a proof.
    pub retries: AtomicUsize,
}

pub struct Tap {
    /// Where the client is to connect.
    pub address: SocketAddr,
    pub counts: Arc<Counts>,
    task: tokio::task::JoinHandle<()>,
}

impl Tap {
    /// A tap that the server sees at the address `from`. At most `packets` are passed on to the server.
    pub async fn start(server: SocketAddr, from: Ipv4Addr, packets: usize, back: Back) -> Self {
        let inner = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let outer = UdpSocket::bind((from, 0)).await.unwrap();
        outer.connect(server).await.unwrap();
        let address = inner.local_addr().unwrap();
        let counts = Arc::<Counts>::default();
        let task = tokio::spawn(run(inner, outer, packets, back, counts.clone()));
        Self { address, counts, task }
    }

    /// What the server tells of itself, with the tap in its place.
    pub fn in_place(&self, told: &Value) -> Value {
        let mut told = told.clone();
        told["webtransport"]["url"] = format!("https://{}/wt", self.address).into();
        told
    }

    pub fn counted(&self, which: impl Fn(&Counts) -> &AtomicUsize) -> usize {
        which(&self.counts).load(Ordering::Relaxed)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(inner: UdpSocket, outer: UdpSocket, mut packets: usize, back: Back, counts: Arc<Counts>) {
    let mut client = None;
    let (mut out, mut home) = ([0; 2048], [0; 2048]);
    loop {
        tokio::select! {
            Ok((length, from)) = inner.recv_from(&mut out) => {
                client = Some(from);
                if packets > 0 {
                    packets -= 1;
                    counts.to.fetch_add(length, Ordering::Relaxed);
                    let _ = outer.send(&out[..length]).await;
                }
            }
            received = outer.recv(&mut home) => {
                // A port that is closed, which is no end.
                let Ok(length) = received else { continue };
                counts.back.fetch_add(length, Ordering::Relaxed);
                // A long header of type 3.
                let retry = home[0] & 0xf0 == 0xf0;
                counts.retries.fetch_add(usize::from(retry), Ordering::Relaxed);
                if let Some(client) = client
                    && (back == Back::All || back == Back::Retry && retry)
                {
                    let _ = inner.send_to(&home[..length], client).await;
                }
            }
        }
    }
}

/// The UDP address of a server that told this.
pub fn udp(told: &Value) -> SocketAddr {
    let url: url::Url = told["webtransport"]["url"].as_str().unwrap().parse().unwrap();
    (IpAddr::V4(Ipv4Addr::LOCALHOST), url.port().unwrap()).into()
}
