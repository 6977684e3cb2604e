//! Large groups: they cost what they are, and nobody has to wait until all of one is written.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use fanfare::store::{
    StoreError,
    sqlite::{Options, Sqlite},
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    session::limits::assert_wait,
    support::{
        client::{BOTH, Client},
        harness::{TestServer, token},
        store_proxy::passing,
        until::until,
    },
};

/// With whoever makes it, as many members as there may be.
const OTHERS: usize = 999;

fn group(id: &str, others: usize) -> Value {
    let members: Vec<_> = (0..others).map(|n| format!("m{n}")).collect();
    json!({ "client_id": id, "kind": "group", "title": "all", "members": members })
}

async fn make(client: &mut Client, id: &str, others: usize) -> Result<Value, Value> {
    client.request("conversation:create", group(id, others)).await
}

#[tokio::test]
async fn large_groups_cost_more_and_an_organisation_has_so_many() {
    let server = TestServer::with(|config| {
        config.limits.conversations_per_minute_per_user = 40;
        config.limits.conversations_per_minute_per_organisation = 51;
    })
    .await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "patient").await;
        let mut bob = server.client(kind, "bob", "member").await;
        let mut other = Client::open(&server.base(), kind, &token("ann", "globex", "member", &[])).await;
        let id = |what: &str| format!("{what}-{kind:?}");
        // 1 and 1 for every 50 of those that are named: 20. A third one is refused for half a minute, so a slow machine, which
        // gives some of the allowance back meanwhile, refuses it as well.
        make(&mut ann, &id("one"), OTHERS).await.unwrap();
        make(&mut ann, &id("two"), OTHERS).await.unwrap();
        let refused = make(&mut ann, &id("three"), OTHERS).await.unwrap_err();
        let wait = assert_wait(&refused, "too many conversations created", 30_000);
        // Of the organisation's 51 there are 11 left, whoever asks; what is refused costs its author nothing.
        for _ in 0..3 {
            let refused = make(&mut bob, &id("large"), OTHERS).await.unwrap_err();
            assert_wait(&refused, "too many conversations created in this organisation", 20_000);
        }
        let mut small = 0;
        let refused = loop {
            match make(&mut bob, &id(&format!("small{small}")), 1).await {
                Ok(_) => small += 1,
                Err(refused) => break refused,
            }
        };
        assert!((11..40).contains(&small), "{small}");
        assert_wait(&refused, "too many conversations created in this organisation", 20_000);
        make(&mut other, &id("theirs"), 1).await.expect("others are not concerned");
        server.pass(wait.max(30_000));
        make(&mut ann, &id("three"), OTHERS).await.unwrap();
        server.pass(60_000);
    }
}

/// The real store, whose records wait in line until they are let through, as they do when it is busy.
#[derive(Debug)]
struct Line {
    store: Arc<Sqlite>,
    come: AtomicUsize,
    gone: AtomicUsize,
    go: Semaphore,
}

impl Line {
    async fn pass(&self, call: &str) -> Result<(), StoreError> {
        // What the server writes by itself, it writes on other threads.
        if call == "put_by" && std::thread::current().name().is_some_and(|name| name.starts_with("shard-")) {
            self.come.fetch_add(1, SeqCst);
            self.go.acquire().await.unwrap().forget();
            self.gone.fetch_add(1, SeqCst);
        }
        Ok(())
    }

    fn waiting(&self) -> usize {
        self.come.load(SeqCst) - self.gone.load(SeqCst)
    }

    /// Lets those through that wait, once there are so many.
    async fn next(&self, least: usize) {
        until("records wait", async || self.waiting() >= least).await;
        let (gone, waiting) = (self.gone.load(SeqCst), self.waiting());
        self.go.add_permits(waiting);
        until("they are through", async || self.gone.load(SeqCst) >= gone + waiting).await;
    }
}

passing!(Line);

#[tokio::test]
async fn others_come_between_the_parts_of_large_groups() {
    const LARGE: usize = 6;
    // Records under way, however many groups are made.
    const AT_ONCE: usize = 200;
    let mut line = None;
    let server = TestServer::on_with(
        |_| {},
        |hub, dir| {
            std::fs::create_dir_all(dir).unwrap();
            let store = Sqlite::open(dir, hub.clone(), &Options::default()).unwrap();
            let new = Line { store, come: 0.into(), gone: 0.into(), go: Semaphore::new(0) };
            line.insert(Arc::new(new)).clone()
        },
    )
    .await;
    let line = line.unwrap();
    let mut makers = Vec::new();
    for n in 0..LARGE {
        let mut client = server.client(BOTH[n % 2], &format!("ann{n}"), "patient").await;
        makers.push(tokio::spawn(async move { make(&mut client, "all", OTHERS).await }));
    }
    // What each keeps of the group, and then parts of the lists of members.
    line.next(LARGE).await;
    until("parts wait", async || line.waiting() == AT_ONCE).await;
    let mut small = Vec::new();
    for kind in BOTH {
        let mut bob = Client::open(&server.base(), kind, &token("bob", "globex", "member", &[])).await;
        small.push(tokio::spawn(async move { make(&mut bob, &format!("few-{kind:?}"), 2).await }));
    }
    until("the small ones wait behind them", async || line.waiting() == AT_ONCE + small.len()).await;
    while small.iter().any(|made| !made.is_finished()) {
        // The small ones are among them, and take their room.
        line.next(AT_ONCE / 2).await;
    }
    for made in small {
        made.await.unwrap().unwrap();
    }
    let before = line.gone.load(SeqCst);
    assert!(before < LARGE * OTHERS * 2 / 3, "{before} records went before those of a small group");
    assert!(makers.iter().all(|made| !made.is_finished()));
    line.go.add_permits(LARGE * (OTHERS + 2));
    for made in makers {
        made.await.unwrap().expect("none is refused as others are there");
    }
}
