//! Revoked tokens: those who show them are put out, and stay out.

mod nodes;

use serde_json::{Value, json};

use crate::{
    positions::live::now,
    security::invalid_input::signed,
    session::cancel_safety::Gate,
    support::{
        client::{BOTH, Client, Kind},
        harness::{Answered, TestServer, ask_as, token},
        store::organisation,
    },
};

const REVOCATIONS: &str = "/api/v1/revocations";
const REVOKED: (u32, &str) = (4204, "revoked");

/// A member's token with an id of its own, issued at this time.
pub fn issued_at(at: u64, user: &str, org: &str, jti: &str) -> String {
    let at = at / 1000;
    signed(&json!({
        "sub": user, "org": organisation(org), "roles": ["member"], "exp": 4_102_444_800_u64, "jti": jti, "iat": at,
    }))
}

/// The same, issued a minute ago.
pub fn issued(user: &str, org: &str, jti: &str) -> String {
    issued_at(now() - 60_000, user, org, jti)
}

pub fn admin(org: &str) -> String {
    token("boss", org, "admin", &[])
}

pub async fn revoke(base: &str, by: &str, what: Value) -> Answered {
    let answer = ask_as(base, by, "POST", REVOCATIONS, &what.to_string()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer
}

async fn lift(base: &str, by: &str, made: &Answered) {
    let path = format!("{REVOCATIONS}/{}", made.json()["revocation_id"].as_str().unwrap());
    let answer = ask_as(base, by, "DELETE", &path, "").await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

pub async fn open(base: &str, kind: Kind, token: &str, device: &str) -> Client {
    Client::open_with(base, kind, json!({ "token": token, "device_id": device })).await
}

pub async fn is_out(client: &mut Client) {
    let (code, reason) = client.expect_close().await;
    assert_eq!((code, reason.as_str()), REVOKED);
}

pub async fn is_in(client: &mut Client) {
    client.request("client:ping", json!({})).await.unwrap();
}

/// Whoever shows this is turned away.
pub async fn is_refused(base: &str, kind: Kind, token: &str, device: &str) {
    let mut client = Client::connect(base, kind).await;
    let hello = json!({ "token": token, "device_id": device });
    client.send(&json!({ "event": "authenticate", "id": 1, "data": hello })).await;
    assert_eq!(client.expect("error").await["data"]["code"], "AUTH_FAILED");
    is_out(&mut client).await;
}

#[tokio::test]
async fn a_user_a_device_and_a_token_can_be_revoked() {
    let server = TestServer::start().await;
    let base = &server.base();
    let boss = &admin("acme");
    let mut shift = 0;
    for kind in BOTH {
        let id = |what: &str| format!("{what}-{kind:?}");
        let ann = &issued("ann", "acme", "ann-1");
        let mut phone = open(base, kind, ann, "phone").await;
        let mut desk = open(base, kind, ann, "desk").await;
        let mut other = open(base, kind, &issued("ann", "acme", "ann-2"), "other").await;
        let mut bob = open(base, kind, &issued("bob", "acme", "bob-1"), "phone").await;
        let mut namesake = open(base, kind, &issued("ann", "other", "ann-1"), "phone").await;

        let device = json!({ "client_id": id("d"), "user_id": "ann", "device_id": "phone" });
        let device = revoke(base, boss, device).await;
        is_out(&mut phone).await;
        is_in(&mut desk).await;
        is_refused(base, kind, &issued_at(now() + shift, "ann", "acme", "new"), "phone").await;

        let one = revoke(base, boss, json!({ "client_id": id("t"), "token_id": "ann-1" })).await;
        is_out(&mut desk).await;
        is_in(&mut other).await;
        is_refused(base, kind, ann, "elsewhere").await;
        let me = ask_as(base, ann, "GET", "/api/v1/me", "").await;
        assert_eq!((me.status, me.json()["code"].clone()), (401, json!("AUTH_FAILED")));
        let stay = other.request("token:refresh", json!({ "token": ann })).await.unwrap_err();
        assert_eq!(stay["code"], "AUTH_FAILED", "{stay}");

        let user = revoke(base, boss, json!({ "client_id": id("u"), "user_id": "ann" })).await;
        is_out(&mut other).await;
        is_refused(base, kind, &issued_at(now() + shift - 1000, "ann", "acme", "ann-3"), "desk").await;
        is_refused(base, kind, &token("ann", "acme", "member", &[]), "desk").await;
        // One that may be issued later, or before by a clock that is ahead, is to be replaced by a newer one.
        server.pass(30_000);
        shift += 30_000;
        let doubtful = issued_at(now() + shift, "ann", "acme", "ann-3");
        let me = ask_as(base, &doubtful, "GET", "/api/v1/me", "").await;
        assert_eq!((me.status, me.json()["code"].clone()), (401, json!("TOKEN_EXPIRED")));
        // It is told from when on a new one will be good, as is whoever revokes.
        let from = user.json()["tokens_from"].as_u64().unwrap();
        assert_eq!(from, user.json()["at"].as_u64().unwrap() + 60_001);
        assert_eq!(one.json().get("tokens_from"), None);
        let wait = me.json()["retry_after_ms"].as_u64().unwrap();
        assert!((1..=31_000).contains(&wait), "{me:?}");
        assert_eq!(me.header("retry-after"), Some(wait.div_ceil(1000).to_string().as_str()));
        let mut early = Client::connect(base, kind).await;
        early.send(&json!({ "event": "authenticate", "id": 1, "data": { "token": doubtful } })).await;
        let told = early.expect("error").await["data"].clone();
        assert_eq!(told["code"], "TOKEN_EXPIRED", "{told}");
        assert_eq!(early.expect_close().await.0, 4003);
        let wait = told["retry_after_ms"].as_u64().unwrap();
        assert!((1..=31_000).contains(&wait), "{told}");
        // One that is issued then is good; tokens say it in whole seconds.
        server.pass(wait + 1000);
        shift += wait + 1000;
        let mut again = open(base, kind, &issued_at(now() + shift, "ann", "acme", "ann-4"), "desk").await;
        is_in(&mut again).await;
        is_in(&mut bob).await;
        is_in(&mut namesake).await;

        for made in [&device, &one, &user] {
            lift(base, boss, made).await;
        }
        is_in(&mut open(base, kind, ann, "phone").await).await;
    }
}

#[tokio::test]
async fn a_repeat_changes_nothing_and_what_is_wrong_is_told() {
    let server = TestServer::start().await;
    let base = &server.base();
    let boss = &admin("acme");
    let asked = json!({ "client_id": "r", "user_id": "ann", "reason": "left", "until": now() + 60_000 });
    let first = revoke(base, boss, asked.clone()).await.json();
    let expected = json!({
        "revocation_id": first["revocation_id"], "organization_id": organisation("acme"), "user_id": "ann",
        "at": first["at"], "until": asked["until"], "by": "boss", "reason": "left",
        "tokens_from": first["at"].as_u64().unwrap() + 60_001,
    });
    assert_eq!(first, expected);
    server.pass(1_000);
    let second = json!({ "client_id": "r", "user_id": "bob" });
    assert_eq!(revoke(base, boss, second).await.json(), first, "the first answer again");
    let list = ask_as(base, boss, "GET", REVOCATIONS, "").await.json();
    assert_eq!(list, json!({ "revocations": [first] }));
    for wrong in [
        json!({}),
        json!({ "client_id": "x" }),
        json!({ "user_id": "ann" }),
        json!({ "client_id": "x", "device_id": "phone" }),
        json!({ "client_id": "x", "user_id": "ann", "token_id": "t" }),
        json!({ "client_id": "x", "user_id": "a n" }),
        json!({ "client_id": "x", "user_id": "ann", "until": 1 }),
        json!({ "client_id": "x", "user_id": "ann", "until": now() + 400 * 24 * 3_600_000 }),
        json!({ "client_id": "x", "user_id": "ann", "reason": "x".repeat(257) }),
        json!({ "client_id": "x", "user_id": "ann", "whatever": 1 }),
    ] {
        let answer = ask_as(base, boss, "POST", REVOCATIONS, &wrong.to_string()).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("INVALID_MESSAGE")), "{wrong}");
    }
    for (body, status) in [("[]", 400), ("nonsense", 400), ("", 400), (&"x".repeat(70_000), 413)] {
        assert_eq!(ask_as(base, boss, "POST", REVOCATIONS, body).await.status, status, "{body:.20}");
    }
    assert_eq!(ask_as(base, boss, "GET", &format!("{REVOCATIONS}?page=2"), "").await.status, 400);
    // It ends by itself.
    server.pass(60_000);
    assert_eq!(ask_as(base, boss, "GET", REVOCATIONS, "").await.json(), json!({ "revocations": [] }));
    let gone = format!("{REVOCATIONS}/{}", first["revocation_id"].as_str().unwrap());
    assert_eq!(ask_as(base, boss, "DELETE", &gone, "").await.status, 404);
    Client::open(base, Kind::WebSocket, &token("ann", "acme", "member", &[])).await.close().await;
}

#[tokio::test]
async fn a_full_list_takes_nothing_new_and_knows_what_it_has() {
    let mut server = TestServer::with(|config| config.limits.revocations_per_organisation = 2).await;
    let boss = &admin("acme");
    let asked = |n: usize| json!({ "client_id": format!("r{n}"), "user_id": format!("u{n}") });
    let first = revoke(&server.base(), boss, asked(0)).await;
    let second = revoke(&server.base(), boss, asked(1)).await;
    for _ in 0..2 {
        let base = &server.base();
        let full = ask_as(base, boss, "POST", REVOCATIONS, &asked(2).to_string()).await;
        assert_eq!((full.status, &full.json()["code"]), (429, &json!("RATE_LIMIT_EXCEEDED")));
        assert_eq!(revoke(base, boss, asked(0)).await.json(), first.json(), "a repeat gets the first answer");
        assert_eq!(revoke(base, boss, asked(1)).await.json(), second.json());
        // Of each organisation's own.
        revoke(base, &admin("other"), asked(2)).await;
        server.restart().await;
    }
    lift(&server.base(), boss, &first).await;
    revoke(&server.base(), boss, asked(2)).await;
}

#[tokio::test]
async fn what_is_revoked_stays_so_after_a_restart() {
    let mut server = TestServer::start().await;
    let ann = &issued("ann", "acme", "ann-1");
    let boss = &admin("acme");
    // More than one page of the log.
    for n in 0..7 {
        let other = json!({ "client_id": format!("r{n}"), "token_id": format!("t{n}") });
        revoke(&server.base(), boss, other).await;
    }
    revoke(&server.base(), boss, json!({ "client_id": "r", "user_id": "ann" })).await;
    server.restart().await;
    for kind in BOTH {
        // At once: who comes before the log is read waits for it.
        is_refused(&server.base(), kind, ann, "phone").await;
    }
    assert_eq!(ask_as(&server.base(), ann, "GET", "/api/v1/me", "").await.status, 401);
    let list = ask_as(&server.base(), boss, "GET", REVOCATIONS, "").await.json();
    assert_eq!(list["revocations"].as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn while_the_store_is_away_what_is_known_holds_for_a_while() {
    let (server, gate) = Gate::serve().await;
    let base = &server.base();
    let me = async |token: &str| ask_as(base, token, "GET", "/api/v1/me", "").await;
    let (ann, eve) = (&issued("ann", "acme", "ann-1"), &issued("eve", "acme", "eve-1"));
    let mut inside = Vec::new();
    for kind in BOTH {
        inside.push(open(base, kind, ann, "phone").await);
    }
    revoke(base, &admin("acme"), json!({ "client_id": "r", "user_id": "eve" })).await;
    gate.set_away(true);
    assert_eq!((me(ann).await.status, me(eve).await.status), (200, 401), "what is known holds");
    let told = json!({ "client_id": "s", "user_id": "ann" }).to_string();
    let refused = ask_as(base, &admin("acme"), "POST", REVOCATIONS, &told).await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("UNAVAILABLE")));
    server.pass(31_000);
    let unknown = me(ann).await;
    assert_eq!((unknown.status, &unknown.json()["code"]), (503, &json!("UNAVAILABLE")), "but not for ever");
    assert_eq!(unknown.header("retry-after"), Some("1"));
    for kind in BOTH {
        let mut new = Client::connect(base, kind).await;
        new.send(&json!({ "event": "authenticate", "id": 1, "data": { "token": ann } })).await;
        assert_eq!(new.expect("error").await["data"]["code"], "UNAVAILABLE");
        assert_eq!(new.expect_close().await.0, 4102, "later");
    }
    // Whoever is inside stays, with a newer token too, unless it is known to be revoked.
    for client in &mut inside {
        is_in(client).await;
        client.request("token:refresh", json!({ "token": issued("ann", "acme", "ann-2") })).await.unwrap();
    }
    gate.set_away(false);
    assert_eq!((me(ann).await.status, me(eve).await.status), (200, 401), "it is looked at again at once");
}

#[tokio::test]
async fn connections_are_listed_and_closed() {
    let server = TestServer::start().await;
    let base = &server.base();
    let path = "/api/v1/connections";
    for kind in BOTH {
        let mut ann = open(base, kind, &token("ann", "acme", "member", &[]), "phone").await;
        let mut bob = open(base, kind, &token("bob", "acme", "agent", &[]), "desk").await;
        let mut eve = open(base, kind, &token("eve", "other", "member", &[]), "phone").await;
        let list = ask_as(base, &admin("acme"), "GET", path, "").await.json();
        let rows = list["connections"].as_array().unwrap();
        let row = rows.iter().find(|row| row["user_id"] == "ann").unwrap();
        let expected = json!({
            "connection_id": ann.welcome["connection_id"], "user_id": "ann", "device_id": "phone", "roles": ["member"],
            "transport": format!("{kind:?}").to_lowercase(), "since": row["since"],
            "expires_at": 4_102_444_800_000_u64,
        });
        assert_eq!((rows.len(), row), (2, &expected), "{list}");
        let of_bob = ask_as(base, &admin("acme"), "GET", &format!("{path}?user_id=bob"), "").await.json();
        assert_eq!(of_bob["connections"].as_array().unwrap().len(), 1);

        // Somebody else's connection looks like one that does not exist.
        let close = async |client: &Client| {
            let id = client.welcome["connection_id"].as_str().unwrap().to_owned();
            ask_as(base, &admin("acme"), "DELETE", &format!("{path}/{id}"), "").await
        };
        let missing = ask_as(base, &admin("acme"), "DELETE", &format!("{path}/ffff"), "").await;
        let foreign = close(&eve).await;
        assert_eq!((foreign.status, &foreign.body), (404, &missing.body));
        assert_eq!(close(&ann).await.status, 204);
        assert_eq!(ann.expect_close().await, (4103, "closed by an administrator".into()));
        is_in(&mut bob).await;
        is_in(&mut eve).await;
        bob.close().await;
        eve.close().await;
        crate::session::closing::until_empty(&server).await;
    }
}
