//! A shard's thread: it owns connections from their handshakes to their ends.

use std::{net::SocketAddr, rc::Rc, sync::Arc, thread, time::Duration};

use fanfare_proto::CloseCode;
use tokio::{
    runtime,
    sync::mpsc,
    task::LocalSet,
    time::{sleep, timeout},
};

use super::{Arrival, gather, quic};
use crate::{
    connection::{self, Door},
    crowd::Visitor,
    domain::{Services, location},
    http::Routes,
    hub::Inbox,
    metrics::Label,
    net::{
        self, HandshakeError, Refusals,
        listener::{self, Patience},
        websocket, webtransport,
    },
    session::Local,
    shard::Shard,
    stage::{self, Stage, Stages},
};

/// Time for connections to end once they were all told that they are closed.
const ENDS: Duration = Duration::from_secs(3);

/// Time for fixes that are not written yet.
const FIXES: Duration = Duration::from_secs(1);

/// Time for the first request of a plain HTTP connection that came right before the way down.
const FIRST_REQUEST: Duration = Duration::from_millis(250);

/// Tasks that run before the thread looks again for what has arrived. A flush wakes many, and few of them are long.
const TASKS_A_LOOK: u32 = 256;

/// What a shard's thread is made of.
pub(super) struct ShardThread {
    pub(super) index: usize,
    pub(super) inbox: Inbox,
    pub(super) services: Arc<Services>,
    pub(super) door: Arc<Door>,
    pub(super) net: Arc<net::Config>,
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    pub(super) routes: Routes,
    pub(super) arrivals: mpsc::Receiver<Arrival>,
    /// `None` where the system has one socket for all.
    pub(super) quic: Option<quic::Part>,
    pub(super) pending: mpsc::Receiver<(websocket::Pending, Visitor)>,
    pub(super) stages: Stages,
    /// Dropped when all connections of the shard are gone, on the way down.
    pub(super) settled: mpsc::Sender<()>,
}

impl ShardThread {
    pub(super) fn start(mut self) -> std::io::Result<thread::JoinHandle<()>> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .event_interval(TASKS_A_LOOK)
            .on_thread_park(gather::before_park)
            .build()?;
        let quic = {
            let _within = runtime.enter();
            let open = |part: quic::Part| part.open(&self.services, &self.net.refusals);
            self.quic.take().map(open).transpose()?
        };
        thread::Builder::new()
            .name(format!("shard-{}", self.index))
            .spawn(move || LocalSet::new().block_on(&runtime, self.run(quic)))
    }

    async fn run(self, quic: Option<quic::Arrivals>) {
        let Self {
            index,
            inbox,
            services,
            door,
            net,
            tls,
            routes,
            mut arrivals,
            mut pending,
            mut stages,
            settled,
            ..
        } = self;
        let shard = Shard::new(index, services.hub.clone(), services.store.clone(), services.metrics.clone());
        let acknowledge = Duration::from_millis(services.config.ticks.acknowledge_ms);
        let recorder = location::recorder::Recorder::new(
            services.store.clone(),
            services.metrics.clone(),
            services.locations.units(),
            services.clock.clone(),
            acknowledge,
        );
        tokio::task::spawn_local(shard.clone().fan_out(inbox));
        tokio::task::spawn_local(recorder.clone().write());
        tokio::task::spawn_local(recorder.clone().acknowledge());
        let local = Rc::new(Local {
            services,
            shard: shard.clone(),
            recorder: recorder.clone(),
            stages: stages.clone(),
        });
        let router = routes.router();
        // Held by every connection: once all are gone, the last sender is.
        let (open, mut all_gone) = mpsc::channel::<()>(1);
        let (mut open, mut settled) = (Some(open), Some(settled));
        let next_quic = async || match &quic {
            Some(quic) => quic.next().await,
            None => std::future::pending().await,
        };
        loop {
            // One newcomer at a time: however many arrive together, those who are here have their turn between them.
            tokio::task::yield_now().await;
            tokio::select! {
                stage = next_stage(&mut stages) => {
                    if stage == Stage::Closing {
                        break;
                    }
                    drop(open.take());
                    if let Some(quic) = &quic {
                        quic.refuse();
                    }
                    let drain = &local.services.config.drain;
                    tokio::task::spawn_local(shard.clone().leave(drain.spread(), drain.notice()));
                }
                // Until the others have settled, too, HTTP is still answered.
                _ = all_gone.recv(), if open.is_none() && settled.is_some() => drop(settled.take()),
                Some((stream, peer, visitor)) = arrivals.recv() => {
                    let (tls, router) = (tls.clone(), router.clone());
                    let patience = Patience { head: net.handshake, life: net.http_life };
                    let (local, open, mut stages) = (local.clone(), open.clone(), stages.clone());
                    let refusals = net.refusals.clone();
                    tokio::task::spawn_local(async move {
                        // Whoever comes on the way down is still told so, and who has just come as well.
                        let last = async {
                            if open.is_none() {
                                std::future::pending::<()>().await;
                            }
                            stage::moving(&mut stages).await;
                            sleep(FIRST_REQUEST).await;
                        };
                        let serve =
                            listener::serve(stream, peer, visitor.clone(), tls, router, patience, last);
                        if let Err(error) = unless_called(&visitor, serve).await {
                            tracing::debug!(%peer, %error, "http connection ended");
                            failed(&local, &refusals, peer, "http", &error);
                        }
                        drop(open);
                    });
                }
                Some((incoming, visitor)) = next_quic() => {
                    let (net, local, door, open) = (net.clone(), local.clone(), door.clone(), open.clone());
                    tokio::task::spawn_local(async move {
                        let _counted = gather::Connection::new();
                        let (peer, proven) = (incoming.remote_address(), incoming.remote_address_validated());
                        let may_stay = || proven || !turned_away(&local, &visitor, &net.refusals, peer);
                        let accept = webtransport::accept(incoming, &net, may_stay);
                        match unless_called(&visitor, accept).await {
                            Ok(link) => connection::run(link, local, door, visitor).await,
                            // Counted as that already.
                            Err(HandshakeError::TurnedAway) => {}
                            Err(error) => {
                                tracing::debug!(%peer, ?error, "handshake failed");
                                failed(&local, &net.refusals, peer, "webtransport", &error);
                            }
                        }
                        drop(open);
                    });
                }
                Some((pending, visitor)) = pending.recv() => {
                    let (local, door, open) = (local.clone(), door.clone(), open.clone());
                    let refusals = net.refusals.clone();
                    tokio::task::spawn_local(async move {
                        let _counted = gather::Connection::new();
                        let peer = pending.address();
                        match unless_called(&visitor, pending.link()).await {
                            Ok(link) => connection::run(link, local, door, visitor).await,
                            Err(error) => {
                                tracing::debug!(%error, "upgrade failed");
                                failed(&local, &refusals, peer, "websocket", &error);
                            }
                        }
                        drop(open);
                    });
                }
            }
        }
        drop(open);
        shard.close_all(CloseCode::GoingAway);
        let _ = timeout(ENDS, all_gone.recv()).await;
        // Fixes that were taken but not yet written, and so not acknowledged. Their senders have them still.
        if timeout(FIXES, recorder.write_out()).await.is_err() {
            tracing::warn!(shard = index, "some fixes were not stored; their senders have them still");
        }
        if let Some(quic) = quic {
            quic.close().await;
        }
    }
}

/// A handshake, unless its place in the lobby is needed for another.
async fn unless_called<T>(
    visitor: &Visitor,
    handshake: impl Future<Output = Result<T, HandshakeError>>,
) -> Result<T, HandshakeError> {
    tokio::select! {
        done = handshake => done,
        () = visitor.called() => Err(HandshakeError::Timeout),
    }
}

/// Whether somebody whose address is proven now comes too often.
fn turned_away(local: &Local, visitor: &Visitor, refusals: &Refusals, peer: SocketAddr) -> bool {
    let services = &local.services;
    let Err(turned) = visitor.prove(services.clock.elapsed()) else {
        return false;
    };
    services.metrics.turned_away.get_or_create(&Label::of(turned.kind())).inc();
    refusals.note(turned.kind(), peer.ip(), turned);
    true
}

/// The stage that comes after this one, from [`Stage::Moving`] on.
async fn next_stage(stages: &mut Stages) -> Stage {
    loop {
        // An error means that the server was dropped.
        if stages.changed().await.is_err() {
            return Stage::Closing;
        }
        let stage = *stages.borrow_and_update();
        if !stage.lets_in() {
            return stage;
        }
    }
}

/// A connection that came to nothing: counted, and in the log unless its peer just went away.
fn failed(
    local: &Local,
    refusals: &Refusals,
    peer: SocketAddr,
    transport: &'static str,
    error: &HandshakeError,
) {
    local.services.metrics.handshakes_failed.get_or_create(&Label::of(transport)).inc();
    let kind = match error {
        HandshakeError::Tls(_) => "tls handshake",
        HandshakeError::Timeout => "deadline",
        HandshakeError::Protocol(_) => "protocol",
        HandshakeError::Refused(_) => "request",
        HandshakeError::Lost(_) | HandshakeError::TurnedAway => return,
    };
    refusals.note(kind, peer.ip(), format_args!("{transport}: {error}"));
}
