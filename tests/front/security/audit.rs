//! What is done to others is written down: by whom, where, what, to whom. Neither tokens nor contents.

use serde_json::{Value, json};

use crate::{
    security::invalid_input::signed,
    support::{
        client::{Client, Kind},
        harness::{Process, ask_as, token},
        store::organisation,
        until::until,
    },
};

fn by(user: &str, org: &str, role: &str, jti: &str) -> String {
    signed(&json!({
        "sub": user, "org": organisation(org), "roles": [role], "exp": 4_102_444_800_u64, "jti": jti,
    }))
}

/// The lines so far, once there are so many, without what stands before what was done.
async fn lines(server: &Process, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    until("the log holds them", async || {
        let log = server.log();
        let lines = log.iter().filter_map(|line| line.split_once("INFO audit what="));
        found = lines.map(|(_, line)| line.replace('"', "")).collect();
        found.len() >= count
    })
    .await;
    found
}

#[tokio::test]
async fn what_is_done_to_others_is_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start_with(dir.path(), &[("FANFARE_AUTH__PLATFORM", "true")]).await;
    let base = &server.base;
    let (acme, ops) = (organisation("acme"), organisation("ops"));
    let boss = by("boss", "acme", "admin", "boss-1");
    let root = by("root", "ops", "platform", "root-1");
    let ann = token("ann", "acme", "member", &[]);
    let ask = async |who: &str, method: &str, path: &str, body: Value, status: u16| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = ask_as(base, who, method, &format!("/api/v1/{path}"), &body).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        answer.body
    };
    let revoked = |answer: &str| {
        let answer: Value = serde_json::from_str(answer).unwrap();
        answer["revocation_id"].as_str().unwrap().to_owned()
    };

    // What is refused has not been done.
    let asked = json!({ "client_id": "k", "user_id": "bob", "reason": "left in anger" });
    ask(&ann, "POST", "revocations", asked.clone(), 403).await;
    ask(&boss, "DELETE", "revocations/none", Value::Null, 404).await;
    ask(&boss, "DELETE", "connections/ffff", Value::Null, 404).await;
    ask(&boss, "POST", "revocations", json!({ "client_id": "k" }), 400).await;

    let client = Client::open(base, Kind::WebSocket, &ann).await;
    let connection = client.welcome["connection_id"].as_str().unwrap().to_owned();
    ask(&boss, "DELETE", &format!("connections/{connection}"), Value::Null, 204).await;
    let first = revoked(&ask(&boss, "POST", "revocations", asked, 201).await);
    ask(&boss, "DELETE", &format!("revocations/{first}"), Value::Null, 204).await;
    // By somebody of another organisation, who may.
    let asked = json!({ "client_id": "k", "token_id": "lost", "organization_id": acme });
    let second = revoked(&ask(&root, "POST", "revocations", asked.clone(), 201).await);
    ask(&root, "POST", "revocations", asked, 201).await;
    let third = revoked(
        &ask(
            &boss,
            "POST",
            "revocations",
            json!({ "client_id": "l", "user_id": "cid", "device_id": "tv" }),
            201,
        )
        .await,
    );

    let expected = [
        format!(
            "connection:closed subject={connection} of=ann org={acme} by=boss by_org={acme} token=boss-1"
        ),
        format!("revocation:made subject={first} of=bob org={acme} by=boss by_org={acme} token=boss-1"),
        format!("revocation:lifted subject={first} of=bob org={acme} by=boss by_org={acme} token=boss-1"),
        format!(
            "revocation:made subject={second} of=token lost org={acme} by=root by_org={ops} token=root-1"
        ),
        format!(
            "revocation:repeated subject={second} of=token lost org={acme} by=root by_org={ops} token=root-1"
        ),
        format!("revocation:made subject={third} of=cid, tv org={acme} by=boss by_org={acme} token=boss-1"),
    ];
    assert_eq!(lines(&server, expected.len()).await, expected);
    let log = server.log().join("\n");
    for secret in [&boss, &root, &ann, "anger"] {
        let secret = secret.rsplit('.').next().unwrap();
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
