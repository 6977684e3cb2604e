//! Positions: sent as packets, seen live by who may see them, stored and acknowledged.

use fanfare_proto::{Fix, Motion, Position, UnixMs, tick};
use serde_json::{Value, json};

use crate::support::{
    client::{BOTH, Client, Kind},
    harness::{TestServer, token},
    until::until,
};

pub fn now() -> u64 {
    fanfare::time::Clock::system().now().0
}

pub fn fix(counter: u64, time: u64, lat: f64, lon: f64) -> Fix {
    Fix {
        counter,
        time: UnixMs(time),
        position: Position::from_degrees(lat, lon).unwrap(),
        motion: Motion::from_units(Some(4.5), Some(13.9), Some(271.25), Some(87.0)),
    }
}

pub async fn send(client: &mut Client, fixes: &[Fix]) {
    for packet in tick::pack_fixes(fixes) {
        client.send_packet(packet).await;
    }
}

/// Follows positions; answers the view and the agents of the snapshot.
pub async fn follow(client: &mut Client, data: Value) -> (u64, Vec<Value>) {
    let granted = client.request("subscribe", data).await.unwrap();
    let view = granted["subscriptions"][0]["view"].as_u64().unwrap();
    let mut agents = Vec::new();
    loop {
        let part = client.expect("location:snapshot").await;
        agents.extend(part["data"]["agents"].as_array().unwrap().iter().cloned());
        if part["data"]["more"] == json!(false) {
            return (view, agents);
        }
    }
}

pub fn locations() -> Value {
    json!({ "channels": ["locations"] })
}

#[tokio::test]
async fn a_supervisor_sees_an_agent_move() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let agent = format!("taxi-{kind:?}");
        let mut supervisor = server.client(kind, "boss", "supervisor").await;
        let mut taxi = server.client(kind, &agent, "agent").await;
        follow(&mut supervisor, locations()).await;
        let start = now();
        send(&mut taxi, &[fix(1, start, 31.5, 120.25)]).await;
        // Who is new is named on the ordered lane, with the first fix.
        let alias = loop {
            let joined = supervisor.expect("location:agents").await;
            let agents = joined["data"]["agents"].as_array().unwrap();
            if let Some(found) = agents.iter().find(|a| a["agent_id"] == json!(agent)) {
                assert_eq!(found["fix"]["lat"], 31.5);
                break found["alias"].as_u64().unwrap() as u32;
            }
        };
        send(&mut taxi, &[fix(2, start + 1000, 31.75, 120.5)]).await;
        let seen = loop {
            let ticks = supervisor.expect_ticks().await;
            if let Some(tick) = ticks.ticks.iter().find(|t| t.alias == alias && t.time.0 == start + 1000) {
                break *tick;
            }
        };
        assert_eq!((seen.position.lat(), seen.position.lon()), (31.75, 120.5));
        assert_eq!(seen.motion.battery_pct(), Some(87));
        // An older fix that arrives late does not move the agent back.
        send(&mut taxi, &[fix(3, start + 500, 10.0, 10.0)]).await;
        let stored = stored_up_to(&mut taxi, 3).await;
        assert_eq!(stored, vec![(1, 3)], "all three are stored and acknowledged");
        let latest = supervisor.request("location:latest", json!({})).await.unwrap();
        let mine = latest["agents"]
            .as_array()
            .unwrap()
            .iter()
            .find(|a| a["agent_id"] == json!(agent))
            .unwrap()
            .clone();
        assert_eq!(mine["fix"]["lat"], 31.75);
    }
}

/// Gathers acknowledgements until `last` is among them.
pub async fn stored_up_to(client: &mut Client, last: u64) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    while !all.iter().any(|(_, to)| *to >= last) {
        let told = client.expect("location:stored").await;
        for range in told["data"]["stored"].as_array().unwrap() {
            all.push((range[0].as_u64().unwrap(), range[1].as_u64().unwrap()));
        }
    }
    all.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (from, to) in all {
        match joined.last_mut() {
            Some(end) if from <= end.1 + 1 => end.1 = end.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

#[tokio::test]
async fn a_snapshot_survives_a_restart_and_a_track_is_kept() {
    let mut server = TestServer::start().await;
    for kind in BOTH {
        let agent = format!("walker-{kind:?}");
        let mut walker = server.client(kind, &agent, "agent").await;
        let start = now() - 300_000;
        let fixes: Vec<Fix> =
            (0..250).map(|n| fix(n + 1, start + n * 1000, 31.0, 120.0 + n as f64 / 1000.0)).collect();
        for part in fixes.chunks(50) {
            send(&mut walker, part).await;
        }
        // What a lossy path dropped is sent again, reliably; the answer acknowledges it.
        let json_fixes: Vec<_> = fixes.iter().map(|fix| json!(fanfare_proto::JsonFix::from(*fix))).collect();
        let stored = walker.request("location:update", json!({ "fixes": json_fixes })).await.unwrap();
        assert_eq!(stored["stored"], json!([[1, 250]]));
        server.restart().await;

        let mut supervisor = server.client(kind, "boss", "supervisor").await;
        let (_, agents) = follow(&mut supervisor, locations()).await;
        let last = agents.iter().find(|a| a["agent_id"] == json!(agent)).expect("a dashboard is never empty");
        assert_eq!(last["fix"]["counter"], 250);
        let (mut track, mut after) = (Vec::new(), Value::Null);
        loop {
            let span = json!({ "agent_id": agent, "from": start, "to": start + 300_000, "after": after, "limit": 100 });
            let page = supervisor.request("location:history", span).await.unwrap();
            track.extend(page["fixes"].as_array().unwrap().iter().map(|f| f["counter"].as_u64().unwrap()));
            after = page["next"].clone();
            if after.is_null() {
                break;
            }
        }
        assert_eq!(track, (1..=250).collect::<Vec<_>>(), "each fix once, although each was sent twice");
    }
}

#[tokio::test]
async fn impossible_fixes_are_refused_by_reason() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut agent = server.client(kind, &format!("liar-{kind:?}"), "agent").await;
        let now = now();
        let good = fix(1, now, 1.0, 1.0);
        let ahead = fix(2, now + 3_600_000, 1.0, 1.0);
        let old = fix(3, now - 40 * 86_400_000, 1.0, 1.0);
        send(&mut agent, &[good, ahead, old]).await;
        let mut rejected = Vec::new();
        while rejected.len() < 2 {
            let told = agent.expect("location:stored").await;
            rejected.extend(told["data"]["rejected"].as_array().cloned().unwrap_or_default());
        }
        assert_eq!(
            rejected,
            [json!({ "counter": 2, "reason": "clock_ahead" }), json!({ "counter": 3, "reason": "too_old" })]
        );
        let far = json!({ "counter": 4, "time": now, "lat": 91.0, "lon": 0.0 });
        let fast = json!({ "counter": 5, "time": now, "lat": 1.0, "lon": 181.0 });
        let answer = agent.request("location:update", json!({ "fixes": [far, fast] })).await.unwrap();
        assert_eq!(answer["stored"], json!([]));
        assert_eq!(answer["rejected"][0], json!({ "counter": 4, "reason": "out_of_range", "index": 0 }));
        assert_eq!(answer["rejected"][1], json!({ "counter": 5, "reason": "out_of_range", "index": 1 }));
        let text = r#"{"event":"location:update","id":77,"data":{"fixes":[{"counter":1,"time":1,"lat":NaN,"lon":0}]}}"#;
        agent.send_text(text).await;
        assert_eq!(agent.expect("error").await["data"]["code"], "INVALID_MESSAGE");
    }
    assert!(server.metric("fanfare_fixes_rejected").await >= 8.0);
}

#[tokio::test]
async fn a_view_shows_its_departments_and_nothing_else() {
    let server = TestServer::start().await;
    let base = server.base();
    for kind in BOTH {
        let org = format!("acme-{kind:?}");
        let open = async |user: &str, org: &str, role: &str, departments: &[&str]| {
            Client::open(&base, kind, &token(&format!("{user}-{kind:?}"), org, role, departments)).await
        };
        let mut north = open("north", &org, "supervisor", &["north"]).await;
        let mut all = open("chief", &org, "admin", &[]).await;
        let mut rival = open("rival", "other", "admin", &[]).await;
        for watcher in [&mut north, &mut all, &mut rival] {
            follow(watcher, locations()).await;
        }
        let mut in_north = open("n", &org, "agent", &["north"]).await;
        let mut in_south = open("s", &org, "agent", &["south"]).await;
        let start = now();
        send(&mut in_south, &[fix(1, start, 2.0, 2.0)]).await;
        stored_up_to(&mut in_south, 1).await;
        send(&mut in_north, &[fix(1, start, 1.0, 1.0)]).await;
        let names = |event: &Value| -> Vec<String> {
            let agents = event["data"]["agents"].as_array().unwrap();
            agents.iter().map(|a| a["agent_id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&north.expect("location:agents").await), [format!("n-{kind:?}")]);
        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.extend(names(&all.expect("location:agents").await));
        }
        assert_eq!(rival.drain("location:agents").await, Vec::<Value>::new());
        let latest = north.request("location:latest", json!({})).await.unwrap();
        let agents = latest["agents"].as_array().unwrap();
        assert!(agents.iter().all(|a| a["agent_id"].as_str().unwrap().starts_with("n-")), "{latest}");
        let south = format!("s-{kind:?}");
        let track = json!({ "agent_id": south, "from": 0, "to": start + 1 });
        assert_eq!(
            north.request("location:history", track.clone()).await.unwrap_err()["code"],
            "UNAUTHORIZED"
        );
        assert_eq!(
            all.request("location:history", track.clone()).await.unwrap()["fixes"].as_array().unwrap().len(),
            1
        );
        let foreign = rival.request("location:history", track).await.unwrap();
        assert_eq!(foreign["fixes"], json!([]), "a foreign agent has no track");
        let narrowed = json!({ "channels": ["locations"], "department_id": "south" });
        assert_eq!(north.request("subscribe", narrowed.clone()).await.unwrap_err()["code"], "ROOM_NOT_FOUND");
        let (_, agents) = follow(&mut all, narrowed).await;
        assert!(agents.iter().all(|a| a["agent_id"].as_str().unwrap().starts_with("s-")));
        // The agent changes department: the view of the old one loses it.
        let mut moved =
            Client::open(&base, kind, &token(&format!("n-{kind:?}"), &org, "agent", &["south"])).await;
        send(&mut moved, &[fix(2, start + 1000, 1.0, 1.0)]).await;
        let removed = north.expect("location:removed").await;
        assert_eq!(removed["data"]["aliases"].as_array().unwrap().len(), 1);
        let refused = in_south.request("subscribe", locations()).await.unwrap_err();
        assert_eq!(refused["code"], "UNAUTHORIZED", "an agent does not watch others");
    }
}

#[tokio::test]
async fn a_lost_value_is_sent_again_after_a_second() {
    let server = TestServer::start().await;
    // Datagrams only: a WebSocket loses nothing, so nothing is repeated there.
    let mut boss = server.client(Kind::WebTransport, "boss", "supervisor").await;
    let mut agent = server.client(Kind::WebTransport, "a", "agent").await;
    follow(&mut boss, locations()).await;
    let start = now();
    send(&mut agent, &[fix(1, start, 1.0, 1.0)]).await;
    let mut times = 0;
    while times < 2 {
        times += boss.expect_ticks().await.ticks.iter().filter(|tick| tick.time.0 == start).count();
    }
}

#[tokio::test]
async fn a_channel_may_be_subscribed_to_again() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut boss = server.client(kind, "boss", "supervisor").await;
        let mut agent = server.client(kind, &format!("a-{kind:?}"), "agent").await;
        let (first, _) = follow(&mut boss, locations()).await;
        let (second, _) = follow(&mut boss, locations()).await;
        assert_eq!(first, second, "the same rights, the same view");
        send(&mut agent, &[fix(1, now(), 1.0, 1.0)]).await;
        boss.expect("location:agents").await;
        boss.request("unsubscribe", locations()).await.unwrap();
        send(&mut agent, &[fix(2, now(), 2.0, 2.0)]).await;
        stored_up_to(&mut agent, 2).await;
        boss.drain("location:agents").await;
    }
}

/// As above, in the view of one department while another is busy.
#[tokio::test]
async fn a_quiet_view_is_healed_while_others_are_busy() {
    let server = TestServer::start().await;
    let base = server.base();
    let open = async |user: &str, role: &str, department: &str| {
        Client::open(&base, Kind::WebTransport, &token(user, "acme", role, &[department])).await
    };
    let mut boss = open("boss", "supervisor", "north").await;
    follow(&mut boss, locations()).await;
    let mut busy = open("busy", "agent", "south").await;
    let traffic = tokio::spawn(async move {
        let mut timer = tokio::time::interval(std::time::Duration::from_millis(20));
        for counter in 1.. {
            timer.tick().await;
            send(&mut busy, &[fix(counter, now(), 2.0, 2.0)]).await;
        }
    });
    let mut quiet = open("quiet", "agent", "north").await;
    let start = now();
    send(&mut quiet, &[fix(1, start, 1.0, 1.0)]).await;
    let mut times = 0;
    while times < 3 {
        let ticks = boss.expect_ticks().await.ticks;
        assert!(ticks.iter().all(|tick| tick.position.lat() < 1.5), "nothing of the other department");
        times += ticks.iter().filter(|tick| tick.time.0 == start).count();
    }
    traffic.abort();
}

#[tokio::test]
async fn packets_above_the_rate_are_dropped() {
    let server = TestServer::with(|config| config.limits.packets_per_second = 5).await;
    for kind in BOTH {
        let mut agent = server.client(kind, &format!("hasty-{kind:?}"), "agent").await;
        let accepted = async || server.metric("fanfare_fixes_accepted").await as u64;
        let (before, start) = (accepted().await, now());
        for n in 0..500 {
            send(&mut agent, &[fix(n + 1, start + n, 1.0, 1.0)]).await;
        }
        until("some are taken", async || accepted().await >= before + 10).await;
        agent.request("client:ping", json!({})).await.expect("it is no offence");
        // Twice as many as in a second at once, and then those of the time that it took.
        let most = 10 + (now() - start) / 200 + 1;
        let taken = accepted().await - before;
        assert!(taken <= most, "{kind:?}: {taken} of 500 were taken, which should be {most}");
    }
}
