//! What is sent without being asked for is sent to whoever may hear it, and to nobody else: by role, from the first moment
//! on and by a newer token.

use fanfare::config::Config;
use serde_json::{Value, json};

use crate::{
    chat::conversations::{create, say},
    session::resume_large::{Shelf, begin, told_of_all},
    support::{
        client::{BOTH, Client, Got, Kind},
        harness::{TestServer, token},
    },
};

const NOTICES: [&str; 2] = ["notice:all", "urgent_notice:all"];

/// One shard: what one has heard, another one there would have heard before it answers a ping.
fn one_shard(config: &mut Config) {
    config.shards = 1;
    let role = serde_json::from_value(json!({ "may": ["watch_locations"] })).unwrap();
    config.auth.roles.insert("screen".into(), role);
    let limits = &mut config.limits;
    limits.broadcasts_per_minute_per_user = 1_000_000;
    limits.broadcasts_per_minute_per_organisation = 1_000_000;
}

async fn client(server: &TestServer, kind: Kind, user: &str, org: &str, role: &str) -> Client {
    Client::open(&server.base(), kind, &token(user, org, role, &[])).await
}

/// One who writes to somebody, and tells everyone of an organisation that has nobody else.
struct Speaker {
    client: Client,
    room: String,
    said: usize,
}

impl Speaker {
    async fn new(server: &TestServer, kind: Kind, org: &str) -> Self {
        let mut client = client(server, kind, "boss", org, "admin").await;
        let room = create(&mut client, "room", &["ann"]).await;
        Self { client, room, said: 0 }
    }

    /// Says something in each way. All of it has been passed on to whoever hears it when this ends.
    async fn speak(&mut self) {
        self.said += 1;
        let id = format!("{}-{}", self.room, self.said);
        let seq = say(&mut self.client, &self.room, &id, "hush").await["seq"].clone();
        let mark = json!({ "conversation_id": self.room, "seq": seq });
        self.client.request("message:received", mark).await.unwrap();
        for priority in ["urgent", "low"] {
            let notice =
                json!({ "client_id": format!("{id}-{priority}"), "message": id, "priority": priority });
            self.client.request("system:broadcast", notice).await.unwrap();
        }
        for _ in 0..2 {
            self.client.expect("system:broadcast").await;
        }
    }

    fn topic(&self) -> String {
        format!("conversation:{}", self.room)
    }
}

/// The names of all that has come, in their order; at least so many are waited for.
async fn heard(client: &mut Client, at_least: usize) -> Vec<String> {
    // A receipt may come right after what was sent later.
    client.request("client:ping", json!({})).await.unwrap();
    let mut got = client.everything().await;
    while got.len() < at_least {
        got.push(client.next().await);
    }
    let mut names = Vec::new();
    for got in got {
        match got {
            Got::Event(_, event) => names.push(event["event"].as_str().unwrap().to_owned()),
            other => panic!("{other:?}"),
        }
    }
    names.retain(|name| name != "server:ping");
    names.sort();
    names
}

fn topics(states: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> = states.iter().map(|state| state["topic"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

/// What a role hears of a round of [`Speaker::speak`]: whether of conversations, and of notices.
const ROLES: [(&str, bool, bool); 3] =
    [("member", true, true), ("screen", false, true), ("platform", false, false)];

fn round((_, conversations, notices): (&str, bool, bool)) -> Vec<&'static str> {
    let mut names = Vec::new();
    if conversations {
        names.extend(["message:delivered", "message:new"]);
    }
    if notices {
        names.extend(["system:broadcast"; 2]);
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_hears_what_it_may() {
    let server = TestServer::with(one_shard).await;
    for kind in BOTH {
        for role in ROLES {
            let org = format!("{}-{kind:?}", role.0);
            let mut speaker = Speaker::new(&server, kind, &org).await;
            let mut ann = client(&server, kind, "ann", &org, role.0).await;
            let mut expected = Vec::new();
            let topic = speaker.topic();
            expected.extend(role.1.then_some(topic.as_str()));
            expected.extend(NOTICES.into_iter().filter(|_| role.2));
            assert_eq!(topics(&ann.topics), expected, "{role:?}");
            speaker.speak().await;
            assert_eq!(heard(&mut ann, round(role).len()).await, round(role), "{role:?}, {kind:?}");
        }
    }
}

async fn refresh(client: &mut Client, org: &str, role: &str) {
    let answer = client.request("token:refresh", json!({ "token": token("ann", org, role, &[]) })).await;
    assert_eq!(answer.unwrap()["roles"], json!([role]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_token_changes_what_is_heard() {
    let server = TestServer::with(one_shard).await;
    for kind in BOTH {
        for (from, to) in ROLES.into_iter().flat_map(|from| ROLES.map(|to| (from, to))) {
            let org = format!("{}-{}-{kind:?}", from.0, to.0);
            let mut speaker = Speaker::new(&server, kind, &org).await;
            let mut ann = client(&server, kind, "ann", &org, from.0).await;
            refresh(&mut ann, &org, to.0).await;
            // What is lost is told ahead of the answer, and what is gained after it.
            let mut lost = Vec::new();
            lost.extend((from.2 && !to.2).then_some(["urgent_notice", "notice"]).into_iter().flatten());
            lost.extend((from.1 && !to.1).then_some("conversation"));
            match ann.came_before().as_slice() {
                [] => assert!(lost.is_empty(), "{from:?} {to:?}"),
                [Got::Event(_, event)] => {
                    assert_eq!(event["event"], "topics:ended");
                    assert_eq!(event["data"]["kinds"], json!(lost), "{from:?} {to:?}");
                    assert_eq!(event["data"]["error"]["code"], "UNAUTHORIZED");
                }
                other => panic!("{from:?} {to:?}: {other:?}"),
            }
            if (!from.1 && to.1) || (!from.2 && to.2) {
                told_of_all(&mut ann).await;
            }
            speaker.speak().await;
            assert_eq!(heard(&mut ann, round(to).len()).await, round(to), "{from:?} {to:?}, {kind:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_without_the_right_comes_with_it() {
    let server = TestServer::with(one_shard).await;
    for kind in BOTH {
        let org = format!("missed-{kind:?}");
        let mut speaker = Speaker::new(&server, kind, &org).await;
        let epoch = speaker.client.expect("conversation:created").await["epoch"].clone();
        speaker.speak().await;
        let cursors = json!([{ "topic": speaker.topic(), "epoch": epoch, "seq": 1 }]);
        let hello = json!({ "token": token("ann", &org, "screen", &[]), "cursors": cursors });
        let mut ann = Client::open_with(&server.base(), kind, hello).await;
        speaker.speak().await;
        refresh(&mut ann, &org, "member").await;
        let told = ann.expect("topics").await["data"].clone();
        assert_eq!((&told["topics"][0]["recovered"], &told["more"]), (&json!(true), &json!(false)));
        for seq in 2..=3 {
            assert_eq!(ann.expect("message:new").await["seq"], seq);
        }
        // It ends and begins again: where it goes on is told, for the device to compare.
        refresh(&mut ann, &org, "screen").await;
        speaker.speak().await;
        refresh(&mut ann, &org, "member").await;
        let told = ann.expect("topics").await["data"]["topics"][0].clone();
        assert_eq!((&told["seq"], &told["unread"], &told["recovered"]), (&json!(4), &json!(3), &Value::Null));
        speaker.speak().await;
        assert_eq!(ann.expect("message:new").await["seq"], 5);
        assert_eq!(ann.drain("message:new").await, Vec::<Value>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_that_change_during_a_resume_hold_at_once() {
    for kind in BOTH {
        let (server, shelf) = Shelf::serve(one_shard).await;
        let mut speaker = Speaker::new(&server, kind, "acme").await;
        shelf.hold();
        let mut ann = begin(&server, kind, "ann", "acme").await;
        refresh(&mut ann, "acme", "screen").await;
        shelf.let_all_go();
        let mut told = Vec::new();
        loop {
            let part = ann.expect("topics").await["data"].clone();
            told.extend(part["topics"].as_array().unwrap().iter().cloned());
            if part["more"] == false {
                break;
            }
        }
        assert_eq!(topics(&told), NOTICES);
        assert_eq!(heard(&mut ann, 1).await, ["topics:ended"]);
        speaker.speak().await;
        assert_eq!(heard(&mut ann, 2).await, round(ROLES[1]));
        refresh(&mut ann, "acme", "member").await;
        told_of_all(&mut ann).await;
        speaker.speak().await;
        assert_eq!(heard(&mut ann, 4).await, round(ROLES[0]));
    }
}
