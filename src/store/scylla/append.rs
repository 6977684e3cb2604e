//! Appending: a line for each topic, of which a group becomes one conditional batch.
//!
//! While a batch is under way the next group gathers, so that under load one round of Paxos carries many events. A
//! topic has at most one batch under way on this node, and its events are published before the next one begins:
//! in order, once.
//!
//! A batch whose outcome is not known (a time-out, a broken connection) is sent again, with the same condition and
//! the same number in its events, until it is: if the head has moved, the event at the batch's first position tells by
//! that number whether it was this batch that moved it. Nothing else of the topic is done before. Who waits too
//! long for it is told that it is unavailable, as it may have been stored all the same.

use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

use fanfare_proto::{Epoch, Seq, UnixMs};
use futures::future::try_join_all;
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::{Instant, sleep},
};

use super::{
    db::jitter,
    gate::unavailable,
    link::Link,
    options::Options,
    plan::{Known, Plan, plan},
    rows::{size, values},
    topic::{self, Tail, View, names},
    value::{Failed, checked, int, nat, random},
};
use crate::{
    id::Topic,
    store::{Append, Appended, Committed, Outcome, StoreError},
};

/// Events and bytes of one batch at most (a single larger append still passes).
const GROUP: usize = 256;
const GROUP_BYTES: usize = 1 << 20;
/// Repetitions are known for so long after their first.
pub(super) const DAY: u64 = 24 * 60 * 60 * 1_000;
/// Topics whose ends are remembered. Past that, those at rest are forgotten and looked up again.
const REMEMBERED: usize = 50_000;

pub(super) struct Request {
    pub(super) append: Append,
    pub(super) reply: oneshot::Sender<Result<Appended, StoreError>>,
    pub(super) deadline: Instant,
    pub(super) place: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Request>,
    busy: bool,
    tail: Option<Tail>,
}

pub(super) struct Lines {
    topics: Mutex<HashMap<Topic, Line>>,
    link: Arc<Link>,
    committed: Arc<dyn Committed>,
    epoch: Epoch,
    options: Arc<Options>,
    closing: AtomicBool,
}

impl Lines {
    pub(super) fn new(
        link: Arc<Link>,
        committed: Arc<dyn Committed>,
        epoch: Epoch,
        options: Arc<Options>,
    ) -> Arc<Self> {
        let topics = Mutex::default();
        Arc::new(Self { topics, link, committed, epoch, options, closing: AtomicBool::new(false) })
    }

    /// Puts a request into its topic's line. Must be called on the store's runtime.
    pub(super) fn push(self: &Arc<Self>, request: Request) {
        let topic = request.append.topic.clone();
        let mut lines = self.lock();
        if lines.len() >= REMEMBERED && !lines.contains_key(&topic) {
            lines.retain(|_, line| line.busy);
        }
        let line = lines.entry(topic.clone()).or_default();
        if line.waiting.len() >= (self.options.waiting / 4).max(1) {
            // One topic in trouble must not keep all others out.
            let _ = request.reply.send(Err(unavailable("too many appends to this topic are waiting")));
            return;
        }
        line.waiting.push_back(request);
        if !std::mem::replace(&mut line.busy, true) {
            drop(lines);
            tokio::spawn(Arc::clone(self).serve(topic));
        }
    }

    /// What cannot be finished by its deadline is given up from now on.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Does what waits, until nothing does.
    async fn serve(self: Arc<Self>, topic: Topic) {
        loop {
            let (group, mut tail) = {
                let mut lines = self.lock();
                let Some(line) = lines.get_mut(&topic) else { return };
                let group = take(&mut line.waiting);
                if group.is_empty() {
                    line.busy = false;
                    return;
                }
                (group, line.tail.take())
            };
            self.group(&topic, group, &mut tail).await;
            if let Some(line) = self.lock().get_mut(&topic) {
                line.tail = tail;
            }
        }
    }

    async fn group(&self, topic: &Topic, mut group: Vec<Request>, tail: &mut Option<Tail>) {
        let mut pause = Duration::from_millis(5);
        loop {
            let now = Instant::now();
            group.retain(|request| !request.reply.is_closed() && request.deadline > now);
            if group.is_empty() {
                return;
            }
            match self.attempt(topic, &group, tail).await {
                Ok(Some(plan)) => {
                    self.publish(topic, &group, &plan);
                    for (request, answer) in group.into_iter().zip(plan.answers) {
                        // The caller may have stopped waiting, which is fine.
                        let _ = request.reply.send(answer);
                        drop(request.place);
                    }
                    return;
                }
                // Somebody else moved the head, or the bucket is another: look again, not all in step.
                Ok(None) => {
                    *tail = None;
                    sleep(Duration::from_micros(random() % 2_000)).await;
                }
                Err(StoreError::Unavailable(_)) => {
                    *tail = None;
                    sleep(jitter(pause)).await;
                    pause = (pause * 2).min(Duration::from_millis(500));
                }
                Err(error) => {
                    *tail = None;
                    for request in group {
                        let _ = request.reply.send(Err(error.clone()));
                    }
                    return;
                }
            }
        }
    }

    /// `None`: to be tried again from the beginning.
    async fn attempt(
        &self,
        topic: &Topic,
        group: &[Request],
        remembered: &mut Option<Tail>,
    ) -> Result<Option<Plan>, StoreError> {
        let fresh = remembered.is_none();
        let tail = match remembered.take() {
            Some(tail) => tail,
            None => match self.end_of(topic, group).await? {
                Some(tail) => tail,
                None => return Ok(None),
            },
        };
        let known = self.known(topic, &tail, group).await?;
        let plan = plan(&tail, self.epoch, known, group.iter().map(|request| &request.append));
        if plan.conflict && !fresh {
            // The head that was remembered may not be the head any more.
            return Ok(None);
        }
        if plan.events().next().is_none() {
            // An empty bucket's topic may not have been begun.
            *remembered = (!tail.empty).then_some(tail);
            return Ok(Some(plan));
        }
        let next = after(&tail, &plan);
        if !self.write(topic, &tail, &next, &plan).await? {
            return Ok(None);
        }
        *remembered = (!self.is_full(&next)).then_some(next);
        Ok(Some(plan))
    }

    /// The end as it is, in a bucket with room. `None`: it is on the move.
    async fn end_of(&self, topic: &Topic, group: &[Request]) -> Result<Option<Tail>, StoreError> {
        let db = self.link.db();
        let directory = if let Some(directory) = topic::directory(&db, topic, View::Quorum).await? {
            directory
        } else {
            // Nothing may be written for a topic that nothing is appended to.
            let events = group.iter().flat_map(|request| &request.append.events);
            let refused = |request: &Request| request.append.expect.is_some_and(|expect| expect.0 > 0);
            if events.clone().next().is_none() || group.iter().all(refused) {
                return Ok(Some(nothing()));
            }
            topic::begin(&db, topic, events.map(|event| event.at.0).min().unwrap_or(0), 1, 0).await?;
            let begun = topic::directory(&db, topic, View::Serial).await?;
            begun.ok_or_else(|| unavailable(&format!("{topic} was not begun")))?
        };
        let tail = topic::tail(&db, topic, &directory, View::Serial).await?;
        if tail.sealed {
            topic::advance(&db, topic, &tail).await?;
            return Ok(None);
        }
        if self.is_full(&tail) {
            topic::seal(&db, topic, &tail).await?;
            return Ok(None);
        }
        Ok(Some(tail))
    }

    fn is_full(&self, tail: &Tail) -> bool {
        tail.head + 1 - tail.start >= self.options.bucket_events || tail.bytes >= self.options.bucket_bytes
    }

    /// Looks the group's requests up in every bucket that may hold one of the last day.
    async fn known(&self, topic: &Topic, tail: &Tail, group: &[Request]) -> Result<Known, StoreError> {
        let events = || group.iter().flat_map(|request| &request.append.events);
        let Some(oldest) = events().map(|event| event.at.0).min() else {
            return Ok(Known::new());
        };
        let mut requests: Vec<String> =
            events().map(|event| format!("{} {}", event.author, event.client_id)).collect();
        requests.sort_unstable();
        requests.dedup();
        let young = tail.older.iter().filter(|(_, newest)| newest.saturating_add(DAY) >= oldest);
        let buckets = young.map(|(id, _)| *id).chain((!tail.empty).then_some(tail.bucket));
        let db = self.link.db();
        let (org, kind, key) = names(topic);
        let look = |bucket| {
            let (db, requests) = (&db, &requests);
            async move {
                let mut found: Vec<(String, i64, i64, i64)> = Vec::new();
                for requests in requests.chunks(100) {
                    found.extend(db.rows(&db.s.requests, (org, kind, key, bucket, requests)).await?);
                }
                Ok::<_, StoreError>(found)
            }
        };
        let mut known = Known::new();
        for (request, seq, at, count) in try_join_all(buckets.map(look)).await?.into_iter().flatten() {
            let (author, client) = request.split_once(' ').unwrap_or_default();
            let outcome =
                Outcome { seq: Seq(nat(seq)), at: UnixMs(nat(at)), count: nat(count), duplicate: true };
            known.insert((checked(author)?, checked(client)?), outcome);
        }
        Ok(known)
    }

    /// Writes the plan's events if the head is still the one planned for; answers whether that was so. Does not give
    /// up while it is not known.
    async fn write(&self, topic: &Topic, tail: &Tail, next: &Tail, plan: &Plan) -> Result<bool, StoreError> {
        let op = random().cast_signed();
        let values = values(topic, tail, next, plan, op);
        let first = tail.head + 1;
        let deadline = Instant::now() + self.options.append;
        let mut pause = Duration::from_millis(10);
        // Whether an attempt may have been applied, or may still be.
        let mut loose = false;
        loop {
            let db = self.link.db();
            let head = if tail.empty { &db.s.head_first } else { &db.s.head_next };
            let rows = plan.events().flat_map(|_| [&db.s.event_add, &db.s.request_add]);
            let batch = topic::batch(std::iter::once(head).chain(rows));
            match db.cas_batch(&batch, &values).await {
                Ok(true) => return Ok(true),
                Ok(false) if !loose => return Ok(false),
                Ok(false) => match self.was_ours(topic, tail.bucket, first, op).await {
                    Ok(ours) => return Ok(ours),
                    Err(error) => tracing::debug!(%topic, %error, "not known yet"),
                },
                Err(Failed { why, void: true, .. }) if !loose => return Err(StoreError::Unavailable(why)),
                Err(failed) => {
                    loose |= !failed.void;
                    tracing::debug!(%topic, why = failed.why, "outcome of an append not known");
                }
            }
            if self.closing.load(Ordering::Acquire) && Instant::now() > deadline {
                return Err(unavailable("closed before the outcome was known"));
            }
            sleep(jitter(pause)).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    async fn was_ours(&self, topic: &Topic, bucket: i32, first: u64, op: i64) -> Result<bool, StoreError> {
        let db = self.link.db();
        let (org, kind, key) = names(topic);
        let found: Option<(Option<i64>,)> =
            db.row(&db.s.event_op, (org, kind, key, bucket, int(first))).await?;
        Ok(found == Some((Some(op),)))
    }

    fn publish(&self, topic: &Topic, group: &[Request], plan: &Plan) {
        for (request, events) in group.iter().zip(&plan.added).filter(|(_, events)| !events.is_empty()) {
            let publish = || self.committed.committed(topic, self.epoch, &request.append.audience, events);
            // The events are stored: losing the hint must not lose the store.
            if catch_unwind(AssertUnwindSafe(publish)).is_err() {
                tracing::error!(%topic, "publishing panicked");
            }
        }
    }

    /// No code that can panic runs under the lock.
    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, Line>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A group from the front of a line.
fn take(waiting: &mut VecDeque<Request>) -> Vec<Request> {
    let (mut events, mut bytes) = (0, 0);
    let mut group = Vec::new();
    while let Some(request) = waiting.front() {
        events += request.append.events.len();
        bytes += request.append.events.iter().map(|event| event.data.len()).sum::<usize>();
        if !group.is_empty() && (events > GROUP || bytes > GROUP_BYTES) {
            break;
        }
        group.extend(waiting.pop_front());
    }
    group
}

/// The end of a topic that has never had an event.
fn nothing() -> Tail {
    Tail {
        bucket: 0,
        start: 1,
        empty: true,
        head: 0,
        count: 0,
        bytes: 0,
        newest: 0,
        sealed: false,
        older: Vec::new(),
    }
}

/// The end once a plan is written.
fn after(tail: &Tail, plan: &Plan) -> Tail {
    let mut next = Tail { empty: false, ..tail.clone() };
    for event in plan.events() {
        next.head = event.seq.0;
        next.count = event.count;
        next.bytes += size(event);
        next.newest = next.newest.max(event.at.0);
    }
    next
}
