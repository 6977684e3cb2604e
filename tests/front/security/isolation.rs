//! Who may do what, where: every command and every route, for every role, in its own organisation, in another one and in
//! another department or team. What is expected stands here once more, by hand, and not in the server's words.

mod commands;
mod routes;

use serde_json::{Value, json};

use crate::{
    positions::live::{fix, now, send},
    support::{
        client::{Client, Kind},
        harness::{TestServer, token_of},
    },
};

/// Every role there is.
const ROLES: [&str; 8] =
    ["agent", "supervisor", "admin", "patient", "provider", "member", "service", "platform"];

/// In every name and text of the organisation that is looked into. Nobody else may ever see it.
const HUSH: &str = "hush";

/// A server with an organisation in which there is something to see, and one who watches what happens there.
struct World {
    server: TestServer,
    room: String,
    witness: Client,
    _agent: Client,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::with(|config| {
            // What is allowed is asked here, not how often.
            let limits = &mut config.limits;
            for rate in [
                &mut limits.strikes_per_minute,
                &mut limits.messages_per_second,
                &mut limits.messages_per_second_per_user,
                &mut limits.messages_per_second_per_organisation,
                &mut limits.broadcasts_per_minute_per_user,
                &mut limits.broadcasts_per_minute_per_organisation,
                &mut limits.conversations_per_minute_per_user,
                &mut limits.conversations_per_minute_per_organisation,
                &mut limits.refreshes_per_minute,
            ] {
                *rate = 1_000_000;
            }
        })
        .await;
        let walker = token_of("hush-walker", "acme", "agent", &["north"], &["blue"]);
        let mut agent = Client::open(&server.base(), Kind::WebSocket, &walker).await;
        send(&mut agent, &[fix(1, now() - 1_000, 31.0, 120.0)]).await;
        crate::positions::live::stored_up_to(&mut agent, 1).await;
        let mut witness = server.client(Kind::WebSocket, "hush-witness", "admin").await;
        let members: Vec<String> = ROLES.iter().map(|role| member(role)).collect();
        let room = json!({ "client_id": "room", "kind": "group", "title": "hush", "members": members });
        let room = witness.request("conversation:create", room).await.unwrap();
        let room = room["conversation_id"].as_str().unwrap().to_owned();
        crate::chat::conversations::say(&mut witness, &room, "first", "hush").await;
        Self { server, room, witness, _agent: agent }
    }

    fn base(&self) -> String {
        self.server.base()
    }
}

/// Who holds a role in the organisation.
fn member(role: &str) -> String {
    format!("hush-{role}")
}

#[test]
fn every_role_is_tried() {
    assert_eq!(ROLES, fanfare::auth::policy::Role::ALL.map(fanfare::auth::policy::Role::as_str));
}

/// What an answer says, but for what differs between any two: when, and which of several new things.
fn plain(mut answer: Value) -> Value {
    if let Some(fields) = answer.as_object_mut() {
        for field in [
            "at",
            "time",
            "conversation_id",
            "topic",
            "epoch",
            "seq",
            "stored",
            "until",
            "version",
            "view",
            "revocation_id",
        ] {
            fields.remove(field);
        }
    }
    answer
}
