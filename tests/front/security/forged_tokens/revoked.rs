//! Tokens that were good once, until they were revoked, shown at every door.

use serde_json::json;

use crate::{
    positions::live::now,
    security::invalid_input::signed,
    support::{
        client::BOTH,
        entry_points::{Door, Shown},
        harness::{TestServer, ask_as, token},
        store::organisation,
    },
};

/// A token with an id, issued so many milliseconds from now.
fn issued(user: &str, jti: &str, ahead: u64) -> String {
    let at = (now() + ahead) / 1000 - 60;
    signed(&json!({
        "sub": user, "org": organisation("acme"), "roles": ["member"], "exp": 4_102_444_800_u64, "jti": jti, "iat": at,
    }))
}

/// What is revoked of whom, and the doors at which that counts.
struct Case {
    user: &'static str,
    revoked: serde_json::Value,
    doors: Vec<Door>,
}

fn cases() -> [Case; 3] {
    // A device says which it is in `authenticate`: the API knows none, and who is in by it is put out.
    let begins = |door: &Door| !matches!(door, Door::Api | Door::Refresh(_));
    [
        Case { user: "ann", revoked: json!({ "token_id": "ann-1" }), doors: Door::all() },
        Case { user: "bob", revoked: json!({ "user_id": "bob" }), doors: Door::all() },
        Case {
            user: "cid",
            revoked: json!({ "user_id": "cid", "device_id": "phone" }),
            doors: Door::all().into_iter().filter(begins).collect(),
        },
    ]
}

#[tokio::test]
async fn no_revoked_token_opens_a_door() {
    let server = TestServer::start().await;
    let base = &server.base();
    let id = |user: &str, n: u32| format!("{user}-{n}");
    for case in cases() {
        let good = issued(case.user, &id(case.user, 1), 0);
        for door in &case.doors {
            let shown = door.show_by(base, &good, &good, Some("phone")).await;
            assert!(matches!(shown, Shown::In(_)), "{} at {door:?}: {shown:?}", case.user);
        }
        // Another organisation's says nothing about this one's.
        for org in ["other", "acme"] {
            let mut asked = case.revoked.clone();
            asked["client_id"] = json!(case.user);
            let by = token("boss", org, "admin", &[]);
            let made = ask_as(base, &by, "POST", "/api/v1/revocations", &asked.to_string()).await;
            assert_eq!(made.status, 201, "{made:?}");
            let still = Door::Message(BOTH[0]).show_by(base, &good, &good, Some("phone")).await;
            assert_eq!(matches!(still, Shown::In(_)), org == "other", "{} by {org}: {still:?}", case.user);
        }
    }
    // Later tickets, which are good: for the doors that are inside.
    server.pass(130_000);
    let (mut tried, mut inside) = (0, Vec::new());
    for Case { user, doors, .. } in cases() {
        let ticket = issued(user, &id(user, 2), 130_000);
        let revoked = issued(user, &id(user, 1), 0);
        for door in doors {
            tried += 1;
            match door.show_by(base, &revoked, &ticket, Some("phone")).await {
                Shown::In(_) => inside.push(format!("{user} at {door:?}")),
                Shown::Out(code) => assert_eq!(code, "AUTH_FAILED", "{user} at {door:?}"),
            }
        }
        // Nobody else is kept out, nor the same person with what is good.
        let device = if user == "cid" { "desk" } else { "phone" };
        for door in Door::all() {
            let shown = door.show_by(base, &ticket, &ticket, Some(device)).await;
            assert!(matches!(shown, Shown::In(_)), "{user} later at {door:?}: {shown:?}");
        }
    }
    println!("3 kinds of revoked tokens: {tried} tries, {} got in", inside.len());
    assert_eq!(inside, Vec::<String>::new());
}
