//! Forged tokens, each with what is wrong with it.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Forged, World};
use crate::{
    positions::live::now,
    security::invalid_input::signed,
    support::{harness::SECRET, issuer::encode, store::organisation},
};

pub fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", encode(signature))
}

/// The beginning of it.
fn brief(value: &Value) -> String {
    value.to_string().chars().take(30).collect()
}

/// Another algorithm than the key's, or none.
pub(super) fn algorithms(world: &World) -> Vec<Forged> {
    let (claims, mut forged) = (world.claims(), Vec::new());
    let mut of_fixed = claims.clone();
    of_fixed["iss"] = json!("fixed");
    let modulus = world.rsa.jwk()["n"].as_str().unwrap().to_owned();
    for (claims, signer) in [(&claims, &world.rsa), (&of_fixed, &world.fixed)] {
        let pem = signer.pem();
        let der =
            STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
        for secret in
            [pem.as_bytes(), pem.trim().as_bytes(), &der, modulus.as_bytes(), b"", SECRET.as_bytes()]
        {
            let header = json!({ "alg": "HS256", "kid": signer.kid, "typ": "JWT" });
            forged.push(("HS256, a public key as its secret".into(), hs256(&header, claims, secret)));
        }
    }
    let good = world.rsa.sign(&claims);
    let signature = good.rsplit('.').next().unwrap();
    let algorithms = [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!(""),
        json!(null),
        json!(["RS256"]),
        json!("rs256"),
        json!("HS256"),
        json!("HS512"),
        json!("PS256"),
        json!("RS384"),
        json!("ES256"),
        json!("EdDSA"),
        json!("ES256K"),
    ];
    for alg in algorithms {
        let header = json!({ "alg": alg, "kid": "r", "typ": "JWT" });
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        forged.push((format!("alg {alg}, not signed"), format!("{message}.")));
        forged.push((
            format!("alg {alg}, signed by another"),
            world.attacker[0].sign_text(&header.to_string(), &claims.to_string()),
        ));
        if alg != json!("RS256") {
            forged.push((format!("alg {alg}, with the good signature"), format!("{message}.{signature}")));
        }
    }
    forged.push(("no alg".into(), world.rsa.sign_text(r#"{"kid":"r"}"#, &claims.to_string())));
    // For the issuer of the shared secret.
    let plain = world.without("iss");
    forged.push(("nothing as the secret".into(), hs256(&json!({ "alg": "HS256" }), &plain, b"")));
    // RS256 by the issuer's key, for whom HS256 by the shared secret is expected.
    forged.push(("no issuer's, published key".into(), world.rsa.sign(&world.without("iss"))));
    forged
}

/// Keys that the token brings along or names.
pub(super) fn keys(world: &World) -> Vec<Forged> {
    let (claims, mut forged) = (world.claims().to_string(), Vec::new());
    let [rsa, p256] = &world.attacker;
    let chain = json!(["MIIDDTCCAfWgAwIBAgIJ"]);
    for (name, value) in [
        ("jwk", rsa.jwk()),
        ("jku", json!(world.main.url())),
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("x5u", json!("http://127.0.0.1:1/certificate")),
        ("x5c", chain),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(["unknown"])),
        ("crit", json!(["b64"])),
        ("crit", json!("exp")),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("cty", json!("JWT")),
        ("typ", json!("logout+jwt")),
        ("typ", json!(5)),
    ] {
        for (signer, whose) in [(rsa, "the attacker's"), (&world.rsa, "the issuer's")] {
            let mut header = signer.header();
            header[name] = value.clone();
            forged.push((
                format!("{name} {}, {whose} key", brief(&value)),
                signer.sign_text(&header.to_string(), &claims),
            ));
        }
    }
    let kids = [
        json!("r"),
        json!("p"),
        json!("f"),
        json!("fixed"),
        json!(""),
        json!(null),
        json!(0),
        json!(["r"]),
        json!({ "r": 1 }),
        json!("../../../../../dev/null"),
        json!("/proc/self/environ"),
        json!("r' UNION SELECT 'secret' -- "),
        json!("r\u{0}"),
        json!("R"),
        json!("*"),
        json!("http://127.0.0.1:1/"),
        json!("|id"),
        json!("k".repeat(300)),
        json!("k".repeat(4000)),
    ];
    for kid in kids {
        for signer in [rsa, p256] {
            let header = json!({ "alg": signer.alg(), "kid": kid });
            forged.push((format!("kid {}", brief(&kid)), signer.sign_text(&header.to_string(), &claims)));
        }
        let header = json!({ "alg": "HS256", "kid": kid });
        forged.push((
            format!("kid {}, nothing as its secret", brief(&kid)),
            hs256(&header, &world.claims(), b""),
        ));
    }
    forged.push(("no kid".into(), p256.sign_text(r#"{"alg":"ES256"}"#, &claims)));
    for (signer, what) in
        [(&world.foreign, "another issuer's key"), (&world.fixed, "a fixed key of another issuer")]
    {
        forged.push((what.into(), signer.sign(&world.claims())));
    }
    forged.push(("the other way round".into(), world.rsa.sign(&world.other.claims("ann", "other", "admin"))));
    forged
}

/// Good signatures of what the issuer may not say, or that is not meant for us.
pub(super) fn claims(world: &World) -> Vec<Forged> {
    let second = now() / 1000;
    let mut forged = Vec::new();
    let values = [
        ("aud", json!("another")),
        ("aud", json!(["another"])),
        ("aud", json!([])),
        ("aud", json!(1)),
        ("aud", json!({ "fanfare": 1 })),
        ("aud", json!("fanfare ")),
        ("aud", json!("FANFARE")),
        ("aud", json!([["fanfare"]])),
        ("iss", json!("http://127.0.0.1:1")),
        ("iss", json!(format!("{}/", world.main.iss()))),
        ("iss", json!(world.other.iss())),
        ("iss", json!("fixed")),
        ("iss", json!(5)),
        ("iss", json!([world.main.iss()])),
        ("iss", json!({ "iss": world.main.iss() })),
        ("iss", json!(null)),
        ("iss", json!("")),
        ("exp", json!(second - 60)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(-1e300)),
        ("exp", json!("4102444800")),
        ("exp", json!(4_102_444_800_u64)),
        ("exp", json!(second * 1000)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(1e300)),
        ("exp", json!(null)),
        ("exp", json!([second + 60])),
        ("exp", json!(true)),
        ("exp", json!({})),
        ("nbf", json!(second + 600)),
        ("nbf", json!(second.to_string())),
        ("nbf", json!(-5)),
        ("nbf", json!(1e300)),
        ("iat", json!(second + 600)),
        ("iat", json!("now")),
        ("org", json!(organisation("other"))),
        ("org", json!("*")),
        ("org", json!("")),
        ("org", json!(null)),
        ("org", json!(5)),
        ("org", json!(["acme", "other"])),
        ("org", json!({ "acme": 1, "other": 2 })),
        ("org", json!("acme/other")),
        ("org", json!("ACME")),
        ("org", json!("acme\u{0}")),
        ("org", json!(" acme")),
        ("sub", json!("")),
        ("sub", json!(5.5)),
        ("sub", json!(1e300)),
        ("sub", json!(true)),
        ("sub", json!(null)),
        ("sub", json!(["ann"])),
        ("sub", json!({ "sub": "ann" })),
        ("sub", json!("ann ")),
        ("sub", json!("ann\u{0}")),
        ("sub", json!("\u{202e}nna")),
        ("sub", json!("é".repeat(40))),
        ("sub", json!("a".repeat(127))),
        ("sub", json!("ann\u{200b}")),
        ("roles", json!([])),
        ("roles", json!(["king"])),
        ("roles", json!(["platform"])),
        ("roles", json!(["king admin"])),
        ("roles", json!("king admin")),
        ("roles", json!("admin ")),
        ("roles", json!(5)),
        ("roles", json!([5])),
        ("roles", json!({ "admin": true })),
        ("roles", json!(["ADMIN"])),
        ("departments", json!(5.5)),
        ("departments", json!([""])),
        ("departments", json!(["a", null])),
        ("departments", json!({ "a": 1 })),
        ("teams", json!([{}])),
        ("jti", json!(5.5)),
        ("jti", json!(["a"])),
    ];
    for (name, value) in values {
        forged.push((format!("{name} {}", brief(&value)), world.rsa.sign(&world.with(name, value))));
    }
    for name in ["aud", "iss", "exp", "org", "sub", "roles"] {
        forged.push((format!("no {name}"), world.rsa.sign(&world.without(name))));
    }
    let header = world.rsa.header().to_string();
    let good = world.claims().to_string();
    let twice = good.strip_suffix('}').unwrap();
    for more in [
        r#""sub":"bob""#,
        r#""sub":"ann""#,
        r#""\u0073ub":"bob""#,
        r#""org":"other""#,
        r#""roles":["platform"]"#,
        r#""exp":4102444800"#,
        r#""iss":"fixed""#,
        r#""aud":"another""#,
        r#""deep":{"a":[{"b":1,"b":2}]}"#,
    ] {
        forged.push((format!("twice: {more}"), world.rsa.sign_text(&header, &format!("{twice},{more}}}"))));
        let first = format!("{{{more},{}", good.strip_prefix('{').unwrap());
        if !more.contains("deep") {
            forged.push((format!("twice, first: {more}"), world.rsa.sign_text(&header, &first)));
        }
    }
    for (alg, kid) in [("none", "r"), ("RS256", "x")] {
        let header = format!(r#"{{"alg":"RS256","kid":"r","alg":"{alg}","kid":"{kid}"}}"#);
        forged.push(("a header twice".into(), world.rsa.sign_text(&header, &good)));
    }
    for exp in ["NaN", "Infinity", "1e999", "-1e999", "0x7fffffff", "4102444800n", "\"\""] {
        let text = format!(r#"{twice},"exp":{exp}}}"#).replacen(
            &format!("\"exp\":{},", world.claims()["exp"]),
            "",
            1,
        );
        forged.push((format!("exp {exp}"), world.rsa.sign_text(&header, &text)));
    }
    // The issuer without a name may say much, but not that somebody is of another issuer.
    for prefix in ["m:", "o:", "x:"] {
        let claims = json!({ "sub": format!("{prefix}ann"), "org": organisation("acme"), "roles": ["admin"], "exp": second + 60 });
        forged.push((format!("a user of {prefix}"), signed(&claims)));
    }
    forged
}

/// Not what a token looks like.
pub(super) fn shapes(world: &World) -> Vec<Forged> {
    let good = world.rsa.sign(&world.claims());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!() };
    let mut wrong = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    wrong[100] ^= 1;
    let message = format!("{header}.{claims}");
    let small = world.p256.sign(&world.claims());
    let (small_message, small_signature) = small.rsplit_once('.').unwrap();
    let raw = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(small_signature).unwrap();
    let swapped = [&raw[32..], &raw[..32]].concat();
    let longer = [&raw[..], &[0]].concat();
    let mut list = vec![
        ("a bit of the signature", format!("{message}.{}", encode(wrong))),
        (
            "another token's signature",
            format!(
                "{message}.{}",
                world.rsa.sign(&world.with("sub", json!("bob"))).rsplit('.').next().unwrap()
            ),
        ),
        ("no signature", format!("{message}.")),
        ("no third part", message.clone()),
        ("cut", good[..good.len() - 10].to_owned()),
        ("cut to half", good[..good.len() / 2].to_owned()),
        ("a part more", format!("{good}.x")),
        ("five parts, as if encrypted", format!("{header}..{claims}.{signature}.{signature}")),
        ("its parts in another order", format!("{claims}.{header}.{signature}")),
        ("padding", format!("{good}=")),
        ("the other alphabet", format!("{message}.+/{}", &signature[2..])),
        (
            "a token in a token",
            world.rsa.sign_text(r#"{"alg":"RS256","kid":"r","typ":"JWT"}"#, &format!("\"{good}\"")),
        ),
        ("claims that are a list", world.rsa.sign_text(r#"{"alg":"RS256","kid":"r"}"#, "[]")),
        ("a header that is a list", world.rsa.sign_text("[]", &world.claims().to_string())),
        (
            "claims with something behind",
            world.rsa.sign_text(r#"{"alg":"RS256","kid":"r"}"#, &format!("{} x", world.claims())),
        ),
        ("claims that are too deep", world.rsa.sign_text(r#"{"alg":"RS256","kid":"r"}"#, &"[".repeat(3000))),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
        ("words", "a.b.c".to_owned()),
        ("too long", world.rsa.sign(&world.with("more", json!("x".repeat(8000))))),
        ("much too long", world.rsa.sign(&world.with("more", json!("x".repeat(60_000))))),
        ("a signature of zeros", format!("{small_message}.{}", encode([0; 64]))),
        ("half a signature", format!("{small_message}.{}", encode(&raw[..32]))),
        ("a signature's halves swapped", format!("{small_message}.{}", encode(swapped))),
        ("a signature and a byte", format!("{small_message}.{}", encode(longer))),
    ];
    list.push((
        "as JSON",
        json!({ "protected": header, "payload": claims, "signature": signature }).to_string(),
    ));
    list.into_iter().map(|(what, token)| (what.to_owned(), token)).collect()
}
