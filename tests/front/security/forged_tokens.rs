//! Tokens that must not be accepted, shown at every door.

mod revoked;
mod tokens;

use fanfare::config::{Algorithm, Issuer as Settings};
use futures::future::join_all;
use serde_json::{Value, json};

pub use self::tokens::hs256;
use self::tokens::{algorithms, claims, keys, shapes};
use crate::support::{
    entry_points::{Door, Shown},
    harness::{TestServer, token},
    issuer::{Issuer, Signer, beside},
    store::organisation,
};

/// What a refused token may be answered with. Anything else, such as a limit, would show nothing.
const REFUSALS: [&str; 5] =
    ["AUTH_FAILED", "TOKEN_EXPIRED", "TOKEN_NOT_YET_VALID", "INVALID_MESSAGE", "UNAUTHORIZED"];

/// What is wrong with a token, and the token.
type Forged = (String, String);

/// The issuers that the server knows, and whoever is none of them.
struct World {
    main: Issuer,
    rsa: Signer,
    p256: Signer,
    other: Issuer,
    foreign: Signer,
    fixed: Signer,
    attacker: [Signer; 2],
    dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let (rsa, p256, foreign) = (Signer::rsa("r"), Signer::p256("p"), Signer::ed25519("f"));
        Self {
            main: Issuer::start(&[&rsa, &p256]).await,
            other: Issuer::start(&[&foreign]).await,
            fixed: Signer::rsa("fixed"),
            attacker: [Signer::rsa("r"), Signer::p256("p")],
            dir: tempfile::tempdir().unwrap(),
            rsa,
            p256,
            foreign,
        }
    }

    async fn server(&self) -> TestServer {
        let file = self.dir.path().join("fixed.pem");
        std::fs::write(&file, self.fixed.pem()).unwrap();
        let settings = |issuer: &Issuer, prefix: &str, org: &str| Settings {
            organisations: vec![organisation(org)],
            user_prefix: prefix.into(),
            ..issuer.settings()
        };
        let fixed = Settings {
            issuer: Some("fixed".into()),
            jwks: vec![],
            public_key: Some(file),
            algorithms: vec![Algorithm::RS256],
            ..settings(&self.main, "x:", "acme")
        };
        TestServer::with(|config| {
            let main = settings(&self.main, "m:", "acme");
            let other = settings(&self.other, "o:", "other");
            beside(config, &[("main", main), ("other", other), ("fixed", fixed)]);
        })
        .await
    }

    /// Claims as they should be.
    fn claims(&self) -> Value {
        self.main.claims("ann", "acme", "admin")
    }

    fn with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    fn without(&self, name: &str) -> Value {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    /// One token of each issuer that is accepted.
    fn good(&self) -> Vec<String> {
        let mut of_fixed = self.claims();
        of_fixed["iss"] = json!("fixed");
        vec![
            self.rsa.sign(&self.claims()),
            self.p256.sign(&self.claims()),
            self.foreign.sign(&self.other.claims("ann", "other", "admin")),
            self.fixed.sign(&of_fixed),
            token("ann", "acme", "admin", &[]),
        ]
    }
}

/// Shows each token at each door. Answers how often that was, and what got in where.
async fn show(server: &TestServer, ticket: &str, tokens: &[Forged]) -> (usize, Vec<String>) {
    let (base, mut tried, mut later, mut inside) = (server.base(), 0, 0, Vec::new());
    for (what, token) in tokens {
        let doors = Door::all();
        let shown = join_all(doors.iter().map(|door| door.show(&base, token, ticket))).await;
        for (door, shown) in doors.iter().zip(shown) {
            match shown {
                Shown::In(_) => inside.push(format!("{what} at {door:?}")),
                // What a header cannot hold cannot be sent.
                Shown::Out(code) if code == "NO_HEADER" => continue,
                // A key id that is made up: it could be a new one, and the keys were fetched a moment ago.
                Shown::Out(code) if code == "UNAVAILABLE" => later += 1,
                // The handshake itself is not read so far.
                Shown::Out(_) if what == "much too long" => {}
                Shown::Out(code) => {
                    assert!(REFUSALS.iter().any(|known| *known == code), "{what} at {door:?}: {code}");
                }
            }
            tried += 1;
        }
    }
    assert!(later * 5 <= tried, "{later} of {tried} were put off: that says little");
    (tried, inside)
}

#[tokio::test]
async fn no_forged_token_opens_a_door() {
    let world = World::new().await;
    let server = world.server().await;
    let ticket = token("ann", "acme", "admin", &[]);
    let doors = Door::all();
    // The doors do open; for `token:refresh` to a newer token of the same person.
    for good in world.good() {
        let same = [("good".to_owned(), good.clone())];
        let (tried, inside) = show(&server, &good, &same).await;
        assert_eq!((tried, inside.len()), (doors.len(), doors.len()), "{inside:?}");
    }
    let forged = [algorithms(&world), keys(&world), claims(&world), shapes(&world)].concat();
    let (tried, inside) = show(&server, &ticket, &forged).await;
    println!(
        "{} forged tokens at {} doors: {tried} tries, {} got in",
        forged.len(),
        doors.len(),
        inside.len()
    );
    assert_eq!(inside, Vec::<String>::new());
    // Nothing of it has done any harm.
    let (_, inside) = show(&server, &ticket, &[("good".to_owned(), ticket.clone())]).await;
    assert_eq!(inside.len(), doors.len());
}
