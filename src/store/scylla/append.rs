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

use fanfare_proto::Epoch;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep, timeout},
};

use super::{
    db::{Db, jitter},
    gate::unavailable,
    link::Link,
    options::Options,
    topic::Tail,
    value::random,
    write::{GROUP, GROUP_BYTES, Loose, MOST},
};
use crate::{
    id::Topic,
    store::{Append, Appended, Committed, StoreError},
};

/// Topics whose ends are remembered. Past that, those at rest are forgotten and looked up again.
const REMEMBERED: usize = 50_000;
/// The longest pause between attempts to settle a batch for which no append waits.
const SETTLING: Duration = Duration::from_secs(10);

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
    /// What is remembered of the end is not so any more.
    stale: bool,
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
    link: Arc<Link>,
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

    /// For what is written to a topic: with the places of its lane.
    pub(super) fn db(&self, topic: &Topic) -> Arc<Db> {
        self.link.db().of(topic.kind().lane())
    }

    /// Lets go of what nobody waits for any more: its bytes are not counted any longer.
    pub(super) fn purge(&self, topic: &Topic) {
        if let Some(line) = self.lock().get_mut(topic) {
            line.waiting.retain(Request::is_awaited);
        }
    }

    /// A bucket of the topic has grown otherwise than by an append.
    pub(super) fn grown(&self, topic: &Topic) {
        if let Some(line) = self.lock().get_mut(topic) {
            line.stale = line.busy;
            line.end.tail = None;
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
                if std::mem::take(&mut line.stale) {
                    end.tail = None;
                }
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
