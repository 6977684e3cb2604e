//! The HTTP API's door: tokens, pages of other origins, methods, paths.

use serde_json::{Value, json};

use crate::{
    security::invalid_input::signed,
    support::{
        harness::{Answered, TestServer, ask, ask_as, token},
        store::organisation,
    },
};

const ME: &str = "/api/v1/me";

fn code(answer: &Answered) -> Value {
    answer.json()["code"].clone()
}

#[tokio::test]
async fn a_good_token_is_told_who_it_is() {
    let server = TestServer::start().await;
    let ann = token("ann", "acme", "supervisor", &["north"]);
    let me = ask_as(&server.base(), &ann, "GET", ME, "").await;
    assert_eq!(me.status, 200);
    let told = json!({
        "user_id": "ann", "organization_id": organisation("acme"), "roles": ["supervisor"],
        "departments": ["north"], "teams": [], "expires_at": 4_102_444_800_000_u64,
        "may": ["connect", "converse", "hear_notices", "watch_locations", "read_tracks", "broadcast", "watch_people",
            "watch_everyone"],
    });
    assert_eq!(me.json(), told);
    assert_eq!(me.header("cache-control"), Some("no-store"));
    let head = ask_as(&server.base(), &ann, "HEAD", ME, "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), me.header("content-length"));
}

#[tokio::test]
async fn nobody_comes_in_without_one() {
    let server = TestServer::start().await;
    let base = &server.base();
    let good = token("ann", "acme", "member", &[]);
    let bearer = format!("Bearer {good}");
    let past = signed(&json!({ "sub": "ann", "org": "acme", "roles": ["member"], "exp": 1_700_000_000 }));
    let nobody = ask(base, "GET", ME, &[], "").await;
    assert_eq!((nobody.status, code(&nobody)), (401, json!("AUTH_FAILED")));
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer"));
    for (header, told) in [
        ("Bearer", "AUTH_FAILED"),
        ("Bearer a.b.c", "AUTH_FAILED"),
        ("Basic YTpi", "AUTH_FAILED"),
        (&format!("Token {good}"), "AUTH_FAILED"),
        (&format!("Bearer {past}"), "TOKEN_EXPIRED"),
        (&format!("Bearer {}", "x".repeat(9000)), "AUTH_FAILED"),
    ] {
        let answer = ask(base, "GET", ME, &[("authorization", header)], "").await;
        assert_eq!((answer.status, code(&answer)), (401, json!(told)), "{header:.40}");
    }
    let twice = [("authorization", bearer.as_str()), ("authorization", "Bearer a.b.c")];
    assert_eq!(ask(base, "GET", ME, &twice, "").await.status, 400, "which of the two?");
    for place in ["token", "access_token", "authorization"] {
        let answer = ask(base, "GET", &format!("{ME}?{place}={good}"), &[], "").await;
        assert_eq!(answer.status, 401, "a URL is no place for a token");
    }
    let cookie = format!("token={good}");
    assert_eq!(ask(base, "GET", ME, &[("cookie", &cookie)], "").await.status, 401);
}

#[tokio::test]
async fn other_methods_and_paths_are_told_so() {
    let server = TestServer::start().await;
    let base = &server.base();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in [ME, "/api/v1/transport", "/health/ready", "/metrics", "/ws"] {
            let answer = ask(base, method, path, &[], "").await;
            assert_eq!((answer.status, code(&answer)), (405, json!("INVALID_MESSAGE")), "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{method} {path}");
        }
        assert_eq!(ask(base, method, "/", &[], "").await.status, 405);
    }
    for path in ["/api/v1/nothing", "/api/", "/api/v1/me/", "/api/v2/me"] {
        for method in ["GET", "POST"] {
            let answer = ask(base, method, path, &[], "").await;
            assert_eq!((answer.status, code(&answer)), (404, json!("ROOM_NOT_FOUND")), "{method} {path}");
        }
    }
    assert_eq!(ask(base, "GET", "/nothing", &[], "").await.status, 404);
}

#[tokio::test]
async fn pages_of_other_origins_are_kept_out() {
    let server = TestServer::with(|config| config.origins = vec!["https://app.example".into()]).await;
    let base = &server.base();
    let ann = format!("Bearer {}", token("ann", "acme", "member", &[]));
    let from = |origin| [("authorization", ann.as_str()), ("origin", origin)];
    let good = ask(base, "GET", ME, &from("https://app.example"), "").await;
    assert_eq!(good.status, 200);
    assert_eq!(good.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(good.header("vary"), Some("origin"));
    assert_eq!(good.header("access-control-allow-credentials"), None);
    // A refusal can be read by the page that asked, too.
    let refused = [("origin", "https://app.example")];
    let refused = ask(base, "GET", ME, &refused, "").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://app.example"));
    for other in ["https://evil.example", "null", "https://app.example.evil", "http://app.example"] {
        let answer = ask(base, "GET", ME, &from(other), "").await;
        assert_eq!((answer.status, code(&answer)), (403, json!("UNAUTHORIZED")), "{other}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let ask_first = [("origin", other), ("access-control-request-method", "POST")];
        let preflight = ask(base, "OPTIONS", ME, &ask_first, "").await;
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (403, None));
    }
    let ask_first = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    let preflight = ask(base, "OPTIONS", ME, &ask_first, "").await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization, content-type"));
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("DELETE"));
}

/// Who asks first whether to send a body that is too large is told not to.
#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_comes() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = TestServer::start().await;
    let admin = token("ann", "acme", "admin", &[]);
    let base = server.base();
    let host = base.strip_prefix("http://").unwrap();
    let ask = async |length: &str| {
        let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
        let request = format!(
            "POST /api/v1/revocations HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {admin}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\nexpect: 100-continue\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        String::from_utf8_lossy(&first).into_owned()
    };
    for length in ["65537", "1000000000", "1000000000000000"] {
        assert_eq!(ask(length).await, "HTTP/1.1 413", "{length}");
    }
    assert_eq!(ask("100").await, "HTTP/1.1 100");
}
