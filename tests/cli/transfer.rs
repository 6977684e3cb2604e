//! A store goes into a file and out of it, however often that is interrupted, and nothing else passes for one.

use std::{fs, path::Path, sync::Arc};

use fanfare::{
    id::{Audience, Tenant, Topic},
    store::{
        Append, Committed, Event, FixClass, NewEvent, Store, StoredFix,
        sqlite::{Options, Sqlite},
    },
};
use fanfare_proto::{ClientId, Epoch, JsonFix, OrgId, TopicKey, TopicKind, TopicName, UnixMs, UserId};
use tokio::process::Command;

use crate::harness::{Server, done, fanfare, refused};

struct Nobody;

impl Committed for Nobody {
    fn committed(&self, _: &Topic, _: Epoch, _: &Audience, _: &[Event]) {}
}

const TOPICS: usize = 200;

/// A store that takes a moment to read and longer to write.
async fn fill(dir: &Path) {
    let store = Sqlite::open(dir, Arc::new(Nobody), &Options::default()).unwrap();
    let org = Tenant::stored(OrgId::new("acme").unwrap());
    let event = |n: usize| NewEvent {
        author: UserId::new("ann").unwrap(),
        client_id: ClientId::new(&format!("c{n}")).unwrap(),
        at: UnixMs(1),
        name: "message:new".to_owned(),
        data: format!("{{\"text\":\"{n}\"}}").into(),
        countable: true,
    };
    for n in 0..TOPICS {
        let name = TopicName { kind: TopicKind::Conversation, key: TopicKey::new(&format!("t{n}")).unwrap() };
        let topic = Topic { org: org.clone(), name };
        let events = (0..100).map(event).collect();
        store.append(Append { topic, expect: None, events, audience: Audience::Organisation }).await.unwrap();
    }
    let fixes = (1..=3_000).map(|counter| StoredFix {
        org: org.clone(),
        agent: UserId::new("van").unwrap(),
        source: 1,
        class: FixClass::Short,
        fix: JsonFix {
            counter,
            time: UnixMs(counter * 1000),
            lat: 1.5,
            lon: 2.5,
            accuracy: None,
            speed: None,
            heading: None,
            battery: None,
        }
        .try_into()
        .unwrap(),
    });
    store.put_fixes(fixes.collect()).await.unwrap();
    store.close().await;
}

fn transfer(dir: &Path, what: &str, data: &str, file: &str) -> Command {
    let mut command = fanfare(dir);
    command.args(["--data-dir", data, what, file]);
    command
}

/// A file without its first line, which says when it was made.
fn rows(file: &Path) -> String {
    fs::read_to_string(file).unwrap().split_once('\n').unwrap().1.to_owned()
}

/// Ends it in the middle: the system kills what writes more to a file than it may.
async fn cut_short(command: &Command, kilobytes: usize) {
    let command = command.as_std();
    let mut limited = Command::new("sh");
    limited
        .args(["-c", &format!("ulimit -f {}; exec \"$0\" \"$@\"", 2 * kilobytes)])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap())
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert_eq!(limited.status().await.unwrap().code(), None, "a signal ends it");
}

#[tokio::test]
async fn interrupted_and_taken_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fill(&dir.join("a")).await;
    cut_short(&transfer(dir, "export", "a", "x.jsonl"), 1_500).await;
    assert!(dir.join("x.jsonl.progress").exists());
    assert!(!dir.join("x.jsonl").exists());
    let said = done(transfer(dir, "export", "a", "x.jsonl")).await;
    assert!(said.contains("200 logs with 20000 events and 0 marks") && said.contains("3000 fixes"), "{said}");
    // The same as in one go.
    done(transfer(dir, "export", "a", "y.jsonl")).await;
    assert!(rows(&dir.join("x.jsonl")) == rows(&dir.join("y.jsonl")));

    cut_short(&transfer(dir, "import", "b", "x.jsonl"), 2_000).await;
    assert!(dir.join("x.jsonl.imported").exists());
    let other = refused(transfer(dir, "import", "c", "x.jsonl")).await;
    assert!(other.contains("another store"), "{other}");
    let said = done(transfer(dir, "import", "b", "x.jsonl")).await;
    assert!(said.contains("imported and verified 200 logs with 20000 events"), "{said}");
    assert_eq!(fs::read_dir(dir).unwrap().count(), 5, "nothing is left beside a, b, c and the two files");
    done(transfer(dir, "export", "b", "z.jsonl")).await;
    assert!(rows(&dir.join("x.jsonl")) == rows(&dir.join("z.jsonl")));

    let again = refused(transfer(dir, "import", "b", "x.jsonl")).await;
    assert!(again.contains("holds data already"), "{again}");
    let there = refused(transfer(dir, "export", "b", "x.jsonl")).await;
    assert!(there.contains("exists already"), "{there}");
}

#[tokio::test]
async fn a_damaged_file_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fill(&dir.join("a")).await;
    done(transfer(dir, "export", "a", "whole")).await;
    let whole = fs::read_to_string(dir.join("whole")).unwrap();
    let (most, last) = whole.trim_end().rsplit_once('\n').unwrap();
    let changed = whole.replacen(r#"\"text\":\"7\""#, r#"\"text\":\"8\""#, 1);
    assert_ne!(changed, whole);
    let without =
        whole.lines().filter(|line| !line.contains("\"counter\":1500,")).collect::<Vec<_>>().join("\n");
    for (n, (what, text)) in [
        ("ends early", format!("{most}\n")),
        ("ends early", whole[..whole.len() / 2].to_owned()),
        ("the file is damaged", changed),
        ("the file is damaged", format!("{without}\n")),
        ("something follows", format!("{whole}{last}\n")),
        ("no export", String::new()),
        ("no export", "{\"fanfare_export\":2,\"at\":1}\n".to_owned()),
        ("unknown variant", whole.replacen("{\"event\"", "{\"evening\"", 1)),
    ]
    .into_iter()
    .enumerate()
    {
        let file = format!("damaged-{n}");
        fs::write(dir.join(&file), text).unwrap();
        let why = refused(transfer(dir, "import", &format!("into-{n}"), &file)).await;
        assert!(why.contains(what), "{what}: {why}");
    }
}

#[tokio::test]
async fn not_while_it_is_served() {
    let server = Server::start().await;
    let why = refused(transfer(server.dir.path(), "export", "data", "x.jsonl")).await;
    assert!(why.contains("in use by another process"), "{why}");
}
