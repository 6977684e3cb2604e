//! Fixes as devices send them: values that are not known, entries that cannot be read, clocks that are wrong; and what a
//! restart and a new life of the aliases leave of them.

use std::time::Duration;

use fanfare_client::{Client as Library, Config, Preference, Transport};
use fanfare_proto::{DeviceId, Fix, JsonFix};
use serde_json::{Value, json};

use crate::{
    positions::live::{fix, follow, locations, now, send, stored_up_to},
    support::{
        client::{BOTH, Client, Kind},
        harness::{Process, TestServer, http_get, token},
        store::organisation,
        until::until,
    },
};

const DAY: u64 = 86_400_000;

async fn open(
    server: &TestServer,
    kind: Kind,
    user: &str,
    org: &str,
    role: &str,
    departments: &[&str],
) -> Client {
    Client::open(&server.base(), kind, &token(user, org, role, departments)).await
}

/// Sends a fix, and waits until it is stored.
async fn update(agent: &mut Client, fix: Fix) {
    let fixes = json!([JsonFix::from(fix)]);
    agent.request("location:update", json!({ "fixes": fixes })).await.unwrap();
}

fn names(answer: &Value) -> Vec<&str> {
    let agents = answer["agents"].as_array().unwrap();
    agents.iter().map(|agent| agent["agent_id"].as_str().unwrap()).collect()
}

/// What a device does not know it writes in many ways. The place counts.
#[tokio::test]
async fn what_is_not_known_loses_no_fix() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut agent = server.client(kind, &format!("phone-{kind:?}"), "agent").await;
        let now = now();
        let place = |counter: u64, more: Value| {
            let mut fix = json!({ "counter": counter, "time": now - 10_000 + counter, "lat": 1, "lon": 2 });
            fix.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            fix
        };
        let fixes = [
            json!({ "speed": -1 }),
            json!({ "heading": -1 }),
            json!({ "battery": -1 }),
            json!({ "accuracy": -1 }),
            json!({ "accuracy": null, "speed": null, "heading": null, "battery": null }),
            json!({ "heading": 360, "battery": 255 }),
            json!({ "speed": "NaN" }),
        ];
        let fixes: Vec<Value> = (1..).zip(fixes).map(|(counter, more)| place(counter, more)).collect();
        let answer = agent.request("location:update", json!({ "fixes": fixes })).await.unwrap();
        assert_eq!(answer, json!({ "stored": [[1, 7]] }));
        let span = json!({ "agent_id": format!("phone-{kind:?}"), "from": 0, "to": now });
        let track = agent.request("location:history", span).await.unwrap();
        let mut expected: Vec<Value> = (1..=7).map(|counter| place(counter, json!({}))).collect();
        for fix in &mut expected {
            *fix = json!(serde_json::from_value::<JsonFix>(fix.clone()).unwrap());
        }
        expected[5]["heading"] = json!(0.0);
        assert_eq!(track["fixes"], json!(expected));
    }
}

#[tokio::test]
async fn one_bad_fix_keeps_no_other_from_being_stored() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut agent = server.client(kind, &format!("odd-{kind:?}"), "agent").await;
        let now = now();
        let fixes = json!([
            { "counter": 1, "time": now, "lat": 1, "lon": 2 },
            { "counter": 2, "time": now, "lat": null, "lon": 2 },
            { "counter": 3, "time": "soon", "lat": 1, "lon": 2 },
            { "counter": -4, "time": now, "lat": 1, "lon": 2 },
            { "counter": 5, "time": now, "lat": 91, "lon": 2 },
            [6, now, 1, 2],
            "x",
            { "counter": 7, "time": now, "lat": 1, "lon": 180 },
        ]);
        let answer = agent.request("location:update", json!({ "fixes": fixes })).await.unwrap();
        let bad = |index: u32, counter: u64, reason: &str| json!({ "counter": counter, "reason": reason, "index": index });
        assert_eq!(
            answer,
            json!({ "stored": [[1, 1], [7, 7]], "rejected": [
                bad(1, 2, "malformed"), bad(2, 3, "malformed"), bad(3, 0, "malformed"), bad(4, 5, "out_of_range"),
                bad(5, 0, "malformed"), bad(6, 0, "malformed"),
            ] })
        );
    }
}

/// Where agents work outlives the server: those see them who saw them before, and nobody else.
#[tokio::test]
async fn a_department_sees_its_agents_after_a_restart() {
    let mut server = TestServer::start().await;
    for kind in BOTH {
        let org = format!("night-{kind:?}");
        let start = now();
        for (user, departments) in
            [("request", &["north", "east"][..]), ("south", &["south"]), ("moved", &["north"])]
        {
            let mut agent = open(&server, kind, user, &org, "agent", departments).await;
            let fixes = json!([JsonFix::from(fix(1, start, 1.0, 1.0))]);
            agent.request("location:update", json!({ "fixes": fixes })).await.unwrap();
        }
        // What a newer token says holds, also where what comes with it is an old fix.
        let mut moved = open(&server, kind, "moved", &org, "agent", &["south"]).await;
        let old = json!([JsonFix::from(fix(2, start - 1_000, 1.0, 1.0))]);
        moved.request("location:update", json!({ "fixes": old })).await.unwrap();
        // Last: what comes by request also stores what waits.
        let mut by_packet = open(&server, kind, "packet", &org, "agent", &["north"]).await;
        send(&mut by_packet, &[fix(1, start, 1.0, 1.0)]).await;
        stored_up_to(&mut by_packet, 1).await;
        // Who is still there holds up the way down.
        drop((moved, by_packet));
        server.restart().await;

        let mut north = open(&server, kind, "north", &org, "supervisor", &["north"]).await;
        let (_, agents) = follow(&mut north, locations()).await;
        let mut seen: Vec<_> = agents.iter().map(|agent| agent["agent_id"].as_str().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, ["packet", "request"]);
        let latest = north.request("location:latest", json!({})).await.unwrap();
        assert_eq!(names(&latest), ["packet", "request"]);
        let window = json!({ "from": start - 1_000, "to": start });
        let window = north.request("location:window", window).await.unwrap();
        assert_eq!(window["fixes"].as_array().unwrap().len(), 2);
        for (agent, allowed) in [("packet", true), ("request", true), ("south", false), ("moved", false)] {
            let span = json!({ "agent_id": agent, "from": 0, "to": start });
            let track = north.request("location:history", span).await;
            assert_eq!(track.is_ok(), allowed, "{agent}");
        }
        let mut rival =
            open(&server, kind, "north", &format!("rival-{kind:?}"), "supervisor", &["north"]).await;
        assert_eq!(names(&rival.request("location:latest", json!({})).await.unwrap()), [""; 0]);
        // The next token of an agent says what holds from then on.
        let mut packet = open(&server, kind, "packet", &org, "agent", &["south"]).await;
        send(&mut packet, &[fix(2, now(), 1.0, 1.0)]).await;
        stored_up_to(&mut packet, 2).await;
        assert_eq!(names(&north.request("location:latest", json!({})).await.unwrap()), ["request"]);
    }
}

/// Who watches an agent is told that its fixes are refused, and why; also where it has never been seen.
#[tokio::test]
async fn refused_fixes_are_told_to_those_who_watch() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let org = format!("clocks-{kind:?}");
        let now = now();
        let mut fast = open(&server, kind, "fast", &org, "agent", &["north"]).await;
        send(&mut fast, &[fix(1, now + 120_000, 1.0, 1.0)]).await;
        let told = fast.expect("location:stored").await;
        assert_eq!(told["data"]["rejected"], json!([{ "counter": 1, "reason": "clock_ahead" }]));
        let mut week = open(&server, kind, "week", &org, "agent", &["south"]).await;
        let old = json!([JsonFix::from(fix(1, now - 7_168 * DAY, 1.0, 1.0))]);
        let both = json!([JsonFix::from(fix(2, now, 1.0, 1.0)), old[0]]);
        week.request("location:update", json!({ "fixes": both })).await.unwrap();

        let mut chief = open(&server, kind, "chief", &org, "admin", &[]).await;
        let ask = json!({ "refused": true });
        let refused = chief.request("location:latest", ask.clone()).await.unwrap();
        assert_eq!(names(&refused), ["fast", "week"]);
        assert!(refused["agents"][0]["fix"].is_null());
        let said = &refused["agents"][0]["refused"];
        assert_eq!((&said["reason"], &said["count"]), (&json!("clock_ahead"), &json!(1)));
        assert!(said["last_at"].as_u64().unwrap() >= now);
        assert_eq!(refused["agents"][1]["refused"]["reason"], "too_old");
        assert_eq!(refused["agents"][1]["fix"]["counter"], 2);
        let page = chief.request("location:latest", json!({ "refused": true, "limit": 1 })).await.unwrap();
        assert_eq!((names(&page), &page["next"]), (vec!["fast"], &json!("fast")));
        let all = chief.request("location:latest", json!({})).await.unwrap();
        assert_eq!(all["agents"][0]["refused"]["reason"], "too_old");
        // As far as one may see the agents.
        let mut south = open(&server, kind, "boss", &org, "supervisor", &["south"]).await;
        assert_eq!(names(&south.request("location:latest", ask.clone()).await.unwrap()), ["week"]);
        let mut rival = open(&server, kind, "chief", "rivals", "admin", &[]).await;
        assert_eq!(names(&rival.request("location:latest", ask.clone()).await.unwrap()), [""; 0]);
        // A good fix ends it.
        week.request("location:update", json!({ "fixes": [JsonFix::from(fix(3, now + 1, 1.0, 1.0))] }))
            .await
            .unwrap();
        assert_eq!(names(&chief.request("location:latest", ask).await.unwrap()), ["fast"]);
    }
}

/// Where as many are shown as may be, of whom nothing has come for ten minutes makes room.
#[tokio::test]
async fn a_departed_agent_makes_room_for_another() {
    let server = TestServer::with(|config| config.limits.agents_per_organisation = 1).await;
    let (start, mut passed) = (now(), 0);
    for kind in BOTH {
        let org = format!("full-{kind:?}");
        let mut boss = open(&server, kind, "boss", &org, "admin", &[]).await;
        let mut first = open(&server, kind, "first", &org, "agent", &[]).await;
        let mut second = open(&server, kind, "second", &org, "agent", &[]).await;
        update(&mut first, fix(1, start + passed, 1.0, 1.0)).await;
        update(&mut second, fix(1, start + passed, 2.0, 2.0)).await;
        assert_eq!(names(&boss.request("location:latest", json!({})).await.unwrap()), ["first"]);
        server.pass(600_000);
        passed += 600_000;
        update(&mut second, fix(2, start + passed, 2.0, 2.0)).await;
        assert_eq!(names(&boss.request("location:latest", json!({})).await.unwrap()), ["second"]);
    }
}

/// Which agents' fixes are refused or not shown, and why, is in the log, and counted for each organisation.
#[tokio::test]
async fn the_operator_learns_what_becomes_of_fixes() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("FANFARE_LIMITS__AGENTS_PER_ORGANISATION", "2"), ("FANFARE_LOG__FILTER", "info")];
    let process = Process::start_with(dir.path(), &settings).await;
    let org = organisation("acme");
    let agent = async |process: &Process, user: &str| {
        Client::open(&process.base, Kind::WebSocket, &token(user, "acme", "agent", &[])).await
    };
    let told = async |process: &Process, what: &str, parts: [&str; 2]| {
        until(what, async || {
            let whole = |line: &String| line.contains(what) && parts.iter().all(|part| line.contains(part));
            process.log().iter().any(whole)
        })
        .await;
        assert!(process.log().iter().any(|line| line.contains(what) && line.contains(&org)));
    };
    let counted = async |process: &Process, name: &str| {
        let all = http_get(&process.base, "/metrics").await;
        let named = format!("{name}_total{{organisation=\"{org}\"}} ");
        all.lines().find_map(|line| line.strip_prefix(&named).map(str::to_owned))
    };
    let now = now();
    send(&mut agent(&process, "fast").await, &[fix(1, now + 120_000, 1.0, 1.0)]).await;
    update(&mut agent(&process, "week").await, fix(1, now - 7_168 * DAY, 1.0, 1.0)).await;
    told(&process, "were refused", ["clock_ahead", "fast"]).await;
    told(&process, "were refused", ["too_old", "week"]).await;

    for (user, shown) in [("one", true), ("two", true), ("three", false)] {
        update(&mut agent(&process, user).await, fix(1, now, 1.0, 1.0)).await;
        let count = counted(&process, "fanfare_fixes_not_shown").await;
        assert_eq!(count.as_deref(), if shown { None } else { Some("1") }, "{user}");
    }
    told(&process, "not shown live", ["limits.agents_per_organisation", "three"]).await;

    // Those of an earlier life of the server are not there: a newcomer takes the place of one.
    let process = process.kill_and_restart().await;
    let boss = token("boss", "acme", "admin", &[]);
    let mut boss = Client::open(&process.base, Kind::WebSocket, &boss).await;
    let before = boss.request("location:latest", json!({})).await.unwrap();
    assert_eq!(before["agents"].as_array().unwrap().len(), 2);
    update(&mut agent(&process, "new").await, fix(1, now, 1.0, 1.0)).await;
    let after = boss.request("location:latest", json!({})).await.unwrap();
    assert!(names(&after).contains(&"new"), "{after}");
    assert_eq!(counted(&process, "fanfare_agents_made_room").await.as_deref(), Some("1"));
    told(&process, "took the places", ["limits.agents_per_organisation", "new"]).await;
    process.stop().await;
}

/// Agents that are forgotten and come back use up aliases: then all who follow begin with a new snapshot.
#[tokio::test]
async fn a_new_life_of_the_aliases_is_told() {
    let server = TestServer::with(|config| config.limits.agents_per_organisation = 4).await;
    let (kept, mut passed) = (30 * DAY, 0);
    for kind in BOTH {
        let org = format!("churn-{kind:?}");
        let mut boss = open(&server, kind, "boss", &org, "admin", &[]).await;
        let granted = boss.request("subscribe", locations()).await.unwrap();
        let before = granted["subscriptions"][0]["epoch"].as_u64().unwrap();
        assert_eq!(boss.expect("location:snapshot").await["data"]["agents"], json!([]));
        let transport =
            if kind == Kind::WebTransport { Transport::WebTransport } else { Transport::WebSocket };
        let device = DeviceId::new("eye").unwrap();
        let config = Config::new(server.base(), token("eye", &org, "admin", &[]), device);
        let (library, _events) = Library::connect(config.transport(Preference::Only(transport))).unwrap();
        library.opened().await.unwrap();
        let positions = library.positions(None).await.unwrap();

        let mut stays = open(&server, kind, "stays", &org, "agent", &[]).await;
        update(&mut stays, fix(1, now() + passed, 1.0, 1.0)).await;
        let mut returns = Vec::new();
        for n in 0..3 {
            returns.push(open(&server, kind, &format!("returns-{n}"), &org, "agent", &[]).await);
        }
        let mut counter = 0;
        let (mut epoch, mut agents) = (before, Vec::new());
        while epoch == before {
            counter += 1;
            assert!(counter < 100, "no new epoch after {counter} rounds");
            for agent in &mut returns {
                update(agent, fix(counter, now() + passed - kept + 1_500, 2.0, 2.0)).await;
            }
            server.pass(2_000);
            passed += 2_000;
            update(&mut stays, fix(counter + 1, now() + passed, 1.0, 1.0)).await;
            let mut forgotten = 0;
            while forgotten < 3 {
                let removed = boss.expect("location:removed").await;
                forgotten += removed["data"]["aliases"].as_array().unwrap().len();
            }
            for snapshot in boss.drain("location:snapshot").await {
                epoch = snapshot["data"]["epoch"].as_u64().unwrap();
                agents.extend(snapshot["data"]["agents"].as_array().unwrap().iter().cloned());
            }
        }
        assert_eq!(epoch, before + 1);
        let stayed = agents.iter().find(|agent| agent["agent_id"] == "stays").expect("it is in the snapshot");
        let alias = stayed["alias"].as_u64().unwrap() as u32;
        assert!(alias < 4, "aliases begin again");
        // What moves afterwards comes under the new alias, to both.
        let last = now() + passed;
        send(&mut stays, &[fix(counter + 2, last, 5.0, 5.0)]).await;
        loop {
            let ticks = boss.expect_ticks().await;
            if ticks.ticks.iter().any(|tick| tick.alias == alias && tick.position.lat() > 4.0) {
                assert_eq!(u64::from(ticks.epoch.0), epoch);
                break;
            }
        }
        until("the library shows who is there, and nobody else", async || {
            let all = positions.all();
            all.len() == 1 && all[0].agent_id.as_str() == "stays" && all[0].position.lat() > 4.0
        })
        .await;
        library.close().await;
        tokio::time::timeout(Duration::from_secs(10), boss.request("client:ping", json!({})))
            .await
            .unwrap()
            .unwrap();
    }
}
