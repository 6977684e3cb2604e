//! Who is there: states, texts, devices, graces, watching.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    client::{BOTH, Client, Kind},
    harness::{TestServer, token},
};

/// What a client is shown: by user, what holds.
#[derive(Debug, Default)]
pub struct Shown {
    pub view: u64,
    pub people: BTreeMap<String, Value>,
    /// Changes that came.
    pub changes: usize,
}

impl Shown {
    /// Takes an event of presence as a client should.
    pub fn take(&mut self, event: &Value) {
        // One that was on its way when the subscription was replaced.
        if event["data"]["view"] != self.view {
            return;
        }
        for person in event["data"]["users"].as_array().unwrap() {
            let user = person["user_id"].as_str().unwrap().to_owned();
            let version = |person: &Value| person["version"].as_u64().unwrap();
            if self.people.get(&user).is_none_or(|had| version(had) <= version(person)) {
                self.people.insert(user, person.clone());
            }
        }
    }

    pub fn status(&self, user: &str) -> &str {
        self.people.get(user).map_or("unknown", |person| person["status"].as_str().unwrap())
    }

    /// Waits until somebody is shown so.
    pub async fn until(&mut self, client: &mut Client, user: &str, so: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(person) = self.people.get(user).filter(|person| so(person)) {
                return person.clone();
            }
            let event = client.expect("presence:changed").await;
            self.changes += 1;
            self.take(&event);
        }
    }

    pub async fn until_status(&mut self, client: &mut Client, user: &str, status: &str) -> Value {
        self.until(client, user, |person| person["status"] == status).await
    }

    /// Waits until somebody else has shown a text that was never shown, and answers what came of `user` until then: a
    /// change that was made before had to come before.
    pub async fn came_of(&mut self, client: &mut Client, user: &str, marker: &mut Client) -> Vec<Value> {
        let text = format!("marker {}", self.changes);
        let me = marker.request("presence:set", json!({ "text": text })).await.unwrap();
        let me = me["user_id"].as_str().unwrap().to_owned();
        let mut came = Vec::new();
        loop {
            let event = client.expect("presence:changed").await;
            self.changes += 1;
            self.take(&event);
            let users = event["data"]["users"].as_array().unwrap();
            came.extend(users.iter().filter(|person| person["user_id"] == user).cloned());
            if self.people.get(&me).is_some_and(|person| person["text"] == json!(text)) {
                return came;
            }
        }
    }
}

/// Watches some users, or everyone.
pub async fn watch(client: &mut Client, users: Option<&[&str]>) -> Shown {
    let mut wish = json!({ "channels": ["presence"] });
    if let Some(users) = users {
        wish["users"] = json!(users);
    }
    let granted = client.request("subscribe", wish).await.unwrap();
    let view = granted["subscriptions"][0]["view"].as_u64().unwrap();
    let mut shown = Shown { view, ..Shown::default() };
    loop {
        let part = client.expect("presence:snapshot").await;
        shown.take(&part);
        if part["data"]["more"] == json!(false) {
            return shown;
        }
    }
}

pub async fn set(client: &mut Client, data: Value) -> Value {
    client.request("presence:set", data).await.unwrap()
}

/// Waits until so many connections are left, each of which has told who it was.
pub async fn until_connections(server: &TestServer, number: f64) {
    while server.metric("fanfare_connections").await > number {
        tokio::task::yield_now().await;
    }
}

fn other(kind: Kind) -> Kind {
    if kind == Kind::WebSocket { Kind::WebTransport } else { Kind::WebSocket }
}

#[tokio::test]
async fn the_states_and_the_text_of_somebody_are_seen() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let (bob, nobody) = (format!("bob-{kind:?}"), format!("nobody-{kind:?}"));
        let mut ann = server.client(kind, &format!("ann-{kind:?}"), "member").await;
        let mut shown = watch(&mut ann, Some(&[&bob, &nobody])).await;
        assert_eq!(shown.people[&bob], json!({ "user_id": bob, "status": "offline", "version": 0 }));

        let mut phone = server.client(kind, &bob, "agent").await;
        shown.until_status(&mut ann, &bob, "online").await;
        for status in ["busy", "away", "online"] {
            let mine = set(&mut phone, json!({ "status": status })).await;
            assert_eq!((&mine["user_id"], &mine["status"]), (&json!(bob), &json!(status)));
            shown.until_status(&mut ann, &bob, status).await;
        }
        set(&mut phone, json!({ "text": "Röntgen \"bis\" 14:00 <b>" })).await;
        let seen = shown.until(&mut ann, &bob, |person| person.get("text").is_some()).await;
        assert_eq!((&seen["text"], &seen["status"]), (&json!("Röntgen \"bis\" 14:00 <b>"), &json!("online")));
        set(&mut phone, json!({ "text": "" })).await;
        shown.until(&mut ann, &bob, |person| person.get("text").is_none()).await;

        let faked = phone.request("presence:set", json!({ "status": "in_call" })).await.unwrap_err();
        assert_eq!(faked["code"], "INVALID_MESSAGE", "a call is not a client's to claim");
        let before = crate::positions::now();
        set(&mut phone, json!({ "status": "offline" })).await;
        let gone = shown.until_status(&mut ann, &bob, "offline").await;
        assert!(gone["last_seen"].as_u64().unwrap() >= before - 1, "gone at once");
        assert_eq!(shown.status(&nobody), "offline");
    }
}

#[tokio::test]
async fn devices_are_merged_and_the_last_one_to_go_counts() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let bob = format!("bob-{kind:?}");
        let mut ann = server.client(kind, &format!("ann-{kind:?}"), "member").await;
        let mut shown = watch(&mut ann, Some(&[&bob])).await;
        let open = async |device: &str, kind: Kind| {
            let hello = json!({ "token": token(&bob, "acme", "member", &[]), "device_id": device });
            Client::open_with(&server.base(), kind, hello).await
        };
        let mut phone = open("phone", kind).await;
        let mut desk = open("desk", other(kind)).await;
        set(&mut phone, json!({ "status": "away" })).await;
        shown.until_status(&mut ann, &bob, "online").await;
        set(&mut desk, json!({ "status": "busy" })).await;
        shown.until_status(&mut ann, &bob, "busy").await;
        // The desk goes, and with it what it was, once its grace is over.
        desk.close().await;
        until_connections(&server, 2.0).await;
        server.pass(9_000);
        assert!(shown.came_of(&mut ann, &bob, &mut phone).await.iter().all(|p| p["status"] == "busy"));
        server.pass(1_000);
        shown.until_status(&mut ann, &bob, "away").await;
        phone.vanish();
        until_connections(&server, 1.0).await;
        server.pass(10_000);
        let gone = shown.until_status(&mut ann, &bob, "offline").await;
        // When the connection went, not when the grace was over.
        let ping = ann.request("client:ping", json!({})).await.unwrap();
        let ago = ping["time"].as_u64().unwrap() - gone["last_seen"].as_u64().unwrap();
        assert!((10_000..20_000).contains(&ago), "{ago}");
        ann.close().await;
        until_connections(&server, 0.0).await;
    }
}

#[tokio::test]
async fn a_short_absence_is_not_seen() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let bob = format!("bob-{kind:?}");
        let mut ann = server.client(kind, &format!("ann-{kind:?}"), "member").await;
        let mut eve = server.client(kind, &format!("eve-{kind:?}"), "member").await;
        let mut shown = watch(&mut ann, Some(&[&bob, &format!("eve-{kind:?}")])).await;
        let mut phone = server.client(kind, &bob, "member").await;
        set(&mut phone, json!({ "status": "away" })).await;
        shown.until_status(&mut ann, &bob, "away").await;
        shown.came_of(&mut ann, &bob, &mut eve).await;
        for way in [kind, other(kind)] {
            phone.vanish();
            until_connections(&server, 2.0).await;
            server.pass(9_500);
            phone = server.client(way, &bob, "member").await;
            // The old grace ends, and nothing with it: it is still away, as it was.
            server.pass(20_000);
            assert_eq!(shown.came_of(&mut ann, &bob, &mut eve).await, Vec::<Value>::new());
            assert_eq!(shown.status(&bob), "away");
        }
        // Whoever says goodbye is gone at once, and online when back.
        set(&mut phone, json!({ "status": "offline" })).await;
        shown.until_status(&mut ann, &bob, "offline").await;
        phone.close().await;
        let phone = server.client(kind, &bob, "member").await;
        shown.until_status(&mut ann, &bob, "online").await;
        ann.close().await;
        eve.close().await;
        drop(phone);
        until_connections(&server, 0.0).await;
    }
}

#[tokio::test]
async fn a_text_and_the_last_time_outlive_a_restart() {
    let mut server = TestServer::start().await;
    for kind in BOTH {
        let bob = format!("bob-{kind:?}");
        let mut phone = server.client(kind, &bob, "member").await;
        set(&mut phone, json!({ "text": "Back on Monday", "status": "busy" })).await;
        let before = phone.request("client:ping", json!({})).await.unwrap()["time"].as_u64().unwrap();
        server.restart().await;
        let mut ann = server.client(kind, "ann", "member").await;
        let mut shown = watch(&mut ann, Some(&[&bob])).await;
        // Until the grace is over they are what they were: their clients may be on their way.
        assert_eq!((shown.status(&bob), &shown.people[&bob]["text"]), ("busy", &json!("Back on Monday")));
        server.pass(10_000);
        let gone = shown.until_status(&mut ann, &bob, "offline").await;
        assert_eq!(gone["text"], "Back on Monday");
        let last_seen = gone["last_seen"].as_u64().unwrap();
        assert!((before..before + 9_000).contains(&last_seen), "{before} {last_seen}");
        // What was stored by the life after that is read by the next.
        server.pass(60_000);
        drop(ann);
        server.restart().await;
        server.pass(60_000);
        let mut ann = server.client(kind, "ann", "member").await;
        let asked = ann.request("presence:get", json!({ "users": [bob] })).await.unwrap();
        let mut person = asked["users"][0].clone();
        person["version"] = json!(0);
        let expected = json!({ "user_id": bob, "status": "offline", "text": "Back on Monday", "last_seen": last_seen, "version": 0 });
        assert_eq!(person, expected);
        drop(ann);
        server.restart().await;
    }
}

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
        let (mut all, mut one) = (Shown::default(), Shown::default());
        while !changing.is_finished() {
            all = watch(&mut boss, None).await;
            one = watch(&mut named, Some(&[&bob])).await;
        }
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

/// Two thousand come at once to an organisation that fifty watch.
#[tokio::test]
async fn a_crowd_that_comes_at_once_is_told_in_few_events() {
    const CROWD: usize = 300;
    const WATCHERS: usize = 10;
    let server = TestServer::start().await;
    let base = server.base();
    let mut watchers = Vec::new();
    for n in 0..WATCHERS {
        let mut watcher = server.client(BOTH[n % 2], &format!("boss-{n}"), "supervisor").await;
        let shown = watch(&mut watcher, None).await;
        watchers.push((watcher, shown));
    }
    let crowd: Vec<_> = (0..CROWD)
        .map(|n| {
            let base = base.clone();
            let token = token(&format!("agent-{n}"), "acme", "agent", &[]);
            tokio::spawn(async move { Client::open(&base, Kind::WebSocket, &token).await })
        })
        .collect();
    let crowd = futures::future::join_all(crowd).await;
    for (watcher, shown) in &mut watchers {
        for n in 0..CROWD {
            shown.until_status(watcher, &format!("agent-{n}"), "online").await;
        }
        println!("{} events for {CROWD} people", shown.changes);
        assert!(shown.changes < CROWD / 2, "{} events", shown.changes);
    }
    drop(crowd);
}
