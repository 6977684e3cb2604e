//! A connection's token while it lasts: its end, and newer ones in its place.

use fanfare::config::OwnRole;
use serde_json::{Value, json};

use crate::{
    positions::live::{fix, follow, locations, now, send},
    presence::{set, watch},
    security::invalid_input::signed,
    support::{
        client::{BOTH, Client},
        harness::{TestServer, token},
    },
};

/// Ends while the server is still patient, which is for some seconds.
fn ending(user: &str) -> String {
    signed(&json!({ "sub": user, "org": "acme", "roles": ["member"], "exp": now() / 1000 - 3 }))
}

async fn refresh(client: &mut Client, token: &str) -> Result<Value, Value> {
    client.request("token:refresh", json!({ "token": token })).await
}

#[tokio::test]
async fn a_token_ends_and_the_connection_with_it() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut client = Client::open(&server.base(), kind, &ending("ann")).await;
        assert_eq!(client.expect_close().await, (4003, "token expired".into()));
    }
}

#[tokio::test]
async fn a_newer_token_moves_the_end() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = Client::open(&server.base(), kind, &ending("ann")).await;
        let refreshed = refresh(&mut ann, &token("ann", "acme", "member", &[])).await.unwrap();
        assert_eq!(refreshed, json!({ "expires_at": 4_102_444_800_000_u64, "roles": ["member"] }));
        // One that came later with the same end shows when that is over.
        let mut bob = Client::open(&server.base(), kind, &ending("bob")).await;
        assert_eq!(bob.expect_close().await.0, 4003);
        ann.request("client:ping", json!({})).await.unwrap();
        // It can come nearer, too.
        refresh(&mut ann, &ending("ann")).await.unwrap();
        assert_eq!(ann.expect_close().await.0, 4003);
    }
}

#[tokio::test]
async fn a_refused_token_changes_nothing() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let past = signed(&json!({ "sub": "ann", "org": "acme", "roles": ["admin"], "exp": 1_700_000_000 }));
        let unknown =
            signed(&json!({ "sub": "ann", "org": "acme", "roles": ["king"], "exp": 4_102_444_800_u64 }));
        for (offered, code) in [
            (token("bob", "acme", "admin", &[]), "UNAUTHORIZED"),
            (token("ann", "other", "admin", &[]), "UNAUTHORIZED"),
            (past, "TOKEN_EXPIRED"),
            (unknown, "AUTH_FAILED"),
            ("e30.e30.e30".to_owned(), "AUTH_FAILED"),
            ("x".repeat(9000), "INVALID_MESSAGE"),
        ] {
            assert_eq!(refresh(&mut ann, &offered).await.unwrap_err()["code"], code);
        }
        let denied = ann.request("subscribe", locations()).await.unwrap_err();
        assert_eq!(denied["code"], "UNAUTHORIZED", "still a member");
    }
}

#[tokio::test]
async fn other_rights_end_what_was_granted_before() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let boss = |departments: &[&str]| token("boss", "acme", "supervisor", departments);
        let mut north = server.agent(kind, &format!("north-{kind:?}"), "north").await;
        let mut south = server.agent(kind, &format!("south-{kind:?}"), "south").await;
        let mut boss_client = Client::open(&server.base(), kind, &boss(&["north"])).await;
        let (old, _) = follow(&mut boss_client, locations()).await;

        let same = refresh(&mut boss_client, &boss(&["north"])).await.unwrap();
        assert_eq!(same.get("resubscribe"), None, "the same rights end nothing");
        let other = refresh(&mut boss_client, &boss(&["south"])).await.unwrap();
        assert_eq!(other["resubscribe"], json!(["locations"]));

        // Nobody of the old view is shown any more; whoever is of the new one is.
        send(&mut north, &[fix(1, now(), 31.0, 120.0)]).await;
        north.expect("location:stored").await;
        let (new, _) = follow(&mut boss_client, locations()).await;
        assert_ne!(old, new);
        send(&mut south, &[fix(1, now(), 32.0, 121.0)]).await;
        let joined = boss_client.expect("location:agents").await;
        assert_eq!(joined["data"]["view"], new);
        let names: Vec<&str> = joined["data"]["agents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| a["agent_id"].as_str().unwrap())
            .collect();
        assert_eq!(names, [format!("south-{kind:?}")]);
        assert!(boss_client.drain("location:agents").await.is_empty(), "nothing of the old view came");

        let member = token("boss", "acme", "member", &[]);
        refresh(&mut boss_client, &member).await.unwrap();
        let denied = boss_client.request("subscribe", locations()).await.unwrap_err();
        assert_eq!(denied["code"], "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn roles_of_the_configuration_count() {
    let server = TestServer::with(|config| {
        let may = vec!["watch_locations".into()];
        let desk = OwnRole { is: Some("patient".into()), may };
        config.auth.roles.insert("desk".into(), desk);
    })
    .await;
    for kind in BOTH {
        let mut desk = server.client(kind, "desk", "desk").await;
        assert_eq!(desk.welcome["roles"], json!(["desk"]));
        follow(&mut desk, locations()).await;
        desk.request("conversation:list", json!({})).await.unwrap();
        let hail = json!({ "client_id": "n", "message": "hail" });
        assert_eq!(desk.request("system:broadcast", hail).await.unwrap_err()["code"], "UNAUTHORIZED");
        // Rights are those of the token that holds now, also for what is asked on the same connection.
        refresh(&mut desk, &token("desk", "acme", "patient", &[])).await.unwrap();
        assert_eq!(desk.request("subscribe", locations()).await.unwrap_err()["code"], "UNAUTHORIZED");
    }
}

/// What presence is followed goes on under other rights that grant it, without a gap, and ends with a word where they do not.
#[tokio::test]
async fn presence_goes_on_under_other_rights_as_far_as_they_grant_it() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let bob = format!("bob-{kind:?}");
        let mut phone = server.client(kind, &bob, "member").await;
        let mut boss = server.client(kind, "boss", "supervisor").await;
        let mut all = watch(&mut boss, None).await;
        let mut eve = server.client(kind, "eve", "agent").await;
        let mut named = watch(&mut eve, Some(&[&bob])).await;
        follow(&mut boss, locations()).await;

        // More, fewer and other rights that grant the same: nothing is said, and nothing begins anew.
        let (admin, north) =
            (("admin", &[][..], Value::Null), ("supervisor", &["north"][..], json!(["locations"])));
        for (role, departments, again) in [admin, north] {
            let answer = refresh(&mut boss, &token("boss", "acme", role, departments)).await.unwrap();
            assert_eq!(answer["resubscribe"], again);
        }
        let answer = refresh(&mut eve, &token("eve", "acme", "patient", &[])).await.unwrap();
        assert_eq!(answer.get("resubscribe"), None);
        set(&mut phone, json!({ "status": "busy" })).await;
        all.until_status(&mut boss, &bob, "busy").await;
        named.until_status(&mut eve, &bob, "busy").await;
        assert!(boss.drain("presence:snapshot").await.is_empty());

        // Whoever may watch only those they name watches everyone no longer, is told so, and hears no more.
        let (positions, _) = follow(&mut boss, locations()).await;
        let answer = refresh(&mut boss, &token("boss", "acme", "member", &[])).await.unwrap();
        assert_eq!(answer.get("resubscribe"), None, "none that would be granted");
        let mut ended = [boss.expect("subscription:ended").await, boss.expect("subscription:ended").await];
        ended.sort_by_key(|event| event["data"]["channel"].to_string());
        for (event, (channel, view)) in ended.iter().zip([("locations", positions), ("presence", all.view)]) {
            assert_eq!((&event["data"]["channel"], &event["data"]["view"]), (&json!(channel), &json!(view)));
            assert_eq!(event["data"]["error"]["code"], "UNAUTHORIZED");
        }
        set(&mut phone, json!({ "status": "away" })).await;
        named.until_status(&mut eve, &bob, "away").await;
        assert!(boss.drain("presence:changed").await.is_empty());
        // What one may still do is asked for, and granted.
        assert_eq!(watch(&mut boss, Some(&[&bob])).await.status(&bob), "away");

        // Rights that grant nothing at all end that, too.
        let answer = refresh(&mut eve, &token("eve", "acme", "platform", &[])).await.unwrap();
        assert_eq!(answer.get("resubscribe"), None);
        assert_eq!(eve.expect("subscription:ended").await["data"]["view"], named.view);
    }
}
