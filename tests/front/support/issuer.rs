//! An issuer of tokens for tests: it publishes its keys by HTTP, changes them, and fails in every way.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use axum::{
    Router,
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use fanfare::config::{Config, Issuer as Settings};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::positions::live::now;

/// A key that signs.
pub struct Signer {
    pub kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The two numbers of a public RSA key in DER.
fn numbers(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut rest = der;
    let mut take = |tag: u8| {
        assert_eq!(rest[0], tag);
        let (length, start) = match rest[1] {
            short @ 0..=0x7f => (usize::from(short), 2),
            0x81 => (usize::from(rest[2]), 3),
            _ => (usize::from(u16::from_be_bytes([rest[2], rest[3]])), 4),
        };
        let taken = &rest[start..start + length];
        rest = if tag == 0x30 { taken } else { &rest[start + length..] };
        taken.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>()
    };
    take(0x30);
    (take(0x02), take(0x02))
}

impl Signer {
    pub fn rsa(kid: &str) -> Self {
        Self { kid: kid.into(), pair: Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()) }
    }

    pub fn p256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { kid: kid.into(), pair: Pair::P256(pair) }
    }

    pub fn ed25519(kid: &str) -> Self {
        Self { kid: kid.into(), pair: Pair::Ed25519(Ed25519KeyPair::generate().unwrap()) }
    }

    pub fn alg(&self) -> &'static str {
        match &self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    /// The public half, as issuers publish it.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let (n, e) = numbers(pair.public_key().as_ref());
                json!({ "kty": "RSA", "n": encode(n), "e": encode(e) })
            }
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
            }
            Pair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) })
            }
        };
        for (name, value) in [("kid", self.kid.as_str()), ("alg", self.alg()), ("use", "sig")] {
            jwk[name] = value.into();
        }
        jwk
    }

    /// The public half as PEM.
    pub fn pem(&self) -> String {
        let der = match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            Pair::P256(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
        };
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut out).unwrap();
                out
            }
            Pair::P256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A token of just these texts.
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        format!("{message}.{}", encode(self.signature(message.as_bytes())))
    }

    /// A token with these claims, and a header as it should be.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_text(&self.header().to_string(), &claims.to_string())
    }

    pub fn header(&self) -> Value {
        json!({ "alg": self.alg(), "kid": self.kid, "typ": "JWT" })
    }
}

/// How the issuer answers.
#[derive(Clone)]
pub enum Answer {
    Keys(Value),
    Status(StatusCode),
    /// Not at all.
    Hang,
    /// Bytes, without an end until there are so many.
    Bytes(usize),
    Text(String),
    Redirect(String),
}

/// The issuer.
pub struct Issuer {
    pub address: SocketAddr,
    answer: Arc<Mutex<(Answer, Option<String>)>>,
    asked: watch::Sender<usize>,
    server: tokio::task::JoinHandle<()>,
}

impl Issuer {
    pub async fn start(keys: &[&Signer]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new((Answer::Keys(set(keys)), None::<String>)));
        let asked = watch::Sender::new(0);
        let route = {
            let (answer, asked) = (answer.clone(), asked.clone());
            get(move || async move {
                let (answer, cache) = answer.lock().unwrap().clone();
                asked.send_modify(|count| *count += 1);
                let mut response = respond(answer).await;
                if let Some(cache) = cache {
                    response.headers_mut().insert(header::CACHE_CONTROL, cache.parse().unwrap());
                }
                response
            })
        };
        let router = Router::new().route("/jwks.json", route);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, answer, asked, server }
    }

    /// What `iss` is.
    pub fn iss(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    pub fn publish(&self, keys: &[&Signer]) {
        self.answer(Answer::Keys(set(keys)));
    }

    pub fn answer(&self, answer: Answer) {
        self.answer.lock().unwrap().0 = answer;
    }

    pub fn cache_control(&self, value: &str) {
        self.answer.lock().unwrap().1 = Some(value.to_owned());
    }

    /// How often it was asked for its keys.
    pub fn asked(&self) -> usize {
        *self.asked.borrow()
    }

    /// Waits until it was asked that often.
    pub async fn was_asked(&self, times: usize) {
        let mut asked = self.asked.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(20), asked.wait_for(|count| *count >= times));
        waited.await.expect("the issuer was not asked").unwrap();
    }

    /// Settings of a server that accepts its tokens for any organisation.
    pub fn settings(&self) -> Settings {
        Settings {
            issuer: Some(self.iss()),
            jwks: vec![self.url()],
            audiences: vec!["fanfare".into()],
            organisations: vec!["*".into()],
            ..Settings::default()
        }
    }

    /// Claims that this issuer may make: of an organisation whose name the test's store makes its own.
    pub fn claims(&self, user: &str, org: &str, role: &str) -> Value {
        json!({
            "iss": self.iss(), "aud": "fanfare", "sub": user, "org": crate::support::store::organisation(org),
            "roles": [role], "exp": now() / 1000 + 3600, "iat": now() / 1000,
        })
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Makes the configuration accept only these issuers, with keys fetched again as soon as they are wanted.
pub fn only(config: &mut Config, issuers: &[(&str, Settings)]) {
    config.auth.secret = None;
    beside(config, issuers);
}

/// The same, beside the shared secret, whose users get a prefix.
pub fn beside(config: &mut Config, issuers: &[(&str, Settings)]) {
    config.auth.jwks.pause_ms = 10;
    config.auth.jwks.timeout_ms = 2_000;
    let named = issuers.iter().map(|(name, settings)| ((*name).to_owned(), settings.clone()));
    config.auth.issuers = named.collect::<BTreeMap<_, _>>();
}

pub fn set(keys: &[&Signer]) -> Value {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })
}

async fn respond(answer: Answer) -> Response {
    match answer {
        Answer::Keys(set) => (StatusCode::OK, set.to_string()).into_response(),
        Answer::Status(status) => status.into_response(),
        Answer::Hang => std::future::pending().await,
        Answer::Bytes(count) => {
            let chunk = bytes::Bytes::from(vec![b' '; 64 * 1024]);
            let chunks = (0..count / chunk.len()).map(move |_| Ok::<_, std::io::Error>(chunk.clone()));
            Body::from_stream(futures::stream::iter(chunks)).into_response()
        }
        Answer::Text(text) => text.into_response(),
        Answer::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
    }
}
