//! Where agents work, as their tokens said it last: kept, so that after a restart those see an agent who saw it before.
//!
//! In buckets that several nodes may write; of two values the later one stays. What fixes are worth does not depend on it:
//! where it cannot be stored they are, and it is tried again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fanfare_proto::{DepartmentId, TeamId, UnixMs, UserId};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::DAY_MS;
use crate::{
    auth::Units,
    domain::buckets::{self, Buckets, Place},
    id::Tenant,
    limit::LogLimiter,
    store::{RecordKind, Store, StoreError},
    time::{Clock, Elapsed},
};

/// Writes that failed.
static FAILED: LogLimiter = LogLimiter::new();

const BUCKETS: Buckets = Buckets { kind: RecordKind::Units, partition: "agents", count: 256, page: 32 };
/// What is known of an agent that is still there is written once a day.
pub(super) const KEPT_EVERY_MS: u64 = DAY_MS;
/// How long one writer waits for another.
const PATIENCE: Duration = Duration::from_millis(500);
/// After a failure it is tried again no sooner.
const PAUSE_MS: u64 = 5_000;
/// Buckets written at the same time.
const AT_ONCE: usize = 8;

/// Where an agent worked, and when its token last said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    departments: Vec<DepartmentId>,
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    teams: Vec<TeamId>,
    at: UnixMs,
}

impl Kept {
    fn is_as(&self, other: &Self) -> bool {
        (&self.departments, &self.teams) == (&other.departments, &other.teams)
    }
}

type Bucket = buckets::Bucket<Kept>;

/// What is still to be stored.
#[derive(Debug)]
pub struct Keeper {
    pending: Mutex<HashMap<Place, Bucket>>,
    /// One at a time writes. Holds when that failed last.
    writing: tokio::sync::Mutex<Option<Elapsed>>,
    keep_ms: u64,
}

impl Keeper {
    /// One that forgets agents of whom nothing came for so many days.
    pub fn new(days: u32) -> Self {
        let keep_ms = (u64::from(days) + 2) * DAY_MS;
        Self { pending: Mutex::default(), writing: tokio::sync::Mutex::default(), keep_ms }
    }

    /// Notes where an agent works.
    pub(super) fn note(&self, org: &Tenant, agent: &UserId, units: &Units, at: UnixMs) {
        let (departments, teams) = (units.departments().to_vec(), units.teams().to_vec());
        let kept = Bucket::from([(agent.clone(), Kept { departments, teams, at })]);
        self.add(BUCKETS.place(org, agent), kept);
    }

    /// Stores all that was noted before. Where that fails it stays noted, and the log says so: nobody's fixes wait for it.
    pub async fn write(&self, store: &dyn Store, now: UnixMs, elapsed: Elapsed) {
        // A store that is slow for one holds up others no longer than this; what is noted is written with the next fixes.
        let Ok(mut failed) = timeout(PATIENCE, self.writing.lock()).await else { return };
        if failed.is_some_and(|failed| elapsed < failed.plus(PAUSE_MS)) {
            return;
        }
        let due = std::mem::take(&mut *self.lock());
        let writes = due.into_iter().map(|(place, bucket)| async move {
            let Err(error) = write(store, &place, &bucket, now, self.keep_ms).await else { return false };
            if let Some(left_out) = FAILED.allow(Clock::system().elapsed()) {
                tracing::warn!(org = %place.0, %error, left_out, "where some agents work is not stored");
            }
            // What does not fit, or stands beside what cannot be read, would fail again for good.
            let passes = !matches!(error, StoreError::TooLarge | StoreError::Corrupt(_));
            if passes {
                self.add(place, bucket);
            }
            passes
        });
        let again: Vec<bool> = stream::iter(writes).buffer_unordered(AT_ONCE).collect().await;
        *failed = again.contains(&true).then_some(elapsed);
    }

    fn add(&self, place: Place, bucket: Bucket) {
        merge(self.lock().entry(place).or_default(), bucket);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Bucket>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn merge(into: &mut Bucket, from: Bucket) {
    for (agent, kept) in from {
        if into.get(&agent).is_none_or(|there| there.at <= kept.at) {
            into.insert(agent, kept);
        }
    }
}

/// Adds what this node noted by `now` to what is stored.
fn merge_stored(stored: &mut Bucket, noted: &Bucket, now: UnixMs) {
    for (agent, kept) in noted {
        let mut kept = kept.clone();
        if let Some(there) = stored.get(agent) {
            // Nothing new, and no need to write the bucket.
            if kept.is_as(there) && kept.at.since(there.at) < KEPT_EVERY_MS {
                continue;
            }
            // Stored by a clock that was ahead, or before ours was set back: what a token says now is later all the same.
            if there.at > now {
                kept.at = there.at.plus(1);
            }
            if there.at > kept.at {
                continue;
            }
        }
        stored.insert(agent.clone(), kept);
    }
}

/// Where agents work, as far as it is stored.
pub(super) async fn read(
    store: &dyn Store,
    org: &Tenant,
    now: UnixMs,
) -> Result<HashMap<UserId, Units>, StoreError> {
    let agents = BUCKETS.read::<Kept>(store, org, now).await?.into_iter();
    Ok(agents.map(|(agent, kept)| (agent, Units::new(kept.departments, kept.teams))).collect())
}

async fn write(
    store: &dyn Store,
    place: &Place,
    agents: &Bucket,
    now: UnixMs,
    keep_ms: u64,
) -> Result<(), StoreError> {
    let keeps = |kept: &Kept| now.since(kept.at) < keep_ms;
    BUCKETS.write(store, place, now, |all| merge_stored(all, agents, now), keeps).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanfare_proto::{Epoch, OrgId};

    use super::*;
    use crate::store::{
        Committed, Event, Put, Slot,
        sqlite::{Options, Sqlite},
    };

    struct Nobody;

    impl Committed for Nobody {
        fn committed(&self, _: &crate::id::Topic, _: Epoch, _: &crate::id::Audience, _: &[Event]) {}
    }

    /// Of two nodes that write one bucket each adds what it knows, and what a token said later stays.
    #[tokio::test]
    async fn what_was_said_later_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Sqlite::open(dir.path(), Arc::new(Nobody), &Options::default()).unwrap();
        let org = |name| Tenant::stored(OrgId::new(name).unwrap());
        let (acme, other) = (org("acme"), org("other"));
        let user = |name: &str| UserId::new(name).unwrap();
        let units = |name| Units::new(vec![DepartmentId::new(name).unwrap()], Vec::new());
        let nodes = [Keeper::new(30), Keeper::new(30)];
        let day = 24 * 60 * 60 * 1000;
        nodes[0].note(&acme, &user("ann"), &units("north"), UnixMs(40 * day));
        nodes[1].note(&acme, &user("ann"), &units("south"), UnixMs(41 * day));
        nodes[1].note(&acme, &user("bob"), &units("west"), UnixMs(41 * day));
        nodes[1].note(&other, &user("ann"), &units("east"), UnixMs(41 * day));
        let write = async |node: &Keeper, now: u64| node.write(&*store, UnixMs(now * day), Elapsed(0)).await;
        write(&nodes[1], 41).await;
        write(&nodes[0], 41).await;
        let read_all = async |org| read(&*store, org, UnixMs(41 * day)).await.unwrap();
        let mut expected = HashMap::from([(user("ann"), units("south")), (user("bob"), units("west"))]);
        assert_eq!(read_all(&acme).await, expected);
        assert_eq!(read_all(&other).await, HashMap::from([(user("ann"), units("east"))]));
        // An agent of whom nothing came for so long goes with the next change of its bucket.
        let beside = (0..10_000)
            .map(|n| user(&format!("n{n}")))
            .find(|n| in_one_bucket(&acme, n, &user("bob")))
            .unwrap();
        nodes[0].note(&acme, &beside, &Units::default(), UnixMs(90 * day));
        write(&nodes[0], 90).await;
        expected.remove(&user("bob"));
        expected.insert(beside, Units::default());
        assert_eq!(read_all(&acme).await, expected);
        store.close().await;
    }

    fn in_one_bucket(org: &Tenant, one: &UserId, other: &UserId) -> bool {
        BUCKETS.place(org, one) == BUCKETS.place(org, other)
    }

    fn kept(department: &str, at: u64) -> Kept {
        let departments = vec![DepartmentId::new(department).unwrap()];
        Kept { departments, teams: Vec::new(), at: UnixMs(at) }
    }

    /// What a token says now counts, also where the clock was set back since; and is written only where it is news.
    #[test]
    fn a_clock_that_is_set_back_holds_nothing_up() {
        let ann = UserId::new("ann").unwrap();
        let stored = |there: Kept, noted: Kept, now: u64| {
            let mut stored = Bucket::from([(ann.clone(), there)]);
            merge_stored(&mut stored, &Bucket::from([(ann.clone(), noted)]), UnixMs(now));
            stored.remove(&ann).unwrap()
        };
        let hour = 3_600_000;
        assert_eq!(
            stored(kept("north", 9 * hour), kept("south", 8 * hour), 8 * hour),
            kept("south", 9 * hour + 1)
        );
        // Of another node, and later than what waited here.
        assert_eq!(
            stored(kept("north", 8 * hour), kept("south", 7 * hour), 9 * hour),
            kept("north", 8 * hour)
        );
        assert_eq!(stored(kept("north", hour), kept("north", 2 * hour), 2 * hour), kept("north", hour));
        let next = hour + KEPT_EVERY_MS;
        assert_eq!(stored(kept("north", hour), kept("north", next), next), kept("north", next));
    }

    /// One bucket that cannot be read is left out, and left as it is.
    #[tokio::test]
    async fn an_unreadable_bucket_holds_nothing_up() {
        let dir = tempfile::tempdir().unwrap();
        let store = Sqlite::open(dir.path(), Arc::new(Nobody), &Options::default()).unwrap();
        let org = Tenant::stored(OrgId::new("acme").unwrap());
        let user = |name: &str| UserId::new(name).unwrap();
        let (ann, bob) = (user("ann"), user("bob"));
        assert!(!in_one_bucket(&org, &ann, &bob));
        let keeper = Keeper::new(30);
        keeper.note(&org, &bob, &Units::default(), UnixMs(1));
        keeper.write(&*store, UnixMs(1), Elapsed(0)).await;
        let key = format!("{:02x}", BUCKETS.place(&org, &ann).1);
        let slot = Slot { org: org.clone(), kind: BUCKETS.kind, partition: BUCKETS.partition.into(), key };
        let put = Put { value: Some("{".into()), expires: None };
        store.put(&slot, None, put, UnixMs(1)).await.unwrap();
        let read_all = async || read(&*store, &org, UnixMs(1)).await.unwrap();
        assert_eq!(read_all().await.into_keys().collect::<Vec<_>>(), [bob]);
        // It may be of a newer version: it is not written over. Others of the organisation are.
        keeper.note(&org, &ann, &Units::default(), UnixMs(2));
        let carol =
            (0..10_000).map(|n| user(&format!("c{n}"))).find(|c| !in_one_bucket(&org, c, &ann)).unwrap();
        keeper.note(&org, &carol, &Units::default(), UnixMs(2));
        keeper.write(&*store, UnixMs(2), Elapsed(0)).await;
        assert!(read_all().await.contains_key(&carol));
        assert_eq!(store.get(&slot, UnixMs(2)).await.unwrap().unwrap().value, "{");
        store.close().await;
    }
}
