//! What an operator meets: health for containers, the first lines of the log, folders that lack something, and variables
//! of Kubernetes.

use std::{fs, time::Duration};

use crate::harness::{Process, Server, done, fanfare, refused, run};

#[tokio::test]
async fn health_is_what_the_server_says() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody is there.
    let mut command = run(dir.path(), &["health"]);
    command.env("FANFARE_LISTEN", "127.0.0.1:1");
    assert!(refused(command).await.contains("http://127.0.0.1:1/health/ready"));

    let server = Server::start().await;
    assert_eq!(done(server.command("health", &[])).await, "ready\n");
    // As a container asks: by the address that is configured, which may be every one.
    let port = server.url.rsplit(':').next().unwrap();
    let mut command = run(dir.path(), &["health"]);
    command.env("FANFARE_LISTEN", format!("0.0.0.0:{port}"));
    assert_eq!(done(command).await, "ready\n");

    // The data is pulled away: not ready, until it is back.
    let (data, aside) = (server.dir.path().join("data"), server.dir.path().join("aside"));
    fs::rename(&data, &aside).unwrap();
    let ready = async || server.command("health", &[]).output().await.unwrap();
    let until = async |good: bool| {
        for _ in 0..150 {
            let said = ready().await;
            if said.status.success() == good {
                return String::from_utf8(said.stderr).unwrap();
            }
            // Between two looks: each asks the running server.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it never came to that");
    };
    let said = until(false).await;
    assert!(said.contains("503") && said.contains("nothing can be stored"), "{said}");
    fs::rename(&aside, &data).unwrap();
    until(true).await;
}

#[tokio::test]
async fn the_log_begins_with_what_runs() {
    let dir = tempfile::tempdir().unwrap();
    // A low limit is raised as far as the hard one, which here is below what the settings allow.
    let mut command = tokio::process::Command::new("sh");
    command
        .args([
            "-c",
            "ulimit -S -n 300 && ulimit -H -n 2000 && exec \"$0\" serve --listen 127.0.0.1:0",
            env!("CARGO_BIN_EXE_fanfare"),
        ])
        .current_dir(dir.path())
        .env("FANFARE_AUTH__SECRET", "a secret that is long enough for HS256")
        .env("FANFARE_SHARDS", "2")
        .env("NO_COLOR", "1")
        .kill_on_drop(true);
    for (name, value) in [
        ("FANFARE_SERVICE_HOST", "10.0.0.7"),
        ("FANFARE_SERVICE_PORT", "4433"),
        ("FANFARE_PORT", "tcp://10.0.0.7:4433"),
        ("FANFARE_PORT_4433_TCP", "tcp://10.0.0.7:4433"),
        ("FANFARE_PORT_4433_TCP_ADDR", "10.0.0.7"),
        ("FANFARE_PORT_4433_TCP_PORT", "4433"),
        ("FANFARE_PORT_4433_TCP_PROTO", "tcp"),
    ] {
        command.env(name, value);
    }
    let mut server = Process::start(command);
    let ignored = server.line("ignored").await;
    assert!(ignored.contains("Kubernetes") && ignored.contains("FANFARE_PORT "), "{ignored}");
    let about = server.line("shards=").await;
    for part in [
        env!("CARGO_PKG_VERSION"),
        "store=\"sqlite\"",
        "shards=2",
        "shared secret (HS256)",
        "origins=",
        "tls=",
    ] {
        assert!(about.contains(part), "{part} in {about}");
    }
    assert!(!about.contains("long enough"), "{about}");
    let files = server.line("limits.connections").await;
    assert!(files.contains("WARN") && files.contains("files=2000"), "{files}");
    server.line("tcp=").await;
    // What only looks like it is a misspelt setting.
    let mut command = run(dir.path(), &["serve", "--check-config"]);
    command.env("FANFARE_PORT", "4433");
    assert!(refused(command).await.contains("port"));
}

#[tokio::test]
async fn a_folder_that_lacks_its_database_is_refused() {
    let mut server = Server::start().await;
    server.kill().await;
    let data = server.dir.path().join("data");
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(data.join(format!("core.db{suffix}")));
    }
    fs::write(data.join("core.db"), "").unwrap();
    let said = refused(run(server.dir.path(), &["serve", "--listen", "127.0.0.1:0"])).await;
    assert!(said.contains("core.db is missing or empty") && said.contains("fanfare restore"), "{said}");
    // The server's own key alone shows as well that there was a store.
    for file in fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()) {
        if !file.ends_with("quic.key") {
            fs::remove_file(file).unwrap();
        }
    }
    let said = refused(run(server.dir.path(), &["serve", "--listen", "127.0.0.1:0"])).await;
    assert!(said.contains("quic.key beside it"), "{said}");
}

#[tokio::test]
async fn keys_that_were_cut_off_are_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let start = || {
        let mut command = fanfare(dir.path());
        command.env_remove("FANFARE_AUTH__SECRET").args(["serve", "--dev", "--listen", "127.0.0.1:0"]);
        Process::start(command)
    };
    let mut first = start();
    first.line("tcp=").await;
    first.interrupt().await;
    assert!(first.ended().await);
    for length in [0, 7] {
        for file in ["data/quic.key", "data/development.secret", "certs/development.pem"] {
            let path = dir.path().join(file);
            let whole = fs::read(&path).unwrap();
            fs::write(&path, &whole[..length]).unwrap();
        }
        let mut server = start();
        let secret = server.line("development.secret").await;
        assert!(secret.contains("another secret is made"), "{secret}");
        server.line("development.pem").await;
        let key = server.line("quic.key").await;
        assert!(key.contains("WARN") && key.contains("another one is made"), "{key}");
        server.line("tcp=").await;
        server.interrupt().await;
        assert!(server.ended().await);
        assert_eq!(fs::read(data.join("quic.key")).unwrap().len(), 40);
        assert_eq!(fs::read(data.join("development.secret")).unwrap().len(), 64);
    }
    let left: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

/// `make run` ends at once when its shell is told to: the taxis and the server go with it.
#[tokio::test]
async fn the_script_ends_when_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["scripts", "target/debug", "samples"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/run.sh");
    fs::copy(root, dir.path().join("scripts/run.sh")).unwrap();
    // The server says three lines, and both run until they are told to end.
    let program = "#!/bin/sh
trap 'echo \"ended $1\" >> ended; exit 0' TERM
[ \"$1\" = serve ] && printf 'serves http://localhost:4433 (\\n\\nthere\\n'
[ \"$1\" = replay ] && echo driving
while true; do sleep 0.05; done
";
    let files = [("target/debug/fanfare", program), ("cargo", "#!/bin/sh\n"), ("make", "#!/bin/sh\n")];
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut command = tokio::process::Command::new(dir.path().join("scripts/run.sh"));
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    command.current_dir(dir.path()).env("PATH", path).env_remove("CARGO_TARGET_DIR").kill_on_drop(true);
    let mut script = Process::start(command);
    script.line("driving").await;
    let ended = std::process::Command::new("kill").args(["-TERM", &script.id().to_string()]).status();
    assert!(ended.unwrap().success());
    assert!(!script.ended().await, "143 is no success");
    assert_eq!(fs::read_to_string(dir.path().join("ended")).unwrap(), "ended replay\nended serve\n");
}
