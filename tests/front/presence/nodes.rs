//! Presence on several nodes, and after the death of one. The nodes share an embedded store here, which is cut off from
//! one of them to make it dead for the others; the tests that have a database use two processes.

mod records;

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use fanfare::{
    config::StoreKind,
    hub::Hub,
    store::{
        Put, RecordKind, Slot, Store as _, StoreError,
        sqlite::{Options, Sqlite},
    },
};
use serde_json::{Value, json};

use crate::{
    presence::{pass_until, set, until_connections, watch},
    support::{
        client::{BOTH, Client, Kind},
        harness::{Process, TestServer, token},
        store,
        store_proxy::passing,
        until::until,
    },
};

/// How many leases and pages are in the store.
async fn left(store: &Sqlite) -> (usize, usize) {
    let now = fanfare_proto::UnixMs(crate::positions::live::now());
    let servers = fanfare::id::Tenant::servers();
    let leases = store.list(&servers, RecordKind::Node, "nodes", None, 10, now).await.unwrap();
    let mut pages = 0;
    for (node, _) in &leases {
        pages += store.list(&servers, RecordKind::Present, node, None, 10, now).await.unwrap().len();
    }
    (leases.len(), pages)
}

/// A node's way to the store that all share.
#[derive(Debug)]
struct Way {
    store: Arc<Sqlite>,
    cut: AtomicBool,
    /// Which of the next writes does not arrive; 0: all do.
    refused: AtomicU64,
    /// What was asked for, until the test takes it.
    calls: Mutex<Vec<String>>,
}

impl Way {
    fn new(store: &Arc<Sqlite>) -> Self {
        let (cut, refused) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { store: store.clone(), cut, refused, calls: Mutex::default() }
    }

    async fn pass(&self, call: &str) -> Result<(), StoreError> {
        let next = |left: u64| left.checked_sub(1);
        let refused =
            call == "put_by" && self.refused.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next) == Ok(1);
        let call = if refused { "refused" } else { call };
        self.calls.lock().unwrap().push(call.to_owned());
        if refused || self.cut.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("cut off by the test".into()));
        }
        Ok(())
    }
}

passing!(Way, shared);

struct Node {
    server: TestServer,
    way: Arc<Way>,
}

impl Node {
    async fn start(store: &Arc<Sqlite>) -> Self {
        let way = Arc::new(Way::new(store));
        let open = {
            let way = way.clone();
            move |_: &Arc<Hub>, dir: &Path| {
                std::fs::create_dir_all(dir).unwrap();
                way
            }
        };
        // Only of this kind may others be on it.
        let server = TestServer::on_with(|config| config.store.kind = StoreKind::Scylla, open).await;
        Self { server, way }
    }

    fn cut(&self, cut: bool) {
        self.way.cut.store(cut, Ordering::SeqCst);
    }
}

struct Hubless;

impl fanfare::store::Committed for Hubless {
    fn committed(
        &self,
        _: &fanfare::id::Topic,
        _: fanfare_proto::Epoch,
        _: &fanfare::id::Audience,
        _: &[fanfare::store::Event],
    ) {
    }
}

fn shared(dir: &Path) -> Arc<Sqlite> {
    Sqlite::open(dir, Arc::new(Hubless), &Options::default()).unwrap()
}

#[tokio::test]
async fn people_of_one_node_are_seen_at_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    let (a, b) = (Node::start(&store).await, Node::start(&store).await);
    for kind in BOTH {
        let bob = format!("bob-{kind:?}");
        let mut ann = b.server.client(kind, "ann", "member").await;
        let mut shown = watch(&mut ann, Some(&[&bob, "boss"])).await;
        let mut phone = a.server.client(kind, &bob, "member").await;
        shown.until_status(&mut ann, &bob, "online").await;
        set(&mut phone, json!({ "status": "away", "text": "on my way" })).await;
        let seen = shown.until_status(&mut ann, &bob, "away").await;
        assert_eq!(seen["text"], "on my way");
        // Whoever is new at a node finds what the others know.
        let mut boss = b.server.client(kind, "boss", "supervisor").await;
        assert_eq!(watch(&mut boss, None).await.status(&bob), "away");
        // It goes on at the other node, as what it was.
        phone.vanish();
        until_connections(&a.server, 0.0).await;
        let mut phone = b.server.client(kind, &bob, "member").await;
        assert_eq!(set(&mut phone, json!({})).await["status"], "away");
        for node in [&a, &b] {
            node.server.pass(10_000);
        }
        let mut eve = a.server.client(kind, &format!("eve-{kind:?}"), "member").await;
        let mut shown_a = watch(&mut eve, Some(&[&bob])).await;
        shown_a.until_status(&mut eve, &bob, "away").await;
        let came = shown.came_of(&mut ann, &bob, &mut boss).await;
        assert!(came.iter().all(|person| person["status"] == "away"), "{came:?}");
        set(&mut phone, json!({ "status": "offline" })).await;
        let gone = shown_a.until_status(&mut eve, &bob, "offline").await;
        assert!(gone["last_seen"].as_u64() > Some(0));
        for client in [ann, boss, phone, eve] {
            client.close().await;
        }
        until_connections(&a.server, 0.0).await;
        until_connections(&b.server, 0.0).await;
    }
}

/// Pages of all organisations are in one list, in order of their names.
#[tokio::test]
async fn what_a_node_lists_of_one_organisation_is_for_that_one_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    let (a, b) = (Node::start(&store).await, Node::start(&store).await);
    let mut there = Vec::new();
    for org in ["acme", "acme-2", "beta"] {
        let base = a.server.base();
        there.push(
            Client::open(&base, Kind::WebSocket, &token(&format!("of-{org}"), org, "member", &[])).await,
        );
    }
    until("they are listed", async || left(&store).await == (1, 3)).await;
    // Later pages are newer, too: nothing but their name keeps them out.
    for status in ["busy", "away"] {
        let told = a.server.metric("fanfare_presence_writes").await;
        set(&mut there[2], json!({ "status": status })).await;
        until("it is told", async || a.server.metric("fanfare_presence_writes").await >= told + 2.0).await;
    }
    for (kind, org) in BOTH.into_iter().zip(["acme", "beta"]) {
        let mut boss = Client::open(&b.server.base(), kind, &token("boss", org, "admin", &[])).await;
        let shown = watch(&mut boss, None).await;
        assert_eq!(shown.people.keys().collect::<Vec<_>>(), ["boss", &format!("of-{org}")]);
    }
}

#[tokio::test]
async fn people_of_a_dead_node_are_gone_within_its_lease_and_the_grace() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    let (a, b) = (Node::start(&store).await, Node::start(&store).await);
    let mut ann = b.server.client(Kind::WebTransport, "ann", "supervisor").await;
    let mut shown = watch(&mut ann, None).await;
    let mut phone = a.server.client(Kind::WebSocket, "bob", "member").await;
    let _carol = a.server.client(Kind::WebTransport, "carol", "member").await;
    set(&mut phone, json!({ "status": "busy" })).await;
    shown.until_status(&mut ann, "bob", "busy").await;
    shown.until_status(&mut ann, "carol", "online").await;
    let before = ann.request("client:ping", json!({})).await.unwrap()["time"].as_u64().unwrap();
    a.cut(true);
    // Carol has moved on; bob has not.
    let carol = b.server.client(Kind::WebSocket, "carol", "member").await;
    let passed = pass_until(&[&b.server], &mut ann, &mut shown, "bob", "offline").await;
    println!("gone {passed} ms after the node");
    assert!((15_000..60_000).contains(&passed), "{passed}");
    let last_seen = shown.people["bob"]["last_seen"].as_u64().unwrap();
    assert!(last_seen <= before + 6_000 && last_seen + 6_000 >= before, "{before} {last_seen}");
    assert_eq!(shown.status("carol"), "online");
    // What the dead node has left is removed, and what it knew is stored.
    until("its records go", async || left(&store).await.0 <= 1).await;
    // It lives after all: its people are back.
    a.cut(false);
    shown.until_status(&mut ann, "bob", "busy").await;
    // What was removed is listed again, for those that come now.
    let c = Node::start(&store).await;
    let mut eve = c.server.client(Kind::WebTransport, "eve", "supervisor").await;
    let mut seen = watch(&mut eve, None).await;
    seen.until_status(&mut eve, "bob", "busy").await;
    drop((phone, carol));
}

#[tokio::test]
async fn a_node_that_stops_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    let (mut a, b) = (Node::start(&store).await, Node::start(&store).await);
    let mut ann = b.server.client(Kind::WebTransport, "ann", "supervisor").await;
    let mut shown = watch(&mut ann, None).await;
    let phone = a.server.client(Kind::WebSocket, "bob", "member").await;
    shown.until_status(&mut ann, "bob", "online").await;
    a.server.stop().await;
    let passed = pass_until(&[&b.server], &mut ann, &mut shown, "bob", "offline").await;
    assert!(passed < 20_000, "no lease is waited for: {passed}");
    drop(phone);
}

/// A node that stops with nobody on it leaves nothing that others would have to wait for.
#[tokio::test]
async fn a_node_that_nobody_is_on_gives_its_lease_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    let mut a = Node::start(&store).await;
    let mut phone = a.server.client(Kind::WebSocket, "bob", "member").await;
    until("a lease and a page are there", async || left(&store).await == (1, 1)).await;
    // Gone without a grace.
    set(&mut phone, json!({ "status": "offline" })).await;
    phone.close().await;
    until_connections(&a.server, 0.0).await;
    a.server.stop().await;
    assert_eq!(left(&store).await, (0, 0));
}

/// The first of those that seem to live removes what a dead node has left. Where that one does not, as it is dead itself and
/// nobody knows yet, another does.
#[tokio::test]
async fn what_a_dead_node_has_left_is_removed_also_while_the_first_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    let (dead, living) = (Node::start(&store).await, Node::start(&store).await);
    let _phone = dead.server.client(Kind::WebSocket, "bob", "member").await;
    let _ann = living.server.client(Kind::WebTransport, "ann", "member").await;
    until("both have told", async || left(&store).await == (2, 2)).await;
    dead.cut(true);
    // Before all others by its id, renewed as long as the test looks, and that is all.
    let lease = |at| Put { value: Some(json!({ "rev": 0, "at": at }).to_string().into()), expires: None };
    let (org, partition) = (fanfare::id::Tenant::servers(), "nodes".into());
    let first = Slot { org, kind: RecordKind::Node, partition, key: "0".into() };
    let (mut version, mut at) = (None, crate::positions::live::now());
    until("it is removed", async || {
        at += 1;
        version = Some(store.put(&first, version, lease(at), fanfare_proto::UnixMs(at)).await.unwrap());
        living.server.pass(500);
        left(&store).await == (2, 1)
    })
    .await;
}

/// A server is killed: whoever does not come back to its next life is gone after the grace.
#[tokio::test]
async fn after_a_kill_nobody_stays_who_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    // Long enough for a slow machine to come back in.
    let times = [("FANFARE_PRESENCE__LEASE_MS", "5000"), ("FANFARE_PRESENCE__GRACE_MS", "6000")];
    let server = Process::start_with(dir.path(), &times).await;
    let open = async |base: &str, kind: Kind, user: &str| {
        let hello = json!({ "token": token(user, "acme", "supervisor", &[]), "device_id": user });
        Client::open_with(base, kind, hello).await
    };
    let mut ann = open(&server.base, Kind::WebTransport, "ann").await;
    let mut shown = watch(&mut ann, None).await;
    let mut bob = open(&server.base, Kind::WebSocket, "bob").await;
    let mut carol = open(&server.base, Kind::WebTransport, "carol").await;
    set(&mut bob, json!({ "status": "busy", "text": "night shift" })).await;
    set(&mut carol, json!({ "status": "away" })).await;
    shown.until_status(&mut ann, "bob", "busy").await;
    shown.until_status(&mut ann, "carol", "away").await;
    // What is known of them later is what the node has told: a page and its lease, some time from now on.
    let written = async || crate::support::harness::metric(&server.base, "fanfare_presence_writes").await;
    let before = written().await;
    until("it is written", async || written().await >= before + 3.0).await;
    let killed = crate::positions::live::now();
    let server = server.kill_and_restart().await;
    let mut ann = open(&server.base, Kind::WebSocket, "ann").await;
    let mut shown = watch(&mut ann, None).await;
    assert_eq!((shown.status("bob"), shown.status("carol")), ("busy", "away"), "they may be on their way");
    let _carol = open(&server.base, Kind::WebSocket, "carol").await;
    let gone = shown.until_status(&mut ann, "bob", "offline").await;
    let last_seen = gone["last_seen"].as_u64().unwrap();
    assert!(last_seen <= killed && last_seen + 8_000 > killed, "{killed} {last_seen}");
    assert_eq!(gone["text"], "night shift");
    assert_eq!(shown.status("carol"), "away", "what a device was it is again");
    // And so it stays.
    let server = server.kill_and_restart().await;
    let mut ann = open(&server.base, Kind::WebTransport, "ann").await;
    let asked = ann.request("presence:get", json!({ "users": ["bob"] })).await.unwrap();
    assert_eq!(asked["users"][0]["last_seen"], json!(last_seen));
    assert_eq!(asked["users"][0]["status"], "offline");
}

/// Two processes on one database, of which one is killed.
#[tokio::test]
async fn cql_people_of_a_killed_node_are_gone_at_the_other() {
    if store::variables().is_empty() {
        return;
    }
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let times = [("FANFARE_PRESENCE__LEASE_MS", "5000"), ("FANFARE_PRESENCE__GRACE_MS", "2000")];
    let a = Process::start_with(dir_a.path(), &times).await;
    let b = Process::start_with(dir_b.path(), &times).await;
    let open = async |base: &str, kind: Kind, user: &str| {
        Client::open(base, kind, &token(user, "acme", "supervisor", &[])).await
    };
    let mut ann = open(&b.base, Kind::WebTransport, "ann").await;
    let mut shown = watch(&mut ann, None).await;
    let mut bob = open(&a.base, Kind::WebSocket, "bob").await;
    set(&mut bob, json!({ "status": "busy" })).await;
    shown.until_status(&mut ann, "bob", "busy").await;
    drop(bob);
    let killed = crate::positions::live::now();
    a.kill().await;
    let gone = shown.until_status(&mut ann, "bob", "offline").await;
    println!("gone {} ms after the kill", crate::positions::live::now() - killed);
    let last_seen = gone["last_seen"].as_u64().unwrap();
    assert!(last_seen <= killed + 1_000 && last_seen + 8_000 > killed, "{killed} {last_seen}");
    let _: Value = ann.request("client:ping", json!({})).await.unwrap();
}
