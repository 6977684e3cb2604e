//! Every command, over both transports.

use std::collections::BTreeSet;

use fanfare_proto::Command;
use serde_json::{Value, json};

use super::{HUSH, ROLES, World, member, plain};
use crate::{
    positions::live::now,
    support::{
        client::{BOTH, Client, Got, Kind},
        harness::{token, token_of},
    },
};

/// What a command may name.
struct Names<'a> {
    /// Whoever asks, and with which token.
    me: &'a str,
    token: &'a str,
    room: &'a str,
    member: &'a str,
    agent: &'a str,
    department: &'a str,
    /// Differs each time.
    client_id: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    /// What was asked for.
    Done,
    /// Nothing: there is no answer to this.
    Nothing,
    /// This error.
    Error(&'static str),
}

/// A command as it is tried: what whoever `may` is told in their own organisation. All others are told UNAUTHORIZED.
struct Row {
    name: &'static str,
    may: &'static [&'static str],
    told: Told,
    /// Whether it is about agents, so that somebody of another department or team must be told of nothing.
    scoped: bool,
    data: fn(&Names<'_>) -> Value,
}

const ALL: &[&str] = &ROLES;
const PEOPLE: &[&str] = &["agent", "supervisor", "admin", "patient", "provider", "member", "service"];
const SEE_EVERYONE: &[&str] = &["supervisor", "admin", "provider", "service"];
const WATCHERS: &[&str] = &["supervisor", "admin", "service"];

/// Where the agent is not: departments and teams of whoever asks. What is a department's name is no team's.
const ELSEWHERE: [(&[&str], &[&str]); 3] = [(&["south"], &[]), (&[], &["red"]), (&["blue"], &["north"])];

const ROWS: &[Row] = &[
    row("authenticate", ALL, |names| json!({ "token": names.token })).told(Told::Error("INVALID_MESSAGE")),
    row("client:ping", ALL, |_| json!({})),
    row("server:pong", ALL, |_| json!({})).told(Told::Nothing),
    row("token:refresh", ALL, |names| json!({ "token": names.token })),
    row("subscribe", WATCHERS, |_| json!({ "channels": ["locations"] })),
    row(
        "subscribe",
        WATCHERS,
        |names| json!({ "channels": ["locations"], "department_id": names.department }),
    )
    .scoped(),
    row("unsubscribe", ALL, |_| json!({ "channels": ["locations"] })),
    row(
        "conversation:create",
        PEOPLE,
        |names| json!({ "client_id": names.client_id, "kind": "group", "members": [names.member] }),
    ),
    row("conversation:list", PEOPLE, |_| json!({})),
    row("conversation:list", PEOPLE, |names| json!({ "after": names.room })),
    row(
        "message:send",
        PEOPLE,
        |names| json!({ "client_id": names.client_id, "conversation_id": names.room, "text": "x" }),
    ),
    row("message:history", PEOPLE, |names| json!({ "conversation_id": names.room })),
    row("message:received", PEOPLE, |names| json!({ "conversation_id": names.room, "seq": 1 })),
    row("message:read", PEOPLE, |names| json!({ "conversation_id": names.room, "seq": 1 })),
    row("location:update", &["agent", "service"], |names| {
        let counter =
            names.client_id.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap();
        json!({ "fixes": [{ "counter": counter, "time": now() - 1_000, "lat": 1.0, "lon": 1.0 }] })
    }),
    row("location:latest", WATCHERS, |_| json!({})).scoped(),
    row("location:latest", WATCHERS, |names| json!({ "after": names.agent })),
    row("location:history", WATCHERS, |names| json!({ "agent_id": names.agent, "from": 0, "to": now() }))
        .scoped(),
    row("location:history", ALL, |names| json!({ "agent_id": names.me, "from": 0, "to": now() })),
    row("location:window", WATCHERS, |_| json!({ "from": now() - 60_000, "to": now() })).scoped(),
    row(
        "location:window",
        WATCHERS,
        |names| json!({ "from": now() - 60_000, "to": now(), "department_id": names.department }),
    )
    .scoped(),
    row("presence:set", ALL, |_| json!({ "text": "x" })),
    row("presence:get", PEOPLE, |names| json!({ "users": [names.agent] })),
    row("presence:get", SEE_EVERYONE, |_| json!({})),
    row("subscribe", SEE_EVERYONE, |_| json!({ "channels": ["presence"] })),
    row("system:broadcast", WATCHERS, |names| json!({ "client_id": names.client_id, "message": "x" })),
    row(
        "system:broadcast",
        WATCHERS,
        |names| json!({ "client_id": names.client_id, "message": "x", "priority": "urgent" }),
    ),
];

const fn row(name: &'static str, may: &'static [&'static str], data: fn(&Names<'_>) -> Value) -> Row {
    Row { name, may, told: Told::Done, scoped: false, data }
}

impl Row {
    const fn told(self, told: Told) -> Self {
        Self { told, ..self }
    }

    const fn scoped(self) -> Self {
        Self { scoped: true, ..self }
    }

    /// Asks, and answers what was told and with what.
    async fn ask(&self, client: &mut Client, names: &Names<'_>) -> (Told, Value) {
        let id = client.send_request(self.name, (self.data)(names)).await;
        if self.told == Told::Nothing {
            client.request("client:ping", json!({})).await.unwrap();
            let unanswered = client.drain("error").await.iter().all(|error| error["re"] != json!(id));
            return (if unanswered { Told::Nothing } else { Told::Error("any") }, Value::Null);
        }
        match client.answer(id).await {
            Ok(data) => (Told::Done, plain(data)),
            Err(error) => {
                let known = ["UNAUTHORIZED", "INVALID_MESSAGE", "ROOM_NOT_FOUND", "SUBSCRIPTION_FAILED"];
                let code = error["code"].as_str().unwrap();
                let code =
                    known.into_iter().find(|known| *known == code).unwrap_or_else(|| panic!("{error}"));
                (Told::Error(code), error)
            }
        }
    }

    fn expected(&self, role: &str) -> Told {
        if self.may.contains(&role) { self.told } else { Told::Error("UNAUTHORIZED") }
    }
}

#[test]
fn every_command_has_a_row() {
    let tried: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
    assert_eq!(tried, Command::NAMES.iter().copied().collect());
}

#[tokio::test]
async fn nobody_does_what_their_role_or_organisation_does_not_allow() {
    let mut world = World::new().await;
    let mut next = 0;
    let mut new_id = || {
        next += 1;
        format!("n{next}")
    };
    // Beside the one that is there, also where rooms are put in order.
    let nowhere = format!("{}g", &world.room[..world.room.len() - 1]);
    let mut cells = 0;
    for kind in BOTH {
        for role in ROLES {
            let (base, me) = (world.base(), member(role));
            // In one's own organisation and department.
            let own = token(&me, "acme", role, &["north"]);
            let mut client = Client::open(&base, kind, &own).await;
            for row in ROWS {
                let names = Names {
                    me: &me,
                    token: &own,
                    room: &world.room,
                    member: "hush-walker",
                    agent: "hush-walker",
                    department: "north",
                    client_id: new_id(),
                };
                let (told, answer) = row.ask(&mut client, &names).await;
                assert_eq!(told, row.expected(role), "{kind:?}, {role}: {} {answer}", row.name);
                cells += 1;
            }
            client.close().await;

            // From another organisation, what is there looks like what is not.
            let foreign = token("eve", "other", role, &["north"]);
            let ghost = token(&me, "ghosts", role, &["north"]);
            let mut client = Client::open(&base, kind, &foreign).await;
            for row in ROWS {
                let names = |exists: bool, client_id| Names {
                    me: "eve",
                    // Somebody else's, of an organisation that is there or not.
                    token: if exists { &own } else { &ghost },
                    room: if exists { &world.room } else { &nowhere },
                    member: if exists { "hush-walker" } else { "nobody" },
                    agent: if exists { "hush-walker" } else { "nobody" },
                    department: "north",
                    client_id,
                };
                let (exists, missing) = (names(true, new_id()), names(false, new_id()));
                let there = row.ask(&mut client, &exists).await;
                let nowhere = row.ask(&mut client, &missing).await;
                // But for the name that was asked for.
                let as_nobody = |answer: &Value| answer.to_string().replace("hush-walker", "nobody");
                let (there, nowhere) = ((there.0, as_nobody(&there.1)), (nowhere.0, as_nobody(&nowhere.1)));
                assert_eq!(there, nowhere, "{kind:?}, {role} of another organisation: {}", row.name);
                if !row.may.contains(&role) {
                    assert_eq!(there.0, Told::Error("UNAUTHORIZED"), "{kind:?}, {role}: {}", row.name);
                }
                cells += 1;
            }
            assert_sees_nothing(&mut client, kind, role).await;
            client.close().await;

            // From another department or team, too, for whom they bound.
            for (departments, teams) in ELSEWHERE {
                let elsewhere = token_of(&me, "acme", role, departments, teams);
                let mut client = Client::open(&base, kind, &elsewhere).await;
                for row in ROWS.iter().filter(|row| row.scoped) {
                    let names = |exists: bool| Names {
                        me: &me,
                        token: &elsewhere,
                        room: &world.room,
                        member: "hush-walker",
                        agent: if exists { "hush-walker" } else { "nobody" },
                        department: if exists { "north" } else { "nowhere" },
                        client_id: String::new(),
                    };
                    let there = row.ask(&mut client, &names(true)).await;
                    let nowhere = row.ask(&mut client, &names(false)).await;
                    let what = format!("{kind:?}, {role} of {departments:?} {teams:?}: {}", row.name);
                    match role {
                        "admin" | "service" => assert_eq!(there.0, Told::Done, "{what}"),
                        _ => assert_eq!(there, nowhere, "{what}"),
                    }
                    if role == "supervisor" {
                        assert!(!there.1.to_string().contains("hush-walker"), "{what}: {}", there.1);
                    }
                    cells += 1;
                }
                client.close().await;
            }
        }
    }
    // What others did has not reached the organisation: all that came is by its own people.
    let seen = world.witness.everything().await;
    let strangers: Vec<_> = seen
        .iter()
        .filter_map(|got| match got {
            Got::Event(_, event) => event["by"].as_str().filter(|by| !by.starts_with(HUSH)),
            _ => None,
        })
        .collect();
    assert_eq!(strangers, Vec::<&str>::new());
    assert!(
        seen.iter().any(|got| matches!(got, Got::Event(_, event) if event["event"] == "system:broadcast"))
    );
    println!("commands: {cells} cells of command x role x (own, foreign, 3 x other units) x transport");
}

/// Of all that came, nothing tells of the other organisation, but for what the client named itself.
async fn assert_sees_nothing(client: &mut Client, kind: Kind, role: &str) {
    for got in client.everything().await {
        let text = format!("{got:?}");
        let own = matches!(&got, Got::Event(_, event) if event["event"] == "conversation:created" && event["by"] == "eve");
        assert!(own || !text.contains(HUSH), "{kind:?}, {role}: {text}");
    }
}
