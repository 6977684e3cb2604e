//! Which published keys are used.

use serde_json::{Value, json};

use super::{
    fetch::{BadUrl, Fetcher, max_age},
    set::Set,
};
use crate::auth::key::{Algorithm, BadKey, Key};

const N_1024: &str = "qNiowTUKErlIeiW1UxUXuMZGdrmOnvjsT-TkdchlnqW2jz-NnnU4AHq3N4HJsvuVYGgn5GqtxNvWLRbxu0uHWBn7BqedUiOMMCFpabypjckGo5Mbr5T8r92k-s0PfhFA8NOHbGknIaYA7lU1hlWMYMJtPMar_rX2VhTtz0CG8pM";
const N_2048: &str = "pSwcNMQ0qqSs28mIT8hLYHxcmJJS_AGsoucZzs2MtPaZ71Z5TcuifvRQadmDtAowMHkmulf9dhoMf9QoGPw8cPRc6nlhhk9XL4rX3dqyvXCubKuQE0vA_paw_PvQqapxlfOdRuBPVsiSD9tyRI7YxQU0gqLIu4JJ60db1bKhdbNNQN9EQZ0A5F8YNcCy3Zcoac4IJcAVL0Sw8pSBMcYr7noCHwQ6Jkp0d3k-6VHWhjzpNM34KTsCvvnTenYFj7kOPDtlt230zkaJu08AW9cL7uq4UK5kmYmM4QG8fm3hEpz93YQoWoVkwNLLZYORvMEVwBsnEu9gS5k3XS0KuTzdNQ";
const ED25519: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
/// A point of P-256 whose first, another whose second coordinate begins with a zero byte that is left out.
const X_SHORT: (&str, &str) =
    ("ovFbgQgBOEkoJBMYSBKKSr12wrtlfDIanuV0XlWESg", "kleqsiJnULmsX75-SpZ88uI_SgPxT44ACHosvUrHKvk");
const Y_SHORT: (&str, &str) =
    ("ZeCWDBfBY5f6qKO8Pb85w6T5lAkbc7sI9g4EsbUSZio", "Sya9Ev3gS93JG0yHiRhdJC4D_ApMmSGJMD0i4bHEGA");
/// The first coordinate of the first point, whole and with a zero too many.
const X_WHOLE: &str = "AKLxW4EIAThJKCQTGEgSikq9dsK7ZXwyGp7ldF5VhEo";
const X_LONG: &str = "AACi8VuBCAE4SSgkExhIEopKvXbCu2V8Mhqe5XReVYRK";
const PEM_1024: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCo2KjBNQoSuUh6JbVTFRe4xkZ2
uY6e+OxP5OR1yGWepbaPP42edTgAerc3gcmy+5VgaCfkaq3E29YtFvG7S4dYGfsG
p51SI4wwIWlpvKmNyQajkxuvlPyv3aT6zQ9+EUDw04dsaSchpgDuVTWGVYxgwm08
xqv+tfZWFO3PQIbykwIDAQAB
-----END PUBLIC KEY-----";

fn rsa() -> Value {
    json!({ "kty": "RSA", "kid": "k", "n": N_2048, "e": "AQAB" })
}

fn with(name: &str, value: Value) -> Value {
    let mut jwk = rsa();
    jwk[name] = value;
    jwk
}

fn read(keys: &[Value]) -> Result<Set, String> {
    Set::read(json!({ "keys": keys }).to_string().as_bytes()).map_err(|e| e.to_string())
}

#[test]
fn a_key_is_for_one_algorithm() {
    let okp = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "e", "x": ED25519, "use": "sig", "key_ops": ["verify"] });
    let set = read(&[rsa(), okp]).unwrap();
    assert_eq!(set.len(), 2);
    assert_eq!(set.find(Algorithm::RS256, Some("k")).unwrap().algorithm(), Algorithm::RS256);
    for (algorithm, kid) in [
        (Algorithm::HS256, Some("k")),
        (Algorithm::ES256, Some("k")),
        (Algorithm::EdDSA, Some("k")),
        (Algorithm::RS256, Some("e")),
        (Algorithm::RS256, Some("")),
        (Algorithm::HS256, None),
    ] {
        assert!(set.find(algorithm, kid).is_none(), "{algorithm:?} {kid:?}");
    }
    assert!(set.find(Algorithm::RS256, None).is_some(), "the only one of its algorithm");
    let mut second = rsa();
    second["kid"] = json!("k2");
    assert!(
        read(&[rsa(), second]).unwrap().find(Algorithm::RS256, None).is_none(),
        "one of two is not named"
    );
}

#[test]
fn keys_that_are_not_for_us_are_passed_over() {
    let point = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    for (unfit, why) in [
        (with("use", json!("enc")), "`use`"),
        (with("key_ops", json!(["encrypt", "sign"])), "`key_ops`"),
        (with("alg", json!("RSA-OAEP")), "`alg`"),
        (with("alg", json!("none")), "`alg`"),
        (with("alg", json!("HS256")), "`alg`"),
        (with("alg", json!("PS256")), "`alg`"),
        (with("n", json!(N_1024)), "2048 to 8192"),
        (with("n", json!("A".repeat(3000))), "not a public key"),
        (with("n", json!("_".repeat(1400))), "2048 to 8192"),
        (with("n", json!("not base64!")), "base64url"),
        (with("e", json!("")), "not a public key"),
        (with("d", json!("AQAB")), "private"),
        (with("kid", json!("k".repeat(257))), "`kid`"),
        (with("kid", json!(7)), "`kid`"),
        (with("use", json!(7)), "`use`"),
        (with("key_ops", json!("verify")), "`key_ops`"),
        (with("p", json!("AQAB")), "private"),
        (with("n", json!(format!("{N_2048}==="))), "base64url"),
        (json!({ "kid": "k", "n": N_2048, "e": "AQAB" }), "`kty`"),
        (json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "k" }), "oct"),
        (json!({ "kty": "EC", "crv": "P-256", "x": point, "y": point }), "not a public key"),
        (json!({ "kty": "EC", "crv": "P-384", "x": point, "y": point }), "EC"),
        (json!({ "kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ" }), "not a public key"),
        (json!({ "kty": "EC", "crv": "P-256", "x": "A".repeat(48), "y": "_".repeat(48) }), "too long"),
        (json!({ "kty": "OKP", "crv": "Ed25519", "x": "AQ" }), "not a public key"),
        (json!({ "kty": "OKP", "crv": "X25519", "x": ED25519 }), "OKP"),
        (json!("k"), "not a key"),
        (json!(null), "not a key"),
    ] {
        let alone = read(std::slice::from_ref(&unfit)).unwrap_err();
        assert!(alone.contains(why), "{unfit}: {alone}");
        assert_eq!(read(&[unfit, rsa()]).unwrap().len(), 1);
    }
    assert_eq!(read(&[rsa(), rsa()]).unwrap().len(), 1);
}

/// What some issuers write a little differently is used; what is left out is counted and named.
#[test]
fn keys_as_issuers_write_them_are_used() {
    let okp = |more: Value| {
        let mut jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k1", "use": "sig", "alg": "EdDSA", "x": ED25519 });
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jwk
    };
    let p256 = |x: &str, y: &str| json!({ "kty": "EC", "crv": "P-256", "kid": "k1", "x": x, "y": y });
    for jwk in [
        okp(json!({ "x": format!("{ED25519}=") })),
        okp(json!({ "key_ops": [] })),
        okp(json!({ "key_ops": null, "use": null, "alg": null, "d": null })),
        okp(json!({ "x5c": ["MIIDDTCCAfWgAwIBAgIJ"], "x5t": "abc", "ext": true, "n": 7, "exp": 1 })),
        with("n", json!(format!("{N_2048}=="))),
        with("n", json!(format!("AAAA{N_2048}"))),
        with("e", json!("AAEAAQ")),
        p256(X_SHORT.0, X_SHORT.1),
        p256(Y_SHORT.0, Y_SHORT.1),
        p256(&format!("{X_LONG}="), X_SHORT.1),
    ] {
        let set = read(std::slice::from_ref(&jwk)).unwrap_or_else(|why| panic!("{jwk}: {why}"));
        assert_eq!((set.len(), set.left_out().len()), (1, 0), "{jwk}");
    }
    // Shorter or padded, it is the same key.
    let short = read(&[p256(X_SHORT.0, X_SHORT.1)]).unwrap();
    let whole = read(&[p256(X_WHOLE, X_SHORT.1)]).unwrap();
    let bytes = |set: &Set| set.find(Algorithm::ES256, Some("k1")).unwrap().bytes().to_vec();
    assert_eq!(bytes(&short), bytes(&whole));
}

#[test]
fn what_is_left_out_is_named() {
    let enc = json!({ "kty": "RSA", "kid": "enc-1", "use": "enc", "n": N_2048, "e": "AQAB" });
    let set = read(&[json!({ "kty": "EC", "crv": "P-521" }), rsa(), enc, rsa(), json!(7)]).unwrap();
    let named: Vec<String> = set.left_out().iter().map(ToString::to_string).collect();
    assert_eq!(
        named,
        [
            "key 0: a key of the kind EC P-521 is not accepted",
            "key 2 (enc-1): its `use` is not `sig`",
            "key 3 (k): an earlier key has the same `kid` and algorithm",
            "key 4: not a key: no object",
        ]
    );
    let many = read(&vec![rsa(); 5000]).unwrap();
    assert_eq!((many.len(), many.left_out().len()), (1, 100));
    assert_eq!(many.left_out()[99].to_string(), "key 100 (k): it is the first of 4900 above 100");
}

#[test]
fn a_configured_key_is_held_to_the_same() {
    let pem = |algorithm, pem: &str| Key::pem(algorithm, pem.as_bytes()).unwrap_err();
    assert_eq!(pem(Algorithm::RS256, PEM_1024), BadKey::Size);
    assert_eq!(pem(Algorithm::ES256, PEM_1024), BadKey::Pem(Algorithm::ES256));
    assert_eq!(pem(Algorithm::EdDSA, "nonsense"), BadKey::Pem(Algorithm::EdDSA));
    assert_eq!(pem(Algorithm::HS256, PEM_1024), BadKey::Symmetric);
    assert_eq!(Key::secret(&[7; 31]).unwrap_err(), BadKey::Short);
}

#[test]
fn keys_are_fetched_from_where_nobody_can_change_them() {
    let fetcher = |url: &str| Fetcher::new(url, std::time::Duration::from_secs(1), None).map(drop);
    for near in ["http://127.0.0.1:1/a", "http://localhost/a", "http://[::1]/a", "https://issuer.example/a?b"]
    {
        assert_eq!(fetcher(near), Ok(()), "{near}");
    }
    for open in [
        "http://issuer.example/",
        "http://localhost.example/",
        "http://10.0.0.1/",
        "ftp://localhost/",
        "file:///etc",
    ] {
        assert_eq!(fetcher(open), Err(BadUrl::Open), "{open}");
    }
    assert_eq!(fetcher("https://me:secret@issuer.example/"), Err(BadUrl::Credentials));
    assert!(matches!(fetcher("issuer"), Err(BadUrl::Syntax(_))));
    let bad =
        Fetcher::new("https://issuer.example/", std::time::Duration::from_secs(1), Some(b"no certificate"));
    assert_eq!(bad.map(drop), Err(BadUrl::Authority));
}

#[test]
fn an_answer_says_for_how_long_it_holds() {
    let seconds = |value: &str| {
        let headers = [(reqwest::header::CACHE_CONTROL, value.parse().unwrap())].into_iter().collect();
        max_age(&headers).map(|age| age.as_secs())
    };
    assert_eq!(seconds("public, Max-Age=15, stale-while-revalidate=15"), Some(15));
    assert_eq!(seconds("max-age=\"60\""), Some(60));
    assert_eq!(seconds("max-age=60, no-cache"), Some(0));
    assert_eq!(seconds("private"), None);
    assert_eq!(seconds("max-age=-1"), None);
}
