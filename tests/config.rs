//! The example file shows every setting, each with its default.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use fanfare::config::Config;

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

/// What `Debug` shows of the defaults is all there is, secrets apart: each must stand in the example and the table.
#[test]
fn every_setting_is_shown() {
    let text = example();
    let table = include_str!("../docs/configuration.md");
    let all = format!("{:#?}", Config::default());
    let fields = all.lines().filter_map(|line| line.trim().split_once(": "));
    let secret = ["secret", "secret_file", "public_key", "issuer", "audience"];
    let mut count = 0;
    for field in fields.map(|(name, _)| name).chain(secret) {
        let written = [format!("{field} ="), format!("# {field} ="), format!("[{field}]")];
        let nested = format!(".{field}]");
        let stands = text.lines().any(|line| {
            written.iter().any(|start| line.starts_with(start.as_str())) || line.ends_with(&nested)
        });
        assert!(stands, "{field} is missing in fanfare.example.toml");
        let listed = [format!(".{field}`"), format!(".{field}."), format!("`{field}`"), format!("`{field}.")];
        assert!(
            listed.iter().any(|name| table.contains(name.as_str())),
            "{field} is missing in docs/configuration.md"
        );
        count += 1;
    }
    assert!(count > 30, "only {count} settings were looked for");
}

/// What stands behind `#` is right as well.
#[test]
fn the_settings_without_a_default_are_known() {
    let commented = |line: &&str| {
        let setting = line.strip_prefix("# ").and_then(|line| line.split_once(" = "));
        setting.is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    let text = example();
    assert_eq!(text.lines().filter(commented).count(), 15);
    let all: Vec<_> = text.lines().map(|line| if commented(&line) { &line[2..] } else { line }).collect();
    let config = load(&all.join("\n")).unwrap();
    assert_eq!(config.tls.key.as_deref(), Some(Path::new("key.pem")));
    assert_eq!(config.auth.secret_file.as_deref(), Some(Path::new("token.secret")));
    assert_eq!(config.auth.audience.as_deref(), Some("fanfare"));
    assert_eq!(config.store.scylla.tls_key.as_deref(), Some(Path::new("cql-client.key")));
    let (user, password) = config.store.scylla.credentials().unwrap().unwrap();
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
    assert!(kind.contains("`mysql` is none of sqlite, scylla") && kind.contains("store.kind"), "{kind}");
    let algorithm = error("[auth]\nalgorithm = \"none\"");
    assert!(algorithm.contains("HS256, RS256") && algorithm.contains("auth.algorithm"), "{algorithm}");
    for origin in
        ["example.org", "https://example.org/", "https://example.org/path", "ftp://example.org", "*"]
    {
        let refused = error(&format!("origins = [\"{origin}\"]"));
        assert!(refused.starts_with("origins must be a list of `https://host`"), "{origin}: {refused}");
    }
    assert!(load("origins = [\"https://a.example\", \"http://[::1]:80\"]").is_ok());
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
