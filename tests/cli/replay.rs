//! `fanfare replay` and `fanfare watch`.

use std::path::PathBuf;

use crate::harness::{Process, Server, TRANSPORTS, fanfare, output};

const CSV: &str = "longitude,latitude,timestamp,name_id\n\
    119.60,31.20,2020-07-18 09:00:00,taxi-1\n\
    119.61,31.20,2020-07-18 09:10:00,taxi-1\n\
    119.70,31.30,2020-07-18 12:00:00,taxi-2\n\
    119.70,31.31,2020-07-18 12:10:00,taxi-2\n";

const GPX: &str = r#"<gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1">
    <trk><name>夜行バス</name><url>http://bus</url><trkseg>
      <trkpt lat="52.5" lon="13.4"><time>2024-05-01T10:00:00Z</time></trkpt>
      <trkpt lat="91" lon="13.4"><time>2024-05-01T10:05:00Z</time><course>0</course></trkpt>
      <trkpt lat="52.6" lon="13.4"><time>2024-05-01T10:10:00Z</time></trkpt>
    </trkseg></trk></gpx>"#;

fn files(server: &Server) -> [String; 2] {
    let write = |name: &str, text: &str| {
        let path: PathBuf = server.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    [write("taxis.csv", CSV), write("bus.gpx", GPX)]
}

fn replay(server: &Server, transport: &str, more: &[&str]) -> Process {
    let [csv, gpx] = files(server);
    let fixed = [&csv, &gpx, "--transport", transport, "--loop", "--hz", "10", "--every", "0.1"];
    server.run("replay", &[&fixed, more].concat())
}

/// The number before a word, as in "12 fixes made".
fn number(line: &str, word: &str) -> u64 {
    let before = line.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {line:?}")).0;
    let digits = before.trim_end().rsplit(' ').next().unwrap();
    digits.replace(',', "").parse().unwrap()
}

#[tokio::test]
async fn replayed_agents_are_watched_and_stored() {
    let server = Server::start().await;
    for (transport, name) in TRANSPORTS {
        let mut replay = replay(&server, transport, &[]);
        replay
            .line_where("three agents and stored fixes", |line| {
                line.contains("3 of 3 agents connected") && number(line, " stored") > 0
            })
            .await;

        let watch = server.command("watch", &["--once", "1", "--transport", transport]);
        let watched = output(watch).await;
        let table = String::from_utf8(watched.stdout).unwrap();
        assert!(watched.status.success(), "{table}");
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[0].starts_with(name), "{table}");
        assert!(lines[0].contains("agents 3"), "{table}");
        let agents: Vec<_> = lines[2..].iter().map(|line| line.split_whitespace().next().unwrap()).collect();
        assert_eq!(agents, ["taxi-1", "taxi-2", "夜行バス"], "{table}");
        // The bus goes north, 11 km in ten minutes.
        assert!(lines[4].contains("18.6 m/s  0° N"), "{table}");

        replay.interrupt().await;
        let summary = replay.line("3 agents in").await;
        assert_eq!(number(&summary, " fixes made"), number(&summary, " stored"), "{summary}");
        assert_eq!(number(&summary, " rejected"), 0, "{summary}");
        assert!(replay.ended().await);
    }
}

#[tokio::test]
async fn a_replay_ends_in_time() {
    let server = Server::start().await;
    let mut replay = replay(&server, "auto", &["--duration", "1", "--agents", "2"]);
    let summary = replay.line("2 agents in").await;
    assert!(number(&summary, " stored") > 0, "{summary}");
    assert!(replay.ended().await);
}

#[tokio::test]
async fn without_a_loop_it_ends_with_the_tracks() {
    let server = Server::start().await;
    let [csv, _] = files(&server);
    let mut replay = server.run("replay", &[&csv, "--speed", "1200", "--hz", "10"]);
    // Ten minutes take half a second.
    let summary = replay.line("2 agents in").await;
    assert!((8..=12).contains(&number(&summary, " fixes made")), "{summary}");
    assert!(replay.ended().await);
}

/// What cannot be read is named; what can be is played.
#[tokio::test]
async fn what_is_left_out_is_told() {
    let server = Server::start().await;
    let path = server.dir.path().join("odd.csv");
    let text = "Lat;Lon;Time;Name\n1,5;2;2024-05-01 10:00:00;J\u{fc}rgen\nx;2;2024-05-01 10:05:00;a\n1,6;2;2024-05-01 10:10:00;J\u{fc}rgen\n";
    // As western spreadsheets write it.
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    std::fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap();
    let done = output(server.command("replay", &[path, "--speed", "1200", "--hz", "10"])).await;
    let error = String::from_utf8(done.stderr).unwrap();
    assert!(error.contains("odd.csv:3:1: latitude \"x\" is no number"), "{error}");
    assert!(error.contains("odd.csv: 1 left out"), "{error}");
    let summary = String::from_utf8(done.stdout).unwrap();
    assert!(summary.contains("1 agents in") && done.status.success(), "{summary} {error}");
    let done = output(server.command("replay", &[path, "--zone", "Mars/Olympus"])).await;
    assert!(String::from_utf8(done.stderr).unwrap().contains("no time zone is named"));
}

#[tokio::test]
async fn tokens_may_be_given() {
    let server = Server::start().await;
    let [csv, _] = files(&server);
    let mut command = fanfare(server.dir.path());
    command.args(["token", "somebody", "--role", "agent"]);
    let token = output(command).await.stdout;
    let tokens = server.dir.path().join("tokens");
    std::fs::write(&tokens, token).unwrap();
    let tokens = tokens.to_str().unwrap();

    let mut replay = server.run("replay", &[&csv, "--loop", "--duration", "1", "--tokens", tokens]);
    replay.line("1 agents in").await;
    assert!(replay.ended().await);
    let watched = output(server.command("watch", &["--once", "0.5"])).await;
    let table = String::from_utf8(watched.stdout).unwrap();
    assert!(table.contains("\nsomebody "), "{table}");
}

#[tokio::test]
async fn what_cannot_work_is_told() {
    let server = Server::start().await;
    let [csv, _] = files(&server);
    let forged = ["--token", "e30.e30.c2ln", "--once"];
    for (subcommand, arguments, told) in [
        ("replay", &["no-such.csv"][..], "no-such.csv"),
        ("replay", &["Cargo.toml"], "Cargo.toml"),
        ("replay", &[csv.as_str(), "--speed", "0"], "--speed"),
        ("watch", &forged, "the token is not valid"),
        ("chat", &["--as", "ann", "--with", "ann"], "nobody to chat with"),
    ] {
        let done = output(server.command(subcommand, arguments)).await;
        let error = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success(), "{subcommand}");
        assert!(error.contains(told), "{error}");
    }
}
