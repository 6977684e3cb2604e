//! QUIC, served by the shards themselves: each has a socket of the port, and an endpoint on its own thread, so that a
//! packet wakes the thread that owns its connection and no other.

use std::{net::UdpSocket, path::Path, sync::Arc, time::Duration};

use super::StartError;
use crate::{
    config::Config,
    crowd::Visitor,
    domain::Services,
    files,
    metrics::Label,
    net::{Refusals, tls::Identity, udp, webtransport::Tuning},
};

/// The file with the keys, in the data folder. A server makes it once its store is open.
pub(super) const KEY: &str = "quic.key";

/// Time for the last packets to leave.
const LAST: Duration = Duration::from_millis(500);

/// A shard's part of the QUIC port, before its thread runs.
#[derive(Debug)]
pub(super) struct Part {
    socket: UdpSocket,
    endpoint: quinn::EndpointConfig,
    server: quinn::ServerConfig,
}

/// Where the connections of a shard arrive.
#[derive(Debug)]
pub(super) struct Arrivals {
    endpoint: quinn::Endpoint,
    services: Arc<Services>,
    refusals: Arc<Refusals>,
}

/// The parts of the port, one for each socket.
pub(super) fn parts(
    sockets: Vec<UdpSocket>,
    identity: &Arc<Identity>,
    config: &Config,
) -> Result<Vec<Part>, StartError> {
    let idle = Duration::from_millis(config.session.quic_idle_ms);
    let mut tuning = Tuning { idle, ..Tuning::default() };
    // Asked twice for a sign of life before that time has passed, a quiet client stays.
    tuning.keep_alive = tuning.keep_alive.map(|every| every.min(idle / 3));
    let server = tuning.server_config(identity)?;
    let keys = Keys::of(&config.data_dir)?;
    let count = sockets.len();
    let part =
        |(number, socket)| Part { socket, endpoint: keys.endpoint(number, count), server: server.clone() };
    Ok(sockets.into_iter().enumerate().map(part).collect())
}

impl Part {
    /// Opens the endpoint. Must be called within the runtime of its shard.
    pub(super) fn open(
        self,
        services: &Arc<Services>,
        refusals: &Arc<Refusals>,
    ) -> std::io::Result<Arrivals> {
        let Self { socket, endpoint, server } = self;
        let runtime = Arc::new(quinn::TokioRuntime);
        let endpoint = quinn::Endpoint::new(endpoint, Some(server), socket, runtime)?;
        Ok(Arrivals { endpoint, services: services.clone(), refusals: refusals.clone() })
    }
}

impl Arrivals {
    /// The next connection, before its handshake. `None` once it is closed.
    pub(super) async fn next(&self) -> Option<(quinn::Incoming, Visitor)> {
        loop {
            let incoming = self.endpoint.accept().await?;
            let (address, now) = (incoming.remote_address().ip(), self.services.clock.elapsed());
            let visitor = if incoming.remote_address_validated() {
                self.services.crowd.arrive(address, now)
            } else if let Some(visitor) = self.services.crowd.arrive_unproven(address, now) {
                Ok(visitor)
            } else {
                // It comes again with a proof that it receives there. Nothing is kept of it meanwhile.
                let _ = incoming.retry();
                continue;
            };
            match visitor {
                Ok(visitor) => return Some((incoming, visitor)),
                Err(turned) => {
                    self.services.metrics.turned_away.get_or_create(&Label::of(turned.kind())).inc();
                    self.refusals.note(turned.kind(), address, turned);
                    incoming.refuse();
                }
            }
        }
    }

    /// Turns everybody away from now on.
    pub(super) fn refuse(&self) {
        self.endpoint.set_server_config(None);
    }

    /// Ends, after the last packets of the shard's connections.
    pub(super) async fn close(self) {
        self.endpoint.close(0u32.into(), b"");
        let _ = tokio::time::timeout(LAST, self.endpoint.wait_idle()).await;
    }
}

/// Keys that outlive the process: a client of an earlier life is told at once that its connection is gone, and does
/// not wait for its idle time-out.
struct Keys {
    reset: Arc<aws_lc_rs::hmac::Key>,
    ids: u64,
}

impl Keys {
    fn of(data_dir: &Path) -> std::io::Result<Self> {
        let path = data_dir.join(KEY);
        let mut key = [0; 40];
        match std::fs::read(&path) {
            Ok(kept) if kept.len() == key.len() => key.copy_from_slice(&kept),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            kept => {
                if kept.is_ok() {
                    // Connections of an earlier life then end by their idle time-out: no more is lost.
                    tracing::warn!(path = %path.display(), "this key is empty or cut off: another one is made");
                }
                aws_lc_rs::rand::fill(&mut key).map_err(std::io::Error::other)?;
                files::write(&path, &key)?;
            }
        }
        let (reset, ids) = key.split_at(32);
        Ok(Self {
            reset: Arc::new(aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, reset)),
            ids: ids.iter().fold(0, |ids: u64, byte| ids << 8 | u64::from(*byte)),
        })
    }

    fn endpoint(&self, number: usize, count: usize) -> quinn::EndpointConfig {
        let mut config = quinn::EndpointConfig::new(self.reset.clone());
        let ids = self.ids;
        config.cid_generator(move || Box::new(udp::Ids::new(ids, number, count)));
        config
    }
}
