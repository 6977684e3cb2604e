//! The small world that random calls act on: its names, and how store and model are compared.

use std::{collections::BTreeSet, sync::Arc};

use fanfare_proto::{Fix, Motion, Position, Seq, TopicKind, UnixMs, UserId};

use super::{
    lab::{Lab, fresh, fresh_org, topic_in, user},
    model::Model,
    ops,
};
use crate::{
    id::Topic,
    store::{FixClass, FixKey, From, Record, RecordKind, Slot, StoreError, StoredFix},
};

/// What calls change apart from each other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Logs,
    Records,
    Fixes,
    Texts,
}

impl Part {
    const ALL: [Self; 4] = [Self::Logs, Self::Records, Self::Fixes, Self::Texts];
}

pub(super) struct World {
    pub(super) topics: Vec<Topic>,
    pub(super) users: Vec<UserId>,
    /// Timers have no organisation.
    pub(super) prefix: String,
    pub(super) model: Model,
}

/// Leaves the function with a description where the two differ.
macro_rules! same {
    ($what:expr, $store:expr, $model:expr) => {
        match ($store, $model) {
            (store, model) if store == model => {}
            (store, model) => return Err(format!("{}\n  store: {store:?}\n  model: {model:?}", $what)),
        }
    };
}

pub(super) use same;

impl World {
    pub(super) async fn new(lab: &Lab) -> Self {
        let org = fresh_org();
        let topics = vec![
            topic_in(&org, TopicKind::Conversation, "a"),
            topic_in(&org, TopicKind::Conversation, "b"),
            topic_in(&org, TopicKind::UrgentNotice, "a"),
        ];
        assert_eq!(topics.len(), ops::TOPICS);
        let users = (0..ops::USERS).map(|n| user(&format!("u{n}"))).collect();
        let epoch = lab.store.heads(&topics).await.unwrap()[0].epoch;
        Self { topics, users, prefix: fresh(), model: Model::new(epoch) }
    }

    /// Everything that can be seen.
    pub(super) async fn compare(&self, lab: &Lab) -> Result<(), String> {
        for part in Part::ALL {
            self.compare_part(lab, part).await?;
        }
        Ok(())
    }

    /// What a call on this part can have changed.
    pub(super) async fn compare_part(&self, lab: &Lab, part: Part) -> Result<(), String> {
        match part {
            Part::Logs => self.compare_logs(lab).await,
            Part::Records => self.compare_records(lab).await,
            Part::Fixes => self.compare_fixes(lab).await,
            Part::Texts => self.compare_texts(lab).await,
        }
    }

    async fn compare_logs(&self, lab: &Lab) -> Result<(), String> {
        let heads: Vec<_> = self.topics.iter().map(|topic| self.model.head(topic)).collect();
        same!("heads", lab.store.heads(&self.topics).await, Ok(heads));
        for topic in &self.topics {
            let all = From::After(Seq::ZERO);
            let page = lab.store.read(topic, all, usize::MAX, usize::MAX).await.map_err(|e| e.to_string())?;
            same!(topic, page.events, self.model.read(topic, all, usize::MAX, usize::MAX).events);
            for user in &self.users {
                let marks = lab.store.marks_of(user, std::slice::from_ref(topic)).await;
                same!("mark", marks, Ok(vec![self.model.mark_of(topic, user)]));
            }
        }
        Ok(())
    }

    async fn compare_records(&self, lab: &Lab) -> Result<(), String> {
        for now in [UnixMs(0), UnixMs(50)] {
            same!("records", self.list(lab, None, 100, now).await, Ok(self.model.list(None, 100, now)));
            for key in 0..ops::KEYS {
                let slot = self.slot(key);
                same!("record", lab.store.get(&slot, now).await, Ok(self.model.get(&slot.key, now)));
            }
        }
        Ok(())
    }

    async fn compare_fixes(&self, lab: &Lab) -> Result<(), String> {
        for (agent, user) in self.users.iter().enumerate() {
            let track = self.track(lab, agent, (0, u64::MAX), None, 1_000).await;
            same!("track", track, Ok(self.model.track(user, (0, u64::MAX), None, 1_000)));
        }
        self.latest(lab, UnixMs(0)).await
    }

    async fn compare_texts(&self, lab: &Lab) -> Result<(), String> {
        for word in ops::WORDS {
            self.search(lab, &self.topics, &[word], 100).await?;
        }
        Ok(())
    }

    pub(super) async fn latest(&self, lab: &Lab, since: UnixMs) -> Result<(), String> {
        let mut latest = lab.store.latest(&self.topics[0].org, since).await.map_err(|e| e.to_string())?;
        latest.sort_by(|a, b| a.agent.cmp(&b.agent));
        let mut expected: Vec<_> =
            self.users.iter().filter_map(|user| self.model.latest(user, since)).collect();
        // Of a day that was removed and came again.
        let open = |fix: &StoredFix| fix.fix.time < self.model.fixes_kept;
        latest.retain(|fix| !open(fix));
        expected.retain(|fix| !open(fix));
        // Of several with the newest time, any.
        let times = |fixes: &[StoredFix]| -> Vec<_> {
            fixes.iter().map(|fix| (fix.agent.clone(), fix.fix.time)).collect()
        };
        same!(format!("latest {latest:?}"), times(&latest), times(&expected));
        same!("stored", latest.iter().all(|fix| self.model.holds(fix)), true);
        Ok(())
    }

    /// Among events of the same time the order is free.
    pub(super) async fn search(
        &self,
        lab: &Lab,
        topics: &[Topic],
        words: &[&str],
        limit: usize,
    ) -> Result<(), String> {
        let found =
            lab.store.search_text(topics, &words.join(" "), limit).await.map_err(|e| e.to_string())?;
        let matching = if words.is_empty() { Vec::new() } else { self.model.matching(topics, words) };
        let mut times = Vec::new();
        for (topic, seq) in &found {
            let Some((.., at)) = matching.iter().find(|(t, s, _)| t == topic && s == seq) else {
                return Err(format!("{words:?} found {topic} {seq}, but not in the model: {matching:?}"));
            };
            times.push(*at);
        }
        let mut newest: Vec<_> = matching.iter().map(|(.., at)| *at).collect();
        newest.sort_unstable_by(|a, b| b.cmp(a));
        newest.truncate(limit);
        same!(format!("search {words:?}"), times, newest);
        let mut once = found.clone();
        once.sort();
        once.dedup();
        same!("found once", once.len(), found.len());
        Ok(())
    }

    pub(super) async fn list(
        &self,
        lab: &Lab,
        after: Option<&str>,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<(String, Record)>, StoreError> {
        let slot = self.slot(0);
        lab.store.list(&slot.org, slot.kind, &slot.partition, after, limit, now).await
    }

    pub(super) async fn track(
        &self,
        lab: &Lab,
        agent: usize,
        span: (u64, u64),
        after: Option<FixKey>,
        limit: usize,
    ) -> Result<Vec<StoredFix>, StoreError> {
        let span = UnixMs(span.0)..=UnixMs(span.1);
        let track = lab.store.track(&self.topics[0].org, &self.users[agent], span, after, limit).await;
        track.map(|fixes| fixes.into_iter().map(classless).collect())
    }

    /// Page by page.
    pub(super) async fn window(
        &self,
        lab: &Lab,
        span: (u64, u64),
        among: Option<BTreeSet<UserId>>,
        limit: usize,
    ) -> Result<Vec<StoredFix>, StoreError> {
        let (org, among) = (&self.topics[0].org, among.map(Arc::new));
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let span = UnixMs(span.0)..=UnixMs(span.1);
            let page = lab.store.window(org, among.clone(), span, after, limit).await?;
            assert!(page.fixes.len() <= limit);
            found.extend(page.fixes.into_iter().map(classless));
            after = page.next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    pub(super) fn slot(&self, key: usize) -> Slot {
        let org = self.topics[0].org.clone();
        Slot { org, kind: RecordKind::Membership, partition: "p".to_owned(), key: format!("k{key}") }
    }

    pub(super) fn fix(&self, place: ops::Place) -> StoredFix {
        let position = Position::from_e7(place.agent as i32, place.counter as i32).unwrap();
        let fix =
            Fix { counter: place.counter, time: UnixMs(place.time), position, motion: Motion::default() };
        let agent = self.users[place.agent].clone();
        let class = place.class;
        StoredFix { org: self.topics[0].org.clone(), agent, source: place.source, class, fix }
    }
}

/// Of a fix that two classes hold, any is shown.
pub(super) fn classless(fix: StoredFix) -> StoredFix {
    StoredFix { class: FixClass::default(), ..fix }
}
