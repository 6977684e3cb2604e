//! Watching: who may watch whom, what comes, and what it costs where many come and go.

use std::time::Instant;

use futures::future::join_all;
use serde_json::{Value, json};

use super::{set, watch};
use crate::support::{
    client::{BOTH, Client, Kind},
    harness::{Process, TestServer, token},
};

#[tokio::test]
async fn a_whole_organisation_is_for_those_who_lead_it_and_comes_in_parts() {
    let server = TestServer::start().await;
    let base = server.base();
    let open = async |user: &str, org: &str, role: &str| {
        Client::open(&base, Kind::WebSocket, &token(user, org, role, &[])).await
    };
    let mut crowd = Vec::new();
    for n in 0..90 {
        let mut one = open(&format!("{n:03}-{}", "x".repeat(120)), "acme", "agent").await;
        // Each as large as it can be.
        set(&mut one, json!({ "text": "t".repeat(256) })).await;
        crowd.push(one);
    }
    let mut rival = open("rival", "other", "admin").await;
    for kind in BOTH {
        let mut boss = server.client(kind, "boss", "supervisor").await;
        let granted = boss.request("subscribe", json!({ "channels": ["presence"] })).await.unwrap();
        assert_eq!(granted["subscriptions"].as_array().unwrap().len(), 1);
        let (mut seen, mut parts) = (Vec::new(), 0);
        loop {
            let part = boss.expect("presence:snapshot").await;
            assert!(part.to_string().len() <= 32 * 1024, "{}", part.to_string().len());
            parts += 1;
            let users = part["data"]["users"].as_array().unwrap();
            seen.extend(users.iter().map(|p| p["user_id"].as_str().unwrap().to_owned()));
            if part["data"]["more"] == json!(false) {
                break;
            }
        }
        assert!(parts > 1, "{parts}");
        assert_eq!(seen.iter().filter(|user| user.ends_with("xxx")).count(), 90);
        assert!(seen.is_sorted() && !seen.contains(&"rival".to_owned()));
        // By pages, the same.
        let (mut paged, mut after) = (Vec::new(), Value::Null);
        loop {
            let page = boss.request("presence:get", json!({ "after": after, "limit": 500 })).await.unwrap();
            assert!(page.to_string().len() <= 32 * 1024);
            let users = page["users"].as_array().unwrap();
            assert!(!users.is_empty() && users.len() <= 50);
            paged.extend(users.iter().map(|p| p["user_id"].as_str().unwrap().to_owned()));
            after = page["next"].clone();
            if after.is_null() {
                break;
            }
        }
        assert_eq!(paged, seen);
        for role in ["agent", "member", "patient"] {
            let mut one = server.client(kind, role, role).await;
            let all = one.request("subscribe", json!({ "channels": ["presence"] })).await.unwrap_err();
            assert_eq!(all["code"], "UNAUTHORIZED", "{role}");
            let all = one.request("presence:get", json!({})).await.unwrap_err();
            assert_eq!(all["code"], "UNAUTHORIZED", "{role}");
            assert_eq!(watch(&mut one, Some(&["boss"])).await.status("boss"), "online");
            // Both channels or none.
            let both = json!({ "channels": ["presence", "locations"], "users": [] });
            assert_eq!(one.request("subscribe", both).await.unwrap_err()["code"], "UNAUTHORIZED");
        }
        let nobody = watch(&mut boss, Some(&[])).await;
        assert!(nobody.people.is_empty(), "to name nobody is not to name everyone");
    }
    let all = watch(&mut rival, None).await;
    assert_eq!(all.people.keys().collect::<Vec<_>>(), ["rival"]);
}

#[tokio::test]
async fn another_organisation_looks_like_nobody() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let (bob, nobody) = (format!("bob-{kind:?}"), format!("nobody-{kind:?}"));
        let mut rival = Client::open(&server.base(), kind, &token("rival", "other", "admin", &[])).await;
        let mut spied = watch(&mut rival, Some(&[&bob, &nobody])).await;
        let mut everyone = server.client(kind, "boss", "admin").await;
        let mut all = watch(&mut everyone, None).await;
        let mut phone = server.client(kind, &bob, "member").await;
        set(&mut phone, json!({ "status": "busy", "text": "secret" })).await;
        all.until_status(&mut everyone, &bob, "busy").await;
        // What had to be told has been told: to the own organisation only.
        assert_eq!(rival.drain("presence:changed").await, Vec::<Value>::new());
        let like = |person: &Value| person.to_string().replace(&bob, "…").replace(&nobody, "…");
        assert_eq!(like(&spied.people[&bob]), like(&spied.people[&nobody]));
        let asked = rival.request("presence:get", json!({ "users": [bob, nobody] })).await.unwrap();
        assert_eq!(like(&asked["users"][0]), like(&asked["users"][1]));
        let page = rival.request("presence:get", json!({})).await.unwrap();
        assert!(!page.to_string().contains(&bob));
        // The same name in two organisations is two people.
        let twin = Client::open(&server.base(), kind, &token(&bob, "other", "member", &[])).await;
        spied.until_status(&mut rival, &bob, "online").await;
        assert_eq!(all.status(&bob), "busy");
        drop(twin);
    }
}

#[tokio::test]
async fn limits_of_presence() {
    let server = TestServer::with(|config| config.limits.people_per_organisation = 2).await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "admin").await;
        let long = ann.request("presence:set", json!({ "text": "t".repeat(257) })).await.unwrap_err();
        assert_eq!(long["code"], "INVALID_MESSAGE");
        let many: Vec<String> = (0..201).map(|n| format!("u{n}")).collect();
        let watched = json!({ "channels": ["presence"], "users": many });
        assert_eq!(ann.request("subscribe", watched).await.unwrap_err()["code"], "INVALID_MESSAGE");
        assert_eq!(
            ann.request("presence:get", json!({ "users": &many[..51] })).await.unwrap_err()["code"],
            "INVALID_MESSAGE"
        );
        let few: Vec<&str> = many[..200].iter().map(String::as_str).collect();
        assert_eq!(watch(&mut ann, Some(&few)).await.people.len(), 200);
        // Above the limit nobody is told of, and nothing else changes.
        let bob = server.client(kind, "bob", "member").await;
        let mut carol = server.client(kind, "carol", "member").await;
        assert_eq!(set(&mut carol, json!({ "status": "busy", "text": "here" })).await["status"], "offline");
        let all = watch(&mut ann, None).await;
        assert_eq!(all.people.keys().collect::<Vec<_>>(), ["ann", "bob"]);
        drop((bob, carol));
    }
    assert!(server.metric("fanfare_presence_not_shown").await >= 2.0);
}

/// Changes while a snapshot is under way, and again and again: whoever comes at any time ends with what holds.
#[tokio::test]
async fn nothing_is_missed_between_a_snapshot_and_the_changes() {
    let server = TestServer::with(|config| {
        config.presence.flush_ms = 10;
        config.limits.messages_per_second = 1_000_000;
    })
    .await;
    for kind in BOTH {
        let bob = format!("bob-{kind:?}");
        let mut phone = server.client(kind, &bob, "member").await;
        let changing = tokio::spawn(async move {
            for n in 0..300 {
                let status = ["busy", "away", "online"][n % 3];
                set(&mut phone, json!({ "status": status })).await;
            }
            set(&mut phone, json!({ "status": "busy" })).await;
            phone
        });
        let mut boss = server.client(kind, "boss", "admin").await;
        let mut named = server.client(kind, "ann", "member").await;
        // At least once: the changes may be over before these clients are here.
        let (mut all, mut one) = loop {
            let last = changing.is_finished();
            let shown = (watch(&mut boss, None).await, watch(&mut named, Some(&[&bob])).await);
            if last {
                break shown;
            }
        };
        let phone = changing.await.unwrap();
        for (client, shown) in [(&mut boss, &mut all), (&mut named, &mut one)] {
            let mut last = shown.people[&bob]["version"].as_u64().unwrap();
            while shown.status(&bob) != "busy" {
                let event = client.expect("presence:changed").await;
                shown.take(&event);
                let version = shown.people[&bob]["version"].as_u64().unwrap();
                assert!(version >= last, "what is newer comes later");
                last = version;
            }
        }
        assert!(all.people[&bob]["version"].as_u64() > Some(1));
        phone.close().await;
    }
}

/// A crowd that comes and goes at once, in an organisation that some watch. `FANFARE_TEST_CROWD=2000x50` makes both larger.
#[tokio::test]
async fn a_crowd_that_comes_and_goes_at_once_is_told_in_few_events() {
    let size = std::env::var("FANFARE_TEST_CROWD").unwrap_or_else(|_| "300x10".into());
    let (crowd, watchers) = size.split_once('x').unwrap();
    let (crowd, watchers): (usize, usize) = (crowd.parse().unwrap(), watchers.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("FANFARE_PRESENCE__GRACE_MS", "1000"),
        ("FANFARE_LIMITS__CONNECTIONS_PER_IP", "100000"),
        ("FANFARE_LIMITS__ATTEMPTS_PER_SECOND_PER_IP", "100000"),
    ];
    let server = Process::start_with(dir.path(), &settings).await;
    let mut bosses = Vec::new();
    for n in 0..watchers {
        let boss = token(&format!("boss-{n}"), "acme", "supervisor", &[]);
        let mut watcher = Client::open(&server.base, BOTH[n % 2], &boss).await;
        let shown = watch(&mut watcher, None).await;
        bosses.push((watcher, shown));
    }
    for status in ["online", "offline"] {
        let (begun, cpu) = (Instant::now(), server.cpu());
        let people = if status == "online" {
            let tokens = (0..crowd).map(|n| token(&format!("agent-{n}"), "acme", "agent", &[]));
            let come = tokens.map(|token| {
                let base = server.base.clone();
                tokio::spawn(async move { Client::open(&base, Kind::WebSocket, &token).await })
            });
            join_all(come).await.into_iter().map(Result::unwrap).collect()
        } else {
            Vec::new()
        };
        let told = bosses.iter_mut().map(async |(watcher, shown)| {
            let before = (shown.changes, shown.bytes);
            for n in 0..crowd {
                shown.until_status(watcher, &format!("agent-{n}"), status).await;
            }
            (shown.changes - before.0, shown.bytes - before.1)
        });
        let told = join_all(told).await;
        let (events, bytes) = told.iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        println!(
            "{crowd} {status}, told to {watchers}: {} events and {} bytes each; {} ms, CPU {} ms",
            events / watchers,
            bytes / watchers,
            begun.elapsed().as_millis(),
            server.cpu().saturating_sub(cpu).as_millis()
        );
        assert!(events / watchers < crowd / 2, "{events} events");
        // All of them go, without a word.
        drop(people);
    }
}
