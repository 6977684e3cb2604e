//! Tokens as issuers write them: what they may say, and what nobody gets by it.

use fanfare_client::{Client as RustClient, Config as ClientConfig, Token};
use http::{HeaderMap, header};
use serde_json::{Value, json};

use crate::{
    positions::live::now,
    security::invalid_input::signed,
    support::{
        client::{BOTH, Client},
        harness::{Process, TestServer, ask_as},
        store::organisation,
    },
};

const ME: &str = "/api/v1/me";

/// A member's token with these claims besides, or instead.
fn with(more: Value) -> String {
    let mut claims = json!({
        "sub": "ann", "org": organisation("acme"), "roles": ["member"], "exp": now() / 1000 + 3600,
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    signed(&claims)
}

async fn me(server: &TestServer, token: &str) -> Value {
    let answer = ask_as(&server.base(), token, "GET", ME, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn a_role_in_a_list_is_a_whole_name() {
    let server = TestServer::start().await;
    for roles in
        [json!(["billing admin"]), json!(["billing\tadmin"]), json!(["admin "]), json!("billing admin")]
    {
        let answer = ask_as(&server.base(), &with(json!({ "roles": roles })), "GET", ME, "").await;
        assert_eq!((answer.status, answer.json()["code"].clone()), (401, json!("AUTH_FAILED")), "{roles}");
        let both = with(json!({ "roles": roles, "role": "member" }));
        assert_eq!(me(&server, &both).await["roles"], json!(["member"]), "{roles}");
    }
    let scoped = TestServer::with(|config| {
        config.auth.claims = serde_json::from_value(json!({ "roles": ["scope", "roles"] })).unwrap();
    })
    .await;
    let token = with(json!({ "scope": "openid agent", "roles": ["supervisor member"] }));
    assert_eq!(me(&scoped, &token).await["roles"], json!(["agent"]), "a scope is a list by its standard");
}

#[tokio::test]
async fn platform_counts_only_where_the_configuration_says_so() {
    let granted = TestServer::start().await;
    let server = TestServer::with(|config| config.auth.platform = false).await;
    let token = with(json!({ "roles": ["platform"] }));
    assert_eq!(me(&granted, &token).await["roles"], json!(["platform"]));
    let answer = ask_as(&server.base(), &token, "GET", ME, "").await;
    assert_eq!((answer.status, answer.json()["code"].clone()), (401, json!("AUTH_FAILED")));
    let both = with(json!({ "roles": ["platform", "admin"] }));
    assert_eq!(me(&server, &both).await["roles"], json!(["admin"]));
    let foreign = format!("/api/v1/connections?organization_id={}", organisation("other"));
    assert_eq!(ask_as(&server.base(), &both, "GET", &foreign, "").await.status, 403);
}

/// What cannot be followed must not read as "no departments", which sees everyone.
#[tokio::test]
async fn units_that_cannot_be_read_are_no_absence_of_units() {
    let server = TestServer::with(|config| {
        config.auth.claims = serde_json::from_value(json!({ "departments": "app.departments" })).unwrap();
    })
    .await;
    let supervisor = |app: Value| with(json!({ "roles": ["supervisor"], "app": app }));
    let good = supervisor(json!({ "departments": ["north", 7, "Zoë's"] }));
    assert_eq!(me(&server, &good).await["departments"], json!(["7", "north", "~~Zo=C3=AB=27s"]));
    for app in [json!("north"), json!(["north"]), json!({ "departments": { "north": true } })] {
        let answer = ask_as(&server.base(), &supervisor(app.clone()), "GET", ME, "").await;
        assert_eq!(answer.status, 401, "{app}");
    }
}

#[tokio::test]
async fn ids_as_issuers_write_them_are_taken() {
    let server = TestServer::start().await;
    for (more, user) in [
        (json!({ "sub": 42 }), "42"),
        (json!({ "jti": "aB/9+c==" }), "ann"),
        (json!({ "jti": 17 }), "ann"),
        (json!({ "sub": "o'neil@example.org" }), "~~o=27neil@example.org"),
        (json!({ "sub": "Zoë 7" }), "~~Zo=C3=AB=207"),
        (json!({ "sub": "~~ann" }), "~~=7E=7Eann"),
        (
            json!({ "nbf": null, "iat": null, "iss": null, "aud": null, "jti": null, "role": null, "teams": null }),
            "ann",
        ),
    ] {
        assert_eq!(me(&server, &with(more.clone())).await["user_id"], user, "{more}");
    }
    let exp = now() / 1000 + 3600;
    let seven = signed(&json!({ "sub": "a", "org": 7, "roles": ["member"], "exp": exp }));
    assert_eq!(me(&server, &seven).await["organization_id"], "7");
    // A header as some libraries write it, `null` where nothing is meant.
    let claims = json!({ "sub": "a", "org": organisation("acme"), "roles": ["member"], "exp": exp });
    let header = json!({ "alg": "HS256", "typ": null, "kid": null, "jku": null, "cty": null });
    let good =
        crate::security::forged_tokens::hs256(&header, &claims, crate::support::harness::SECRET.as_bytes());
    assert_eq!(me(&server, &good).await["user_id"], "a");
}

/// A token's id of any text: revoking what stands in the token revokes it, and no other.
#[tokio::test]
async fn a_token_is_revoked_by_its_own_id_whatever_that_is() {
    let server = TestServer::start().await;
    let boss = with(json!({ "sub": "boss", "roles": ["admin"] }));
    for (n, (jti, other)) in
        [(json!("aB/9+c=="), json!("aB/9+d==")), (json!(17), json!(18)), (json!("ä b"), json!("ä c"))]
            .into_iter()
            .enumerate()
    {
        let (token, kept) = (with(json!({ "jti": jti })), with(json!({ "jti": other })));
        me(&server, &token).await;
        let asked = json!({ "client_id": format!("r{n}"), "token_id": jti });
        let made = ask_as(&server.base(), &boss, "POST", "/api/v1/revocations", &asked.to_string()).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(ask_as(&server.base(), &token, "GET", ME, "").await.status, 401, "{jti}");
        me(&server, &kept).await;
        // What the answer calls it means the same token.
        let again = json!({ "client_id": format!("a{n}"), "token_id": made.json()["token_id"] });
        let again = ask_as(&server.base(), &boss, "POST", "/api/v1/revocations", &again.to_string()).await;
        assert_eq!(again.json()["token_id"], made.json()["token_id"]);
    }
}

/// An issuer's clock is ahead of ours: a little is nothing, more is a matter of waiting.
#[tokio::test]
async fn a_token_that_is_not_valid_yet_is_soon() {
    let server = TestServer::start().await;
    let ahead = |seconds: u64| {
        let at = now() / 1000 + seconds;
        with(json!({ "iat": at, "nbf": at }))
    };
    let base = &server.base();
    me(&server, &ahead(50)).await;
    for kind in BOTH {
        let mut client = Client::connect(base, kind).await;
        let hello = json!({ "event": "authenticate", "id": 1, "data": { "token": ahead(100) } });
        client.send(&hello).await;
        let error = client.expect("error").await["data"].clone();
        assert_eq!(error["code"], "TOKEN_NOT_YET_VALID");
        assert!((20_000..=40_000).contains(&error["retry_after_ms"].as_u64().unwrap()), "{error}");
        assert_eq!(client.expect_close().await, (4104, "token not yet valid".into()));
        // On a connection that is there it changes nothing, and is no offence.
        let mut client = Client::open(base, kind, &ahead(0)).await;
        for _ in 0..100 {
            let refused = client.request("token:refresh", json!({ "token": ahead(100) })).await.unwrap_err();
            assert!(
                ["TOKEN_NOT_YET_VALID", "RATE_LIMIT_EXCEEDED"].contains(&refused["code"].as_str().unwrap())
            );
        }
        client.request("client:ping", json!({})).await.unwrap();
    }
    let soon = ahead(100);
    let answer = ask_as(base, &soon, "GET", ME, "").await;
    assert_eq!((answer.status, answer.json()["code"].clone()), (401, json!("TOKEN_NOT_YET_VALID")));
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((20..=41).contains(&seconds), "{seconds}");
    // What is wrong for good is said so.
    let never = with(json!({ "nbf": now() / 1000 + 500, "exp": now() / 1000 + 400 }));
    assert_eq!(ask_as(base, &never, "GET", ME, "").await.json()["code"], "AUTH_FAILED");
    let none = with(json!({ "nbf": now() / 1000 + 500, "roles": ["king"] }));
    assert_eq!(ask_as(base, &none, "GET", ME, "").await.json()["code"], "AUTH_FAILED");
    server.pass(45_000);
    me(&server, &soon).await;
}

/// The client comes back by itself, and gets in once the token has begun.
#[tokio::test]
async fn a_client_waits_for_its_token_to_begin() {
    let server = TestServer::with(|config| config.auth.leeway_seconds = 1).await;
    let at = now() / 1000 + 4;
    let token = with(json!({ "iat": at, "nbf": at }));
    let mut config = ClientConfig::new(server.base(), Token::fixed(token), "phone".parse().unwrap());
    config.limits.backoff = std::time::Duration::from_millis(50);
    let (client, _events) = RustClient::connect(config).unwrap();
    let opened = tokio::time::timeout(std::time::Duration::from_secs(30), client.opened()).await.unwrap();
    assert!(opened.is_ok(), "{opened:?}");
    assert!(now() / 1000 + 1 >= at, "not before");
}

/// The operator reads in the log why tokens are refused and who is over a limit: once a minute, and nothing of the token.
#[tokio::test]
async fn refusals_are_logged_once_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let limits = [("FANFARE_LIMITS__MESSAGES_PER_SECOND", "5"), ("FANFARE_LOG__FILTER", "info")];
    let process = Process::start_with(dir.path(), &limits).await;
    let base = &process.base;
    let king = with(json!({ "sub": "secretive", "roles": ["king"] }));
    for _ in 0..5 {
        assert_eq!(ask_as(base, &king, "GET", ME, "").await.status, 401);
        assert_eq!(ask_as(base, "a.b.c", "GET", ME, "").await.status, 401);
    }
    let mut ann = Client::open(base, BOTH[0], &with(json!({}))).await;
    let mut refused = 0;
    while refused < 5 {
        refused += u32::from(ann.request("client:ping", json!({})).await.is_err());
    }
    for kind in BOTH {
        let origin = format!("https://{kind:?}.example").parse().unwrap();
        let refused =
            Client::connect_with(base, kind, HeaderMap::from_iter([(header::ORIGIN, origin)])).await;
        assert!(refused.is_err(), "{kind:?}");
    }
    let whose = format!("{}/ann", organisation("acme"));
    let pages = ["https://WebSocket.example", "https://WebTransport.example"];
    let wanted = ["it holds no known role", "it is not in base64url", whose.as_str(), pages[0], pages[1]];
    crate::support::until::until("the log tells all", async || {
        let log = process.log();
        wanted.iter().all(|part| log.iter().any(|line| line.contains(part)))
    })
    .await;
    let log = process.log();
    for part in wanted {
        let lines: Vec<_> = log.iter().filter(|line| line.contains(part)).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
    assert!(log.iter().any(|line| line.contains("too many messages") && line.contains(&whose)), "{log:?}");
    assert!(!log.concat().contains("secretive") && !log.concat().contains("king"));
    process.stop().await;
}
