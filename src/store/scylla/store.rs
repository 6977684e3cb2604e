//! The store's interface on the backend.

use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc};

use bytes::Bytes;
use fanfare_proto::{Lane, Seq, TopicKind, UnixMs, UserId};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    Scylla, amend,
    append::Request,
    expire,
    gate::{self, unavailable},
    history, log, mark, record, restore, roll, text, ticks, timer, topic, track,
};
use crate::{
    id::{Tenant, Topic},
    store::{
        self, Append, Appended, Event, FixClass, FixKey, From, Head, History, Mark, MarkKind, Page, Position,
        Put, Record, RecordKind, Roll, RollPage, Slot, Store, StoreError, StoredFix, Timer, Window,
        WindowKey,
    },
};

#[async_trait::async_trait]
impl Store for Scylla {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let place = self.enter(append.topic.kind().lane(), gate::size(&append))?;
        let (reply, answer) = oneshot::channel();
        let (deadline, lines) = (Instant::now() + self.options.append, Arc::clone(&self.lines));
        let task = self.threads.handle.spawn(async move {
            // Until the caller is answered, and no longer, whatever becomes of the request.
            let _place = place;
            let topic = append.topic.clone();
            lines.push(Request { append, reply, deadline });
            let answered = timeout_at(deadline, answer).await;
            if answered.is_err() {
                lines.purge(&topic);
            }
            answered
        });
        match task.await {
            Ok(Ok(Ok(answer))) => answer,
            // It may be stored all the same, now or soon: a repetition finds that out.
            _ => Err(unavailable("the database has not answered in time")),
        }
    }

    async fn read(
        &self,
        topic: &Topic,
        from: From,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Page, StoreError> {
        let (epoch, lane, topic) = (self.epoch, topic.kind().lane(), topic.clone());
        self.call(lane, |db| async move { log::read(&db, epoch, &topic, from, limit, max_bytes).await }).await
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Head>, StoreError> {
        let (epoch, topics) = (self.epoch, topics.to_vec());
        self.call(store::lane_of(&topics), |db| async move { log::heads(&db, epoch, &topics).await }).await
    }

    async fn amend(
        &self,
        topic: &Topic,
        seq: Seq,
        revision: u32,
        name: String,
        data: Bytes,
    ) -> Result<u32, StoreError> {
        let (lane, topic) = (topic.kind().lane(), topic.clone());
        let (most, lines) = (self.options.amended_bytes(), Arc::clone(&self.lines));
        let amend = |db: Arc<_>| async move {
            let amended = amend::amend(&db, most, &topic, seq, revision, &name, &data).await;
            lines.grown(&topic);
            amended
        };
        self.write(lane, amend).await
    }

    async fn expire(&self, kind: TopicKind, before: UnixMs) -> Result<u64, StoreError> {
        self.call(Lane::Ordered, |db| async move { expire::expire(&db, kind, before).await }).await
    }

    async fn get(&self, slot: &Slot, now: UnixMs) -> Result<Option<Record>, StoreError> {
        let slot = slot.clone();
        let get = |db: Arc<_>| async move {
            match slot.kind.keep() {
                Some(_) => history::get(&db, &slot, now).await,
                None => record::get(&db, &slot, now).await,
            }
        };
        self.call(Lane::Ordered, get).await
    }

    async fn put_by(
        &self,
        slot: &Slot,
        expect: Option<u64>,
        put: Put,
        by: Option<UserId>,
        now: UnixMs,
    ) -> Result<u64, StoreError> {
        let slot = slot.clone();
        let put = |db: Arc<_>| async move {
            match slot.kind.keep() {
                Some(keep) => history::put(&db, &slot, keep, expect, &put, by.as_ref(), now).await,
                None => record::put(&db, &slot, expect, &put, now).await,
            }
        };
        self.call(Lane::Ordered, put).await
    }

    async fn history(
        &self,
        slot: &Slot,
        after: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<History, StoreError> {
        let slot = slot.clone();
        let read = |db: Arc<_>| async move { history::history(&db, &slot, after, limit, max_bytes).await };
        self.call(Lane::Ordered, read).await
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
        let list = |db: Arc<_>| async move {
            let place = (&org, kind, partition.as_str());
            match kind.keep() {
                Some(_) => history::list(&db, place, after.as_deref(), limit, now).await,
                None => record::list(&db, place, after.as_deref(), limit, now).await,
            }
        };
        self.call(Lane::Ordered, list).await
    }

    async fn put_fixes(&self, fixes: Vec<StoredFix>) -> Result<(), StoreError> {
        let known = Arc::clone(&self.known);
        self.call(Lane::Ordered, |db| async move { ticks::put(&db, &known, fixes).await }).await
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
        let read = |db: Arc<_>| async move { track::track(&db, &org, &agent, &span, after, limit).await };
        self.call(Lane::Ordered, read).await
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
        let read =
            |db: Arc<_>| async move { track::window(&db, &org, among.as_deref(), &span, after, limit).await };
        self.call(Lane::Ordered, read).await
    }

    async fn latest(&self, org: &Tenant, since: UnixMs) -> Result<Vec<StoredFix>, StoreError> {
        let org = org.clone();
        self.call(Lane::Ordered, |db| async move { track::latest(&db, &org, since).await }).await
    }

    async fn expire_fixes(&self, class: FixClass, before: UnixMs) -> Result<u64, StoreError> {
        let known = Arc::clone(&self.known);
        self.call(Lane::Ordered, |db| async move { ticks::expire(&db, &known, class, before).await }).await
    }

    async fn mark(
        &self,
        topic: &Topic,
        user: &UserId,
        kind: MarkKind,
        to: Position,
    ) -> Result<Mark, StoreError> {
        let (topic, user) = (topic.clone(), user.clone());
        self.call(Lane::Ordered, |db| async move { mark::mark(&db, &topic, &user, kind, to).await }).await
    }

    async fn marks(&self, topic: &Topic) -> Result<Vec<(UserId, Mark)>, StoreError> {
        let topic = topic.clone();
        self.call(Lane::Ordered, |db| async move { mark::marks(&db, &topic).await }).await
    }

    async fn marks_of(&self, user: &UserId, topics: &[Topic]) -> Result<Vec<Mark>, StoreError> {
        let (user, topics) = (user.clone(), topics.to_vec());
        self.call(Lane::Ordered, |db| async move { mark::marks_of(&db, &user, &topics).await }).await
    }

    // Timers drive the escalation of alerts: also what is read of them goes with what is urgent.

    async fn set_timer(&self, timer: Timer) -> Result<(), StoreError> {
        self.write(Lane::Urgent, |db| async move { timer::set(&db, &timer).await }).await
    }

    async fn due_timers(&self, now: UnixMs, lease_ms: u64, limit: usize) -> Result<Vec<Timer>, StoreError> {
        let taking = Arc::clone(&self.taking);
        let due = |db: Arc<_>| async move {
            let _one = taking.lock().await;
            timer::due(&db, now, lease_ms, limit).await
        };
        self.write(Lane::Urgent, due).await
    }

    async fn clear_timer(&self, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(Lane::Urgent, |db| async move { timer::clear(&db, &key).await }).await
    }

    async fn index_text(&self, topic: &Topic, seq: Seq, text: &str) -> Result<(), StoreError> {
        let (topic, text) = (topic.clone(), text.to_owned());
        self.call(Lane::Ordered, |db| async move { text::index(&db, &topic, seq, &text).await }).await
    }

    async fn search_text(
        &self,
        topics: &[Topic],
        query: &str,
        limit: usize,
    ) -> Result<Vec<(Topic, Seq)>, StoreError> {
        let (topics, query) = (topics.to_vec(), query.to_owned());
        let search = |db: Arc<_>| async move { text::search(&db, &topics, &query, limit).await };
        self.call(Lane::Ordered, search).await
    }

    async fn begin(&self, topic: &Topic, first: Seq, count: u64) -> Result<(), StoreError> {
        let topic = topic.clone();
        self.call(Lane::Ordered, |db| async move { topic::begin(&db, &topic, 0, first.0, count).await }).await
    }

    async fn restore(&self, topic: &Topic, events: Vec<Event>) -> Result<(), StoreError> {
        let (options, topic) = (Arc::clone(&self.options), topic.clone());
        let put = |db: Arc<_>| async move { restore::restore(&db, &options, &topic, events).await };
        self.call(Lane::Ordered, put).await
    }

    async fn begin_history(&self, slot: &Slot, last: u64) -> Result<(), StoreError> {
        let slot = slot.clone();
        self.call(Lane::Ordered, |db| async move { history::begin(&db, &slot, last).await }).await
    }

    async fn roll(&self, what: Roll, after: Option<String>, limit: usize) -> Result<RollPage, StoreError> {
        self.call(Lane::Ordered, |db| async move { roll::roll(&db, what, after.as_deref(), limit).await })
            .await
    }

    fn trouble(&self) -> Option<String> {
        (!self.link.is_up()).then(|| "the database does not answer".to_owned())
    }

    async fn close(&self) {
        self.gate.close().await;
    }
}
