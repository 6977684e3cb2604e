//! A configuration that is looked at, and one that is refused: what is told of it, and what is left behind.

use std::{fs, path::Path};

use crate::harness::{done, refused, run};

/// The names of what a folder holds.
fn files(dir: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    fs::read_dir(dir).unwrap().map(name).collect()
}

#[tokio::test]
async fn a_configuration_is_checked_without_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let check = || run(dir.path(), &["serve", "--check-config"]);
    assert_eq!(done(check()).await, "the configuration is good\n");
    for (setting, value, told) in [
        ("FANFARE_TICKS__FLUSH_MS", "5", "ticks.flush_ms must be 10 to 1000"),
        ("FANFARE_AUTH__SECRET", "short", "auth.secret: a shared secret has at least 32 bytes"),
        ("FANFARE_AUTH__ALGORITHM", "none", "auth.algorithm: it must be one of HS256"),
        ("FANFARE_LOG__FILTER", "a=b=c", "log.filter"),
        ("FANFARE_LIMITS__CONNECTION", "5", "unknown field `connection`"),
    ] {
        let mut command = check();
        command.env(setting, value);
        let said = refused(command).await;
        assert!(said.contains(told) && said.matches(told).count() == 1, "{said}");
    }
    let mut command = check();
    command.env("FANFARE_ORIGINS", "");
    assert_eq!(done(command).await, "the configuration is good\n");
    fs::write(dir.path().join("key.pem"), "no key").unwrap();
    let mut command = check();
    command.env("FANFARE_TLS__CERTIFICATE", "key.pem").env("FANFARE_TLS__KEY", "key.pem");
    assert!(refused(command).await.contains("there is no certificate"));
    let mut command = check();
    command.env("FANFARE_STORE__KIND", "scylla").env("FANFARE_STORE__SCYLLA__TLS_AUTHORITY", "nowhere.pem");
    assert!(refused(command).await.contains("store.scylla.tls_authority: nowhere.pem"));
    assert_eq!(files(dir.path()), ["key.pem"], "nothing was made");
}

/// Not even what development needs, which a look makes no difference to.
#[tokio::test]
async fn a_look_at_a_configuration_for_development_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let check = || {
        let mut command = run(dir.path(), &["--dev", "serve", "--check-config"]);
        command.env_remove("FANFARE_AUTH__SECRET");
        command
    };
    assert_eq!(done(check()).await, "the configuration is good\n");
    assert_eq!(files(dir.path()), [""; 0], "nothing was made");
    // One that is there is looked at.
    fs::create_dir(dir.path().join("data")).unwrap();
    fs::write(dir.path().join("data/development.secret"), "short").unwrap();
    assert!(refused(check()).await.contains("auth.secret_file: a shared secret has at least 32 bytes"));
}

/// What is told lands in journals, where secrets have no place: not those of a line that is wrong either.
#[tokio::test]
async fn what_is_wrong_is_told_without_secrets() {
    const SECRET: &str = "Super-Secret-That-Is-Long-Enough-For-HS256";
    let dir = tempfile::tempdir().unwrap();
    let start = |arguments: &[&str]| {
        let mut command = run(dir.path(), arguments);
        command.env_remove("FANFARE_AUTH__SECRET");
        command
    };
    for (file, told) in [
        (format!("[auth]\nsecret = \"{SECRET}\n"), "fanfare.toml: line 2, column 53: invalid basic string"),
        (format!("[auth]\nsecret = {SECRET}\n"), "fanfare.toml: line 2, column 10: "),
        (format!("auth = \"{SECRET}\"\n"), "auth: expected a table"),
    ] {
        fs::write(dir.path().join("fanfare.toml"), file).unwrap();
        for arguments in [&["serve", "--check-config"][..], &["serve"], &["token", "ann"]] {
            let said = refused(start(arguments)).await;
            assert!(said.contains(told) && !said.contains("Super"), "{said}");
        }
    }
    fs::remove_file(dir.path().join("fanfare.toml")).unwrap();
    for variable in ["FANFARE_AUTH", "FANFARE_LIMITS__LOBBY", "FANFARE_AUTH__ALGORITHM", "FANFARE_LISTEN"] {
        let mut command = start(&["serve"]);
        command.env(variable, SECRET);
        let said = refused(command).await;
        let key = variable.trim_start_matches("FANFARE_").to_ascii_lowercase().replace("__", ".");
        assert!(said.contains(&format!("{key}: ")) && !said.contains("Super"), "{said}");
    }
    fs::write(
        dir.path().join("fanfare.toml"),
        format!("auth.secret_file = \"x\"\nauth.secret = \"{SECRET}\""),
    )
    .unwrap();
    for arguments in [&["serve", "--check-config"][..], &["serve"]] {
        let said = refused(start(arguments)).await;
        assert!(said.contains("auth.secret is set beside auth.secret_file"), "{said}");
        assert!(!said.contains("Super"), "{said}");
    }
}

/// What is allowed, but reaches further than somebody may have meant.
#[tokio::test]
async fn a_look_tells_which_roles_go_beyond_their_departments() {
    let dir = tempfile::tempdir().unwrap();
    let roles = "[auth.roles]\nlead = { may = [\"read_tracks\", \"broadcast\", \"revoke\"] }\n\
                 screen = { is = \"member\", may = [\"watch_locations\"] }\n";
    fs::write(dir.path().join("fanfare.toml"), roles).unwrap();
    let said = done(run(dir.path(), &["serve", "--check-config"])).await;
    let lead = "auth.roles.lead: broadcast, revoke: in all of the organisation, whatever departments and teams its \
                holder has\n";
    assert_eq!(said, format!("{lead}the configuration is good\n"));
}

/// Nobody signs by accident what reaches beyond organisations, nor believes to have where it does not count.
#[tokio::test]
async fn platform_is_signed_only_where_it_counts() {
    let dir = tempfile::tempdir().unwrap();
    let asked = ["token", "root", "--role", "platform"];
    let said = refused(run(dir.path(), &asked)).await;
    assert!(said.contains("auth.platform = true"), "{said}");
    let mut granted = run(dir.path(), &asked);
    granted.env("FANFARE_AUTH__PLATFORM", "true");
    assert_eq!(done(granted).await.matches('.').count(), 2, "a token");
    let mut development = run(dir.path(), &["--dev", "token", "root", "--role", "platform"]);
    development.env_remove("FANFARE_AUTH__SECRET");
    assert_eq!(done(development).await.matches('.').count(), 2, "a token");
}
