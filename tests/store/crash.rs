//! The embedded store is killed again and again, on the same files: nothing that was answered or published is lost.
//!
//! This shows what survives the process, not what survives the machine: the page cache is still there.

use std::{
    collections::{BTreeMap, HashMap},
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use fanfare::{
    id::{Audience, Tenant, Topic},
    store::{
        Append, Committed, Event, FixClass, From, NewEvent, Store, StoredFix,
        sqlite::{Options, Sqlite},
    },
};
use fanfare_proto::{
    ClientId, Epoch, Fix, Motion, OrgId, Position, Seq, TopicKey, TopicKind, TopicName, UnixMs, UserId,
};

use crate::Deaf;

/// Kills, unless the variable says otherwise.
const ROUNDS: u32 = 20;
const ROUNDS_VARIABLE: &str = "FANFARE_CRASH_ROUNDS";
const TOPICS: [&str; 3] = ["a", "b", "c"];
/// Where the child finds its directory and its round; without it the child's test does nothing.
const VARIABLE: &str = "FANFARE_CRASH_TEST";

fn topic(key: &str) -> Topic {
    let key = TopicKey::new(key).unwrap();
    Topic {
        org: Tenant::stored(OrgId::new("org").unwrap()),
        name: TopicName { kind: TopicKind::Conversation, key },
    }
}

fn append(key: &str, client: &str) -> Append {
    let event = NewEvent {
        author: UserId::new("ann").unwrap(),
        client_id: ClientId::new(client).unwrap(),
        at: UnixMs(1),
        name: "test:event".to_owned(),
        data: Bytes::from(format!("{{\"client\":\"{client}\"}}")),
        countable: true,
    };
    Append { topic: topic(key), expect: None, events: vec![event], audience: Audience::Organisation }
}

/// One line for each fact, written whole.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n@{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Tells what is published.
struct Telling;

impl Committed for Telling {
    fn committed(&self, topic: &Topic, _: Epoch, _: &Audience, events: &[Event]) {
        for event in events {
            tell(&format!("event {} {} {}", topic.name.key, event.seq, event.client_id));
        }
    }
}

/// The child: writes until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(variable) = std::env::var(VARIABLE) else {
        return;
    };
    let (round, dir) = variable.split_once(' ').unwrap();
    let store = Sqlite::open(Path::new(dir), Arc::new(Telling), &Options::default()).unwrap();
    let writers = (0..6).map(|task| {
        let (store, round) = (Arc::clone(&store), round.to_owned());
        tokio::spawn(async move {
            let key = TOPICS[task % TOPICS.len()];
            for n in 0.. {
                let client = format!("{round}-{task}-{n}");
                let outcome = store.append(append(key, &client)).await.unwrap().outcomes[0];
                assert!(!outcome.duplicate);
                tell(&format!("event {key} {} {client}", outcome.seq));
            }
        })
    });
    let fixes = {
        let (store, round) = (Arc::clone(&store), round.parse::<u64>().unwrap());
        tokio::spawn(async move {
            for batch in 0.. {
                store.put_fixes((0..20).map(|n| fix(round, batch * 20 + n)).collect()).await.unwrap();
                tell(&format!("fixes {}", batch * 20 + 20));
            }
        })
    };
    for task in writers.chain([fixes]).collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Every round is a day of its own.
fn fix(round: u64, counter: u64) -> StoredFix {
    let position = Position::from_e7(1, 2).unwrap();
    let time = UnixMs(round * 86_400_000 + counter);
    let agent = UserId::new("agent").unwrap();
    let fix = Fix { counter, time, position, motion: Motion::default() };
    StoredFix {
        org: Tenant::stored(OrgId::new("org").unwrap()),
        agent,
        source: 1,
        class: FixClass::Standard,
        fix,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_answered_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut told: BTreeMap<(String, u64), String> = BTreeMap::new();
    let mut events = 0;
    let rounds = std::env::var(ROUNDS_VARIABLE).map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let (facts, fixes) = kill_child(round, dir.path());
        for (place, client) in facts {
            let before = told.insert(place.clone(), client.clone());
            assert!(before.is_none_or(|before| before == client), "{place:?} was given twice");
        }
        let store = Sqlite::open(dir.path(), Arc::new(Deaf), &Options::default()).unwrap();
        events = check(&store, &told).await;
        let day = UnixMs(u64::from(round) * 86_400_000);
        let org = Tenant::stored(OrgId::new("org").unwrap());
        let agent = UserId::new("agent").unwrap();
        let track = store.track(&org, &agent, day..=day.plus(86_399_999), None, usize::MAX).await.unwrap();
        assert!(track.len() as u64 >= fixes, "{} of {fixes} fixes", track.len());
        assert_eq!(track.len() % 20, 0, "half a batch");
        store.close().await;
    }
    assert!(told.len() > rounds as usize * 10, "only {} events were told: this tested nothing", told.len());
    println!("{rounds} kills: {} events told, {events} stored, none lost", told.len());
}

/// Everything told is there, once, without a gap, and known when it comes again.
async fn check(store: &Sqlite, told: &BTreeMap<(String, u64), String>) -> usize {
    let mut stored = 0;
    for key in TOPICS {
        let page = store.read(&topic(key), From::After(Seq::ZERO), usize::MAX, usize::MAX).await.unwrap();
        let mut clients: HashMap<&str, u64> = HashMap::new();
        for (event, seq) in page.events.iter().zip(1..) {
            assert_eq!(event.seq, Seq(seq));
            assert_eq!(event.data, format!("{{\"client\":\"{}\"}}", event.client_id));
            assert_eq!(
                clients.insert(event.client_id.as_str(), seq),
                None,
                "{} is there twice",
                event.client_id
            );
            let told = told.get(&(key.to_owned(), seq));
            assert!(told.is_none_or(|told| *told == *event.client_id.as_str()), "{key} {seq} is another");
        }
        assert_eq!(page.head.seq.0, page.events.len() as u64);
        for ((_, seq), client) in told.iter().filter(|((of, _), _)| of == key) {
            assert_eq!(clients.get(client.as_str()), Some(seq), "{key} {seq} was lost");
        }
        for event in page.events.iter().rev().step_by(97).take(5) {
            let again = store.append(append(key, event.client_id.as_str())).await.unwrap().outcomes[0];
            assert_eq!((again.seq, again.duplicate), (event.seq, true));
        }
        stored += page.events.len();
    }
    stored
}

/// A topic's key and a position in it, and the client id that is there.
type Told = ((String, u64), String);

/// Lets a child write for a while. Answers the events that it told of, and how many fixes.
fn kill_child(round: u32, dir: &Path) -> (Vec<Told>, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(VARIABLE, format!("{round} {}", dir.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut told = String::new();
        out.read_to_string(&mut told).unwrap();
        let (mut events, mut fixes) = (Vec::new(), 0);
        // A last line without an end may have been cut short.
        for line in told.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["@event", key, seq, client] => {
                    events.push(((key.to_owned(), seq.parse().unwrap()), client.to_owned()));
                }
                ["@fixes", count] => fixes = count.parse().unwrap(),
                _ => {}
            }
        }
        (events, fixes)
    });
    let random = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_micros();
    std::thread::sleep(Duration::from_millis(20 + u64::from(random % 180)));
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}
