//! Reading fixes: tracks, windows and newest positions, each over the tables of all classes.

use std::{
    collections::BTreeSet,
    ops::{Bound, RangeInclusive},
};

use fanfare_proto::{UnixMs, UserId};
use futures::future::try_join_all;

use super::{
    db::Db,
    schema::FEW,
    ticks::{BUCKET, DAY, decode, fix},
    value::{checked, int, limit as limit_of, nat},
};
use crate::id::Tenant;
use crate::store::{
    FixClass, FixKey, StoreError, StoredFix, Window, WindowKey, damage,
    shapes::{merged, newest},
};

/// Fixes asked for at once.
const CHUNK: usize = 2_000;
/// Agents looked at for one page of a window; a day counts as some agents.
const LOOKED: usize = 256;
const DAY_COUNTS: usize = 4;
/// Agents of a window whose fixes are read at once, at most.
const AT_ONCE: usize = 32;

type Row = (i64, i64, i64, i32, i32, Option<i32>, Option<i32>, Option<i32>, Option<i32>);

pub(super) async fn track(
    db: &Db,
    org: &Tenant,
    agent: &UserId,
    span: &RangeInclusive<UnixMs>,
    after: Option<FixKey>,
    limit: usize,
) -> Result<Vec<StoredFix>, StoreError> {
    let tracks = FixClass::ALL.map(|class| track_of(db, class, org, agent, span, after, limit));
    Ok(merged(try_join_all(tracks).await?, limit))
}

async fn track_of(
    db: &Db,
    class: FixClass,
    org: &Tenant,
    agent: &UserId,
    span: &RangeInclusive<UnixMs>,
    after: Option<FixKey>,
    limit: usize,
) -> Result<Vec<StoredFix>, StoreError> {
    let s = db.s.fixes(class);
    // Without `after` the page begins before every fix of the span's first millisecond.
    let mut from = match after {
        Some(after) if after.time >= *span.start() => {
            (int(after.time.0), i64::from(after.source), after.counter.cast_signed())
        }
        _ => (int(span.start().0), -1, 0),
    };
    let end = int(span.end().0);
    let bucket = |time: i64| int(nat(time) / BUCKET);
    let (org_name, name) = (org.as_str(), agent.as_str());
    let buckets: Vec<(i64,)> = db.rows(&s.buckets, (org_name, name, bucket(from.0), bucket(end))).await?;
    let mut fixes: Vec<StoredFix> = Vec::new();
    for (bucket,) in buckets {
        loop {
            let chunk = limit.saturating_sub(fixes.len()).min(CHUNK);
            if chunk == 0 {
                return Ok(fixes);
            }
            let (time, source, counter) = from;
            let values = (org_name, name, bucket, time, source, counter, end, limit_of(chunk));
            let rows: Vec<Row> = db.rows(&s.track, values).await?;
            let last = rows.len() < chunk;
            for (time, source, counter, lat, lon, accuracy, speed, heading, battery) in rows {
                from = (time, source, counter);
                let motion = (accuracy, speed, heading, battery);
                let fix = fix(nat(time), counter.cast_unsigned(), (lat, lon), motion);
                let place = || format!("{org} {agent}, {class:?}, at {time}");
                let Some(fix) = damage::readable("fix", place, fix) else { continue };
                let (org, agent, source) = (org.clone(), agent.clone(), source as u32);
                fixes.push(StoredFix { org, agent, source, class, fix });
            }
            if last {
                break;
            }
        }
    }
    Ok(fixes)
}

pub(super) async fn window(
    db: &Db,
    org: &Tenant,
    among: Option<&BTreeSet<UserId>>,
    span: &RangeInclusive<UnixMs>,
    after: Option<WindowKey>,
    limit: usize,
) -> Result<Window, StoreError> {
    let (mut fixes, mut looked, limit) = (Vec::new(), 0, limit.max(1));
    let (from, mut at) = match after {
        Some(WindowKey { day, at }) => (day, at),
        None => (span.start().0 / DAY, None),
    };
    for day in from.max(span.start().0 / DAY)..=span.end().0 / DAY {
        // On a later day than the one it belongs to, it means nothing.
        at = at.filter(|_| day == from);
        if looked >= LOOKED {
            return Ok(Window { fixes, next: Some(WindowKey { day, at }) });
        }
        looked += DAY_COUNTS;
        let (begin, end) = (day * DAY, day * DAY + (DAY - 1));
        let span = UnixMs(begin).max(*span.start())..=UnixMs(end).min(*span.end());
        let agents = agents(db, org, among, day, at.as_ref().map(|(agent, _)| agent)).await?;
        let mut agents = agents.into_iter().peekable();
        // Few at first: their fixes may fill the page.
        let mut wave = 2;
        while agents.peek().is_some() {
            if looked >= LOOKED {
                return Ok(Window { fixes, next: Some(WindowKey { day, at }) });
            }
            let some: Vec<_> = agents.by_ref().take(wave).collect();
            (looked, wave) = (looked + some.len(), (wave * 2).min(AT_ONCE));
            let left = limit.saturating_sub(fixes.len());
            let reads = some.iter().map(|agent| {
                let after = at.as_ref().filter(|(of, _)| of == agent).map(|(_, key)| *key);
                track(db, org, agent, &span, after, left)
            });
            let tracks = try_join_all(reads).await?;
            for (agent, track) in some.into_iter().zip(tracks) {
                let left = limit.saturating_sub(fixes.len());
                let all = track.len() < left;
                fixes.extend(track.into_iter().take(left));
                let last = fixes.last().filter(|_| !all).map_or(FixKey::END, StoredFix::key);
                at = Some((agent, last));
                if !all {
                    return Ok(Window { fixes, next: Some(WindowKey { day, at }) });
                }
            }
        }
    }
    Ok(Window { fixes, next: None })
}

/// Agents by name that may have fixes on a day, from `from` on; more than are looked at in one page, if there are.
async fn agents(
    db: &Db,
    org: &Tenant,
    among: Option<&BTreeSet<UserId>>,
    day: u64,
    from: Option<&UserId>,
) -> Result<BTreeSet<UserId>, StoreError> {
    // Those who are asked for are few: a list of all who were there would be longer.
    if let Some(among) = among {
        let from = from.map_or(Bound::Unbounded, Bound::Included);
        return Ok(among.range::<UserId, _>((from, Bound::Unbounded)).cloned().collect());
    }
    let mut from = from.map_or("", UserId::as_str).to_owned();
    let mut found = BTreeSet::new();
    loop {
        let values = (org.as_str(), int(day), from.as_str(), limit_of(CHUNK));
        let classes = FixClass::ALL.map(|class| db.rows::<(String,)>(&db.s.fixes(class).agents_from, values));
        let mut classes = try_join_all(classes).await?;
        // Past the end of a list that was cut short it is not known who follows.
        let cut = classes.iter().filter(|list| list.len() == CHUNK);
        let known = cut.filter_map(|list| list.last()).map(|(agent,)| agent.clone()).min();
        for (agent,) in classes.iter_mut().flat_map(|list| list.drain(..)) {
            if known.as_ref().is_some_and(|known| agent > *known) {
                continue;
            }
            let place = || format!("{org} {agent}");
            if let Some(agent) = damage::readable::<UserId, _>("agent", place, checked(&agent)) {
                found.insert(agent);
            }
        }
        match known {
            Some(known) if found.len() <= LOOKED => from = known,
            _ => return Ok(found),
        }
    }
}

pub(super) async fn latest(db: &Db, org: &Tenant, since: UnixMs) -> Result<Vec<StoredFix>, StoreError> {
    let name = org.as_str();
    let of_class = |class| async move {
        let shard = |shard| db.rows::<(String, Option<Vec<u8>>)>(&db.s.fixes(class).latest, (name, shard));
        let rows = try_join_all((0..FEW).map(shard)).await?;
        let cells = rows.into_iter().flatten().filter_map(|(agent, cell)| Some((agent, cell?)));
        let fixes = cells.filter_map(|(agent, cell)| {
            damage::readable("newest fix", || format!("{org} {agent}"), decode(class, org, &agent, &cell))
        });
        Ok::<_, StoreError>(fixes.collect::<Vec<_>>())
    };
    let fixes = try_join_all(FixClass::ALL.map(of_class)).await?;
    Ok(newest(fixes.into_iter().flatten().filter(|stored| stored.fix.time > since)))
}
