//! Random calls, as a small world: few topics, users and keys, so that they meet.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::world::Part;
use crate::store::FixClass;

/// A call. Numbers stand for things of the world; what an expectation is to be is chosen when it runs.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Append { topic: usize, expect: Option<Guess>, events: Vec<New> },
    Read { topic: usize, way: Way, limit: usize, max_bytes: usize },
    Amend { topic: usize, seq: u64, revision: Guess, size: usize },
    Expire { topic: usize, before: u64 },
    Put { key: usize, expect: Guess, value: Option<u8>, expires: Option<u64>, now: u64 },
    List { after: Option<usize>, limit: usize, now: u64 },
    PutFixes { fixes: Vec<Place> },
    Track { agent: usize, span: (u64, u64), after: Option<Place>, limit: usize },
    Latest { since: u64 },
    Window { span: (u64, u64), among: Option<Vec<usize>>, limit: usize },
    ExpireFixes { class: FixClass, before: u64 },
    Mark { topic: usize, user: usize, read: bool, seq: u64, count: u64 },
    SetTimer { key: usize, due: u64 },
    Due { now: u64, lease: u64 },
    ClearTimer { key: usize },
    Index { topic: usize, seq: u64, words: Vec<usize> },
    Search { topics: Vec<usize>, words: Vec<usize>, limit: usize },
    Reopen,
}

impl Op {
    /// What it can change, and so what is compared after it; all is compared at the end. None where it only reads.
    pub(super) fn changes(&self) -> &'static [Part] {
        match self {
            Self::Append { .. } | Self::Amend { .. } | Self::Mark { .. } => &[Part::Logs],
            // Words of an event go with it.
            Self::Expire { .. } => &[Part::Logs, Part::Texts],
            Self::Put { .. } => &[Part::Records],
            Self::PutFixes { .. } | Self::ExpireFixes { .. } => &[Part::Fixes],
            Self::Index { .. } => &[Part::Texts],
            Self::Reopen => &[Part::Logs, Part::Records, Part::Fixes],
            Self::Read { .. }
            | Self::List { .. }
            | Self::Track { .. }
            | Self::Latest { .. }
            | Self::Window { .. }
            | Self::SetTimer { .. }
            | Self::Due { .. }
            | Self::ClearTimer { .. }
            | Self::Search { .. } => &[],
        }
    }
}

/// What a conditional write expects.
#[derive(Debug, Clone, Copy)]
pub(super) enum Guess {
    Right,
    Off(u64),
    Nothing,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    After(u64),
    Before(u64),
    Latest,
}

#[derive(Debug, Clone)]
pub(super) struct New {
    pub(super) author: usize,
    pub(super) client: usize,
    pub(super) at: u64,
    pub(super) countable: bool,
    pub(super) size: usize,
}

/// A fix, all but the values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) agent: usize,
    pub(super) class: FixClass,
    pub(super) time: u64,
    pub(super) source: u32,
    pub(super) counter: u64,
}

pub(super) const TOPICS: usize = 3;
pub(super) const USERS: usize = 2;
pub(super) const KEYS: usize = 4;
pub(super) const WORDS: [&str; 4] = ["red", "blue", "car", "boat"];
pub(super) const DAY: u64 = 24 * 60 * 60 * 1_000;

pub(super) fn ops() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 1..60)
}

fn op() -> impl Strategy<Value = Op> {
    let topic = || 0..TOPICS;
    let way =
        prop_oneof![(0..20_u64).prop_map(Way::After), (0..20_u64).prop_map(Way::Before), Just(Way::Latest)];
    prop_oneof![
        10 => (topic(), option::of(guess()), vec(new(), 0..5))
            .prop_map(|(topic, expect, events)| Op::Append { topic, expect, events }),
        4 => (topic(), way, 0..8_usize, select(vec![0, 10, 50, 1_000]))
            .prop_map(|(topic, way, limit, max_bytes)| Op::Read { topic, way, limit, max_bytes }),
        3 => (topic(), 0..12_u64, guess(), 0..40_usize)
            .prop_map(|(topic, seq, revision, size)| Op::Amend { topic, seq, revision, size }),
        2 => (topic(), 0..100_u64).prop_map(|(topic, before)| Op::Expire { topic, before }),
        6 => (0..KEYS, guess(), option::of(any::<u8>()), option::of(0..100_u64), 0..100_u64)
            .prop_map(|(key, expect, value, expires, now)| Op::Put { key, expect, value, expires, now }),
        2 => (option::of(0..KEYS), 0..5_usize, 0..100_u64)
            .prop_map(|(after, limit, now)| Op::List { after, limit, now }),
        4 => vec(place(), 0..8).prop_map(|fixes| Op::PutFixes { fixes }),
        3 => (0..USERS, (time(), time()), option::of(place()), 0..10_usize)
            .prop_map(|(agent, span, after, limit)| Op::Track { agent, span, after, limit }),
        2 => time().prop_map(|since| Op::Latest { since }),
        3 => ((time(), time()), option::of(vec(0..USERS, 0..3)), 1..6_usize)
            .prop_map(|(span, among, limit)| Op::Window { span, among, limit }),
        1 => (class(), time()).prop_map(|(class, before)| Op::ExpireFixes { class, before }),
        3 => (topic(), 0..USERS, any::<bool>(), 0..9_u64, 0..9_u64)
            .prop_map(|(topic, user, read, seq, count)| Op::Mark { topic, user, read, seq, count }),
        2 => (0..KEYS, 0..50_u64).prop_map(|(key, due)| Op::SetTimer { key, due }),
        2 => (0..60_u64, 0..20_u64).prop_map(|(now, lease)| Op::Due { now, lease }),
        1 => (0..KEYS).prop_map(|key| Op::ClearTimer { key }),
        4 => (topic(), 0..12_u64, vec(0..WORDS.len(), 0..4))
            .prop_map(|(topic, seq, words)| Op::Index { topic, seq, words }),
        3 => (vec(topic(), 0..3), vec(0..WORDS.len(), 0..3), 0..5_usize)
            .prop_map(|(topics, words, limit)| Op::Search { topics, words, limit }),
        1 => Just(Op::Reopen),
    ]
}

fn guess() -> impl Strategy<Value = Guess> {
    prop_oneof![4 => Just(Guess::Right), 1 => (0..6_u64).prop_map(Guess::Off), 1 => Just(Guess::Nothing)]
}

fn new() -> impl Strategy<Value = New> {
    (0..USERS, 0..40_usize, 0..100_u64, any::<bool>(), 0..40_usize)
        .prop_map(|(author, client, at, countable, size)| New { author, client, at, countable, size })
}

fn class() -> impl Strategy<Value = FixClass> {
    select(FixClass::ALL.to_vec())
}

fn place() -> impl Strategy<Value = Place> {
    (0..USERS, class(), time(), 0..2_u32, 0..3_u64).prop_map(|(agent, class, time, source, counter)| Place {
        agent,
        class,
        time,
        source,
        counter,
    })
}

/// Around the ends of the first days.
fn time() -> impl Strategy<Value = u64> {
    (0..4_u64, 0..4_u64).prop_map(|(day, offset)| (day * DAY + offset).saturating_sub(2))
}
