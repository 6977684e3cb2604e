//! A store goes into a file and out of it, however often that is interrupted, and nothing else passes for one.

use std::{fs, path::Path, sync::Arc};

use fanfare::{
    id::{Audience, Tenant, Topic},
    store::{
        Append, Committed, Event, FixClass, NewEvent, Store, StoredFix,
        scylla::LARGEST,
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
const FEW: usize = 50;

fn open(dir: &Path) -> Arc<Sqlite> {
    Sqlite::open(dir, Arc::new(Nobody), &Options::default()).unwrap()
}

fn event(n: usize, text: &str) -> NewEvent {
    NewEvent {
        author: UserId::new("ann").unwrap(),
        client_id: ClientId::new(&format!("c{n}")).unwrap(),
        at: UnixMs(1),
        name: "message:new".to_owned(),
        data: format!("{{\"text\":\"{text}\"}}").into(),
        countable: true,
    }
}

async fn append(store: &Sqlite, topic: usize, events: Vec<NewEvent>) {
    let key = TopicKey::new(&format!("t{topic}")).unwrap();
    let topic = Topic {
        org: Tenant::stored(OrgId::new("acme").unwrap()),
        name: TopicName { kind: TopicKind::Conversation, key },
    };
    store.append(Append { topic, expect: None, events, audience: Audience::Organisation }).await.unwrap();
}

/// A store that takes a moment to read and longer to write.
async fn fill(dir: &Path, topics: usize) {
    let store = open(dir);
    let org = Tenant::stored(OrgId::new("acme").unwrap());
    for n in 0..topics {
        append(&store, n, (0..100).map(|n| event(n, &n.to_string())).collect()).await;
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
    fill(&dir.join("a"), TOPICS).await;
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

/// An export that was cut off does not look again at what it has read; what came there meanwhile is not left out silently.
#[tokio::test]
async fn what_is_confirmed_in_between_is_not_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fill(&dir.join("a"), FEW).await;
    cut_short(&transfer(dir, "export", "a", "x.jsonl"), 400).await;
    assert!(dir.join("x.jsonl.progress").exists());
    let store = open(&dir.join("a"));
    append(&store, 0, vec![event(100, "in between")]).await;
    store.close().await;
    let changed = refused(transfer(dir, "export", "a", "x.jsonl")).await;
    assert!(changed.contains("was written to after the export began"), "{changed}");
    assert_eq!(fs::read_dir(dir).unwrap().count(), 1, "nothing is left that looks like an export");
    let said = done(transfer(dir, "export", "a", "x.jsonl")).await;
    assert!(said.contains("50 logs with 5001 events"), "{said}");
}

/// An import goes on with the file that it began with, not with another one of that name.
#[tokio::test]
async fn another_export_does_not_go_on_for_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fill(&dir.join("a"), FEW).await;
    done(transfer(dir, "export", "a", "x.jsonl")).await;
    cut_short(&transfer(dir, "import", "b", "x.jsonl"), 500).await;
    assert!(dir.join("x.jsonl.imported").exists());
    fs::rename(dir.join("x.jsonl"), dir.join("first")).unwrap();
    done(transfer(dir, "export", "a", "x.jsonl")).await;
    let other = refused(transfer(dir, "import", "b", "x.jsonl")).await;
    assert!(other.contains("of an import of another export"), "{other}");
    // Nothing was put, and the first one can still go on.
    fs::rename(dir.join("first"), dir.join("x.jsonl")).unwrap();
    let said = done(transfer(dir, "import", "b", "x.jsonl")).await;
    assert!(said.contains("imported and verified 50 logs with 5000 events"), "{said}");
}

/// The import would stop in the middle: it is told before.
#[tokio::test]
async fn events_that_a_cql_database_does_not_take_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let store = open(&dir.join("a"));
    let most = LARGEST - r#"{"text":""}"#.len();
    append(&store, 0, vec![event(0, &"x".repeat(most))]).await;
    store.close().await;
    let said = done(transfer(dir, "export", "a", "x.jsonl")).await;
    assert!(!said.contains("longer than"), "{said}");
    let store = open(&dir.join("a"));
    append(&store, 1, vec![event(0, &"x".repeat(most + 1))]).await;
    store.close().await;
    let said = done(transfer(dir, "export", "a", "y.jsonl")).await;
    assert!(said.contains("longer than 4194304 bytes") && said.contains("stops: 1"), "{said}");
}

#[tokio::test]
async fn a_damaged_file_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fill(&dir.join("a"), TOPICS).await;
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
