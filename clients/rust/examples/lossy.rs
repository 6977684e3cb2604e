//! scratch
use fanfare_client::{
    Client, Config, Environment, Event, Preference, Sample, TrackerConfig, Transport,
    proto::{DeviceId, Fix, Motion, Position, UnixMs, command::ConversationKind},
    quinn,
};
use quinn::{AsyncUdpSocket, Runtime, UdpPoller, udp};
use std::{
    collections::BTreeMap,
    env, fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

struct Lossy {
    inner: Arc<dyn AsyncUdpSocket>,
    percent: Arc<AtomicU64>,
    n: AtomicU64,
}
impl fmt::Debug for Lossy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lossy")
    }
}
impl AsyncUdpSocket for Lossy {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }
    fn try_send(&self, t: &udp::Transmit) -> io::Result<()> {
        let n = self.n.fetch_add(1, Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        if n % 100 < self.percent.load(Relaxed) {
            return Ok(());
        }
        self.inner.try_send(t)
    }
    fn poll_recv(
        &self,
        cx: &mut Context,
        bufs: &mut [io::IoSliceMut<'_>],
        meta: &mut [udp::RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_recv(cx, bufs, meta)
    }
    fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.inner.local_addr()
    }
    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let a: Vec<String> = env::args().collect();
    let percent = Arc::new(AtomicU64::new(10));
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let rt = Arc::new(quinn::TokioRuntime);
    let inner = rt.wrap_udp_socket(socket)?;
    let lossy = Arc::new(Lossy { inner, percent: percent.clone(), n: AtomicU64::new(1) });
    let endpoint =
        quinn::Endpoint::new_with_abstract_socket(quinn::EndpointConfig::default(), None, lossy, rt)?;
    let device = DeviceId::new(&format!("lossy-{}", std::process::id()))?;
    let config = Config::new(a[1].clone(), a[2].clone(), device)
        .transport(Preference::Only(Transport::WebTransport))
        .endpoint(endpoint);
    let from = Environment::default().now();
    let (client, mut events) = Client::connect(config)?;
    println!("open by {:?}", client.opened().await?);
    let created = client.create_conversation(ConversationKind::Group, None, Vec::new()).await?;
    let conversation = created.conversation_id.ok_or("none")?;
    let texts = tokio::spawn(async move {
        let mut seqs = Vec::new();
        while let Some(e) = events.next().await {
            match e {
                Event::Message { entry, message } => seqs.push((entry.seq.0, message.text)),
                Event::Gap(g) => println!("{g:?}"),
                _ => {}
            }
            if seqs.len() == 110 {
                break;
            }
        }
        seqs
    });
    let tracker = client.tracker(TrackerConfig::default()).await?;
    let mut state = client.state();
    tokio::spawn(async move {
        while state.changed().await.is_ok() {
            println!("{:?}", *state.borrow_and_update());
        }
    });
    let mut sent = BTreeMap::new();
    let mut tasks = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    for n in 0..110_u32 {
        ticks.tick().await;
        if n == 20 {
            println!("outage");
            percent.store(100, Relaxed);
        }
        if n == 80 {
            println!("back");
            percent.store(10, Relaxed);
        }
        let sample = Sample {
            time: Environment::default().now(),
            position: Position::from_degrees(12.0 + f64::from(n) * 0.000_123_4, 77.0)?,
            motion: Motion::from_raw(Some(n as u16), Some(5), None, Some(80))?,
        };
        let counter = tracker.record(sample).await?;
        sent.insert(
            counter,
            Fix { counter, time: sample.time, position: sample.position, motion: sample.motion },
        );
        let (c, id) = (client.clone(), conversation.clone());
        tasks.push(tokio::spawn(async move {
            for _ in 0..9 {
                if c.send_message(id.clone(), format!("m{n}")).await.is_ok() {
                    return;
                }
            }
        }));
    }
    tracker.drained().await;
    println!("{:?}\n{:?}", tracker.stats(), client.stats());
    for t in tasks {
        t.await?;
    }
    let track = client.track("alice".parse()?, from, UnixMs(Environment::default().now().0 + 1000)).await?;
    let got: BTreeMap<u64, Fix> =
        track.into_iter().map(|f| Fix::try_from(f).map(|f| (f.counter, f))).collect::<Result<_, _>>()?;
    let same = sent.iter().all(|(c, f)| got.get(c) == Some(f));
    println!("sent {} stored {} all equal {same}", sent.len(), got.len());
    if let Ok(seqs) = tokio::time::timeout(Duration::from_secs(20), texts).await {
        let seqs = seqs?;
        let order = seqs.windows(2).all(|w| w[0].0 < w[1].0);
        let unique: std::collections::BTreeSet<_> = seqs.iter().map(|s| &s.1).collect();
        println!("messages {} unique {} in order {order}", seqs.len(), unique.len());
    } else {
        println!("messages missing");
    }
    client.close().await;
    Ok(())
}
