//! Where agents work, as their tokens said it last: kept, so that after a restart those see an agent who saw it before.
//!
//! In buckets that several nodes may write; of two values the later one stays.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use fanfare_proto::{DepartmentId, TeamId, UnixMs, UserId};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::DAY_MS;
use crate::{
    auth::Units,
    domain::buckets::{self, Buckets, Place},
    id::Tenant,
    store::{RecordKind, Store, StoreError},
};

const BUCKETS: Buckets = Buckets { kind: RecordKind::Units, partition: "agents", count: 256, page: 32 };
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

type Bucket = buckets::Bucket<Kept>;

/// What is still to be stored.
#[derive(Debug)]
pub struct Keeper {
    pending: Mutex<HashMap<Place, Bucket>>,
    /// One at a time, so that whoever has written knows that nobody else is still about to.
    writing: tokio::sync::Mutex<()>,
    keep_ms: u64,
}

impl Keeper {
    /// One that forgets agents of whom nothing came for so many days.
    pub fn new(days: u32) -> Self {
        // What is known of an agent that is still there is written once a day.
        let keep_ms = (u64::from(days) + 2) * DAY_MS;
        Self { pending: Mutex::default(), writing: tokio::sync::Mutex::default(), keep_ms }
    }

    /// Notes where an agent works.
    pub(super) fn note(&self, org: &Tenant, agent: &UserId, units: &Units, at: UnixMs) {
        let (departments, teams) = (units.departments().to_vec(), units.teams().to_vec());
        let kept = Bucket::from([(agent.clone(), Kept { departments, teams, at })]);
        self.add(BUCKETS.place(org, agent), kept);
    }

    /// Stores all that was noted before. Where that fails it stays noted.
    pub async fn write(&self, store: &dyn Store) -> Result<(), StoreError> {
        let _writing = self.writing.lock().await;
        let due = std::mem::take(&mut *self.lock());
        let writes = due.into_iter().map(|(place, bucket)| async move {
            let written = write(store, &place, &bucket, self.keep_ms).await;
            match written {
                Err(StoreError::TooLarge) => {
                    // Fixes must not wait for it.
                    tracing::warn!(org = %place.0, "where some agents work does not fit in the store");
                    Ok(())
                }
                Err(_) => {
                    self.add(place, bucket);
                    written
                }
                Ok(()) => Ok(()),
            }
        });
        let written: Vec<_> = stream::iter(writes).buffer_unordered(AT_ONCE).collect().await;
        written.into_iter().collect()
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

/// Where agents work, as far as it is stored.
pub(super) async fn read(
    store: &dyn Store,
    org: &Tenant,
    now: UnixMs,
) -> Result<HashMap<UserId, Units>, StoreError> {
    let agents = BUCKETS.read::<Kept>(store, org, now).await?.into_iter();
    Ok(agents.map(|(agent, kept)| (agent, Units::new(kept.departments, kept.teams))).collect())
}

async fn write(store: &dyn Store, place: &Place, agents: &Bucket, keep_ms: u64) -> Result<(), StoreError> {
    let Some(now) = agents.values().map(|kept| kept.at).max() else { return Ok(()) };
    let keeps = |kept: &Kept| now.since(kept.at) < keep_ms;
    BUCKETS.write(store, place, now, |all| merge(all, agents.clone()), keeps).await
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

    /// Of two nodes that write one bucket each adds what it knows, and what a token said later stays.
    #[tokio::test]
    async fn what_was_said_later_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Sqlite::open(dir.path(), Arc::new(Nobody), &Options::default()).unwrap();
        let org = |name| Tenant::stored(OrgId::new(name).unwrap());
        let (acme, other) = (org("acme"), org("other"));
        let user = |name| UserId::new(name).unwrap();
        let units = |name| Units::new(vec![DepartmentId::new(name).unwrap()], Vec::new());
        let nodes = [Keeper::new(30), Keeper::new(30)];
        let day = 24 * 60 * 60 * 1000;
        nodes[0].note(&acme, &user("ann"), &units("north"), UnixMs(40 * day));
        nodes[1].note(&acme, &user("ann"), &units("south"), UnixMs(41 * day));
        nodes[1].note(&acme, &user("bob"), &units("west"), UnixMs(41 * day));
        nodes[1].note(&other, &user("ann"), &units("east"), UnixMs(1));
        nodes[1].write(&*store).await.unwrap();
        nodes[0].write(&*store).await.unwrap();
        let read_all = async |org| read(&*store, org, UnixMs(41 * day)).await.unwrap();
        let mut expected = HashMap::from([(user("ann"), units("south")), (user("bob"), units("west"))]);
        assert_eq!(read_all(&acme).await, expected);
        assert_eq!(read_all(&other).await, HashMap::from([(user("ann"), units("east"))]));
        // An agent of whom nothing came for so long goes with the next change of its bucket.
        let late = UnixMs(90 * day);
        nodes[0].note(&acme, &user("ann"), &Units::default(), late);
        nodes[0].write(&*store).await.unwrap();
        expected.insert(user("ann"), Units::default());
        assert_eq!(read_all(&acme).await, expected, "ann and bob are in different buckets");
        store.close().await;
    }
}
