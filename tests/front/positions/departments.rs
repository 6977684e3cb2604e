//! Departments and teams: whoever names some in the token sees the agents of these, and of no others.

use std::collections::BTreeMap;

use fanfare::config::OwnRole;
use serde_json::{Value, json};

use crate::{
    positions::live::{fix, follow, locations, now, send, stored_up_to},
    support::{
        client::{BOTH, Client, Kind},
        harness::{TestServer, ask_as, token_of},
    },
};

/// Somebody of an organisation for each transport, as the same agents are there for both.
async fn open(
    server: &TestServer,
    kind: Kind,
    user: &str,
    role: &str,
    departments: &[&str],
    teams: &[&str],
) -> Client {
    Client::open(&server.base(), kind, &token(kind, user, role, departments, teams)).await
}

fn token(kind: Kind, user: &str, role: &str, departments: &[&str], teams: &[&str]) -> String {
    token_of(user, &format!("teams-{kind:?}"), role, departments, teams)
}

/// What a role of the configuration may do ends at its holder's departments, as far as it is about somebody of any.
#[tokio::test]
async fn a_role_of_ones_own_ends_at_the_departments_of_its_holder() {
    let server = TestServer::with(|config| {
        let may = ["see_connections", "disconnect", "broadcast"].map(str::to_owned).to_vec();
        config.auth.roles.insert("lead".into(), OwnRole { is: Some("member".into()), may });
    })
    .await;
    for kind in BOTH {
        let mut north = open(&server, kind, "north", "agent", &["north"], &[]).await;
        let mut south = open(&server, kind, "south", "agent", &["south"], &[]).await;
        let mut chief = open(&server, kind, "chief", "admin", &[], &[]).await;
        let ask = async |as_whom: &str, method: &str, path: &str| {
            let path = format!("/api/v1/connections{path}");
            ask_as(&server.base(), as_whom, method, &path, "").await
        };
        let list = async |as_whom: &str| {
            let rows = ask(as_whom, "GET", "").await.json()["connections"].as_array().unwrap().clone();
            let row = |row: &Value| {
                (
                    row["user_id"].as_str().unwrap().to_owned(),
                    row["connection_id"].as_str().unwrap().to_owned(),
                )
            };
            rows.iter().map(row).collect::<BTreeMap<_, _>>()
        };
        let all = list(&token(kind, "chief", "admin", &[], &[])).await;
        assert_eq!(all.keys().collect::<Vec<_>>(), ["chief", "north", "south"], "{kind:?}");
        let everywhere = token(kind, "lead", "lead", &[], &[]);
        assert_eq!(list(&everywhere).await, all, "whose token names none");
        let lead = token(kind, "lead", "lead", &["north"], &[]);
        assert_eq!(list(&lead).await.keys().collect::<Vec<_>>(), ["north"], "{kind:?}");
        for other in ["south", "chief"] {
            assert_eq!(
                ask(&lead, "DELETE", &format!("/{}", all[other])).await.status,
                404,
                "{kind:?} {other}"
            );
        }
        assert_eq!(ask(&lead, "DELETE", &format!("/{}", all["north"])).await.status, 204);
        assert_eq!(north.expect_close().await.0, 4103);
        // A notice is to everyone, and knows no departments.
        let mut lead = Client::open(&server.base(), kind, &lead).await;
        let notice = json!({ "client_id": "n", "message": "to all", "priority": "high" });
        lead.request("system:broadcast", notice).await.unwrap();
        for client in [&mut south, &mut chief] {
            client.expect("system:broadcast").await;
        }
    }
}

/// A role, its departments and teams, and whom it sees.
type Watcher<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a [&'a str]);

fn names(agents: &[Value]) -> Vec<&str> {
    let mut names: Vec<_> = agents.iter().map(|agent| agent["agent_id"].as_str().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whom somebody sees, by every way there is.
async fn seen(client: &mut Client, start: u64) -> Vec<String> {
    let (_, snapshot) = follow(client, locations()).await;
    let latest = client.request("location:latest", json!({})).await.unwrap();
    let latest = latest["agents"].as_array().unwrap();
    let window = json!({ "from": start, "to": start + 1_000 });
    let window = client.request("location:window", window).await.unwrap();
    let mut tracks = Vec::new();
    for agent in ["blue", "both", "north", "nowhere", "red"] {
        let track = json!({ "agent_id": agent, "from": start, "to": start + 1_000 });
        match client.request("location:history", track).await {
            Ok(track) => tracks.extend((track["fixes"] != json!([])).then_some(agent)),
            Err(refused) => assert_eq!(refused["code"], "UNAUTHORIZED"),
        }
    }
    assert_eq!(names(latest), names(&snapshot), "latest");
    assert_eq!(names(window["fixes"].as_array().unwrap()), names(&snapshot), "window");
    assert_eq!(tracks, names(&snapshot), "history");
    names(&snapshot).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn whoever_names_departments_or_teams_sees_these_and_no_others() {
    let mut server = TestServer::start().await;
    for kind in BOTH {
        let start = now() - 60_000;
        let agents: [(&str, &[&str], &[&str]); 5] = [
            ("north", &["north"], &[]),
            ("blue", &["south"], &["blue"]),
            ("red", &["south"], &["red"]),
            ("both", &["north"], &["blue", "red"]),
            ("nowhere", &[], &[]),
        ];
        for (name, departments, teams) in agents {
            let mut agent = open(&server, kind, name, "agent", departments, teams).await;
            let fixes = json!([fanfare_proto::JsonFix::from(fix(1, start, 1.0, 1.0))]);
            agent.request("location:update", json!({ "fixes": fixes })).await.unwrap();
        }
        let all = ["blue", "both", "north", "nowhere", "red"];
        let watchers: [Watcher; 8] = [
            ("supervisor", &[], &[], &all),
            ("supervisor", &["north"], &[], &["both", "north"]),
            ("supervisor", &[], &["blue"], &["blue", "both"]),
            ("supervisor", &[], &["red", "blue", "red"], &["blue", "both", "red"]),
            ("supervisor", &["north"], &["red"], &["both", "north", "red"]),
            ("supervisor", &[], &["north"], &[]),
            ("admin", &["north"], &["red"], &all),
            ("service", &[], &["red"], &all),
        ];
        for (role, departments, teams, expected) in watchers {
            let mut watcher = open(&server, kind, "boss", role, departments, teams).await;
            let what = format!("{kind:?}, {role} of {departments:?} {teams:?}");
            assert_eq!(seen(&mut watcher, start).await, expected, "{what}");
            watcher.close().await;
        }
        // Who names teams alone has no department to choose.
        let mut blue = open(&server, kind, "boss", "supervisor", &[], &["blue"]).await;
        for department in ["south", "blue", "none"] {
            let narrowed = json!({ "channels": ["locations"], "department_id": department });
            assert_eq!(blue.request("subscribe", narrowed).await.unwrap_err()["code"], "ROOM_NOT_FOUND");
        }
        // After a restart it is known where each agent worked, until a newer token says otherwise.
        server.restart().await;
        let mut blue = open(&server, kind, "boss", "supervisor", &[], &["blue"]).await;
        let mut chief = open(&server, kind, "chief", "supervisor", &[], &[]).await;
        assert_eq!(seen(&mut blue, start).await, ["blue", "both"]);
        assert_eq!(seen(&mut chief, start).await, all);
        let mut back = open(&server, kind, "both", "agent", &[], &["red"]).await;
        send(&mut back, &[fix(2, start + 500, 1.0, 1.0)]).await;
        stored_up_to(&mut back, 2).await;
        blue.expect("location:removed").await;
    }
}

#[tokio::test]
async fn an_agent_that_changes_teams_changes_views() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut red = open(&server, kind, "red", "supervisor", &[], &["red"]).await;
        let mut blue = open(&server, kind, "blue", "supervisor", &[], &["blue"]).await;
        let (red_view, _) = follow(&mut red, locations()).await;
        let (blue_view, _) = follow(&mut blue, locations()).await;
        assert_ne!(red_view, blue_view);
        // The same teams in another order are the same view.
        let mut also = open(&server, kind, "also", "supervisor", &[], &["blue", "blue"]).await;
        assert_eq!(follow(&mut also, locations()).await.0, blue_view);
        let mut agent = open(&server, kind, "ann", "agent", &["north"], &["red"]).await;
        send(&mut agent, &[fix(1, now() - 1_000, 1.0, 1.0)]).await;
        red.expect("location:agents").await;
        // By a newer token, on the same connection.
        let newer = token(kind, "ann", "agent", &["north"], &["blue"]);
        agent.request("token:refresh", json!({ "token": newer })).await.unwrap();
        send(&mut agent, &[fix(2, now(), 1.0, 1.0)]).await;
        blue.expect("location:agents").await;
        red.expect("location:removed").await;
        // So does a watcher.
        let newer = token(kind, "red", "supervisor", &[], &["blue"]);
        let refreshed = red.request("token:refresh", json!({ "token": newer })).await.unwrap();
        assert_eq!(refreshed["resubscribe"], json!(["locations"]));
        let (view, agents) = follow(&mut red, locations()).await;
        assert_eq!((view, names(&agents)), (blue_view, vec!["ann"]));
    }
}

#[tokio::test]
async fn different_views_are_bounded() {
    let server = TestServer::with(|config| config.limits.views_per_organisation = 2).await;
    let mut open_views = Vec::new();
    for (n, kind) in BOTH.into_iter().cycle().take(4).enumerate() {
        let team = format!("team-{}", n / 2);
        let watcher = token_of(&format!("w{n}"), "acme", "supervisor", &[], &[&team]);
        let mut watcher = Client::open(&server.base(), kind, &watcher).await;
        follow(&mut watcher, locations()).await;
        open_views.push(watcher);
    }
    for kind in BOTH {
        let other = token_of("other", "acme", "supervisor", &[], &["third"]);
        let mut other = Client::open(&server.base(), kind, &other).await;
        let refused = other.request("subscribe", locations()).await.unwrap_err();
        assert_eq!(
            (&refused["code"], &refused["retry_after_ms"]),
            (&json!("RATE_LIMIT_EXCEEDED"), &json!(5_000))
        );
        // Of each organisation's own.
        let rival = token_of("rival", "other", "supervisor", &[], &["third"]);
        let mut rival = Client::open(&server.base(), kind, &rival).await;
        follow(&mut rival, locations()).await;
    }
    // What nobody follows any more makes room.
    for mut watcher in open_views.split_off(2) {
        watcher.request("unsubscribe", locations()).await.unwrap();
    }
    let other = token_of("other", "acme", "supervisor", &[], &["third"]);
    let mut other = Client::open(&server.base(), Kind::WebSocket, &other).await;
    while other.request("subscribe", locations()).await.is_err() {}
}
