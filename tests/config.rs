//! The example file shows every setting, each with its default.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use fanfare::config::{Algorithm, Config, Issuer};

fn example() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fanfare.example.toml")).unwrap()
}

fn load(text: &str) -> Result<Config, fanfare::config::Invalid> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fanfare.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Some(&path))
}

#[test]
fn the_example_holds_the_defaults() {
    let shown = load(&example()).unwrap();
    assert_eq!(format!("{shown:#?}"), format!("{:#?}", Config::default()));
}

/// What `Debug` shows of the defaults is all there is: each must stand in the example and the table.
#[test]
fn every_setting_is_shown() {
    let text = example();
    let table = concat!(include_str!("../docs/configuration.md"), include_str!("../docs/issuers.md"));
    let all = format!("{:#?}{:#?}", Config::default(), Issuer::default());
    let fields = all.lines().filter_map(|line| line.trim().split_once(": "));
    let mut count = 0;
    for field in fields.map(|(name, _)| name) {
        let written = [format!("{field} ="), format!("# {field} ="), format!("[{field}]")];
        let nested = format!(".{field}]");
        let stands = text.lines().any(|line| {
            written.iter().any(|start| line.starts_with(start.as_str())) || line.ends_with(&nested)
        });
        assert!(stands, "{field} is missing in fanfare.example.toml");
        let listed = [format!(".{field}`"), format!(".{field}."), format!("`{field}`"), format!("`{field}.")];
        assert!(listed.iter().any(|name| table.contains(name.as_str())), "{field} is missing in docs/");
        count += 1;
    }
    assert!(count > 30, "only {count} settings were looked for");
}

/// The paths of all settings, with their defaults as `Debug` shows them; those of a whole part end in an empty text.
fn settings() -> Vec<(String, String)> {
    let issuer = format!("{:#?}", Issuer::default()).replacen("Issuer {", "auth.issuers.main: Issuer {", 1);
    let (mut found, mut at) = (Vec::new(), Vec::new());
    for line in format!("{:#?}\n{issuer}", Config::default()).lines().map(str::trim) {
        let (name, value) = line.split_once(": ").unwrap_or(("", line));
        let path =
            at.iter().chain([&name]).filter(|step| !step.is_empty()).copied().collect::<Vec<_>>().join(".");
        match value.trim_end_matches(',') {
            "}" | "]" | ")" => drop(at.pop()),
            value => {
                let opens = value.ends_with(['{', '[', '(']);
                if opens {
                    at.push(name);
                }
                if !name.is_empty() {
                    found.push((path, if opens { String::new() } else { value.to_owned() }));
                }
            }
        }
    }
    found
}

/// A number that nobody can mean never starts a server, and least of all deletes what it keeps.
#[test]
fn numbers_have_bounds() {
    // What 0 means there stands in docs/configuration.md.
    let zero_means = ["shards", "drain.pause_ms", "drain.spread_ms", "drain.notice_ms", "presence.grace_ms"];
    let told = |key: &str, number: i64| {
        let base =
            "auth.secret = \"a secret that is long enough for HS256\"\nauth.issuers.main.public_key = \"x\"";
        let config = load(&format!("{base}\n{key} = {number}"))?;
        config.verifier().map(drop)
    };
    let all: Vec<(String, i64)> =
        settings().into_iter().filter_map(|(key, value)| Some((key, value.parse().ok()?))).collect();
    assert!(all.len() > 60, "only {} numbers were found: {all:?}", all.len());
    for (key, default) in &all {
        let named = |number| {
            let told = told(key, number).map_err(|error| error.to_string());
            // What is wrong with the numbers is told before what is missing elsewhere.
            told.is_err_and(|told| told.starts_with(key.as_str()))
        };
        assert!(!named(*default), "{key} = {default} is refused");
        let means = zero_means.contains(&key.as_str());
        assert_eq!(!named(0), means, "{key} = 0 must be refused, or listed here with what it means in docs/");
        assert!(named(i64::MAX), "{key} has no upper bound");
    }
    assert!(zero_means.iter().all(|zero| all.iter().any(|(key, _)| key == zero)));
}

/// Somebody's secret may stand anywhere, in a line that is wrong or at another key: no value is ever told.
#[test]
fn what_is_told_holds_no_value() {
    const SECRET: &str = "Super-Secret, expected by nobody";
    let told = |text: &str| {
        let error = load(&text.replace("SECRET", SECRET)).unwrap_err();
        let mut all = vec![format!("{error:?}")];
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            all.push(error.to_string());
            cause = error.source();
        }
        assert!(!all.concat().contains("Super"), "{text}: {all:?}");
        error.to_string()
    };
    for (text, expected) in [
        ("[auth]\nsecret = \"SECRET", "fanfare.toml: line 2, column 43: invalid basic string, expected `\"`"),
        ("[auth]\n\nsecret = SECRET", "fanfare.toml: line 3, column "),
        ("[auth]\nsecret SECRET", "fanfare.toml: line 2, column "),
        ("# ä\nauth.secret = 'ä' SECRET", "fanfare.toml: line 2, column 19: "),
        ("[auth]\nsecret = ['SECRET']", "auth.secret: expected a string"),
        ("auth = 'SECRET'", "auth: expected a table"),
        ("[auth.issuers]\nmain = 'SECRET'", "auth.issuers.main: expected a table"),
        ("[limits]\nlobby = 'SECRET'", "limits.lobby: expected an integer"),
        ("[store]\nkind = 'SECRET'", "store.kind: it must be one of sqlite, scylla"),
        ("[retention]\nlong_fix_organisations = ['SECRET']", "retention.long_fix_organisations[0]: "),
    ] {
        let error = told(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    let mut refused = 0;
    for (key, _) in settings() {
        let text = format!("{key} = \"{SECRET}\"");
        if load(&text).is_err() {
            told(&text);
            refused += 1;
        }
    }
    assert!(refused > 90, "only {refused} settings refuse a text");
    let missing = Config::load(Some(Path::new("/nowhere/fanfare.toml"))).unwrap_err().to_string();
    assert!(missing.starts_with("file: /nowhere/fanfare.toml: No such file"), "{missing}");
}

/// What stands behind `#` is right as well.
#[test]
fn the_settings_without_a_default_are_known() {
    let commented = |line: &&str| {
        let setting = line.strip_prefix("# ").and_then(|line| line.split_once(" = "));
        let of_issuers = line.starts_with("# [auth.issuers.");
        of_issuers
            || setting.is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    let text = example();
    assert_eq!(text.lines().filter(commented).count(), 36);
    let all: Vec<_> = text.lines().map(|line| if commented(&line) { &line[2..] } else { line }).collect();
    let config = load(&all.join("\n")).unwrap();
    assert_eq!(config.tls.key.as_deref(), Some(Path::new("key.pem")));
    assert_eq!(config.auth.secret_file.as_deref(), Some(Path::new("token.secret")));
    assert_eq!(config.auth.audience.as_deref(), Some("fanfare"));
    let login = &config.auth.issuers["login"];
    assert_eq!(login.algorithms, [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]);
    assert_eq!(login.role_names["org:admin"], "admin");
    assert_eq!(format!("{:?}", login.claims.roles), r#"["realm_access.roles"]"#);
    assert!(config.policy().unwrap().knows("dispatcher"));
    assert_eq!(config.store.scylla.tls_key.as_deref(), Some(Path::new("cql-client.key")));
    let mut scylla = config.store.scylla;
    let both = scylla.credentials().unwrap_err().to_string();
    assert!(both.starts_with("store.scylla.password is set beside store.scylla.password_file"), "{both}");
    scylla.password_file = None;
    let (user, password) = scylla.credentials().unwrap().unwrap();
    assert_eq!((user.as_str(), password.as_str()), ("fanfare", "…"));
}

#[test]
fn what_does_not_exist_or_cannot_be_stops_the_start() {
    let error = |text: &str| load(text).unwrap_err().to_string();
    assert!(error("liste = \"127.0.0.1:1\"").contains("liste"));
    assert!(error("[limits]\nconnection = 5").contains("connection"));
    assert_eq!(error("[ticks]\nflush_ms = 5"), "ticks.flush_ms must be 10 to 1000");
    let keyspace = error("[store.scylla]\nkeyspace = \"x; DROP\"");
    assert!(keyspace.starts_with("store.scylla.keyspace must be "), "{keyspace}");
    let kind = error("[store]\nkind = \"mysql\"");
    assert_eq!(kind, "store.kind: it must be one of sqlite, scylla");
    let headers = error("forwarded_headers = \"x\"");
    assert_eq!(headers, "forwarded_headers: it must be one of any, x-forwarded, forwarded");
    load("forwarded_headers = \"x-forwarded\"").unwrap();
    let algorithm = error("[auth]\nalgorithm = \"none\"");
    assert!(algorithm.contains("HS256, RS256") && algorithm.contains("auth.algorithm"), "{algorithm}");
    for origin in ["example.org", "https://example.org/path", "ftp://example.org", "*", "https://a.example:0"]
    {
        let refused = error(&format!("origins = [\"{origin}\"]"));
        assert!(refused.starts_with("origins: it must be `https://host`"), "{origin}: {refused}");
    }
    let wildcard = error("origins = [\"https://*.example.org\"]");
    assert!(wildcard.starts_with("origins: `*` stands for any port only"), "{wildcard}");
    let other_ways = ["https://a.example:443/", "http://[::1]:80", "https://A.Example", "http://localhost:*"];
    assert!(load(&format!("origins = {other_ways:?}")).is_ok());
    for url in ["app.example.org", "https://app.example.org/?x", "wss://app.example.org", "https://a b"] {
        let refused = error(&format!("public_url = \"{url}\""));
        assert!(refused.starts_with("public_url: it must be `https://host`"), "{url}: {refused}");
    }
    for quic in ["0", "70000", "\"quic.example\"", "true", "[]", "\"\""] {
        let refused = error(&format!("public_quic = {quic}"));
        assert!(refused.starts_with("public_quic: it must be a port"), "{quic}: {refused}");
    }
    for quic in ["443", "\"443\"", "\"quic.example:443\"", "\"none\"", "false"] {
        load(&format!("public_quic = {quic}")).unwrap();
    }
    let both = load("[auth]\nsecret = \"x\"\nsecret_file = \"x\"").unwrap().secret().unwrap_err().to_string();
    assert_eq!(both, "auth.secret is set beside auth.secret_file: one of the two is meant");
    let nobody = load("[store.scylla]\nuser = \"ann\"").unwrap().store.scylla.credentials();
    assert!(nobody.unwrap_err().to_string().contains("password_file"));
    assert_eq!(error("[tls]\nkey = \"key.pem\""), "tls.key must be given together with tls.certificate");
}

#[test]
fn roles_of_ones_own_are_checked_at_the_start() {
    let with = |role: &str| load(&format!("[auth.roles]\n{role}")).map_err(|error| error.to_string());
    with("dispatcher = { is = \"member\", may = [\"watch_locations\"] }").unwrap();
    for (role, told) in [
        ("admin = { may = [\"broadcast\"] }", "auth.roles: admin is a role of the server's own"),
        ("boss = { is = \"platform\" }", "not platform"),
        (
            "boss = { may = [\"everything\"] }",
            "boss: `may` holds everything, which is none of connect, converse",
        ),
        ("boss = { can = [] }", "can"),
    ] {
        let error = with(role).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}

/// Each wrong value of an issuer is named by its key.
#[test]
fn issuers_are_checked_at_the_start() {
    let good =
        "issuer = \"https://a.example\"\njwks = [\"https://a.example/keys\"]\norganisations = [\"*\"]\n";
    let told =
        |text: &str| load(text).and_then(|config| config.verifier()).map(drop).map_err(|e| e.to_string());
    let issuer = |text: &str| told(&format!("[auth.issuers.main]\n{text}"));
    assert_eq!(issuer(good), Ok(()));
    for (more, key) in [
        ("user_prefix = \"a b\"", "user_prefix"),
        ("lifetime_s = 1", "lifetime_s"),
        ("organisation = \"acme\"", "organisations"),
        ("role_names = { \"org:x\" = \"king\" }", "role_names"),
        ("algorithms = [\"HS256\"]", "algorithms"),
        ("secret = \"0123456789abcdef0123456789abcdef\"", "jwks"),
        ("secret_file = \"x\"\nsecret = \"x\"", "secret is set beside auth.issuers.main.secret_file"),
        ("jwks_authority = \"no such file\"", "jwks_authority"),
    ] {
        let error = issuer(&format!("{good}{more}")).unwrap_err();
        assert!(error.starts_with(&format!("auth.issuers.main.{key}:")), "{more}: {error}");
    }
    for (text, key) in [
        ("jwks = [\"https://a.example/keys\"]\norganisations = [\"*\"]", "issuer"),
        ("issuer = \"a\"\njwks = [\"http://a.example/keys\"]\norganisations = [\"*\"]", "jwks"),
        ("issuer = \"a\"\njwks = [\"https://u:p@a.example/\"]\norganisations = [\"*\"]", "jwks"),
        ("issuer = \"a\"\njwks = [\"https://a.example/\"]", "organisations"),
        ("issuer = \"a\"\njwks = [\"https://a.example/\"]\norganisations = [\" a\"]", "organisations"),
        ("issuer = \"a\"\njwks = [\"https://a.example/\"]\norganisation = \" a\"", "organisation"),
        ("issuer = \"a\"\norganisations = [\"*\"]", "jwks"),
        ("secret = \"short\"\norganisations = [\"*\"]", "secret_file"),
        ("public_key = \"no such file\"\nalgorithms = [\"RS256\"]\norganisations = [\"*\"]", "public_key"),
    ] {
        let error = issuer(text).unwrap_err();
        assert!(error.starts_with(&format!("auth.issuers.main.{key}: ")), "{text}: {error}");
        assert!(!error.contains("u:p"), "{error}");
    }
    for text in ["claims = { user = \"a..b\" }", "claims = { usr = \"a\" }", "jwksx = []"] {
        assert!(issuer(&format!("{good}{text}")).is_err(), "{text}");
    }
    for name in ["Main", "default", "a.b", "a b"] {
        let error = told(&format!("[auth.issuers.\"{name}\"]\n{good}")).unwrap_err();
        assert!(error.contains("an issuer's name is"), "{name}: {error}");
    }
    let platform = "role_names = { root = \"platform\" }";
    assert_eq!(issuer(&format!("{good}{platform}")), Ok(()));
    // As the issuer writes it, in both settings.
    assert_eq!(issuer(&good.replace("[\"*\"]", "[\"Zoë & Söhne\"]")), Ok(()));
    assert_eq!(issuer(&good.replace("organisations = [\"*\"]", "organisation = \"Zoë & Söhne\"")), Ok(()));
    let some = good.replace('*', "acme");
    assert!(issuer(&format!("{some}{platform}")).unwrap_err().contains("`platform` is for issuers"));
    for key in ["timeout_ms", "pause_ms", "fresh_least_s", "fresh_most_s", "kept_s"] {
        let error = told(&format!("[auth.jwks]\n{key} = 0\n[auth.issuers.main]\n{good}")).unwrap_err();
        assert!(error.starts_with(&format!("auth.jwks.{key} must be ")), "{error}");
    }
}

/// Two issuers' users must not be taken for each other, nor their tokens.
#[test]
fn issuers_are_kept_apart() {
    let two = |first: &str, second: &str| {
        let issuer = |name: &str, more: &str| {
            format!("[auth.issuers.{name}]\njwks = [\"https://a.example/keys\"]\n{more}\n")
        };
        let config = load(&(issuer("a", first) + &issuer("b", second))).unwrap();
        config.verifier().map(drop).map_err(|e| e.to_string())
    };
    let a = |more: &str| format!("issuer = \"a\"\n{more}");
    let b = |more: &str| format!("issuer = \"b\"\n{more}");
    let all = "organisations = [\"*\"]";
    let error = two(&a(all), &a("organisation = \"acme\"\nuser_prefix = \"b:\"")).unwrap_err();
    assert!(error.starts_with("auth.issuers.b.issuer: "), "{error}");
    for (first, second) in [
        (all, all),
        (all, "organisation = \"acme\""),
        ("organisations = [\"x\", \"acme\"]", all),
        ("organisations = [\"x\", \"acme\"]", "organisations = [\"acme\", \"y\"]"),
        ("organisations = [\"x\", \"acme\"]", "organisation = \"acme\""),
    ] {
        let error = two(&a(first), &b(second)).unwrap_err();
        assert!(error.starts_with("auth.issuers.b.user_prefix: "), "{first} {second}: {error}");
        assert_eq!(two(&a(first), &b(&format!("{second}\nuser_prefix = \"b:\""))), Ok(()));
    }
    assert_eq!(two(&a("organisation = \"x\""), &b("organisations = [\"y\"]")), Ok(()));
}
