//! The thread that owns the UDP socket.

use std::{
    io::Write, net::UdpSocket, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc, thread, time::Duration,
};

use quinn_proto::HashedConnectionIdGenerator;
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{Arrival, StartError};
use crate::{
    config::Config,
    net::{
        tls::Identity,
        webtransport::{Admission, Tuning},
    },
};

/// Handshakes under way before clients must show that they receive, and before they are turned away.
const RETRY_ABOVE: usize = 512;
const REFUSE_ABOVE: usize = 4096;

/// A thread that owns the UDP socket and hands each connection to a shard before its handshake.
pub(super) fn accept(
    socket: UdpSocket,
    identity: &Arc<Identity>,
    config: &Config,
    shards: Vec<mpsc::Sender<Arrival>>,
    stopped: oneshot::Receiver<()>,
) -> Result<thread::JoinHandle<()>, StartError> {
    let idle = Duration::from_millis(config.session.quic_idle_ms);
    let mut tuning = Tuning { idle, ..Tuning::default() };
    // Asked twice for a sign of life before that time has passed, a quiet client stays.
    tuning.keep_alive = tuning.keep_alive.map(|every| every.min(idle / 3));
    let server = tuning.server_config(identity)?;
    let endpoint = endpoint_config(&config.data_dir)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = thread::Builder::new().name("quic".into()).spawn(move || {
        runtime.block_on(async move {
            let tokio = Arc::new(quinn::TokioRuntime);
            let endpoint = quinn::Endpoint::new(endpoint, Some(server), socket, tokio);
            let endpoint = match endpoint {
                Ok(endpoint) => endpoint,
                Err(error) => return tracing::error!(%error, "cannot serve WebTransport"),
            };
            let admission = Admission::new(RETRY_ABOVE, REFUSE_ABOVE);
            let accept = async {
                let mut next = 0;
                while let Some(incoming) = endpoint.accept().await {
                    let Some((incoming, ticket)) = admission.screen(incoming) else {
                        continue;
                    };
                    next += 1;
                    if let Err(full) = shards[next % shards.len()].try_send(Arrival::Quic(incoming, ticket))
                        && let Arrival::Quic(incoming, _) = full.into_inner()
                    {
                        incoming.refuse();
                    }
                }
            };
            tokio::select! {
                () = accept => {}
                _ = stopped => {}
            }
            endpoint.close(0u32.into(), b"");
            let _ = timeout(Duration::from_millis(500), endpoint.wait_idle()).await;
        });
    })?;
    Ok(thread)
}

/// With keys that outlive the process: a client of an earlier life is told at once that its connection is gone, and
/// does not wait for its idle time-out.
fn endpoint_config(data_dir: &Path) -> std::io::Result<quinn::EndpointConfig> {
    let path = data_dir.join("quic.key");
    let mut key = [0; 40];
    match std::fs::read(&path) {
        Ok(kept) if kept.len() == key.len() => key.copy_from_slice(&kept),
        Ok(_) => return Err(std::io::Error::other(format!("{} is damaged: remove it", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            aws_lc_rs::rand::fill(&mut key).map_err(std::io::Error::other)?;
            let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            file?.write_all(&key)?;
        }
        Err(error) => return Err(error),
    }
    let (reset, ids) = key.split_at(32);
    let ids = ids.iter().fold(0, |ids: u64, byte| ids << 8 | u64::from(*byte));
    let reset = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, reset);
    let mut config = quinn::EndpointConfig::new(Arc::new(reset));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(ids)));
    Ok(config)
}
