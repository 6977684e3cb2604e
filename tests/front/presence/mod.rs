//! Who is there: states, texts, devices, graces.

pub(crate) mod nodes;
mod watch;

use std::{collections::BTreeMap, time::Duration};

use fanfare::config::StoreKind;
use serde_json::{Value, json};

use crate::support::{
    client::{BOTH, Client, Kind},
    harness::{TestServer, token},
    until::{pace, until},
};

/// What a client is shown: by user, what holds.
#[derive(Debug, Default)]
pub struct Shown {
    pub view: u64,
    pub people: BTreeMap<String, Value>,
    /// Changes that came, and their bytes.
    pub changes: usize,
    pub bytes: usize,
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
            self.bytes += event.to_string().len();
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

/// Moves clocks ahead, a little at a time, until somebody is shown so. Answers how far: as nodes read every second, whatever
/// their clocks say, that is some seconds more than the rules would have it.
pub async fn pass_until(
    servers: &[&TestServer],
    watcher: &mut Client,
    shown: &mut Shown,
    user: &str,
    status: &str,
) -> u64 {
    let (mut passed, mut pace) = (0, pace(Duration::from_millis(20)));
    loop {
        for event in watcher.drain("presence:changed").await {
            shown.take(&event);
        }
        if shown.status(user) == status {
            return passed;
        }
        // Slowly enough for whoever lives to renew its lease.
        pace.tick().await;
        for server in servers {
            server.pass(80);
        }
        passed += 100;
        assert!(passed < 120_000, "{user} is still {}", shown.status(user));
    }
}

/// Moves the clock ahead until the server has taken leave of the people of all other nodes, which must be dead.
pub async fn pass_until_parted(server: &TestServer) {
    until("they have parted", async || {
        server.pass(500);
        server.metric("fanfare_presence_nodes").await == 0.0
    })
    .await;
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
        let before = crate::positions::live::now();
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
        let passed = pass_until(&[&server], &mut ann, &mut shown, &bob, "offline").await;
        assert!(passed >= 9_500, "{passed}");
        let gone = &shown.people[&bob];
        assert_eq!(gone["text"], "Back on Monday");
        let last_seen = gone["last_seen"].as_u64().unwrap();
        assert!((before..before + 9_000).contains(&last_seen), "{before} {last_seen}");
        // What was stored by the life after that is read by the next, which finds nothing of the first any more.
        pass_until_parted(&server).await;
        drop(ann);
        server.restart().await;
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

/// What somebody is shown as to whoever asks.
async fn status(client: &mut Client, user: &str) -> Value {
    let mut asked = client.request("presence:get", json!({ "users": [user] })).await.unwrap();
    asked["users"][0]["status"].take()
}

#[tokio::test]
async fn the_first_that_is_back_is_what_it_was_and_after_a_goodbye_it_is_there() {
    let mut server = TestServer::start().await;
    for kind in BOTH {
        let bob = format!("bob-{kind:?}");
        let mut phone = server.client(kind, &bob, "member").await;
        set(&mut phone, json!({ "status": "busy" })).await;
        server.restart().await;
        // Nobody of its organisation has been here before it.
        let mut phone = server.client(other(kind), &bob, "member").await;
        assert_eq!(status(&mut phone, &bob).await, "busy");
        set(&mut phone, json!({ "status": "offline" })).await;
        // The old connection is not known to be dead yet.
        let mut again = server.client(kind, &bob, "member").await;
        assert_eq!(status(&mut again, &bob).await, "online");
        phone.close().await;
        until_connections(&server, 1.0).await;
        assert_eq!(status(&mut again, &bob).await, "online");
    }
}

/// Clients that were there when a server went down may be on their way only for so long.
#[tokio::test]
async fn who_left_long_before_a_start_is_not_shown_by_it() {
    let mut server = TestServer::with(|config| config.store.kind = StoreKind::Sqlite).await;
    for kind in BOTH {
        let bob = format!("bob-{kind:?}");
        let mut phone = server.client(kind, &bob, "member").await;
        set(&mut phone, json!({ "status": "busy" })).await;
        server.restart_after(60_000).await;
        let mut ann = server.client(kind, "ann", "member").await;
        let shown = watch(&mut ann, Some(&[&bob])).await;
        assert_eq!(shown.status(&bob), "offline");
        let ping = ann.request("client:ping", json!({})).await.unwrap();
        let ago = ping["time"].as_u64().unwrap() - shown.people[&bob]["last_seen"].as_u64().unwrap();
        assert!(ago >= 60_000, "{ago}");
        drop(ann);
        server.restart().await;
    }
}
