//! The store's interface on the backend: which thread and lane each call goes to.

use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc};

use bytes::Bytes;
use fanfare_proto::{Lane, Seq, TopicKind, UnixMs, UserId};

use super::{Sqlite, expire, history, log, mark, record, roll, text, ticks, timer, topic, track};
use crate::{
    id::{Tenant, Topic},
    store::{
        self, Append, Appended, Event, FixClass, FixKey, From, Head, History, Mark, MarkKind, Page, Position,
        Put, Record, RecordKind, Roll, RollPage, Slot, Store, StoreError, StoredFix, Timer, Window,
        WindowKey,
    },
};

#[async_trait::async_trait]
impl Store for Sqlite {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let (lane, size) = (append.topic.kind().lane(), log::size(&append));
        self.core.call(lane, size, move |core| log::append(core, append)).await
    }

    async fn read(
        &self,
        topic: &Topic,
        from: From,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Page, StoreError> {
        let (epoch, lane, topic) = (self.epoch, topic.kind().lane(), topic.clone());
        let read = move |db: &_| log::read(db, epoch, &topic, from, limit, max_bytes);
        self.readers.call(lane, read).await
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Head>, StoreError> {
        let (epoch, topics) = (self.epoch, topics.to_vec());
        self.readers.call(store::lane_of(&topics), move |db| log::heads(db, epoch, &topics)).await
    }

    async fn amend(
        &self,
        topic: &Topic,
        seq: Seq,
        revision: u32,
        name: String,
        data: Bytes,
    ) -> Result<u32, StoreError> {
        let (lane, size, topic) = (topic.kind().lane(), 128 + data.len(), topic.clone());
        self.core.call(lane, size, move |core| log::amend(core, &topic, seq, revision, &name, &data)).await
    }

    async fn expire(&self, kind: TopicKind, before: UnixMs) -> Result<u64, StoreError> {
        let (mut expired, mut after) = (0, Some(0));
        while let Some(from) = after {
            let found =
                self.searchers.call(Lane::Ordered, move |db| expire::find(db, kind, from, before)).await?;
            for topic in found.topics {
                loop {
                    let step = self
                        .core
                        .call(Lane::Ordered, 64, move |core| expire::step(core, topic, before))
                        .await?;
                    expired += step.expired;
                    if !step.more {
                        break;
                    }
                }
            }
            after = found.next;
        }
        while self.core.call(Lane::Ordered, 64, move |core| expire::records(core, before)).await? {}
        Ok(expired)
    }

    async fn get(&self, slot: &Slot, now: UnixMs) -> Result<Option<Record>, StoreError> {
        let slot = slot.clone();
        self.readers.call(Lane::Ordered, move |db| record::get(db, &slot, now)).await
    }

    async fn put_by(
        &self,
        slot: &Slot,
        expect: Option<u64>,
        put: Put,
        by: Option<UserId>,
        now: UnixMs,
    ) -> Result<u64, StoreError> {
        let (size, slot) = (record::size(slot, &put), slot.clone());
        self.core.call(Lane::Ordered, size, move |core| record::put(core, &slot, expect, put, by, now)).await
    }

    async fn history(
        &self,
        slot: &Slot,
        after: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<History, StoreError> {
        let slot = slot.clone();
        let read = move |db: &_| history::history(db, &slot, after, limit, max_bytes);
        self.readers.call(Lane::Ordered, read).await
    }

    async fn list(
        &self,
        org: &Tenant,
        kind: RecordKind,
        partition: &str,
        after: Option<&str>,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<(String, Record)>, StoreError> {
        let (org, partition, after) = (org.clone(), partition.to_owned(), after.map(str::to_owned));
        let list = move |db: &_| record::list(db, &org, kind, &partition, after.as_deref(), limit, now);
        self.readers.call(Lane::Ordered, list).await
    }

    async fn put_fixes(&self, fixes: Vec<StoredFix>) -> Result<(), StoreError> {
        self.ticks.call(Lane::Ordered, ticks::size(&fixes), move |ticks| ticks::put(ticks, fixes)).await
    }

    async fn track(
        &self,
        org: &Tenant,
        agent: &UserId,
        span: RangeInclusive<UnixMs>,
        after: Option<FixKey>,
        limit: usize,
    ) -> Result<Vec<StoredFix>, StoreError> {
        let (org, agent) = (org.clone(), agent.clone());
        let read = move |db: &_| track::track(db, &org, &agent, &span, after, limit);
        self.trackers.call(Lane::Ordered, read).await
    }

    async fn window(
        &self,
        org: &Tenant,
        among: Option<Arc<BTreeSet<UserId>>>,
        span: RangeInclusive<UnixMs>,
        after: Option<WindowKey>,
        limit: usize,
    ) -> Result<Window, StoreError> {
        let org = org.clone();
        let read = move |db: &_| track::window(db, &org, among.as_deref(), &span, after, limit);
        self.trackers.call(Lane::Ordered, read).await
    }

    async fn latest(&self, org: &Tenant, since: UnixMs) -> Result<Vec<StoredFix>, StoreError> {
        let org = org.clone();
        self.trackers.call(Lane::Ordered, move |db| track::latest(db, &org, since)).await
    }

    async fn expire_fixes(&self, class: FixClass, before: UnixMs) -> Result<u64, StoreError> {
        let last = ticks::day_of(before) - 1;
        let days = self.trackers.call(Lane::Ordered, move |db| track::days_of(db, class, last)).await?;
        let mut dropped = 0;
        for day in days {
            let drop = move |ticks: &mut _| ticks::drop_day(ticks, class, day);
            dropped += u64::from(self.ticks.call(Lane::Ordered, 64, drop).await?);
        }
        Ok(dropped)
    }

    async fn mark(
        &self,
        topic: &Topic,
        user: &UserId,
        kind: MarkKind,
        to: Position,
    ) -> Result<Mark, StoreError> {
        let (size, topic, user) = (64 + topic::size(topic), topic.clone(), user.clone());
        self.core.call(Lane::Ordered, size, move |core| mark::mark(core, &topic, &user, kind, to)).await
    }

    async fn marks(&self, topic: &Topic) -> Result<Vec<(UserId, Mark)>, StoreError> {
        let topic = topic.clone();
        self.readers.call(Lane::Ordered, move |db| mark::marks(db, &topic)).await
    }

    async fn marks_of(&self, user: &UserId, topics: &[Topic]) -> Result<Vec<Mark>, StoreError> {
        let (user, topics) = (user.clone(), topics.to_vec());
        self.readers.call(Lane::Ordered, move |db| mark::marks_of(db, &user, &topics)).await
    }

    // Timers drive the escalation of alerts.

    async fn set_timer(&self, timer: Timer) -> Result<(), StoreError> {
        self.core.call(Lane::Urgent, timer::size(&timer), move |core| timer::set(core, &timer)).await
    }

    async fn due_timers(&self, now: UnixMs, lease_ms: u64, limit: usize) -> Result<Vec<Timer>, StoreError> {
        self.core.call(Lane::Urgent, 64, move |core| timer::due(core, now, lease_ms, limit)).await
    }

    async fn clear_timer(&self, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.core.call(Lane::Urgent, 64 + key.len(), move |core| timer::clear(core, &key)).await
    }

    async fn index_text(&self, topic: &Topic, seq: Seq, text: &str) -> Result<(), StoreError> {
        let (topic, text) = (topic.clone(), text.to_owned());
        self.core
            .call(Lane::Ordered, 64 + text.len(), move |core| text::index(core, &topic, seq, &text))
            .await
    }

    async fn search_text(
        &self,
        topics: &[Topic],
        query: &str,
        limit: usize,
    ) -> Result<Vec<(Topic, Seq)>, StoreError> {
        let (topics, query) = (topics.to_vec(), query.to_owned());
        self.searchers.call(Lane::Ordered, move |db| text::search(db, &topics, &query, limit)).await
    }

    async fn begin(&self, topic: &Topic, first: Seq, count: u64) -> Result<(), StoreError> {
        let (size, topic) = (64 + topic::size(topic), topic.clone());
        self.core.call(Lane::Ordered, size, move |core| roll::begin(core, &topic, first, count)).await
    }

    async fn restore(&self, topic: &Topic, events: Vec<Event>) -> Result<(), StoreError> {
        let event = |event: &Event| 64 + event.data.len() + event.name.len() + event.author.as_str().len();
        let (size, topic) = (128 + events.iter().map(event).sum::<usize>(), topic.clone());
        self.core.call(Lane::Ordered, size, move |core| roll::restore(core, &topic, &events)).await
    }

    async fn begin_history(&self, slot: &Slot, last: u64) -> Result<(), StoreError> {
        let slot = slot.clone();
        self.core.call(Lane::Ordered, 128, move |core| history::begin(core, &slot, last)).await
    }

    async fn roll(&self, what: Roll, after: Option<String>, limit: usize) -> Result<RollPage, StoreError> {
        let readers = if what == Roll::Agents { &self.trackers } else { &self.searchers };
        readers.call(Lane::Ordered, move |db| roll::roll(db, what, after.as_deref(), limit)).await
    }

    fn trouble(&self) -> Option<String> {
        self.health.iter().find_map(|health| health.trouble())
    }

    async fn close(&self) {
        self.end().await;
    }
}
