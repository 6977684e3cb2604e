//! A client that dies without a word, and of whose address nothing comes any more.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use fanfare_client::{State, Transport};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::{sleep, timeout},
};

use crate::{
    wire::Wire,
    world::{BOTH, World, client},
};

const IDLE: Duration = Duration::from_secs(5);
/// What the server may need besides: QUIC counts from the server's own last question, too, which is asked after a third
/// of the idle time; its check of silent clients, its goodbye, this test's look.
const MARGIN: Duration = Duration::from_secs(3);

#[tokio::test]
#[ignore = "needs namespaces: tests/network/run.sh"]
async fn a_killed_client_is_noticed_within_the_idle_time() {
    for transport in BOTH {
        // On TCP only its heartbeat tells the server that nobody is there.
        let idle = IDLE.as_millis().to_string();
        let world = match transport {
            Transport::WebTransport => World::start(&[("FANFARE_SESSION__QUIC_IDLE_MS", &idle)]).await,
            Transport::WebSocket => {
                World::start(&[
                    ("FANFARE_SESSION__HEARTBEAT_MS", "1000"),
                    ("FANFARE_SESSION__SILENCE_MS", &idle),
                ])
                .await
            }
        };
        Wire::Loses(0).set();
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "killed::the_victim"])
            .envs([("VICTIM_BASE", world.base()), ("VICTIM_TRANSPORT", format!("{transport:?}"))])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(victim.stdout.take().unwrap()).lines();
        while said.next_line().await.unwrap().expect("it opens") != "open" {}

        // It says nothing of itself, but it lives.
        assert!(timeout(IDLE * 2, said.next_line()).await.is_err(), "{transport:?}: a quiet client is kept");
        assert_eq!(world.metric("fanfare_connections").await, 1.0, "{transport:?}");

        Wire::Cut.set();
        victim.kill().await.unwrap();
        let start = Instant::now();
        world.connections(0.0, IDLE + MARGIN).await;
        println!("{transport:?}: a killed client is gone after {:.1?} (idle time {IDLE:?})", start.elapsed());
    }
}

/// Not a test: the client that is killed. Without the other's word it does nothing.
#[tokio::test]
#[ignore = "run by a_killed_client_is_noticed_within_the_idle_time"]
async fn the_victim() {
    let (Ok(base), Ok(transport)) = (std::env::var("VICTIM_BASE"), std::env::var("VICTIM_TRANSPORT")) else {
        return;
    };
    let transport = BOTH.into_iter().find(|t| format!("{t:?}") == transport).unwrap();
    let (client, _) = client(&base, "victim", "member", transport);
    client.opened().await.unwrap();
    println!("open");
    client.state().wait_for(|state| !matches!(state, State::Open(_))).await.unwrap();
    println!("lost");
    sleep(Duration::from_secs(60)).await;
}
