//! Appending: a line for each topic, of which a group becomes one conditional batch.
//!
//! While a batch is under way the next group gathers, so that under load one round of Paxos carries many events. A
//! topic has at most one batch under way on this node, and its events are published before the next one begins:
//! in order, once.
//!
//! A batch whose outcome is not known (a time-out, a broken connection) is sent again, with the same condition and
//! the same number in its events, until it is, or until nobody waits for it any more (`write`). Who waits too long is
//! told that it is unavailable, as it may have been stored all the same.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fanfare_proto::{Epoch, Seq, UnixMs};
use futures::future::try_join_all;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep, timeout},
};

use super::{
    db::jitter,
    gate::unavailable,
    link::Link,
    options::Options,
    plan::{Known, Plan, plan},
    rows::size,
    topic::{self, Tail, View, names},
    value::{checked, nat, random},
    write::{Loose, Written},
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
/// The longest pause between attempts to settle a batch for which no append waits.
const SETTLING: Duration = Duration::from_secs(10);
/// Bytes of one append's events. The databases refuse a write of more than half a segment of their log of commits,
/// 16 MiB unless they are told otherwise, and a conditional one is written twice.
const MOST: usize = 4 << 20;

pub(super) struct Request {
    pub(super) append: Append,
    pub(super) reply: oneshot::Sender<Result<Appended, StoreError>>,
    pub(super) deadline: Instant,
}

impl Request {
    pub(super) fn is_awaited(&self) -> bool {
        !self.reply.is_closed() && self.deadline > Instant::now()
    }
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Request>,
    arrived: Arc<Notify>,
    busy: bool,
    end: End,
}

/// What is remembered of a topic's log.
#[derive(Default)]
pub(super) struct End {
    pub(super) tail: Option<Tail>,
    /// To be settled before anything else.
    pub(super) loose: Option<Loose>,
}

pub(super) struct Lines {
    topics: Mutex<HashMap<Topic, Line>>,
    pub(super) link: Arc<Link>,
    pub(super) committed: Arc<dyn Committed>,
    pub(super) epoch: Epoch,
    pub(super) options: Arc<Options>,
}

impl Lines {
    pub(super) fn new(
        link: Arc<Link>,
        committed: Arc<dyn Committed>,
        epoch: Epoch,
        options: Arc<Options>,
    ) -> Arc<Self> {
        Arc::new(Self { topics: Mutex::default(), link, committed, epoch, options })
    }

    /// Puts a request into its topic's line. Must be called on the store's runtime.
    pub(super) fn push(self: &Arc<Self>, request: Request) {
        if request.append.events.iter().map(|event| event.data.len()).sum::<usize>() > MOST {
            let _ = request.reply.send(Err(StoreError::TooLarge));
            return;
        }
        let topic = request.append.topic.clone();
        let mut lines = self.lock();
        if lines.len() >= REMEMBERED && !lines.contains_key(&topic) {
            lines.retain(|_, line| line.busy);
        }
        let line = lines.entry(topic.clone()).or_default();
        let room = (self.options.waiting / 32).max(1);
        if line.waiting.len() >= room {
            line.waiting.retain(Request::is_awaited);
        }
        if line.waiting.len() >= room {
            // Topics in trouble must not keep all others out.
            let _ = request.reply.send(Err(unavailable("too many appends to this topic are waiting")));
            return;
        }
        line.waiting.push_back(request);
        line.arrived.notify_one();
        if !std::mem::replace(&mut line.busy, true) {
            drop(lines);
            tokio::spawn(Arc::clone(self).serve(topic));
        }
    }

    /// Does what waits, until nothing does and nothing is loose.
    async fn serve(self: Arc<Self>, topic: Topic) {
        let shortest = Duration::from_millis(100);
        let mut pause = shortest;
        loop {
            let (group, mut end, arrived) = {
                let mut lines = self.lock();
                let Some(line) = lines.get_mut(&topic) else { return };
                let group = take(&mut line.waiting);
                if group.is_empty() && line.end.loose.is_none() {
                    line.busy = false;
                    return;
                }
                (group, std::mem::take(&mut line.end), Arc::clone(&line.arrived))
            };
            if group.is_empty() {
                // The next append would settle it as well, but what was written is to be published without one.
                let _ = timeout(jitter(pause), arrived.notified()).await;
                pause = (pause * 2).min(SETTLING);
                if let Err(error) = self.settle(&topic, &mut end).await {
                    tracing::debug!(%topic, %error, "not settled yet");
                }
            } else {
                pause = shortest;
                self.group(&topic, group, &mut end).await;
            }
            if let Some(line) = self.lock().get_mut(&topic) {
                line.end = end;
            }
        }
    }

    async fn group(&self, topic: &Topic, mut group: Vec<Request>, end: &mut End) {
        let mut pause = Duration::from_millis(5);
        loop {
            group.retain(Request::is_awaited);
            if group.is_empty() {
                return;
            }
            match self.attempt(topic, &group, end).await {
                Ok(Some(plan)) => {
                    for (request, events) in group.iter().zip(&plan.added) {
                        self.publish(topic, &request.append.audience, events);
                    }
                    for (request, answer) in group.into_iter().zip(plan.answers) {
                        // The caller may have stopped waiting, which is fine.
                        let _ = request.reply.send(answer);
                    }
                    return;
                }
                // Somebody else moved the head, or the bucket is another: look again, not all in step.
                Ok(None) => {
                    end.tail = None;
                    sleep(Duration::from_micros(random() % 2_000)).await;
                }
                Err(StoreError::Unavailable(_)) => {
                    end.tail = None;
                    sleep(jitter(pause)).await;
                    pause = (pause * 2).min(Duration::from_millis(500));
                }
                Err(error) => {
                    end.tail = None;
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
        end: &mut End,
    ) -> Result<Option<Plan>, StoreError> {
        self.settle(topic, end).await?;
        let fresh = end.tail.is_none();
        let tail = match end.tail.take() {
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
            end.tail = (!tail.empty).then_some(tail);
            return Ok(Some(plan));
        }
        let next = after(&tail, &plan);
        match self.write(topic, &tail, &next, &plan, group).await? {
            Written::Applied => {
                end.tail = (!self.is_full(&next)).then_some(next);
                Ok(Some(plan))
            }
            Written::Refused => Ok(None),
            Written::Loose(loose) => {
                end.loose = Some(loose);
                Err(unavailable("the outcome of an append is not known"))
            }
        }
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
