//! What the store keeps of people for good: the text that they show, and when they were last seen. In buckets, and written
//! behind, but for a text: whoever sets it waits until it is stored.
//!
//! Several nodes may write a bucket. Of two values the later one stays, so it does not matter in which order they come.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use fanfare_proto::{UnixMs, UserId};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};

use super::person::Text;
use crate::{
    domain::buckets::{self, Buckets, Place},
    id::Tenant,
    limit::LogLimiter,
    store::{RecordKind, Store, StoreError},
    time::{Clock, Elapsed},
};

/// Writes that failed, of which there is one for each bucket a second.
static FAILED: LogLimiter = LogLimiter::new();

/// A bucket of an organisation with ten thousand people has some ten kilobytes.
const BUCKETS: Buckets = Buckets { kind: RecordKind::Presence, partition: "people", count: 64, page: 16 };
/// Buckets written in one turn, and how many of them at the same time.
const WRITTEN: usize = 64;
const AT_ONCE: usize = 8;
/// When somebody was last seen is gathered for so long.
const GATHER_MS: u64 = 15_000;

/// What is kept of somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(rename = "t", default, skip_serializing_if = "str::is_empty")]
    text: Box<str>,
    #[serde(rename = "ta", default)]
    text_at: UnixMs,
    /// When they were last seen; 0: never.
    #[serde(rename = "s", default)]
    pub(super) seen: UnixMs,
}

impl Kept {
    pub(super) fn text(&self) -> Text {
        Text { at: self.text_at, text: self.text.clone() }
    }

    fn add(&mut self, other: Self) {
        self.seen = self.seen.max(other.seen);
        if self.text() < other.text() {
            (self.text, self.text_at) = (other.text, other.text_at);
        }
    }

    fn newest(&self) -> UnixMs {
        self.seen.max(self.text_at)
    }
}

type Bucket = buckets::Bucket<Kept>;

/// What is still to be written.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    pending: Mutex<HashMap<Place, Pending>>,
    /// One at a time, so that whoever has written knows that nobody else is still about to.
    writing: tokio::sync::Mutex<()>,
    /// Somebody waits.
    pub(super) hurry: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    people: Bucket,
    /// When it is to be written; now, where somebody waits.
    due: Elapsed,
    waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
}

impl Pending {
    fn add(&mut self, people: Bucket) {
        merge(&mut self.people, people);
    }
}

fn merge(into: &mut Bucket, from: Bucket) {
    for (user, kept) in from {
        into.entry(user).or_default().add(kept);
    }
}

/// A bucket that was written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) org: Tenant,
    pub(super) people: Vec<(UserId, UnixMs)>,
}

impl Keeper {
    /// Keeps when somebody was last seen, soon.
    pub(super) fn seen(&self, org: &Tenant, user: &UserId, seen: UnixMs, now: Elapsed) {
        let kept = Kept { seen, ..Kept::default() };
        self.add(org, user, kept, now.plus(GATHER_MS), None);
    }

    /// Keeps a text. It is stored when this answers.
    pub(super) async fn text(&self, org: &Tenant, user: &UserId, text: Text) -> Result<(), StoreError> {
        let (sender, stored) = oneshot::channel();
        let kept = Kept { text: text.text, text_at: text.at, seen: UnixMs(0) };
        self.add(org, user, kept, Elapsed(0), Some(sender));
        self.hurry.notify_one();
        stored.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the server is stopping".into())))
    }

    fn add(
        &self,
        org: &Tenant,
        user: &UserId,
        kept: Kept,
        due: Elapsed,
        waiting: Option<oneshot::Sender<Result<(), StoreError>>>,
    ) {
        let mut pending = self.lock();
        let new = || Pending { due, ..Pending::default() };
        let bucket = pending.entry(BUCKETS.place(org, user)).or_insert_with(new);
        bucket.people.entry(user.clone()).or_default().add(kept);
        bucket.due = bucket.due.min(due);
        bucket.waiting.extend(waiting);
    }

    /// Writes what is due, or everything; forgets who was not there since `forget`. Answers what was written, and
    /// `None` for each bucket that could not be.
    pub(super) async fn write(
        &self,
        store: &dyn Store,
        now: UnixMs,
        elapsed: Elapsed,
        forget: UnixMs,
        all: bool,
    ) -> Vec<Option<Written>> {
        let _writing = self.writing.lock().await;
        let due = self.take(elapsed, if all { usize::MAX } else { WRITTEN }, all);
        let writes = due
            .into_iter()
            .map(|(place, pending)| self.write_one(store, place, pending, now, elapsed, forget));
        stream::iter(writes).buffer_unordered(AT_ONCE).collect().await
    }

    fn take(&self, now: Elapsed, at_most: usize, all: bool) -> Vec<(Place, Pending)> {
        let mut pending = self.lock();
        let mut due: Vec<_> = pending
            .iter()
            .filter(|(_, pending)| all || pending.due <= now)
            .map(|(place, pending)| (pending.due, place.clone()))
            .collect();
        due.sort_by_key(|(due, _)| *due);
        due.truncate(at_most);
        due.into_iter().filter_map(|(_, place)| pending.remove_entry(&place)).collect()
    }

    async fn write_one(
        &self,
        store: &dyn Store,
        place: Place,
        pending: Pending,
        now: UnixMs,
        elapsed: Elapsed,
        forget: UnixMs,
    ) -> Option<Written> {
        let Pending { people, waiting, .. } = pending;
        let stored = write(store, &place, &people, now, forget).await;
        for waiting in waiting {
            // Whoever waited may have gone.
            let _ = waiting.send(stored.clone());
        }
        match stored {
            Ok(()) => {
                let people = people.into_iter().map(|(user, kept)| (user, kept.seen)).collect();
                Some(Written { org: place.0, people })
            }
            Err(error) => {
                if let Some(left_out) = FAILED.allow(Clock::system().elapsed()) {
                    tracing::warn!(%error, left_out, "who was last seen when is not stored yet");
                }
                let mut pending = self.lock();
                let new = || Pending { due: elapsed.plus(GATHER_MS), ..Pending::default() };
                pending.entry(place).or_insert_with(new).add(people);
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everyone of whom something is kept.
pub(super) async fn read(store: &dyn Store, org: &Tenant, now: UnixMs) -> Result<Bucket, StoreError> {
    BUCKETS.read(store, org, now).await
}

async fn write(
    store: &dyn Store,
    place: &Place,
    people: &Bucket,
    now: UnixMs,
    forget: UnixMs,
) -> Result<(), StoreError> {
    let keeps = |kept: &Kept| kept.newest() >= forget;
    BUCKETS.write(store, place, now, |all| merge(all, people.clone()), keeps).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanfare_proto::{Epoch, OrgId};

    use super::*;
    use crate::store::{
        Committed, Event,
        sqlite::{Options, Sqlite},
    };

    struct Nobody;

    impl Committed for Nobody {
        fn committed(&self, _: &crate::id::Topic, _: Epoch, _: &crate::id::Audience, _: &[Event]) {}
    }

    /// Of two that write one bucket each adds what it knows; and who was not there for long is forgotten.
    #[tokio::test]
    async fn a_bucket_holds_the_latest_of_each_and_forgets_in_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = Sqlite::open(dir.path(), Arc::new(Nobody), &Options::default()).unwrap();
        let place = (Tenant::stored(OrgId::new("acme").unwrap()), 3);
        let kept = |seen, text_at, text: &str| Kept {
            seen: UnixMs(seen),
            text_at: UnixMs(text_at),
            text: text.into(),
        };
        let [ann, bob, carol] = ["ann", "bob", "carol"].map(|id| UserId::new(id).unwrap());
        let add = async |user: &UserId, kept: Kept, forget: u64| {
            let people = Bucket::from([(user.clone(), kept)]);
            write(&*store, &place, &people, UnixMs(100), UnixMs(forget)).await.unwrap();
        };
        add(&ann, kept(20, 0, ""), 0).await;
        add(&ann, kept(0, 30, "new"), 0).await;
        add(&ann, kept(10, 25, "old"), 0).await;
        add(&bob, kept(40, 0, ""), 0).await;
        let all = async || read(&*store, &place.0, UnixMs(100)).await.unwrap();
        assert_eq!(
            all().await,
            Bucket::from([(ann.clone(), kept(20, 30, "new")), (bob.clone(), kept(40, 0, ""))])
        );
        // Neither seen nor heard of since then.
        add(&carol, kept(50, 0, ""), 31).await;
        assert_eq!(all().await.into_keys().collect::<Vec<_>>(), [bob, carol]);
        store.close().await;
    }
}
