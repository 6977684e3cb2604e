//! Storing fixes: partitions of six hours of an agent, each agent's newest, and what leads to them.
//!
//! Nothing is read before it is written. What leads to a partition is written before the partition, once for as long
//! as it is remembered.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use fanfare_proto::{Fix, Motion, Position, UnixMs, UserId};
use futures::{StreamExt, TryStreamExt, stream};
use scylla::value::CqlValue;

use super::{
    db::Db,
    schema::{FEW, SHARDS},
    statements::OfClass,
    topic,
    value::{checked, int, nat, spread},
};
use crate::id::Tenant;
use crate::store::{FixClass, StoreError, StoredFix};

pub(super) const DAY: u64 = 24 * 60 * 60 * 1_000;
/// Milliseconds of a partition: at one fix a second 21,600 rows. Must never change.
pub(super) const BUCKET: u64 = DAY / 4;
/// Rows written together.
const BATCH: usize = 100;
/// Writes at once.
const AT_ONCE: usize = 128;
/// Partitions that are known to be led to. Past that, all are forgotten and written again.
const KNOWN: usize = 200_000;

type Place = (FixClass, Tenant, UserId, i64);

/// Partitions that are known to be led to.
#[derive(Default)]
pub(super) struct Known(Mutex<HashSet<Place>>);

impl Known {
    /// No code that can panic runs under the lock.
    fn lock(&self) -> MutexGuard<'_, HashSet<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self) {
        self.lock().clear();
    }
}

pub(super) async fn put(db: &Db, known: &Known, fixes: Vec<StoredFix>) -> Result<(), StoreError> {
    let mut newest: HashMap<(FixClass, Tenant, UserId), StoredFix> = HashMap::new();
    let mut places: BTreeMap<Place, Vec<StoredFix>> = BTreeMap::new();
    for fix in fixes {
        let agent = (fix.class, fix.org.clone(), fix.agent.clone());
        if newest.get(&agent).is_none_or(|newest| newest.key() < fix.key()) {
            newest.insert(agent, fix.clone());
        }
        let place = (fix.class, fix.org.clone(), fix.agent.clone(), int(fix.fix.time.0 / BUCKET));
        places.entry(place).or_default().push(fix);
    }
    let new: Vec<Place> = {
        let known = known.lock();
        places.keys().filter(|place| !known.contains(*place)).cloned().collect()
    };
    let leads: Vec<_> = new.iter().map(|place| lead_to(db, place)).collect();
    stream::iter(leads).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    {
        let mut known = known.lock();
        if known.len() + new.len() > KNOWN {
            known.clear();
        }
        known.extend(new);
    }
    let batches =
        places.iter().flat_map(|(place, fixes)| fixes.chunks(BATCH).map(move |fixes| (place, fixes)));
    let batches: Vec<_> = batches.map(|(place, fixes)| write(db, place, fixes)).collect();
    stream::iter(batches).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    let mut shards: HashMap<(FixClass, &str, i32), Vec<&StoredFix>> = HashMap::new();
    for fix in newest.values() {
        let shard = spread(fix.agent.as_str(), FEW);
        shards.entry((fix.class, fix.org.as_str(), shard)).or_default().push(fix);
    }
    let newest =
        shards.iter().flat_map(|(place, fixes)| fixes.chunks(BATCH).map(move |fixes| (place, fixes)));
    let newest: Vec<_> = newest.map(|(place, fixes)| write_newest(db, *place, fixes)).collect();
    stream::iter(newest).buffer_unordered(AT_ONCE).try_collect::<()>().await
}

/// From the organisation's day to the agent to the partition, so that it can be removed again.
async fn lead_to(db: &Db, (class, org, agent, bucket): &Place) -> Result<(), StoreError> {
    let s = db.s.fixes(*class);
    let day = bucket / (DAY / BUCKET) as i64;
    let (org, agent) = (org.as_str(), agent.as_str());
    let (a, b, c) = futures::join!(
        db.run(&s.org_put, (spread(org, SHARDS), day, org)),
        db.run(&s.agent_put, (org, day, agent)),
        db.run(&s.bucket_put, (org, agent, *bucket)),
    );
    a.and(b).and(c).map(drop)
}

/// Fixes of one partition.
async fn write(db: &Db, (class, org, agent, bucket): &Place, fixes: &[StoredFix]) -> Result<(), StoreError> {
    let mut values: Vec<Vec<Option<CqlValue>>> = Vec::with_capacity(fixes.len());
    for stored in fixes {
        let fix = &stored.fix;
        let (lat, lon) = fix.position.e7();
        let small = |value: Option<i32>| value.map(CqlValue::Int);
        values.push(vec![
            Some(CqlValue::Text(org.to_string())),
            Some(CqlValue::Text(agent.to_string())),
            Some(CqlValue::BigInt(*bucket)),
            Some(CqlValue::BigInt(int(fix.time.0))),
            Some(CqlValue::BigInt(i64::from(stored.source))),
            // The device's number may be any: it keeps its bits, so that it comes back as it was.
            Some(CqlValue::BigInt(fix.counter.cast_signed())),
            small(Some(lat)),
            small(Some(lon)),
            small(fix.motion.accuracy_dm().map(i32::from)),
            small(fix.motion.speed_cms().map(i32::from)),
            small(fix.motion.heading_cdeg().map(i32::from)),
            small(fix.motion.battery_pct().map(i32::from)),
        ]);
    }
    let batch = topic::batch(fixes.iter().map(|_| &db.s.fixes(*class).put));
    db.run_batch(&batch, &values).await
}

/// With the time of the fix as the timestamp: the newest stays, whatever comes last.
async fn write_newest(
    db: &Db,
    (class, org, shard): (FixClass, &str, i32),
    fixes: &[&StoredFix],
) -> Result<(), StoreError> {
    let values: Vec<_> = fixes
        .iter()
        .map(|fix| (org, shard, fix.agent.as_str(), encode(fix), timestamp(fix.fix.time.0)))
        .collect();
    db.run_batch(&topic::batch(fixes.iter().map(|_| &db.s.fixes(class).latest_put)), &values).await
}

/// In microseconds, as the databases count; never 0.
fn timestamp(time: u64) -> i64 {
    int(time).min(i64::MAX / 1_000 - 1) * 1_000 + 1
}

/// Removes fixes of a class by whole days. Answers how many days.
pub(super) async fn expire(
    db: &Db,
    known: &Known,
    class: FixClass,
    before: UnixMs,
) -> Result<u64, StoreError> {
    let kept = int(before.0 / DAY);
    let shards = (0..SHARDS).map(|shard| async move {
        let days: Vec<(i64, String)> = db.rows(&db.s.fixes(class).orgs, (shard, kept)).await?;
        for (day, org) in &days {
            expire_day(db, db.s.fixes(class), shard, *day, org).await?;
        }
        Ok::<_, StoreError>(days)
    });
    let shards: Vec<_> = shards.collect();
    let gone: Vec<_> = stream::iter(shards).buffer_unordered(8).try_concat().await?;
    let days: HashSet<i64> = gone.into_iter().map(|(day, _)| day).collect();
    if !days.is_empty() {
        known.forget();
    }
    Ok(days.len() as u64)
}

async fn expire_day(db: &Db, s: &OfClass, shard: i32, day: i64, org: &str) -> Result<(), StoreError> {
    let agents: Vec<(String,)> = db.rows(&s.agents, (org, day)).await?;
    let agents = agents.iter().map(|(agent,)| async move {
        for bucket in day * (DAY / BUCKET) as i64..(day + 1) * (DAY / BUCKET) as i64 {
            db.run(&s.drop, (org, agent, bucket)).await?;
            db.run(&s.bucket_drop, (org, agent, bucket)).await?;
        }
        // Only if nothing newer is stored.
        let end = timestamp(nat(day + 1).saturating_mul(DAY)) - 1;
        db.run(&s.latest_drop, (end, org, spread(agent, FEW), agent)).await.map(drop)
    });
    let agents: Vec<_> = agents.collect();
    stream::iter(agents).buffer_unordered(32).try_collect::<()>().await?;
    db.run(&s.agents_drop, (org, day)).await?;
    db.run(&s.org_drop, (shard, day, org)).await.map(drop)
}

/// A fix as one cell.
fn encode(stored: &StoredFix) -> Vec<u8> {
    let fix = &stored.fix;
    let (lat, lon) = fix.position.e7();
    let motion = [
        fix.motion.accuracy_dm().map(i32::from),
        fix.motion.speed_cms().map(i32::from),
        fix.motion.heading_cdeg().map(i32::from),
        fix.motion.battery_pct().map(i32::from),
    ];
    let mut cell = Vec::with_capacity(44);
    cell.extend(fix.time.0.to_be_bytes());
    cell.extend(stored.source.to_be_bytes());
    cell.extend(fix.counter.to_be_bytes());
    cell.extend(lat.to_be_bytes());
    cell.extend(lon.to_be_bytes());
    for value in motion {
        cell.extend(value.unwrap_or(-1).to_be_bytes());
    }
    cell
}

/// The counterpart of [`encode`].
pub(super) fn decode(
    class: FixClass,
    org: &Tenant,
    agent: &str,
    cell: &[u8],
) -> Result<StoredFix, StoreError> {
    let mut rest = cell;
    let (time, source, counter) = (word::<8>(&mut rest)?, word::<4>(&mut rest)?, word::<8>(&mut rest)?);
    let mut number = || Ok::<_, StoreError>(i32::from_be_bytes(word::<4>(&mut rest)?));
    let position = (number()?, number()?);
    let mut some = || Ok::<_, StoreError>(Some(number()?).filter(|value| *value >= 0));
    let motion = (some()?, some()?, some()?, some()?);
    let fix = fix(u64::from_be_bytes(time), u64::from_be_bytes(counter), position, motion)?;
    let (agent, source) = (checked(agent)?, u32::from_be_bytes(source));
    Ok(StoredFix { org: org.clone(), agent, source, class, fix })
}

fn word<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], StoreError> {
    let (word, after) = rest
        .split_first_chunk::<N>()
        .ok_or_else(|| StoreError::Corrupt("a fix that is cut off".to_owned()))?;
    *rest = after;
    Ok(*word)
}

type Columns = (Option<i32>, Option<i32>, Option<i32>, Option<i32>);

/// A fix of what the tables hold.
pub(super) fn fix(
    time: u64,
    counter: u64,
    (lat, lon): (i32, i32),
    motion: Columns,
) -> Result<Fix, StoreError> {
    let corrupt = |why: &dyn std::fmt::Display| StoreError::Corrupt(format!("a fix: {why}"));
    let position = Position::from_e7(lat, lon).map_err(|bad| corrupt(&bad))?;
    let (accuracy, speed, heading, battery) = motion;
    let motion = Motion::from_raw(narrow(accuracy)?, narrow(speed)?, narrow(heading)?, narrow(battery)?);
    Ok(Fix { counter, time: UnixMs(time), position, motion: motion.map_err(|bad| corrupt(&bad))? })
}

fn narrow<T: TryFrom<i32>>(value: Option<i32>) -> Result<Option<T>, StoreError> {
    let narrow = |value| T::try_from(value).map_err(|_| StoreError::Corrupt(format!("a fix: {value}")));
    value.map(narrow).transpose()
}

#[cfg(test)]
mod tests {
    use fanfare_proto::OrgId;

    use super::*;

    #[test]
    fn a_fix_is_one_cell() {
        let org = Tenant::stored(OrgId::new("org").unwrap());
        let stored = |time, source, counter, motion| StoredFix {
            org: org.clone(),
            agent: UserId::new("ann").unwrap(),
            source,
            class: FixClass::Long,
            fix: Fix { counter, time: UnixMs(time), position: Position::from_e7(-9, 8).unwrap(), motion },
        };
        let full = Motion::from_raw(Some(65_534), Some(0), Some(35_999), Some(100)).unwrap();
        let fixes = [
            stored(255, 9, 9, full),
            stored(256, 0, u64::MAX, Motion::default()),
            stored(256, 1, 0, full),
            stored(256, u32::MAX, 1, full),
        ];
        for fix in &fixes {
            assert_eq!(decode(FixClass::Long, &org, "ann", &encode(fix)).as_ref(), Ok(fix));
        }
        assert!(decode(FixClass::Long, &org, "ann", &encode(&fixes[0])[1..]).is_err());
    }
}
