//! Random calls, compared with the model after each of them in what it can change, at the end in everything, and shrunk
//! where they differ.

use std::collections::BTreeSet;

use bytes::Bytes;
use fanfare_proto::{Seq, UnixMs};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, TestRunner},
};

use super::{
    lab::{Lab, client, new_event, to_append},
    ops::{self, Guess, Op, Way},
    world::{World, same},
};
use crate::store::{From, MarkKind, NewEvent, Position, Put, Timer};

/// As many sequences as the lab is for, unless `PROPTEST_CASES` says otherwise.
pub(super) async fn like_the_model(lab: &mut Lab) {
    let cases =
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(lab.sequences);
    let mut runner = TestRunner::new(Config::default());
    let ops = ops::ops();
    for _ in 0..cases {
        let mut tree = ops.new_tree(&mut runner).unwrap();
        let Err(mut difference) = run(lab, tree.current()).await else {
            continue;
        };
        let mut smallest = tree.current();
        // Each try has topics of its own, so nothing of the last one is in the way.
        let mut moved = tree.simplify();
        for _ in 0..2_000 {
            if !moved {
                break;
            }
            let tried = tree.current();
            moved = match run(lab, tried.clone()).await {
                Err(found) => {
                    (difference, smallest) = (found, tried);
                    tree.simplify()
                }
                Ok(()) => tree.complicate(),
            };
        }
        panic!("{difference}\nafter {smallest:#?}");
    }
}

async fn run(lab: &mut Lab, ops: Vec<Op>) -> Result<(), String> {
    let mut world = World::new(lab).await;
    for (step, op) in ops.into_iter().enumerate() {
        let (described, changes) = (format!("{op:?}"), op.changes());
        let failed = |difference| format!("step {step}, {described}: {difference}");
        world.step(lab, op).await.map_err(failed)?;
        for part in changes {
            world.compare_part(lab, *part).await.map_err(failed)?;
        }
    }
    world.compare(lab).await.map_err(|difference| format!("at the end: {difference}"))?;
    lab.reopen().await;
    world.compare(lab).await.map_err(|difference| format!("reopened at the end: {difference}"))
}

impl World {
    async fn step(&mut self, lab: &mut Lab, op: Op) -> Result<(), String> {
        let store = &lab.store;
        let model = &mut self.model;
        match op {
            Op::Append { topic, expect, events } => {
                let topic = &self.topics[topic];
                let head = model.head(topic).seq.0;
                let expect = expect.map(|guess| Seq(guess.of(Some(head)).unwrap_or(0)));
                let events = events.into_iter().map(|new| NewEvent {
                    at: UnixMs(new.at),
                    data: Bytes::from(vec![b'x'; new.size]),
                    countable: new.countable,
                    ..new_event(&self.users[new.author], &client(&format!("c{}", new.client)))
                });
                let append = to_append(topic, expect, events.collect());
                same!("append", store.append(append.clone()).await, model.append(append));
            }
            Op::Read { topic, way, limit, max_bytes } => {
                let from = match way {
                    Way::After(seq) => From::After(Seq(seq)),
                    Way::Before(seq) => From::Before(Seq(seq)),
                    Way::Latest => From::Latest,
                };
                let topic = &self.topics[topic];
                let page = store.read(topic, from, limit, max_bytes).await.map_err(|e| e.to_string())?;
                let expected = model.read(topic, from, limit, max_bytes);
                same!("head", page.head, expected.head);
                same!("events", page.events, expected.events);
                same!("more", page.more, expected.more);
            }
            Op::Amend { topic, seq, revision, size } => {
                let topic = &self.topics[topic];
                let page = model.read(topic, From::After(Seq(seq.saturating_sub(1))), 1, usize::MAX);
                let actual = page.events.first().map_or(0, |event| u64::from(event.revision));
                let revision = revision.of(Some(actual)).unwrap_or(0) as u32;
                let (name, data) = ("test:edited".to_owned(), Bytes::from(vec![b'y'; size]));
                let amended = store.amend(topic, Seq(seq), revision, name.clone(), data.clone()).await;
                same!("amend", amended, model.amend(topic, Seq(seq), revision, name, data));
            }
            Op::Expire { topic, before } => {
                let (kind, before) = (self.topics[topic].kind(), UnixMs(before));
                let gone = store.expire(kind, before).await.map_err(|e| e.to_string())?;
                // The store may hold more than this world.
                same!("expired at least", gone >= model.expire(kind, before), true);
            }
            Op::Put { key, expect, value, expires, now } => {
                let (slot, now) = (self.slot(key), UnixMs(now));
                let model = &mut self.model;
                let expect = expect.of(model.get(&slot.key, now).map(|record| record.version));
                let value = value.map(|byte| Bytes::from(vec![byte]));
                let put = Put { value, expires: expires.map(UnixMs) };
                let answered = store.put(&slot, expect, put.clone(), now).await;
                same!("put", answered, model.put(&slot.key, expect, put, now));
            }
            Op::List { after, limit, now } => {
                let after = after.map(|key| self.slot(key).key);
                let listed = self.list(lab, after.as_deref(), limit, UnixMs(now)).await;
                same!("list", listed, Ok(self.model.list(after.as_deref(), limit, UnixMs(now))));
            }
            Op::PutFixes { fixes } => {
                let fixes: Vec<_> = fixes.into_iter().map(|place| self.fix(place)).collect();
                same!("put_fixes", store.put_fixes(fixes.clone()).await, Ok(()));
                self.model.put_fixes(fixes);
            }
            Op::Track { agent, span, after, limit } => {
                let after = after.map(|place| self.fix(place).key());
                let track = self.track(lab, agent, span, after, limit).await;
                same!("track", track, Ok(self.model.track(&self.users[agent], span, after, limit)));
            }
            Op::Latest { since } => self.latest(lab, UnixMs(since)).await?,
            Op::Window { span, among, limit } => {
                let among: Option<BTreeSet<_>> =
                    among.map(|among| among.into_iter().map(|user| self.users[user].clone()).collect());
                let window = self.window(lab, span, among.clone(), limit).await;
                same!("window", window, Ok(self.model.window(span, among.as_ref())));
            }
            Op::ExpireFixes { class, before } => {
                store.expire_fixes(class, UnixMs(before)).await.map_err(|e| e.to_string())?;
                model.expire_fixes(class, UnixMs(before));
            }
            Op::Mark { topic, user, read, seq, count } => {
                let (topic, user) = (&self.topics[topic], &self.users[user]);
                let kind = if read { MarkKind::Read } else { MarkKind::Delivered };
                let to = Position { seq: Seq(seq), count };
                same!("mark", store.mark(topic, user, kind, to).await, Ok(model.mark(topic, user, kind, to)));
            }
            Op::SetTimer { key, due } => {
                let key = format!("{}{key}", self.prefix);
                let timer = Timer { data: Bytes::from(key.clone()), key, due: UnixMs(due) };
                same!("set_timer", store.set_timer(timer.clone()).await, Ok(()));
                model.set_timer(timer);
            }
            Op::Due { now, lease } => {
                let due =
                    store.due_timers(UnixMs(now), lease, usize::MAX).await.map_err(|e| e.to_string())?;
                let mut due: Vec<_> =
                    due.into_iter().filter(|timer| timer.key.starts_with(&self.prefix)).collect();
                due.sort_by(|a, b| a.key.cmp(&b.key));
                same!("due", due, model.due_timers(UnixMs(now), lease));
            }
            Op::ClearTimer { key } => {
                let key = format!("{}{key}", self.prefix);
                same!("clear_timer", store.clear_timer(&key).await, Ok(()));
                model.clear_timer(&key);
            }
            Op::Index { topic, seq, words } => {
                let text = words.iter().map(|word| ops::WORDS[*word]).collect::<Vec<_>>().join(" ");
                let topic = &self.topics[topic];
                same!("index", store.index_text(topic, Seq(seq), &text).await, Ok(()));
                model.index_text(topic, Seq(seq), &text);
            }
            Op::Search { topics, words, limit } => {
                let topics: Vec<_> = topics.into_iter().map(|topic| self.topics[topic].clone()).collect();
                let words: Vec<_> = words.into_iter().map(|word| ops::WORDS[word]).collect();
                self.search(lab, &topics, &words, limit).await?;
            }
            Op::Reopen => lab.reopen().await,
        }
        Ok(())
    }
}

impl Guess {
    /// What to expect where `actual` is the case.
    fn of(self, actual: Option<u64>) -> Option<u64> {
        match self {
            Self::Right => actual,
            Self::Off(by) => Some(actual.unwrap_or(0).wrapping_add(3).saturating_sub(by)),
            Self::Nothing => None,
        }
    }
}
