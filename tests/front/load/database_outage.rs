//! The database goes away and comes back: who needs it is told so, the rest goes on, and nobody starts anything again.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use fanfare::config::{Config, StoreKind};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

use crate::{
    chat::conversations::create,
    positions::live::{fix, follow, locations, now, send, stored_up_to},
    support::{
        client::{Client, Kind},
        harness::{Process, SECRET, TestServer, token},
        node::Cassandra,
        store,
        until::until,
    },
};

/// The longest that a request waits for its answer while the database is away, with what the machine adds.
const TOLD: Duration = Duration::from_secs(8);
/// It is killed and begun again, stopped and let go on, by turns.
const ROUNDS: u64 = 2;
/// The database is back, and so are we.
const BACK: Duration = Duration::from_secs(5);

fn on(config: &mut Config, cassandra: &Cassandra) {
    config.store.kind = StoreKind::Scylla;
    config.store.scylla.nodes = cassandra.addresses();
    config.store.scylla.create = true;
}

async fn say(client: &mut Client, room: &str, n: u64) -> Result<Value, Value> {
    let data = json!({ "client_id": format!("m{n}"), "conversation_id": room, "text": "…" });
    let answer = timeout(TOLD, client.request("message:send", data)).await;
    answer.expect("an answer, whatever it is")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the machine for itself: `make test` runs it alone"]
async fn cql_a_database_that_goes_away_comes_back() {
    let Some(mut cassandra) = Cassandra::start(1) else { return };
    let server = TestServer::with(|config| on(config, &cassandra)).await;
    let mut ann = server.client(Kind::WebTransport, "ann", "member").await;
    let mut bob = server.client(Kind::WebSocket, "bob", "member").await;
    let mut boss = server.client(Kind::WebSocket, "boss", "supervisor").await;
    let mut agent = server.client(Kind::WebTransport, "agent", "agent").await;
    let room = create(&mut ann, "room", &["bob"]).await;
    follow(&mut boss, locations()).await;
    let mut counter = 1;
    send(&mut agent, &[fix(counter, now(), 1.0, 1.0)]).await;
    stored_up_to(&mut agent, counter).await;

    for n in 0..ROUNDS {
        assert_eq!(say(&mut ann, &room, 2 * n).await.unwrap()["seq"], 2 * n + 2);
        if n % 2 == 0 {
            cassandra.kill(0);
        } else {
            cassandra.pause(0);
        }
        let asked = Instant::now();
        let mut refused = 0;
        while refused < 3 {
            // Nothing is confirmed that is not stored.
            let error = say(&mut ann, &room, 2 * n + 1).await.unwrap_err();
            assert_eq!(error["code"], "UNAVAILABLE", "{error}");
            assert!(error["retry_after_ms"].as_u64().unwrap() > 0);
            refused += 1;
        }
        println!("refused three times in {:?}", asked.elapsed());
        // Who is known to be away is not waited for.
        let asked = Instant::now();
        assert_eq!(say(&mut ann, &room, 2 * n + 1).await.unwrap_err()["code"], "UNAVAILABLE");
        assert!(asked.elapsed() < Duration::from_secs(2));
        // Positions flow meanwhile.
        for _ in 0..3 {
            counter += 1;
            let at = now();
            send(&mut agent, &[fix(counter, at, 1.0, 1.0)]).await;
            while !boss.expect_ticks().await.ticks.iter().any(|tick| tick.time.0 == at) {}
        }
        if n % 2 == 0 {
            cassandra.begin(0);
        } else {
            cassandra.resume(0);
        }
        let back = Instant::now();
        let mut stored = Value::Null;
        until("it is stored", async || match say(&mut ann, &room, 2 * n + 1).await {
            Ok(answer) => {
                stored = answer;
                true
            }
            Err(error) => {
                assert_eq!(error["code"], "UNAVAILABLE");
                false
            }
        })
        .await;
        println!("back {:?} after the database", back.elapsed());
        assert!(back.elapsed() < BACK);
        assert_eq!(stored["seq"], 2 * n + 3);
        // What was sent meanwhile had been kept, and is stored without being sent again.
        stored_up_to(&mut agent, counter).await;
    }
    for seq in 2..2 + 2 * ROUNDS {
        assert_eq!(bob.expect("message:new").await["seq"], seq);
    }
    drop(server);
}

/// A server with SQLite whose files are pulled away refuses, says why once, and goes on once they are back.
#[tokio::test]
async fn writes_that_fail_are_in_the_log_once() {
    if store::is_shared() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path()).await;
    let mut ann = Client::open(&process.base, Kind::WebSocket, &token("ann", "acme", "member", &[])).await;
    let mut agent =
        Client::open(&process.base, Kind::WebTransport, &token("van", "acme", "agent", &[])).await;
    let room = create(&mut ann, "room", &["bob"]).await;
    let (data, aside) = (dir.path().join("data"), dir.path().join("aside"));
    std::fs::rename(&data, &aside).unwrap();
    send(&mut agent, &[fix(1, now(), 1.0, 1.0)]).await;
    // Meanwhile the fix is tried again every half second.
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    for n in 0..18 {
        ticks.tick().await;
        let refused = say(&mut ann, &room, n).await.unwrap_err();
        assert_eq!(refused["code"], "UNAVAILABLE", "{refused}");
    }
    let log = process.log();
    for (what, most) in
        [("nothing can be stored", 2), ("store unavailable", 1), ("fixes are not stored yet", 1)]
    {
        let lines = log.iter().filter(|line| line.contains(what)).count();
        assert!((1..=most).contains(&lines), "{what}: {lines} of {log:#?}");
    }
    std::fs::rename(&aside, &data).unwrap();
    stored_up_to(&mut agent, 1).await;
    assert_eq!(say(&mut ann, &room, 0).await.unwrap()["seq"], 2);
    process.stop().await;
}

/// A server whose database is not there.
fn lonely(at_start: &str, nodes: &str, dir: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("FANFARE_AUTH__SECRET", SECRET)
        .env("FANFARE_STORE__KIND", "scylla")
        .env("FANFARE_STORE__SCYLLA__NODES", nodes)
        .env("FANFARE_STORE__SCYLLA__CREATE", "true")
        .env("FANFARE_STORE__SCYLLA__AT_START", at_start)
        .env("NO_COLOR", "1")
        .current_dir(dir)
        .stderr(Stdio::piped())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn without_a_database_it_says_so_and_ends_where_it_should() {
    let dir = tempfile::tempdir().unwrap();
    let ended = lonely("exit", "127.0.0.1:1", dir.path()).output().await.unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && said.contains("cannot reach 127.0.0.1:1"), "{said}");
}

#[tokio::test]
async fn without_a_database_it_waits_and_can_be_told_to_stop() {
    let dir = tempfile::tempdir().unwrap();
    let mut waiting = lonely("retry", "127.0.0.1:1", dir.path()).spawn().unwrap();
    let mut lines = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let mut told = 0;
    while told < 2 {
        let line = lines.next_line().await.unwrap().expect("it goes on");
        told += usize::from(line.contains("the database is not there yet") && line.contains("127.0.0.1:1"));
    }
    let id = waiting.id().unwrap().to_string();
    assert!(Command::new("kill").arg(&id).status().await.unwrap().success());
    assert!(timeout(TOLD, waiting.wait()).await.unwrap().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the machine for itself: `make test` runs it alone"]
async fn cql_a_database_that_comes_later_is_found() {
    let Some(mut cassandra) = Cassandra::start(1) else { return };
    cassandra.kill(0);
    let dir = tempfile::tempdir().unwrap();
    let mut server = lonely("retry", &cassandra.addresses()[0], dir.path()).spawn().unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    loop {
        let line = lines.next_line().await.unwrap().expect("it goes on");
        if line.contains("the database is not there yet") {
            break;
        }
    }
    cassandra.begin(0);
    let served =
        async { while !lines.next_line().await.unwrap().expect("it goes on").contains("serving") {} };
    // The tables are made first.
    timeout(Duration::from_mins(1), served).await.unwrap();
}
