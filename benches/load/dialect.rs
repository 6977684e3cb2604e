//! How each system is spoken to. Scenarios say what they want; this says which bytes that is.

use fanfare::auth::jwt;
use fanfare_proto::{Fix, JsonFix, OrgId, UserId, tick};
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    System,
    link::{Link, Sender},
    server::{SECRET, Server},
};

/// Handshakes under way at a time.
const AT_ONCE: usize = 16;

/// Where clients of a server connect to.
#[derive(Clone)]
pub enum Place {
    WebTransport { client: Box<web_transport_quinn::Client>, url: url::Url },
    WebSocket { url: String },
}

/// Finds out where to connect.
pub async fn place(server: &Server) -> Place {
    let address = &server.address;
    match server.system {
        System::SocketIo => {
            Place::WebSocket { url: format!("ws://{address}/socket.io/?EIO=4&transport=websocket") }
        }
        System::SocketIoTls => {
            Place::WebSocket { url: format!("wss://{address}/socket.io/?EIO=4&transport=websocket") }
        }
        System::WebSocket => Place::WebSocket { url: format!("ws://{address}/ws") },
        System::WebTransport => {
            let told: Value = serde_json::from_str(&get(address, "/api/v1/transport").await).unwrap();
            let told = &told["webtransport"];
            let hashes = told["certificate_hashes"].as_array().unwrap().iter();
            let hashes = hashes.map(|hash| unhex(hash.as_str().unwrap())).collect();
            let client =
                web_transport_quinn::ClientBuilder::new().with_server_certificate_hashes(hashes).unwrap();
            let url = told["url"].as_str().unwrap().parse().unwrap();
            Place::WebTransport { client: Box::new(client), url }
        }
    }
}

/// The answer to a sign of life.
pub fn answer_to(text: &[u8]) -> Option<&'static str> {
    if text == b"2" {
        Some("3")
    } else if text.starts_with(br#"{"event":"server:ping""#) {
        Some(r#"{"event":"server:pong","data":{}}"#)
    } else {
        None
    }
}

/// Connects users, and waits until the server knows each of them.
pub async fn enter(server: &Server, place: &Place, users: &[String], role: &str) -> Vec<Link> {
    let one = async |user: &String| {
        let mut link = Link::open(server, place).await;
        let token = token(user, role);
        if server.system.is_fanfare() {
            let hello = json!({ "event": "authenticate", "id": 0, "data": { "token": token } });
            link.sender.text(hello.to_string());
            link.expect(|text| starts(text, r#"{"event":"topics""#) && ends(text, r#""more":false}}"#)).await;
        } else {
            link.sender.text(format!("40{}", json!({ "token": token })));
            link.expect(|text| starts(text, "40")).await;
        }
        link
    };
    stream::iter(users).map(one).buffered(AT_ONCE).collect().await
}

/// Lets a client follow positions.
pub async fn follow(system: System, link: &mut Link) {
    if system.is_fanfare() {
        let subscribe = json!({ "event": "subscribe", "id": 1, "data": { "channels": ["locations"] } });
        link.sender.text(subscribe.to_string());
        link.expect(|text| starts(text, r#"{"event":"location:snapshot""#)).await;
    } else {
        join(link, "locations").await;
    }
}

/// Makes a room of everyone and answers its id. The first of `links` belongs to the first of `users`.
pub async fn room(system: System, links: &mut [Link], users: &[String]) -> String {
    if !system.is_fanfare() {
        for link in links {
            join(link, "room").await;
        }
        return "room".to_owned();
    }
    let create = json!({ "event": "conversation:create", "id": 1, "data": {
        "client_id": "create", "kind": "group", "title": "Everyone", "members": users[1..] } });
    links[0].sender.text(create.to_string());
    let mut id = String::new();
    for link in links {
        let created = link.expect(|text| starts(text, r#"{"event":"conversation:created""#)).await;
        let created: Value = serde_json::from_slice(&created).unwrap();
        created["data"]["conversation_id"].as_str().unwrap().clone_into(&mut id);
    }
    id
}

async fn join(link: &mut Link, room: &str) {
    link.sender.text(format!("421{}", json!(["subscribe", room])));
    link.expect(|text| starts(text, "431[")).await;
}

/// Sends a position.
pub fn send_fix(system: System, sender: &Sender, fix: Fix) {
    if system.is_fanfare() {
        for packet in tick::pack_fixes(&[fix]) {
            sender.packet(packet);
        }
    } else {
        sender.text(format!("42{}", json!(["location:update", JsonFix::from(fix)])));
    }
}

/// Sends a message to a room.
pub fn send_message(system: System, sender: &Sender, room: &str, n: usize, text: &str) {
    let data = json!({ "client_id": format!("client-id-{n}"), "conversation_id": room, "text": text });
    if system.is_fanfare() {
        sender.text(json!({ "event": "message:send", "id": n, "data": data }).to_string());
    } else {
        sender.text(format!("42{n}{}", json!(["message:send", data])));
    }
}

/// The seq and the text of a message; `None` for anything else.
pub fn message(system: System, text: &[u8]) -> Option<(u64, String)> {
    if system.is_fanfare() {
        #[derive(Deserialize)]
        struct Event {
            seq: u64,
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            text: String,
        }
        if !starts(text, r#"{"event":"message:new""#) {
            return None;
        }
        let event: Event = serde_json::from_slice(text).unwrap();
        Some((event.seq, event.data.text))
    } else {
        #[derive(Deserialize)]
        struct Data {
            seq: u64,
            text: String,
        }
        let list = text.strip_prefix(b"42")?;
        if !starts(list, r#"["message:new""#) {
            return None;
        }
        let (_, data): (String, Data) = serde_json::from_slice(list).unwrap();
        Some((data.seq, data.text))
    }
}

/// Whether `text` starts so.
pub fn starts(text: &[u8], with: &str) -> bool {
    text.starts_with(with.as_bytes())
}

fn ends(text: &[u8], with: &str) -> bool {
    text.ends_with(with.as_bytes())
}

fn token(user: &str, role: &str) -> String {
    let (user, org) = (UserId::new(user).unwrap(), OrgId::new("acme").unwrap());
    let claims = jwt::Claims { roles: vec![role.into()], ..jwt::Claims::new(user, org, 4_102_444_800) };
    jwt::mint(&claims, SECRET.as_bytes()).unwrap()
}

async fn get(host: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
