//! What an operation costs does not grow with what is stored. Counted in the steps of SQLite's machine, so a slow test
//! machine makes no difference.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use fanfare_proto::{OrgId, Seq, TopicKind, UnixMs, UserId};

use super::{Heard, append, topic};
use crate::{
    id::Tenant,
    store::{
        From, MarkKind, Position, Put, RecordKind, Slot, StoreError, Timer,
        sqlite::{core::Core, expire, file, log, mark, record, schema, text, timer, writer::Database},
    },
};

const KIND: TopicKind = TopicKind::Conversation;

type Operation = fn(&mut Core, u64) -> Result<(), StoreError>;

/// What is done all day, on a database that holds `size` of everything.
const OPERATIONS: &[(&str, Operation)] = &[
    ("append", |core, size| log::append(core, append(KIND, size + 1, 10)).map(drop)),
    ("append again what is there", |core, size| log::append(core, append(KIND, size / 2, 10)).map(drop)),
    ("read the newest", |core, _| {
        log::read(core.connection(), core.epoch, &topic(KIND), From::Latest, 20, usize::MAX).map(drop)
    }),
    ("read on", |core, size| {
        let from = From::After(Seq(size / 2));
        log::read(core.connection(), core.epoch, &topic(KIND), from, 20, usize::MAX).map(drop)
    }),
    ("heads", |core, _| log::heads(core.connection(), core.epoch, &[topic(KIND)]).map(drop)),
    ("amend", |core, size| log::amend(core, &topic(KIND), Seq(size / 2), 0, "test:event", b"new").map(drop)),
    ("mark", |core, size| {
        let to = Position { seq: Seq(size), count: size };
        mark::mark(core, &topic(KIND), &user(size / 2), MarkKind::Read, to).map(drop)
    }),
    ("put a record", |core, size| record::put(core, &slot(size + 1), None, put(), None, UnixMs(0)).map(drop)),
    ("change a record with a history", |core, size| {
        record::put(core, &document(), Some(size), put(), None, UnixMs(0)).map(drop)
    }),
    ("list records", |core, size| {
        let after = slot(size / 2).key;
        let org = topic(KIND).org;
        record::list(core.connection(), &org, RecordKind::Presence, "part", Some(&after), 20, UnixMs(0))
            .map(drop)
    }),
    ("take timers", |core, _| timer::due(core, UnixMs(20), 1_000, 20).map(drop)),
    ("index", |core, size| text::index(core, &topic(KIND), Seq(size), "some other words")),
    ("look for what expires", |core, _| expire::find(core.connection(), KIND, 0, UnixMs(1)).map(drop)),
    ("records that expired", |core, _| expire::records(core, UnixMs(0)).map(drop)),
];

fn user(n: u64) -> UserId {
    UserId::new(&format!("u{n}")).unwrap()
}

fn put() -> Put {
    Put { value: Some(Bytes::from_static(b"1")), expires: Some(UnixMs(u64::MAX >> 2)) }
}

fn slot(n: u64) -> Slot {
    let org = Tenant::stored(OrgId::new("org").unwrap());
    Slot { org, kind: RecordKind::Presence, partition: "part".into(), key: format!("k{n:06}") }
}

fn document() -> Slot {
    Slot { kind: RecordKind::Document, key: "document".into(), ..slot(0) }
}

fn fill(core: &mut Core, size: u64) -> Result<(), StoreError> {
    for n in 1..=size {
        log::append(core, append(KIND, n, 10))?;
        text::index(core, &topic(KIND), Seq(n), "some words")?;
        mark::mark(core, &topic(KIND), &user(n), MarkKind::Read, Position { seq: Seq(1), count: 1 })?;
        record::put(core, &slot(n), None, put(), None, UnixMs(0))?;
        record::put(core, &document(), (n > 1).then_some(n - 1), put(), None, UnixMs(0))?;
        timer::set(core, &Timer { key: format!("t{n}"), due: UnixMs(n), data: Bytes::new() })?;
    }
    Ok(())
}

/// The steps that each operation takes where there are `size` of everything.
fn steps(size: u64) -> Vec<u64> {
    let dir = tempfile::tempdir().unwrap();
    let mut connection =
        file::writer(&dir.path().join("core.db"), schema::CORE, file::Synchronous::Normal).unwrap();
    let counter = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&counter);
    let count = move || {
        counting.fetch_add(1, Relaxed);
        false
    };
    connection.progress_handler(1, Some(count)).unwrap();
    let mut core = Core::new(connection, Arc::new(Heard::default())).unwrap();
    core.connection().execute_batch("BEGIN").unwrap();
    fill(&mut core, size).unwrap();
    let taken = OPERATIONS.iter().map(|(_, operation)| {
        let before = counter.load(Relaxed);
        operation(&mut core, size).unwrap();
        counter.load(Relaxed) - before
    });
    taken.collect()
}

#[test]
fn no_operation_costs_more_because_more_is_stored() {
    let (few, many) = (steps(200), steps(4_000));
    for ((name, _), (few, many)) in OPERATIONS.iter().zip(few.into_iter().zip(many)) {
        assert!(few > 0, "{name} was not counted");
        assert!(
            many <= few * 2,
            "{name}: {few} steps of SQLite where 200 are stored, {many} where 4,000 are"
        );
    }
}
