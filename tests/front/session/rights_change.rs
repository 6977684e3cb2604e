//! Other rights by a newer token, while positions stream in: what they no longer allow is not shown any more, and what
//! they allow now is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fanfare_client::{Config, Preference, Token, Transport};
use fanfare_proto::tick;
use serde_json::json;
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    positions::live::{fix, follow, locations, now, send},
    security::invalid_input::signed,
    support::{
        client::{BOTH, Client, Got, Kind},
        harness::{TestServer, token_of},
        store::organisation,
    },
};

/// Agents of the teams red and blue who move all the time.
async fn traffic(server: &TestServer, kind: Kind) -> Vec<JoinHandle<()>> {
    let mut agents = Vec::new();
    for team in ["red", "blue"] {
        let token = token_of(team, &format!("rights-{kind:?}"), "agent", &[], &[team]);
        let mut agent = Client::open(&server.base(), kind, &token).await;
        agents.push(tokio::spawn(async move {
            let mut timer = tokio::time::interval(Duration::from_millis(20));
            for counter in 1.. {
                timer.tick().await;
                send(&mut agent, &[fix(counter, now(), 1.0, 1.0)]).await;
            }
        }));
    }
    agents
}

/// By a plain client, so that nothing is hidden by what a client leaves out.
#[tokio::test]
async fn after_the_answer_nothing_of_the_old_view_is_sent() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let agents = traffic(&server, kind).await;
        let boss = |teams: &[&str]| token_of("boss", &format!("rights-{kind:?}"), "supervisor", &[], teams);
        let mut client = Client::open(&server.base(), kind, &boss(&["red", "blue"])).await;
        let (wide, _) = follow(&mut client, locations()).await;
        client.expect_ticks().await;

        let narrow = client.request("token:refresh", json!({ "token": boss(&["blue"]) })).await.unwrap();
        assert_eq!(narrow["resubscribe"], json!(["locations"]));
        drop(client.came_before());
        let (view, named) = follow(&mut client, locations()).await;
        assert_ne!(view, wide);
        let names: Vec<&str> = named.iter().map(|agent| agent["agent_id"].as_str().unwrap()).collect();
        assert!(!names.contains(&"red"), "{names:?}");
        let mut after = Vec::new();
        for _ in 0..5 {
            after.push(client.wait(|got| matches!(got, Got::Ticks(_))).await);
        }
        after.extend(client.everything().await);
        for got in after {
            match got {
                Got::Event(_, event) if event["data"]["view"].is_u64() => {
                    assert_eq!(event["data"]["view"], view, "{kind:?}: {event}");
                }
                // Datagrams have no order: one that was under way may come.
                Got::Ticks(packet) if kind == Kind::WebSocket => {
                    let ticks = tick::unpack_ticks(&packet).unwrap();
                    assert_eq!(u64::from(ticks.view), view, "{kind:?}: {ticks:?}");
                }
                _ => {}
            }
        }

        let wider = boss(&["blue", "red"]);
        client.request("token:refresh", json!({ "token": wider })).await.unwrap();
        let (again, named) = follow(&mut client, locations()).await;
        assert_ne!(again, view);
        let red = named.iter().find(|agent| agent["agent_id"] == "red").expect("red is back");
        let alias = red["alias"].as_u64().unwrap();
        loop {
            let ticks = client.expect_ticks().await;
            if u64::from(ticks.view) == again && ticks.ticks.iter().any(|tick| u64::from(tick.alias) == alias)
            {
                break;
            }
        }
        agents.iter().for_each(JoinHandle::abort);
    }
}

/// By the client library: its user never sees again whom the newer token does not allow, until one does.
#[tokio::test]
async fn a_library_shows_what_the_token_that_holds_allows() {
    let server = TestServer::start().await;
    for (kind, transport) in
        [(Kind::WebTransport, Transport::WebTransport), (Kind::WebSocket, Transport::WebSocket)]
    {
        let agents = traffic(&server, kind).await;
        // The first two end soon, so that each is renewed within two seconds; the last one lasts.
        let given = Arc::new(AtomicUsize::new(0));
        let count = given.clone();
        let org = organisation(&format!("rights-{kind:?}"));
        let source = Token::provider(move || {
            let n = count.fetch_add(1, Ordering::SeqCst);
            let teams = if n == 1 { json!(["blue"]) } else { json!([]) };
            let exp = if n < 2 { now() / 1000 + 2 } else { 4_102_444_800 };
            let claims =
                json!({ "sub": "boss", "org": org, "roles": ["supervisor"], "teams": teams, "exp": exp });
            async move { Ok(signed(&claims)) }
        });
        let config = Config::new(server.base(), source, "desk".parse().unwrap());
        let config = config.transport(Preference::Only(transport));
        let (client, mut events) = fanfare_client::Client::connect(config).unwrap();
        let reader = tokio::spawn(async move { while events.next().await.is_some() {} });
        let positions = timeout(Duration::from_secs(20), client.positions(None)).await.unwrap().unwrap();
        let red = "red".parse().unwrap();
        let blue = "blue".parse().unwrap();
        let mut updates = positions.updates();
        let mut seen = Vec::new();
        // Red is there, is gone, and is there again; blue is all the time, once it has come.
        while seen != [true, false, true] {
            let news =
                timeout(Duration::from_secs(20), updates.next()).await.expect("nothing comes").unwrap();
            assert!(!news.is_empty());
            let is_there = positions.get(&red).is_some();
            if seen.last() != Some(&is_there) && (is_there || !seen.is_empty()) {
                seen.push(is_there);
            }
            let narrow = given.load(Ordering::SeqCst) == 2;
            assert!(seen.len() <= 2 || !narrow, "{kind:?}: red came back with a token that does not name it");
            assert!(seen.len() < 2 || positions.get(&blue).is_some());
        }
        client.close().await;
        reader.abort();
        agents.iter().for_each(JoinHandle::abort);
    }
}
