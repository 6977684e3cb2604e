//! Keys that issuers publish: fetched, changed, and not to be had.

use std::sync::Arc;

use axum::http::StatusCode;
use fanfare::config::{Algorithm, Claims, Config, Issuer as Settings};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    positions::live::now,
    support::{
        client::{BOTH, Client, Kind},
        entry_points::{Door, Shown},
        harness::{TestServer, token},
        issuer::{Answer, Issuer, Signer, beside, only, set},
        store::organisation,
    },
};

const MESSAGE: Door = Door::Message(Kind::WebSocket);

async fn server(issuers: &[(&str, Settings)]) -> TestServer {
    TestServer::with(|config| only(config, issuers)).await
}

fn is_in(shown: &Shown) -> bool {
    matches!(shown, Shown::In(_))
}

#[tokio::test]
async fn published_keys_of_each_kind_open_every_door() {
    let signers = [Signer::rsa("r"), Signer::p256("p"), Signer::ed25519("e")];
    let issuer = Issuer::start(&signers.each_ref()).await;
    let server = server(&[("main", issuer.settings())]).await;
    for signer in &signers {
        let token = signer.sign(&issuer.claims("ann", "acme", "member"));
        for door in Door::all() {
            let shown = door.show(&server.base(), &token, &token).await;
            assert!(is_in(&shown), "{} at {door:?}: {shown:?}", signer.alg());
        }
    }
    assert_eq!(issuer.asked(), 1, "known keys are not fetched again");
    assert_eq!(server.metric("fanfare_key_fetches").await, 1.0);
}

fn path(text: &str) -> fanfare::auth::claims::Path {
    text.to_owned().try_into().unwrap()
}

/// What the three services send, and what makes sense of it.
#[tokio::test]
async fn clerk_auth0_and_keycloak_at_once() {
    let (clerk_key, auth0_key, keycloak_key) =
        (Signer::rsa("ins_2x"), Signer::rsa("Nz_9"), Signer::rsa("qK3k"));
    let clerk = Issuer::start(&[&clerk_key]).await;
    let auth0 = Issuer::start(&[]).await;
    let keycloak = Issuer::start(&[]).await;
    // Auth0 publishes certificates beside its keys; Keycloak a key for encryption before the one that signs.
    let mut with_certificate = auth0_key.jwk();
    with_certificate["x5c"] = json!(["MIIDDTCCAfWgAwIBAgIJ"]);
    with_certificate["x5t"] = json!("NzQ1");
    auth0.answer(Answer::Keys(json!({ "keys": [with_certificate] })));
    let mut encryption = Signer::rsa("enc").jwk();
    encryption["use"] = json!("enc");
    encryption["alg"] = json!("RSA-OAEP");
    keycloak.answer(Answer::Keys(json!({ "keys": [encryption, keycloak_key.jwk()] })));

    let clerk_settings = Settings {
        audiences: vec![],
        authorized_parties: vec!["https://app.example.org".into()],
        role_names: [("admin".into(), "admin".into()), ("guard".into(), "agent".into())].into(),
        claims: Claims { organisation: path("o.id"), roles: vec![path("o.rol")], ..Claims::default() },
        ..clerk.settings()
    };
    let auth0_settings = Settings {
        audiences: vec!["https://fanfare.example.org".into()],
        user_prefix: "a0:".into(),
        claims: Claims {
            organisation: path("org_id"),
            roles: vec![path("https://example.org/roles")],
            departments: path("https://example.org/departments"),
            ..Claims::default()
        },
        ..auth0.settings()
    };
    let keycloak_settings = Settings {
        audiences: vec!["fanfare".into(), "account".into()],
        organisations: vec![],
        organisation: Some(organisation("acme")),
        user_prefix: "kc:".into(),
        claims: Claims { roles: vec![path("realm_access.roles")], ..Claims::default() },
        ..keycloak.settings()
    };
    let server =
        server(&[("clerk", clerk_settings), ("auth0", auth0_settings), ("keycloak", keycloak_settings)])
            .await;

    let (acme, second) = (organisation("acme"), now() / 1000);
    let of_clerk = clerk_key.sign_text(
        &json!({ "alg": "RS256", "cat": "cl_B7d4PD111AAA", "kid": "ins_2x", "typ": "JWT" }).to_string(),
        &json!({
            "azp": "https://app.example.org", "exp": second + 60, "fva": [12, -1], "iat": second, "iss": clerk.iss(),
            "jti": "9b4c1d", "nbf": second - 10, "sid": "sess_2x", "sub": "user_2x", "v": 2,
            "o": { "id": acme, "slg": "acme", "rol": "guard", "per": "read" },
        })
        .to_string(),
    );
    let of_auth0 = auth0_key.sign(&json!({
        "iss": auth0.iss(), "sub": "auth0|5f7c", "aud": ["https://fanfare.example.org", "https://acme.auth0.com/userinfo"],
        "azp": "x", "org_id": acme, "iat": second, "exp": second + 86_400, "scope": "openid profile",
        "https://example.org/roles": ["supervisor", "unheard of"], "https://example.org/departments": ["north"],
    }));
    let of_keycloak = keycloak_key.sign(&json!({
        "iss": keycloak.iss(), "sub": "user_2x", "aud": "account", "typ": "Bearer", "azp": "console",
        "jti": "onrtac:0c5d3f", "exp": second + 300, "iat": second, "acr": "1", "scope": "email",
        "realm_access": { "roles": ["offline_access", "admin", "default-roles-acme"] },
    }));
    for (token, user, roles) in [
        (&of_clerk, "user_2x", "agent"),
        (&of_auth0, "a0:auth0|5f7c", "supervisor"),
        (&of_keycloak, "kc:user_2x", "admin"),
    ] {
        for kind in BOTH {
            let client = Client::open(&server.base(), kind, token).await;
            let told = &client.welcome;
            assert_eq!(
                (told["user_id"].as_str(), told["organization_id"].as_str()),
                (Some(user), Some(&*acme))
            );
            assert_eq!(told["roles"], json!([roles]));
        }
    }

    // The same `sub` of the same organisation is somebody else where another issuer says so.
    for kind in BOTH {
        let mut guard = Client::open(&server.base(), kind, &of_clerk).await;
        let mut boss = Client::open(&server.base(), kind, &of_keycloak).await;
        let refused = boss.request("token:refresh", json!({ "token": of_clerk })).await.unwrap_err();
        assert_eq!(refused["code"], "UNAUTHORIZED");
        let made = guard
            .request(
                "conversation:create",
                json!({ "client_id": format!("{kind:?}"), "kind": "group", "members": ["nobody"] }),
            )
            .await
            .unwrap();
        let said = json!({ "client_id": "1", "conversation_id": made["conversation_id"], "text": "hello" });
        assert_eq!(boss.request("message:send", said).await.unwrap_err()["code"], "ROOM_NOT_FOUND");
    }
    // A role that Clerk's mapping does not name is none, although it is one of ours.
    let unmapped = clerk_key.sign(&json!({
        "iss": clerk.iss(), "azp": "https://app.example.org", "sub": "user_2x", "exp": second + 60,
        "o": { "id": acme, "rol": "supervisor" },
    }));
    assert_eq!(MESSAGE.show(&server.base(), &unmapped, "").await, Shown::Out("AUTH_FAILED".into()));
}

#[tokio::test]
async fn changed_keys_are_fetched_once_for_many() {
    let (old, new) = (Signer::p256("old"), Signer::p256("new"));
    let issuer = Issuer::start(&[&old]).await;
    let server = server(&[("main", issuer.settings())]).await;
    let before = old.sign(&issuer.claims("ann", "acme", "member"));
    assert!(is_in(&MESSAGE.show(&server.base(), &before, "").await));
    issuer.publish(&[&new]);
    let after = new.sign(&issuer.claims("ann", "acme", "member"));
    let base = server.base();
    let doors = [Door::Message(Kind::WebSocket), Door::Message(Kind::WebTransport), Door::Api];
    let all = join_all((0..30).map(|at| doors[at % 3].show(&base, &after, ""))).await;
    assert_eq!(all.iter().filter(|shown| is_in(shown)).count(), 30, "{all:?}");
    assert!(issuer.asked() <= 3, "{} fetches for 30 that came at once", issuer.asked());
    // What is no longer published is no longer accepted.
    assert_eq!(MESSAGE.show(&base, &before, "").await, Shown::Out("AUTH_FAILED".into()));
}

#[tokio::test]
async fn made_up_key_ids_do_not_make_the_issuer_work() {
    let (key, other) = (Signer::p256("k"), Signer::p256("o"));
    let issuer = Issuer::start(&[&key]).await;
    let server = TestServer::with(|config| {
        only(config, &[("main", issuer.settings())]);
        config.auth.jwks.pause_ms = 3_600_000;
    })
    .await;
    let good = key.sign(&issuer.claims("ann", "acme", "member"));
    assert!(is_in(&MESSAGE.show(&server.base(), &good, "").await));
    for at in 0..40 {
        let header = json!({ "alg": "ES256", "kid": format!("made up {at}") });
        let forged = other.sign_text(&header.to_string(), &issuer.claims("ann", "acme", "admin").to_string());
        let shown = MESSAGE.show(&server.base(), &forged, "").await;
        assert_eq!(shown, Shown::Out("UNAVAILABLE".into()), "not certain before the next fetch");
    }
    assert_eq!(issuer.asked(), 1);
    assert!(is_in(&MESSAGE.show(&server.base(), &good, "").await), "who has a known key notices nothing");
}

fn failures(issuer: &Issuer) -> Vec<Answer> {
    let many: Vec<Value> = (0..101).map(|_| json!({ "kty": "oct" })).collect();
    vec![
        Answer::Status(StatusCode::SERVICE_UNAVAILABLE),
        Answer::Status(StatusCode::NOT_FOUND),
        Answer::Redirect(issuer.url()),
        Answer::Bytes(10 << 20),
        Answer::Text("nonsense".into()),
        Answer::Text("{\"keys\":5}".into()),
        Answer::Text("[".repeat(100_000)),
        Answer::Keys(json!({ "keys": [] })),
        Answer::Keys(json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "kid": "new" }] })),
        Answer::Keys(json!({ "keys": many })),
        Answer::Hang,
    ]
}

#[tokio::test]
async fn an_issuer_that_fails_costs_nobody_who_is_known() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let issuer = Issuer::start(&[&old]).await;
    let server = TestServer::with(|config| {
        only(config, &[("main", issuer.settings())]);
        config.auth.jwks.timeout_ms = 300;
    })
    .await;
    let known = old.sign(&issuer.claims("ann", "acme", "member"));
    let unknown = new.sign(&issuer.claims("ann", "acme", "member"));
    assert!(is_in(&MESSAGE.show(&server.base(), &known, "").await));
    for answer in failures(&issuer) {
        issuer.answer(answer);
        for door in
            [MESSAGE, Door::Handshake(Kind::WebTransport), Door::Api, Door::Refresh(Kind::WebTransport)]
        {
            let shown = door.show(&server.base(), &unknown, &known).await;
            assert_eq!(shown, Shown::Out("UNAVAILABLE".into()), "{door:?}");
        }
        assert!(is_in(&MESSAGE.show(&server.base(), &known, "").await));
    }
    let mut client = Client::connect(&server.base(), Kind::WebTransport).await;
    client.send(&json!({ "event": "authenticate", "data": { "token": unknown } })).await;
    assert!(client.expect("error").await["data"]["retry_after_ms"].as_u64().is_some());
    assert_eq!(client.expect_close().await.0, 4102, "come back later");
    issuer.publish(&[&new]);
    // Whoever was told to come back is let in.
    while !is_in(&MESSAGE.show(&server.base(), &unknown, "").await) {}
}

#[tokio::test]
async fn a_server_starts_before_its_issuer() {
    let key = Signer::p256("k");
    let issuer = Issuer::start(&[&key]).await;
    issuer.answer(Answer::Status(StatusCode::BAD_GATEWAY));
    let server = TestServer::with(|config| {
        beside(config, &[("main", Settings { user_prefix: "main:".into(), ..issuer.settings() })]);
    })
    .await;
    let ticket = token("ann", "acme", "member", &[]);
    let good = key.sign(&issuer.claims("ann", "acme", "member"));
    for door in Door::all() {
        let shown = door.show(&server.base(), &good, &ticket).await;
        assert_eq!(shown, Shown::Out("UNAVAILABLE".into()), "{door:?}");
        let other = door.show(&server.base(), &ticket, &ticket).await;
        assert!(is_in(&other), "another issuer is not concerned");
    }
    issuer.publish(&[&key]);
    while !is_in(&MESSAGE.show(&server.base(), &good, "").await) {}
}

#[tokio::test]
async fn a_set_is_kept_for_as_long_as_its_issuer_and_we_allow() {
    for cache in ["no-store", "max-age=1000000"] {
        let key = Signer::p256("k");
        let issuer = Issuer::start(&[&key]).await;
        issuer.cache_control(cache);
        let _server = TestServer::with(|config| {
            only(config, &[("main", issuer.settings())]);
            config.auth.jwks.fresh_least_s = 1;
            config.auth.jwks.fresh_most_s = 1;
        })
        .await;
        issuer.was_asked(2).await;
    }
}

/// What a failed issuer's last keys are worth ends some day.
#[tokio::test]
async fn keys_that_are_too_old_are_not_used() {
    let key = Signer::p256("k");
    let issuer = Issuer::start(&[&key]).await;
    let server = TestServer::with(|config| {
        only(config, &[("main", issuer.settings())]);
        config.auth.jwks = fanfare::config::Jwks {
            pause_ms: 100,
            fresh_least_s: 1,
            fresh_most_s: 1,
            kept_s: 1,
            ..config.auth.jwks.clone()
        };
    })
    .await;
    let good = key.sign(&issuer.claims("ann", "acme", "member"));
    assert!(is_in(&MESSAGE.show(&server.base(), &good, "").await));
    issuer.answer(Answer::Status(StatusCode::GONE));
    while is_in(&MESSAGE.show(&server.base(), &good, "").await) {}
    issuer.answer(Answer::Keys(set(&[&key])));
    while !is_in(&MESSAGE.show(&server.base(), &good, "").await) {}
}

#[tokio::test]
async fn configured_keys_of_each_kind_open() {
    let dir = tempfile::tempdir().unwrap();
    for (signer, algorithm) in [
        (Signer::rsa("r"), Algorithm::RS256),
        (Signer::p256("p"), Algorithm::ES256),
        (Signer::ed25519("e"), Algorithm::EdDSA),
    ] {
        let file = dir.path().join("key.pem");
        std::fs::write(&file, signer.pem()).unwrap();
        let alone = TestServer::with(|config| {
            config.auth.secret = None;
            config.auth.algorithm = algorithm;
            config.auth.public_key = Some(file.clone());
        })
        .await;
        let settings = Settings {
            public_key: Some(file),
            algorithms: vec![algorithm],
            organisations: vec!["*".into()],
            ..Settings::default()
        };
        let named = server(&[("main", settings)]).await;
        let claims = json!({ "sub": "ann", "org": organisation("acme"), "roles": ["member"], "exp": now() / 1000 + 60 });
        for server in [alone, named] {
            let shown = MESSAGE.show(&server.base(), &signer.sign(&claims), "").await;
            assert!(is_in(&shown), "{algorithm:?}: {shown:?}");
            let other = Signer::p256("p").sign(&claims);
            assert!(!is_in(&MESSAGE.show(&server.base(), &other, "").await));
        }
    }
}

/// Neither what the server logs nor what it shows of its configuration tells a secret.
#[test]
fn secrets_are_not_shown() {
    let secret = "a secret that nobody may read in a log";
    let mut config = Config::default();
    config.auth.secret = Some(secret.into());
    let issuer = Settings { secret: Some(secret.into()), ..Settings::default() };
    config.auth.issuers.insert("main".into(), issuer);
    config.store.scylla.password = Some(secret.into());
    assert!(!format!("{config:?}{config:#?}").contains("nobody may read"));
}

/// By TLS, with an authority of the operator's own.
#[tokio::test]
async fn keys_come_by_tls_from_whom_the_authority_vouches_for() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let authority = dir.path().join("ca.pem");
    std::fs::write(&authority, made.cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let signer = Signer::p256("k");
    let body = set(&[&signer]).to_string();
    let issuing = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust us ends the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    let issuer = Issuer::start(&[]).await;
    let good = signer.sign(&issuer.claims("ann", "acme", "member"));
    for (jwks_authority, expected) in [(Some(authority), true), (None, false)] {
        let jwks = vec![format!("https://localhost:{port}/keys")];
        let settings = Settings { jwks, jwks_authority, ..issuer.settings() };
        let server = server(&[("main", settings)]).await;
        let shown = MESSAGE.show(&server.base(), &good, "").await;
        assert_eq!(is_in(&shown), expected, "{shown:?}");
        assert!(expected || shown == Shown::Out("UNAVAILABLE".into()));
    }
    issuing.abort();
}
