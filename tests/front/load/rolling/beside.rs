//! A new process takes over from an old one while both run, on one database. Clients know a balancer by one name, which
//! leads to the old process until that says that it is not ready, and to the new one from then on.

use std::net::SocketAddr;

use fanfare_client::State;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use super::{BACK, party::Party};
use crate::support::{
    harness::{Process, ask},
    store,
    until::until,
};

const CLIENTS: usize = 40;
const GROUP: usize = 10;

/// Passes TCP on to the server of the moment. QUIC goes straight to whoever answered.
struct Balancer {
    base: String,
    server: watch::Sender<SocketAddr>,
    task: tokio::task::JoinHandle<()>,
}

impl Balancer {
    async fn start(first: &Process) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (server, now) = watch::channel(address(first));
        let task = tokio::spawn(async move {
            let mut passed = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let server = *now.borrow();
                passed.spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(server).await {
                        // Either side may break off.
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { base, server, task }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn address(process: &Process) -> SocketAddr {
    process.base.trim_start_matches("http://").parse().unwrap()
}

/// Processes do not tell each other what happens, yet: who has moved hears what is said at the old process when
/// something is said at the new one, or when it comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: `make soak` runs it"]
async fn cql_a_new_process_takes_over_and_nothing_is_lost_or_doubled() {
    if !store::is_shared() {
        return;
    }
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let settings = [
        ("FANFARE_DRAIN__PAUSE_MS", "500"),
        ("FANFARE_DRAIN__SPREAD_MS", "500"),
        ("FANFARE_DRAIN__NOTICE_MS", "1500"),
    ];
    let (old, new) = tokio::join!(
        Process::start_behind_tcp(dir_a.path(), &settings),
        Process::start_behind_tcp(dir_b.path(), &settings)
    );
    let balancer = Balancer::start(&old).await;
    let party = Party::gather(&balancer.base, CLIENTS, GROUP, |_| "member").await;
    let (stop, stopped) = watch::channel(false);
    let mut talkers = JoinSet::new();
    // Two of each group, one of either transport: for a time they talk at different processes, in one conversation.
    for n in (0..CLIENTS).filter(|n| n % GROUP < 2) {
        talkers.spawn(party.talk(n, stopped.clone()));
    }
    let more = async |than: usize| {
        until("they talk", async || (0..CLIENTS).all(|n| party.has_heard(n) >= than)).await;
    };
    more(10).await;

    let (base, next) = (old.base.clone(), address(&new));
    let stopping = tokio::spawn(old.stop());
    until("the old one is not ready", async || {
        ask(&base, "GET", "/health/ready", &[], "").await.status == 503
    })
    .await;
    balancer.server.send_replace(next);
    stopping.await.unwrap();
    for client in &party.clients {
        client.state().wait_for(State::is_open).await.unwrap();
    }
    let so_far = (0..CLIENTS).map(|n| party.has_heard(n)).max().unwrap();
    more(so_far + 10).await;
    stop.send_replace(true);
    let total = party.all_heard(talkers.join_all().await).await;
    let sessions: Vec<_> = party.clients.iter().map(|client| client.stats().sessions).collect();
    assert!(sessions.iter().all(|sessions| *sessions >= 2), "somebody never moved: {sessions:?}");
    let absences = party.leave().await;
    let stayed = absences.iter().filter(|absence| absence.is_zero()).count();
    let longest = absences.iter().max().unwrap();
    println!(
        "figure: a new process took over: {total} messages, each heard by {GROUP}, none lost, none doubled; of {CLIENTS} \
         clients {stayed} were never without a connection, the others for {longest:?} at most"
    );
    assert!(*longest <= BACK, "{longest:?}");
    assert!(stayed * 10 >= CLIENTS * 9, "they move beside: only {stayed} did");
}
