//! Every way in which a token can be shown.

use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::client::{BOTH, Client, Got, Kind};

/// A door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `Authorization` of the transport's handshake.
    Handshake(Kind),
    /// The subprotocol of a WebSocket's handshake.
    Subprotocol,
    /// `authenticate`.
    Message(Kind),
    /// `token:refresh`, by somebody who is in.
    Refresh(Kind),
    /// `Authorization` of a request of the HTTP API.
    Api,
}

/// What became of a token at a door.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// It was accepted: what the server said then.
    In(Value),
    /// The code of the error, or how the handshake failed.
    Out(String),
}

impl Door {
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Subprotocol, Self::Api];
        for kind in BOTH {
            all.extend([Self::Handshake(kind), Self::Message(kind), Self::Refresh(kind)]);
        }
        all
    }

    /// Shows `token`. `ticket` is a good token, for the doors that are inside.
    pub async fn show(self, base: &str, token: &str, ticket: &str) -> Shown {
        self.show_by(base, token, ticket, None).await
    }

    /// The same, by a device, where the door asks for one.
    pub async fn show_by(self, base: &str, token: &str, ticket: &str, device: Option<&str>) -> Shown {
        let hello = json!({ "device_id": device });
        match self {
            Self::Api => api(base, token).await,
            Self::Message(kind) => {
                let hello = json!({ "token": token, "device_id": device });
                greet(Client::connect(base, kind).await, hello).await
            }
            Self::Refresh(kind) => {
                let hello = json!({ "token": ticket, "device_id": device });
                let mut client = Client::open_with(base, kind, hello).await;
                match client.request("token:refresh", json!({ "token": token })).await {
                    Ok(answer) => Shown::In(answer),
                    Err(error) => Shown::Out(error["code"].as_str().unwrap().to_owned()),
                }
            }
            Self::Handshake(kind) => {
                with_header(base, kind, header::AUTHORIZATION, format!("Bearer {token}"), hello).await
            }
            Self::Subprotocol => {
                let offer = format!("fanfare, bearer.{token}");
                with_header(base, Kind::WebSocket, header::SEC_WEBSOCKET_PROTOCOL, offer, hello).await
            }
        }
    }
}

async fn with_header(base: &str, kind: Kind, name: http::HeaderName, value: String, hello: Value) -> Shown {
    let Ok(value) = HeaderValue::from_str(&value) else { return Shown::Out("NO_HEADER".into()) };
    match Client::connect_with(base, kind, HeaderMap::from_iter([(name, value)])).await {
        Ok(client) => greet(client, hello).await,
        Err(error) => Shown::Out(error),
    }
}

/// Authenticates, and reads the answer.
async fn greet(mut client: Client, data: Value) -> Shown {
    client.send(&json!({ "event": "authenticate", "id": 1, "data": data })).await;
    loop {
        match client.next().await {
            Got::Event(_, mut event) if event["event"] == "authenticated" => {
                return Shown::In(event["data"].take());
            }
            Got::Event(_, event) if event["event"] == "error" => {
                return Shown::Out(event["data"]["code"].as_str().unwrap().to_owned());
            }
            Got::Closed(code, reason) => return Shown::Out(format!("{code} {reason}")),
            _ => {}
        }
    }
}

async fn api(base: &str, token: &str) -> Shown {
    let host = base.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!(
        "GET /api/v1/me HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A request that is too large is answered by a reset, perhaps.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    if head.starts_with("HTTP/1.1 200") {
        return Shown::In(body);
    }
    Shown::Out(body["code"].as_str().unwrap_or(head.lines().next().unwrap_or("nothing")).to_owned())
}
