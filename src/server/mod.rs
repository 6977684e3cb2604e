//! Start-up, in order, and the way down.

mod about;
mod check;
mod chores;
mod drain;
mod gather;
mod quic;
pub mod store;
mod thread;

use std::{
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::Arc,
    thread::{JoinHandle as Thread, available_parallelism},
    time::{Duration, SystemTime},
};

use fanfare_proto::Epoch;
use prometheus_client::registry::Registry;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use self::thread::ShardThread;
pub use self::{about::raise_open_files, check::check};
use crate::{
    auth::revocation::Revocations,
    config::{Config, Invalid},
    connection::Door,
    crowd::{Crowd, Visitor},
    domain::{Services, chat, location, presence, revocation},
    http::Routes,
    hub::Hub,
    metrics::{Label, Metrics},
    net::{
        self, Origins,
        listener::Acceptor,
        tls::{Identity, TlsError},
        udp,
    },
    stage::Stage,
    store::{Store, StoreError},
    time::Clock,
};

/// Connections that may wait for a shard. Full: new ones are turned away.
const ARRIVALS: usize = 1024;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is of no use.
    #[error("configuration: {0}")]
    Config(#[from] Invalid),
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The certificate is of no use.
    #[error("certificate: {0}")]
    Tls(#[from] TlsError),
    /// The store cannot be opened.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The system gave no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    tcp: SocketAddr,
    udp: SocketAddr,
    stage: watch::Sender<Stage>,
    services: Arc<Services>,
    acceptor: Option<Acceptor>,
    shards: Vec<Thread<()>>,
    /// Ends when no shard has connections any more.
    settled: mpsc::Receiver<()>,
    chores: Vec<JoinHandle<()>>,
    identity: Arc<Identity>,
}

/// A TCP connection on its way to the shard that will own it.
type Arrival = (TcpStream, SocketAddr, Visitor);

impl Server {
    /// Starts, in this order: what can be wrong is checked before anything is opened; the store is open before
    /// anyone is let in; shards run before anything is handed to them.
    ///
    /// Must be called within a tokio runtime. Blocks while the store is opened.
    pub fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        let chosen = config.clone();
        Self::start_on(config, clock, |hub| {
            store::check_folder(&chosen)?;
            store::open(&chosen, hub.clone())
        })
    }

    /// Starts on the store that `open` opens. What the store has made durable is to be told to the hub given.
    pub fn start_on(
        config: Config,
        clock: Clock,
        open: impl FnOnce(&Arc<Hub>) -> Result<Arc<dyn Store>, StartError>,
    ) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let verifier = config.verifier()?;
        let shards = if config.shards == 0 { cores() } else { config.shards };
        let (tcp, udp) = listen(config.listen, shards)?;
        let identity = identity(&config)?;

        let metrics = Arc::new(Metrics::default());
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let registry = Arc::new(registry);

        let (hub, inboxes) = Hub::new(shards, metrics.clone());
        let store = open(&hub)?;
        // The first look at both clocks: what comes later is compared with it.
        let now = clock.latest();
        let services = Arc::new(Services {
            store: store.clone(),
            hub: hub.clone(),
            // Aliases of an earlier life must not be taken for this one's.
            locations: location::Locations::new(Epoch(now.0 as u32), &config.limits, &config.retention),
            presences: presence::Presences::new(&config, Epoch(now.0 as u32), metrics.clone()),
            conversations: chat::Directory::default(),
            crowd: Crowd::new(&config.limits, &config.trusted_proxies),
            revocations: Revocations::new(config.auth.leeway_ms()),
            clock,
            metrics: metrics.clone(),
            config: config.clone(),
        });
        // Connections of different lives have different ids.
        let door = Arc::new(Door::new(verifier, now.0 << 20));

        let net = Arc::new(net::Config {
            origins: origins(&config, &identity, tcp.local_addr()?.port())?,
            vouched: !identity.is_development(),
            max_frame: config.limits.message_bytes,
            handshake: Duration::from_millis(config.session.handshake_timeout_ms),
            http_life: Duration::from_millis(config.session.http_life_ms),
            ..net::Config::default()
        });
        let tls = if identity.is_development() { None } else { Some(Arc::new(identity.tcp()?)) };
        let udp_address = udp[0].local_addr()?;
        let mut quic = quic::parts(udp, &identity, &config)?.into_iter();
        let (stage, stages) = watch::channel(Stage::Starting);
        let (settled, all_settled) = mpsc::channel(1);
        let mut threads = Vec::new();
        let mut arrivals = Vec::new();
        for (index, inbox) in inboxes.into_iter().enumerate() {
            let (sender, receiver) = mpsc::channel(ARRIVALS);
            let (upgrades, pending) = mpsc::channel(ARRIVALS);
            let routes = Routes {
                net: net.clone(),
                identity: identity.clone(),
                bound: udp_address,
                tls: tls.is_some(),
                registry: registry.clone(),
                upgrades,
                stages: stages.clone(),
                services: services.clone(),
                verifier: door.verifier.clone(),
            };
            let thread = ShardThread {
                index,
                inbox,
                services: services.clone(),
                door: door.clone(),
                net: net.clone(),
                tls: tls.clone(),
                routes,
                arrivals: receiver,
                quic: quic.next(),
                pending,
                stages: stages.clone(),
                settled: settled.clone(),
            };
            threads.push(thread.start()?);
            arrivals.push(sender);
        }

        let mut next = 0;
        let (at_the_door, refusals) = (services.clone(), net.refusals.clone());
        let acceptor = Acceptor::spawn(tcp, move |stream, peer| {
            let visitor = match at_the_door.crowd.arrive(peer.ip(), at_the_door.clock.elapsed()) {
                Ok(visitor) => visitor,
                Err(turned) => {
                    at_the_door.metrics.turned_away.get_or_create(&Label::of(turned.kind())).inc();
                    refusals.note(turned.kind(), peer.ip(), turned);
                    return;
                }
            };
            next += 1;
            // Full: dropped, which closes it. The client comes back.
            if arrivals[next % arrivals.len()].try_send((stream, peer, visitor)).is_err() {
                refusals.note("busy", peer.ip(), "more connections wait than may");
            }
        })?;
        let chores = vec![
            tokio::spawn(chores::flush(services.clone())),
            tokio::spawn(chores::expire(services.clone())),
            tokio::spawn(chores::tidy(services.clone())),
            tokio::spawn(chores::presence(services.clone())),
            tokio::spawn(chores::nodes(services.clone())),
            tokio::spawn(chores::keep(services.clone())),
            tokio::spawn(revocation::follow(services.clone())),
            tokio::spawn(identity.clone().watch()),
            tokio::spawn(door.verifier.clone().keep(metrics)),
        ];
        stage.send_replace(Stage::Serving);
        Ok(Self {
            tcp: acceptor.address(),
            udp: udp_address,
            stage,
            services,
            acceptor: Some(acceptor),
            shards: threads,
            settled: all_settled,
            chores,
            identity,
        })
    }

    /// Where HTTP and WebSockets are served.
    pub const fn tcp(&self) -> SocketAddr {
        self.tcp
    }

    /// Where WebTransport is served.
    pub const fn udp(&self) -> SocketAddr {
        self.udp
    }

    /// Whether it runs with a development certificate, and so with plain TCP.
    pub fn is_development(&self) -> bool {
        self.identity.is_development()
    }

    /// Removes what is older than the retention allows, as is done every hour anyway.
    pub async fn expire_now(&self) {
        chores::expire_once(&self.services).await;
    }
}

fn cores() -> usize {
    available_parallelism().map_or(1, std::num::NonZero::get)
}

/// One port for both, where it may be chosen: clients then need to know one number.
fn listen(address: SocketAddr, shards: usize) -> Result<(TcpListener, Vec<UdpSocket>), StartError> {
    let attempt = || -> std::io::Result<_> {
        // First, as it is refused if another server has the port; sockets that share one would not be.
        let tcp = TcpListener::bind(address)?;
        let udp = udp::bind(tcp.local_addr()?, shards)?;
        Ok((tcp, udp))
    };
    let tries = if address.port() == 0 { 16 } else { 1 };
    let mut last = None;
    for _ in 0..tries {
        match attempt() {
            Ok(sockets) => return Ok(sockets),
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap_or_else(|| std::io::ErrorKind::AddrNotAvailable.into());
    Err(StartError::Listen { address, error })
}

/// Who may connect: the pages named, and in development the console, on whatever port.
fn origins(config: &Config, identity: &Identity, port: u16) -> Result<Origins, Invalid> {
    let mut config = config.clone();
    if identity.is_development() {
        let hosts = ["localhost", "127.0.0.1", "[::1]"];
        config.origins.extend(hosts.map(|host| format!("http://{host}:{port}")));
    }
    config.allowed_origins()
}

fn identity(config: &Config) -> Result<Arc<Identity>, TlsError> {
    match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => Identity::from_files(certificate.clone(), key.clone()),
        _ => Identity::development(config.tls.development_dir.clone(), SystemTime::now()),
    }
}
