//! A connection that is cut while the server works for it changes nothing: what was begun is finished once, and its
//! repeat finds it done. The cut is made at every call of the store that a request waits for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use fanfare::{
    config::Config,
    hub::Hub,
    store::{
        StoreError,
        sqlite::{Options, Sqlite},
    },
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    chat::conversations::create,
    session::closing::until_empty,
    support::{
        client::{BOTH, Client, Kind},
        harness::TestServer,
        store_proxy::passing,
    },
};

/// The real store, stopped at one of its calls until it is let go, or out of reach.
#[derive(Debug)]
pub struct Gate {
    store: Arc<Sqlite>,
    away: AtomicBool,
    /// Calls by requests until the one that is stopped; `usize::MAX` for none.
    left: AtomicUsize,
    /// That one stops its thread, and with it all else that is there.
    blocks: AtomicBool,
    stopped: Semaphore,
    go: Semaphore,
}

impl Gate {
    /// A server on such a store.
    pub async fn serve() -> (TestServer, Arc<Self>) {
        Self::serve_with(|_| {}).await
    }

    pub async fn serve_with(change: impl FnOnce(&mut Config)) -> (TestServer, Arc<Self>) {
        let mut gate = None;
        let server = TestServer::on_with(change, |hub, dir| gate.insert(Self::open(hub, dir)).clone()).await;
        (server, gate.unwrap())
    }

    fn open(hub: &Arc<Hub>, dir: &std::path::Path) -> Arc<Self> {
        std::fs::create_dir_all(dir).unwrap();
        let store = Sqlite::open(dir, hub.clone(), &Options::default()).unwrap();
        Arc::new(Self {
            store,
            away: false.into(),
            left: usize::MAX.into(),
            blocks: false.into(),
            stopped: Semaphore::new(0),
            go: Semaphore::new(0),
        })
    }

    /// Whether every call fails from now on.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    pub fn stop_at(&self, call: usize) {
        self.left.store(call, Ordering::SeqCst);
    }

    /// The same, as nothing may in a server: its thread stands still.
    pub fn block_at(&self, call: usize) {
        self.blocks.store(true, Ordering::SeqCst);
        self.stop_at(call);
    }

    /// Whether a call is stopped now, or will not be.
    pub async fn stopped_before(&self, done: impl Future<Output = ()>) -> bool {
        tokio::select! {
            permit = self.stopped.acquire() => { permit.unwrap().forget(); true }
            () = done => false,
        }
    }

    pub fn let_go(&self) {
        self.go.add_permits(1);
    }

    async fn pass(&self, _: &str) -> Result<(), StoreError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("it is away".into()));
        }
        // What the server asks by itself, again and again, it asks on other threads: it is not counted.
        if !std::thread::current().name().is_some_and(|name| name.starts_with("shard-")) {
            return Ok(());
        }
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
            usize::MAX => None,
            0 => Some(usize::MAX),
            left => Some(left - 1),
        });
        if left == Ok(0) {
            self.stopped.add_permits(1);
            // The thread itself has to stand still, so it cannot wait as tasks do; it looks whether it may go on.
            while self.blocks.load(Ordering::SeqCst) && self.go.available_permits() == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            self.go.acquire().await.unwrap().forget();
        }
        Ok(())
    }
}

passing!(Gate);

/// Sends a request, cuts the connection at each call of the store in turn, and answers how many cuts there were.
async fn cut_everywhere(
    server: &TestServer,
    gate: &Gate,
    kind: Kind,
    request: impl Fn(usize) -> (&'static str, Value),
    check: impl AsyncFn(usize),
) -> usize {
    for cut in 0.. {
        let (event, data) = request(cut);
        let mut ann = server.client(kind, "ann", "agent").await;
        gate.stop_at(cut);
        let id = ann.send_request(event, data.clone()).await;
        let stopped = gate
            .stopped_before(async {
                ann.answer(id).await.unwrap();
            })
            .await;
        if stopped {
            // Cut in the middle, and gone for the server, before the store goes on.
            ann.vanish();
            until_empty(server).await;
            gate.let_go();
        } else {
            gate.stop_at(usize::MAX);
            ann.vanish();
        }
        // The repeat is answered as if nothing had happened.
        let mut ann = server.client(kind, "ann", "agent").await;
        ann.request(event, data).await.unwrap();
        ann.close().await;
        check(cut).await;
        until_empty(server).await;
        if !stopped {
            return cut;
        }
    }
    unreachable!()
}

async fn history(server: &TestServer, kind: Kind, room: &str) -> Vec<(u64, String)> {
    let mut bob = server.client(kind, "bob", "member").await;
    let page = json!({ "conversation_id": room, "limit": 100 });
    let page = bob.request("message:history", page).await.unwrap();
    bob.close().await;
    let events = page["events"].as_array().unwrap();
    events.iter().map(|e| (e["seq"].as_u64().unwrap(), e["client_id"].as_str().unwrap().to_owned())).collect()
}

#[tokio::test]
async fn a_cut_at_any_await_changes_nothing() {
    let (server, gate) = Gate::serve().await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let room = create(&mut ann, &format!("cut-{kind:?}"), &["bob"]).await;
        ann.close().await;
        until_empty(&server).await;

        let send = |cut: usize| {
            ("message:send", json!({ "client_id": format!("m{cut}"), "conversation_id": room, "text": "hi" }))
        };
        let cuts = cut_everywhere(&server, &gate, kind, send, async |cut| {
            let told = history(&server, kind, &room).await;
            let expected: Vec<_> = (0..=cut).map(|n| (n as u64 + 2, format!("m{n}"))).collect();
            assert_eq!(told[1..], expected, "each message once, in order");
        })
        .await;
        assert!(cuts >= 2, "an append and a mark: {cuts}");

        let make = |cut: usize| {
            let id = format!("new-{cut}-{kind:?}");
            ("conversation:create", json!({ "client_id": id, "kind": "group", "members": ["bob", "eve"] }))
        };
        let cuts = cut_everywhere(&server, &gate, kind, make, async |cut| {
            for member in ["ann", "bob", "eve"] {
                let mut client = server.client(kind, member, "member").await;
                let list = client.request("conversation:list", json!({ "limit": 20 })).await.unwrap();
                let three = |room: &&Value| room["member_count"] == 3 && room["head"] == 1;
                let rooms = list["conversations"].as_array().unwrap();
                let before = if kind == BOTH[0] { 0 } else { rooms.iter().filter(three).count() - (cut + 1) };
                assert_eq!(rooms.iter().filter(three).count() - before, cut + 1, "{member}: each made once");
                client.close().await;
            }
        })
        .await;
        assert!(cuts >= 5, "a record, memberships, an append: {cuts}");

        let time = crate::positions::live::now();
        let fixes = |cut: usize| {
            let fix = json!({ "counter": cut + 1, "time": time + cut as u64, "lat": 1.0, "lon": 1.0 });
            ("location:update", json!({ "fixes": [fix] }))
        };
        let cuts = cut_everywhere(&server, &gate, kind, fixes, async |_| {}).await;
        assert!(cuts >= 1);
        let mut ann: Client = server.client(kind, "ann", "agent").await;
        let span = json!({ "agent_id": "ann", "from": time, "to": time + 100 });
        let track = ann.request("location:history", span).await.unwrap();
        let counters: Vec<_> =
            track["fixes"].as_array().unwrap().iter().map(|f| f["counter"].clone()).collect();
        assert_eq!(counters.len(), cuts + 1, "each fix is there: {counters:?}");
        ann.close().await;
        until_empty(&server).await;
    }
}
