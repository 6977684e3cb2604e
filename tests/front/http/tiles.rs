//! Streets under the console's map: none unless the operator names a server, and then that one only.

use fanfare::config::Tiles;
use serde_json::{Value, json};

use crate::support::harness::{TestServer, ask_as, token};

const MAP: &str = "/api/v1/map";

async fn asked(server: &TestServer, role: &str) -> (u16, Value) {
    let answer = ask_as(&server.base(), &token("ann", "acme", role, &["north"]), "GET", MAP, "").await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn without_the_setting_there_are_none() {
    let server = TestServer::start().await;
    assert_eq!(asked(&server, "admin").await, (200, json!({ "tiles": null })));
}

#[tokio::test]
async fn those_who_may_see_positions_are_told_of_them() {
    let tiles = Tiles {
        url: Some("https://tiles.example.org:8443/{z}/{x}/{y}.png?key=secret".into()),
        attribution: Some("© Example".into()),
        attribution_url: Some("https://example.org/licence".into()),
        max_zoom: 17,
    };
    let server = TestServer::with(|config| config.tiles = tiles).await;
    let told = json!({ "tiles": {
        "url": "https://tiles.example.org:8443/{z}/{x}/{y}.png?key=secret", "attribution": "© Example",
        "attribution_url": "https://example.org/licence", "max_zoom": 17,
    } });
    for role in ["admin", "supervisor", "service"] {
        assert_eq!(asked(&server, role).await, (200, told.clone()), "{role}");
    }
    for role in ["member", "patient", "agent"] {
        let (status, answer) = asked(&server, role).await;
        assert_eq!(status, 403, "{role}");
        assert!(!answer.to_string().contains("secret"), "{role}");
    }
}

#[tokio::test]
async fn the_page_may_load_from_that_server_and_no_other() {
    let urls = [None, Some("/own/{z}/{x}/{y}.png"), Some("https://tiles.example.org:8443/a/{z}/{x}/{y}.png")];
    for (url, allowed) in urls.into_iter().zip(["", "", " https://tiles.example.org:8443"]) {
        let server = TestServer::with(|config| config.tiles.url = url.map(str::to_owned)).await;
        let page = ask_as(&server.base(), "", "GET", "/", "").await;
        let policy = page.header("content-security-policy").expect("the console is built");
        assert!(policy.contains(&format!("img-src 'self' data: blob:{allowed};")), "{policy}");
        assert!(policy.contains(&format!("connect-src 'self'{allowed} ws://127.0.0.1:")), "{policy}");
    }
}
