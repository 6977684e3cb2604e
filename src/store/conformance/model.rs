//! What a store should hold, as plainly as it can be said. It exists for comparison only.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use fanfare_proto::{ClientId, Epoch, Seq, TopicKind, UnixMs, UserId};

use super::{ops::DAY, world::classless};
use crate::{
    id::Topic,
    store::{
        Append, Appended, Event, FixClass, FixKey, From, Head, Mark, MarkKind, Outcome, Page, Position, Put,
        Record, StoreError, StoredFix, Timer,
    },
};

pub(super) struct Model {
    pub(super) epoch: Epoch,
    logs: BTreeMap<Topic, Log>,
    /// By key; all in one partition.
    records: BTreeMap<String, Slot>,
    fixes: BTreeMap<(UserId, FixKey, FixClass), StoredFix>,
    /// Days before this time have been removed, in some class.
    pub(super) fixes_kept: UnixMs,
    marks: BTreeMap<(Topic, UserId), Mark>,
    /// With the time from which each can be taken.
    timers: BTreeMap<String, (Timer, u64)>,
    texts: BTreeMap<(Topic, u64), String>,
}

#[derive(Default)]
struct Log {
    /// All that was ever appended, as last amended.
    events: Vec<Event>,
    expired: usize,
    first_outcomes: BTreeMap<(UserId, ClientId), Outcome>,
}

struct Slot {
    version: u64,
    value: Option<Bytes>,
    expires: Option<UnixMs>,
}

impl Log {
    fn readable(&self) -> &[Event] {
        &self.events[self.expired..]
    }

    fn head(&self, epoch: Epoch) -> Head {
        let count = self.events.last().map_or(0, |event| event.count);
        let at = self.readable().last().map(|event| event.at);
        Head { epoch, seq: Seq(self.events.len() as u64), first: Seq(self.expired as u64 + 1), count, at }
    }
}

impl Model {
    pub(super) const fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            logs: BTreeMap::new(),
            records: BTreeMap::new(),
            fixes: BTreeMap::new(),
            fixes_kept: UnixMs(0),
            marks: BTreeMap::new(),
            timers: BTreeMap::new(),
            texts: BTreeMap::new(),
        }
    }

    pub(super) fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        let log = self.logs.entry(append.topic).or_default();
        let known = |log: &Log, author: &UserId, id: &ClientId| {
            log.first_outcomes.contains_key(&(author.clone(), id.clone()))
        };
        let head = log.events.len() as u64;
        let anything_new = append.events.iter().any(|event| !known(log, &event.author, &event.client_id));
        if anything_new && append.expect.is_some_and(|expect| expect.0 != head) {
            return Err(StoreError::Conflict { actual: head });
        }
        let mut outcomes = Vec::new();
        for new in append.events {
            let name = (new.author.clone(), new.client_id.clone());
            if let Some(first) = log.first_outcomes.get(&name) {
                outcomes.push(Outcome { duplicate: true, ..*first });
                continue;
            }
            let head = log.head(self.epoch);
            let count = head.count + u64::from(new.countable);
            let outcome = Outcome { seq: head.seq.next(), at: new.at, count, duplicate: false };
            log.first_outcomes.insert(name, outcome);
            outcomes.push(outcome);
            log.events.push(Event {
                seq: outcome.seq,
                author: new.author,
                client_id: new.client_id,
                at: new.at,
                name: new.name,
                data: new.data,
                count,
                revision: 0,
            });
        }
        Ok(Appended { epoch: self.epoch, outcomes })
    }

    pub(super) fn read(&self, topic: &Topic, from: From, limit: usize, max_bytes: usize) -> Page {
        let Some(log) = self.logs.get(topic) else {
            return Page { head: Head::empty(self.epoch), events: Vec::new(), more: false };
        };
        let mut matching: Vec<_> = log.readable().to_vec();
        match from {
            From::After(seq) => matching.retain(|event| event.seq > seq),
            From::Before(seq) => matching.retain(|event| event.seq < seq),
            From::Latest => {}
        }
        let falling = !matches!(from, From::After(_));
        if falling {
            matching.reverse();
        }
        let (mut bytes, all) = (0, matching.len());
        let fits = |(place, event): &(usize, Event)| {
            bytes += event.data.len();
            *place < limit && (*place == 0 || bytes <= max_bytes)
        };
        let mut events: Vec<_> =
            matching.into_iter().enumerate().take_while(fits).map(|(_, event)| event).collect();
        let more = events.len() < all;
        if falling {
            events.reverse();
        }
        Page { head: log.head(self.epoch), events, more }
    }

    pub(super) fn head(&self, topic: &Topic) -> Head {
        self.logs.get(topic).map_or(Head::empty(self.epoch), |log| log.head(self.epoch))
    }

    fn event(&mut self, topic: &Topic, seq: Seq) -> Option<&mut Event> {
        let log = self.logs.get_mut(topic)?;
        log.events[log.expired..].iter_mut().find(|event| event.seq == seq)
    }

    pub(super) fn amend(
        &mut self,
        topic: &Topic,
        seq: Seq,
        revision: u32,
        name: String,
        data: Bytes,
    ) -> Result<u32, StoreError> {
        let event = self.event(topic, seq).ok_or(StoreError::NotFound)?;
        if event.revision != revision {
            return Err(StoreError::Conflict { actual: u64::from(event.revision) });
        }
        (event.revision, event.name, event.data) = (revision + 1, name, data);
        Ok(event.revision)
    }

    pub(super) fn expire(&mut self, kind: TopicKind, before: UnixMs) -> u64 {
        let mut gone = 0;
        for (topic, log) in self.logs.iter_mut().filter(|(topic, _)| topic.kind() == kind) {
            let front = log.readable().iter().take_while(|event| event.at < before).count();
            log.expired += front;
            gone += front as u64;
            let first = log.expired as u64 + 1;
            self.texts.retain(|(of, seq), _| of != topic || *seq >= first);
        }
        gone
    }

    pub(super) fn get(&self, key: &str, now: UnixMs) -> Option<Record> {
        let slot = self.records.get(key)?;
        let live = slot.expires.is_none_or(|expires| now < expires);
        let value = slot.value.clone().filter(|_| live)?;
        Some(Record { version: slot.version, value })
    }

    pub(super) fn put(
        &mut self,
        key: &str,
        expect: Option<u64>,
        put: Put,
        now: UnixMs,
    ) -> Result<u64, StoreError> {
        let actual = self.get(key, now).map(|record| record.version);
        if actual != expect {
            return Err(StoreError::Conflict { actual: actual.unwrap_or(0) });
        }
        let version = self.records.get(key).map_or(0, |slot| slot.version) + 1;
        let Put { value, expires } = put;
        self.records.insert(key.to_owned(), Slot { version, value, expires });
        Ok(version)
    }

    pub(super) fn list(&self, after: Option<&str>, limit: usize, now: UnixMs) -> Vec<(String, Record)> {
        let keys = self.records.keys().filter(|key| after.is_none_or(|after| key.as_str() > after));
        keys.filter_map(|key| Some((key.clone(), self.get(key, now)?))).take(limit).collect()
    }

    pub(super) fn put_fixes(&mut self, fixes: Vec<StoredFix>) {
        for fix in fixes {
            self.fixes.entry((fix.agent.clone(), fix.key(), fix.class)).or_insert(fix);
        }
    }

    /// Without classes: of a fix that two hold, any is shown.
    pub(super) fn track(
        &self,
        agent: &UserId,
        span: (u64, u64),
        after: Option<FixKey>,
        limit: usize,
    ) -> Vec<StoredFix> {
        let fixes = self.fixes.values().filter(|fix| fix.agent == *agent);
        let fixes = fixes.filter(|fix| fix.fix.time.0 >= span.0 && fix.fix.time.0 <= span.1);
        let mut fixes: Vec<_> =
            fixes.filter(|fix| after.is_none_or(|after| fix.key() > after)).cloned().map(classless).collect();
        fixes.dedup();
        fixes.truncate(limit);
        fixes
    }

    pub(super) fn window(&self, span: (u64, u64), among: Option<&BTreeSet<UserId>>) -> Vec<StoredFix> {
        let agents: BTreeSet<_> = self.fixes.keys().map(|(agent, ..)| agent.clone()).collect();
        let agents = agents.iter().filter(|agent| among.is_none_or(|among| among.contains(*agent)));
        let mut fixes: Vec<_> = agents.flat_map(|agent| self.track(agent, span, None, usize::MAX)).collect();
        fixes.sort_by_key(|fix| (fix.fix.time.0 / DAY, fix.agent.clone()));
        fixes
    }

    pub(super) fn latest(&self, agent: &UserId, since: UnixMs) -> Option<StoredFix> {
        let newest = self.fixes.values().rfind(|fix| fix.agent == *agent)?;
        (newest.fix.time > since).then(|| newest.clone())
    }

    pub(super) fn holds(&self, fix: &StoredFix) -> bool {
        self.fixes.get(&(fix.agent.clone(), fix.key(), fix.class)) == Some(fix)
    }

    pub(super) fn expire_fixes(&mut self, class: FixClass, before: UnixMs) {
        let kept = before.0 / DAY * DAY;
        self.fixes.retain(|_, fix| fix.class != class || fix.fix.time.0 >= kept);
        self.fixes_kept = self.fixes_kept.max(UnixMs(kept));
    }

    pub(super) fn mark(&mut self, topic: &Topic, user: &UserId, kind: MarkKind, to: Position) -> Mark {
        let mark = self.marks.entry((topic.clone(), user.clone())).or_default();
        match kind {
            MarkKind::Delivered => mark.delivered = mark.delivered.max(to),
            MarkKind::Read => mark.read = mark.read.max(to),
        }
        *mark
    }

    pub(super) fn mark_of(&self, topic: &Topic, user: &UserId) -> Mark {
        self.marks.get(&(topic.clone(), user.clone())).copied().unwrap_or_default()
    }

    pub(super) fn set_timer(&mut self, timer: Timer) {
        let wake = timer.due.0;
        self.timers.insert(timer.key.clone(), (timer, wake));
    }

    pub(super) fn due_timers(&mut self, now: UnixMs, lease_ms: u64) -> Vec<Timer> {
        let due = self.timers.values_mut().filter(|(_, wake)| *wake <= now.0);
        let taken = due.map(|(timer, wake)| {
            *wake = now.0 + lease_ms;
            timer.clone()
        });
        taken.collect()
    }

    pub(super) fn clear_timer(&mut self, key: &str) {
        self.timers.remove(key);
    }

    pub(super) fn index_text(&mut self, topic: &Topic, seq: Seq, text: &str) {
        if self.event(topic, seq).is_some() {
            self.texts.insert((topic.clone(), seq.0), text.to_owned());
        }
    }

    /// What is to be found, with the times of the events, in no particular order.
    pub(super) fn matching(&self, topics: &[Topic], words: &[&str]) -> Vec<(Topic, Seq, UnixMs)> {
        let found = self.texts.iter().filter(|((topic, _), text)| {
            topics.contains(topic) && words.iter().all(|word| text.split(' ').any(|other| other == *word))
        });
        found
            .map(|((topic, seq), _)| {
                (topic.clone(), Seq(*seq), self.logs[topic].events[*seq as usize - 1].at)
            })
            .collect()
    }
}
