//! Whoever comes back with very many conversations loses nothing, and is in nobody's way.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use fanfare::{
    config::Config,
    hub::Hub,
    id::Tenant,
    store::{
        Put, RecordKind, Slot, Store, StoreError,
        sqlite::{Options, Sqlite},
    },
};
use fanfare_proto::{OrgId, UnixMs};
use serde_json::{Value, json};
use tokio::sync::{Barrier, Semaphore};

use crate::{
    chat::conversations::{create, say},
    support::{
        client::{BOTH, Client, Kind},
        harness::{TestServer, token},
        store::organisation,
        store_proxy::passing,
    },
};

/// The real store, whose lists of conversations can be held back.
#[derive(Debug)]
pub struct Shelf {
    store: Arc<Sqlite>,
    held: AtomicBool,
    go: Semaphore,
    /// So many of the next reads of logs wait for each other, in groups.
    together: Mutex<(usize, Arc<Barrier>)>,
}

impl Shelf {
    pub async fn serve(change: impl FnOnce(&mut Config)) -> (TestServer, Arc<Self>) {
        let mut shelf = None;
        let open = |hub: &Arc<Hub>, dir: &Path| {
            std::fs::create_dir_all(dir).unwrap();
            let store = Sqlite::open(dir, hub.clone(), &Options::default()).unwrap();
            let together = Mutex::new((0, Arc::new(Barrier::new(1))));
            let new = Self { store, held: false.into(), go: Semaphore::new(0), together };
            shelf.insert(Arc::new(new)).clone()
        };
        let server = TestServer::on_with(change, open).await;
        (server, shelf.unwrap())
    }

    async fn pass(&self, call: &str) -> Result<(), StoreError> {
        // What the server asks by itself it asks on other threads.
        let by_a_shard = std::thread::current().name().is_some_and(|name| name.starts_with("shard-"));
        if call == "list" && by_a_shard && self.held.load(Ordering::SeqCst) {
            self.go.acquire().await.unwrap().forget();
        }
        if call == "read" && by_a_shard {
            let group = {
                let mut together = self.together.lock().unwrap();
                let waits = together.0 > 0;
                together.0 = together.0.saturating_sub(1);
                waits.then(|| together.1.clone())
            };
            if let Some(group) = group {
                group.wait().await;
            }
        }
        Ok(())
    }

    /// Of the next reads of logs so many go on only in groups of this size.
    fn read_in_groups(&self, reads: usize, size: usize) {
        *self.together.lock().unwrap() = (reads, Arc::new(Barrier::new(size)));
    }

    /// From now on each list waits to be let go, one after another.
    pub fn hold(&self) {
        self.held.store(true, Ordering::SeqCst);
    }

    fn let_go(&self, lists: usize) {
        self.go.add_permits(lists);
    }

    pub fn let_all_go(&self) {
        self.held.store(false, Ordering::SeqCst);
        self.let_go(1_000);
    }

    /// Makes somebody of `acme` a member of so many conversations, which come before all others in the order of ids.
    async fn fill(&self, user: &str, count: usize) {
        let org = Tenant::verified(OrgId::new(&organisation("acme")).unwrap());
        let puts = (0..count).map(|n| {
            let key = format!("-{n:05}");
            let slot = Slot { org: org.clone(), kind: RecordKind::Membership, partition: user.into(), key };
            let put = Put { value: Some(Bytes::from_static(b"{}")), expires: None };
            async move { self.store.put(&slot, None, put, UnixMs(1)).await.unwrap() }
        });
        futures::future::join_all(puts).await;
    }
}

passing!(Shelf);

/// More than a page of the list holds, and more than were followed once.
const VERY_MANY: usize = 5_001;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_of_very_many_conversations_is_resumed_like_the_first() {
    let (server, shelf) = Shelf::serve(|_| {}).await;
    shelf.fill("ann", VERY_MANY).await;
    for kind in BOTH {
        let mut bob = server.client(kind, "bob", "member").await;
        let room = create(&mut bob, &format!("last-{kind:?}"), &["ann"]).await;
        let topic = format!("conversation:{room}");
        let epoch = bob.expect("conversation:created").await["epoch"].clone();
        say(&mut bob, &room, "missed", "missed").await;
        let cursors = json!([{ "topic": topic, "epoch": epoch, "seq": 1 }]);
        let hello = json!({ "token": token("ann", "acme", "member", &[]), "cursors": cursors });
        let mut ann = Client::open_with(&server.base(), kind, hello).await;
        assert!(ann.topics.len() > VERY_MANY, "all are told: {}", ann.topics.len());
        let state = ann.topics.iter().find(|state| state["topic"] == topic).expect("told");
        assert_eq!((&state["recovered"], &state["head"]), (&json!(true), &json!(2)));
        say(&mut bob, &room, "live", "live").await;
        for text in ["missed", "live"] {
            assert_eq!(ann.expect("message:new").await["data"]["text"], text);
        }
        assert_eq!(ann.drain("message:new").await, Vec::<Value>::new());
    }
}

/// With a store that is slow, a device all whose positions are of an earlier life would otherwise not be done in a turn, and
/// not in the next one either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newest_pages_are_read_beside_each_other() {
    const ROOMS: usize = 16;
    let (server, shelf) = Shelf::serve(|_| {}).await;
    let mut bob = server.client(Kind::WebSocket, "bob", "member").await;
    let mut topics = Vec::new();
    for n in 0..ROOMS {
        topics.push(format!("conversation:{}", create(&mut bob, &format!("r{n}"), &["ann"]).await));
    }
    for kind in BOTH {
        let cursor = |topic| json!({ "topic": topic, "epoch": 1, "seq": 1 });
        let cursors: Vec<Value> = topics.iter().map(cursor).collect();
        shelf.read_in_groups(ROOMS, ROOMS / 2);
        let hello = json!({ "token": token("ann", "acme", "member", &[]), "cursors": cursors });
        let ann = Client::open_with(&server.base(), kind, hello).await;
        let missed = ann.topics.iter().filter(|state| state["recovered"] == false && state["seq"] == 0);
        assert_eq!(missed.count(), ROOMS, "{:?}", ann.topics);
    }
}

/// Somebody who is there, and is still to be told of topics.
pub async fn begin(server: &TestServer, kind: Kind, user: &str, org: &str) -> Client {
    let mut client = Client::connect(&server.base(), kind).await;
    let data = json!({ "token": token(user, org, "member", &[]) });
    client.send(&json!({ "event": "authenticate", "id": 1, "data": data })).await;
    client.expect("authenticated").await;
    client
}

pub async fn told_of_all(client: &mut Client) {
    while client.expect("topics").await["data"]["more"] == true {}
}

/// How many lists are read before it is the turn of somebody who comes after a crowd of another organisation, at most.
async fn waits_at_most(lists: usize, crowd: impl Fn(usize) -> String) {
    for kind in BOTH {
        let change = |config: &mut Config| {
            config.shards = 1;
            // Its lists are held for as long as it takes.
            config.session.auth_timeout_ms = 120_000;
        };
        let (server, shelf) = Shelf::serve(change).await;
        shelf.hold();
        let mut here = Vec::new();
        for n in 0..30 {
            here.push(begin(&server, BOTH[n % 2], &crowd(n), "acme").await);
        }
        let mut eve = begin(&server, kind, "eve", "globex").await;
        shelf.let_go(lists);
        told_of_all(&mut eve).await;
        // Nobody is forgotten over it.
        shelf.let_all_go();
        for client in &mut here {
            told_of_all(client).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_many_connections_has_one_turn_at_a_time() {
    waits_at_most(4, |_| "ann".into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn organisations_take_turns() {
    // Those eight that have their turn, and the one that is next.
    waits_at_most(14, |n| format!("u{n}")).await;
}
