//! Every route.

use std::collections::BTreeSet;

use fanfare::http::{Needs, table};
use serde_json::json;

use super::{HUSH, ROLES, World, member, plain};
use crate::support::{
    client::{Client, Kind},
    harness::{Answered, ask, ask_as, token},
    store::organisation,
};

/// A route as it is tried: whoever `may` is answered with `status` in their own organisation, all others with 403.
struct Row {
    route: &'static str,
    may: May,
    status: u16,
    /// Whether it lets `platform` name an organisation: as a parameter, or in its body.
    names: Option<Names>,
}

#[derive(Clone, Copy, PartialEq)]
enum May {
    /// Whoever asks, with a token or without.
    Anyone,
    /// Holders of these roles.
    Roles(&'static [&'static str]),
}

#[derive(Clone, Copy, PartialEq)]
enum Names {
    Parameter,
    Body,
}

const RUNNERS: May = May::Roles(&["admin", "platform"]);

const ROWS: &[Row] = &[
    open("GET /ws", 426),
    open("GET /api/v1/transport", 200),
    open("GET /health/live", 200),
    open("GET /health/ready", 200),
    open("GET /metrics", 200),
    Row { route: "GET /api/v1/me", may: May::Roles(&ROLES), status: 200, names: None },
    Row {
        route: "GET /api/v1/map",
        may: May::Roles(&["supervisor", "admin", "service"]),
        status: 200,
        names: None,
    },
    run("GET /api/v1/connections", 200, Names::Parameter),
    run("DELETE /api/v1/connections/{connection_id}", 204, Names::Parameter),
    run("GET /api/v1/revocations", 200, Names::Parameter),
    run("POST /api/v1/revocations", 201, Names::Body),
    run("DELETE /api/v1/revocations/{revocation_id}", 204, Names::Parameter),
];

const fn open(route: &'static str, status: u16) -> Row {
    Row { route, may: May::Anyone, status, names: None }
}

const fn run(route: &'static str, status: u16, names: Names) -> Row {
    Row { route, may: RUNNERS, status, names: Some(names) }
}

#[test]
fn every_route_has_a_row() {
    let tried: BTreeSet<_> = ROWS.iter().map(|row| (row.route.to_owned(), row.may == May::Anyone)).collect();
    let there = |route: fanfare::http::Route| {
        (format!("{} {}", route.method, route.path), route.needs == Needs::Nothing)
    };
    assert_eq!(tried, table().into_iter().map(there).collect());
}

/// Things that routes name: there for this one request, or not there at all.
struct Things {
    connection: String,
    revocation: String,
    client: Option<Client>,
}

impl World {
    /// A connection and a revocation of the organisation.
    async fn things(&self, n: u32) -> Things {
        let user = format!("hush-victim-{n}");
        let token = token(&user, "acme", "member", &[]);
        let client = Client::open(&self.base(), Kind::WebSocket, &token).await;
        let made = json!({ "client_id": format!("made-{n}"), "token_id": format!("hush-{n}") }).to_string();
        let boss = crate::support::harness::token("hush-boss", "acme", "admin", &[]);
        let made = ask_as(&self.base(), &boss, "POST", "/api/v1/revocations", &made).await.json();
        Things {
            connection: client.welcome["connection_id"].as_str().unwrap().to_owned(),
            revocation: made["revocation_id"].as_str().unwrap().to_owned(),
            client: Some(client),
        }
    }
}

impl Things {
    fn missing() -> Self {
        Self { connection: "ffffffff".into(), revocation: "0".repeat(32), client: None }
    }

    /// Whether both are still there.
    async fn are_there(&mut self, world: &World) -> bool {
        let boss = token("hush-boss", "acme", "admin", &[]);
        let list = ask_as(&world.base(), &boss, "GET", "/api/v1/revocations", "").await.body;
        let mut after = ask_as(&world.base(), &boss, "GET", "/api/v1/connections", "").await.body;
        let mut next: serde_json::Value = serde_json::from_str(&list).unwrap();
        after.push_str(&list);
        while let Some(from) = next["next"].as_str() {
            let path = format!("/api/v1/revocations?after={from}");
            let more = ask_as(&world.base(), &boss, "GET", &path, "").await;
            after.push_str(&more.body);
            next = more.json();
        }
        let found = |id: &str| after.contains(&format!("\"{id}\""));
        if let Some(client) = &mut self.client
            && found(&self.connection)
        {
            client.request("client:ping", json!({})).await.unwrap();
        }
        found(&self.connection) && found(&self.revocation)
    }
}

impl Row {
    async fn ask(
        &self,
        base: &str,
        token: Option<&str>,
        things: &Things,
        org: Option<&str>,
        n: u32,
    ) -> Answered {
        let (method, path) = self.route.split_once(' ').unwrap();
        let mut path = path
            .replace("{connection_id}", &things.connection)
            .replace("{revocation_id}", &things.revocation);
        assert!(!path.contains('{'), "{path}: what does it name?");
        let mut body = String::new();
        if method == "POST" {
            let mut asked = json!({ "client_id": format!("c{n}"), "token_id": format!("t{n}") });
            if let Some(org) = org {
                asked["organization_id"] = json!(organisation(org));
            }
            body = asked.to_string();
        } else if let Some(org) = org {
            assert!(self.names == Some(Names::Parameter));
            path = format!("{path}?organization_id={}", organisation(org));
        }
        match token {
            Some(token) => ask_as(base, token, method, &path, &body).await,
            None => ask(base, method, &path, &[], &body).await,
        }
    }

    fn allows(&self, role: &str) -> bool {
        match self.may {
            May::Anyone => true,
            May::Roles(roles) => roles.contains(&role),
        }
    }
}

/// What two answers must have in common to be the same to whoever asked.
fn same(answer: &Answered) -> (u16, String) {
    let body = serde_json::from_str(&answer.body)
        .map_or_else(|_| answer.body.clone(), |json| plain(json).to_string());
    (answer.status, body)
}

#[tokio::test]
async fn nobody_asks_for_what_their_role_or_organisation_does_not_allow() {
    let world = World::new().await;
    let base = &world.base();
    let mut cells = 0;
    for role in ROLES {
        let own = token(&member(role), "acme", role, &[]);
        let foreign = token("eve", "other", role, &[]);
        for row in ROWS {
            let what = format!("{role}: {}", row.route);
            // In one's own organisation.
            cells += 1;
            let mut things = world.things(cells).await;
            let answer = row.ask(base, Some(&own), &things, None, cells).await;
            let expected = if row.allows(role) { row.status } else { 403 };
            assert_eq!(answer.status, expected, "{what}: {answer:?}");
            if row.may == May::Anyone {
                continue;
            }
            let harmless = expected == 403 || !row.route.starts_with("DELETE");
            assert_eq!(things.are_there(&world).await, harmless, "{what}");

            // Without a token, whatever there is.
            let nobody = row.ask(base, None, &things, None, cells).await;
            assert_eq!(nobody.status, 401, "{what}");

            // From another organisation, what is there looks like what is not, and stays.
            cells += 1;
            let mut things = world.things(cells).await;
            let there = row.ask(base, Some(&foreign), &things, None, cells).await;
            let nowhere = row.ask(base, Some(&foreign), &Things::missing(), None, cells + 1_000_000).await;
            if row.route != "POST /api/v1/revocations" {
                assert_eq!(same(&there), same(&nowhere), "{what}, of another organisation");
            }
            assert!(!there.body.contains(HUSH), "{what}: {there:?}");
            assert!(things.are_there(&world).await, "{what}");

            // By name: platform reaches it, and nobody else learns so much as whether it is there.
            if row.names.is_some() {
                cells += 1;
                let mut things = world.things(cells).await;
                let there = row.ask(base, Some(&foreign), &things, Some("acme"), cells).await;
                if role == "platform" {
                    assert_eq!(there.status, row.status, "{what}: {there:?}");
                } else {
                    let nowhere =
                        row.ask(base, Some(&foreign), &Things::missing(), Some("ghosts"), cells).await;
                    assert_eq!((there.status, &there.body), (403, &nowhere.body), "{what}");
                    assert!(things.are_there(&world).await, "{what}");
                }
            }
        }
    }
    println!("routes: {cells} cells of route x role x (own, foreign, named organisation)");
}
