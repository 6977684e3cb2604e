//! The thread that owns the UDP socket.

use std::{net::UdpSocket, sync::Arc, thread, time::Duration};

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
    let tuning = Tuning { idle: Duration::from_millis(config.session.quic_idle_ms), ..Tuning::default() };
    let server = tuning.server_config(identity)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = thread::Builder::new().name("quic".into()).spawn(move || {
        runtime.block_on(async move {
            let tokio = Arc::new(quinn::TokioRuntime);
            let endpoint =
                quinn::Endpoint::new(quinn::EndpointConfig::default(), Some(server), socket, tokio);
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
