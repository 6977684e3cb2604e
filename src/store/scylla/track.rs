//! Reading fixes: tracks and newest positions.

use std::ops::RangeInclusive;

use fanfare_proto::{OrgId, UnixMs, UserId};
use futures::future::try_join_all;

use super::{
    db::Db,
    schema::FEW,
    ticks::{BUCKET, decode, fix},
    value::{int, limit as limit_of, nat},
};
use crate::store::{FixKey, StoreError, StoredFix};

/// Fixes asked for at once.
const CHUNK: usize = 2_000;

type Row = (i64, i64, i64, i32, i32, Option<i32>, Option<i32>, Option<i32>, Option<i32>);

pub(super) async fn track(
    db: &Db,
    org: &OrgId,
    agent: &UserId,
    span: &RangeInclusive<UnixMs>,
    after: Option<FixKey>,
    limit: usize,
) -> Result<Vec<StoredFix>, StoreError> {
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
    let buckets: Vec<(i64,)> =
        db.rows(&db.s.fix_buckets, (org_name, name, bucket(from.0), bucket(end))).await?;
    let mut fixes: Vec<StoredFix> = Vec::new();
    for (bucket,) in buckets {
        loop {
            let chunk = limit.saturating_sub(fixes.len()).min(CHUNK);
            if chunk == 0 {
                return Ok(fixes);
            }
            let (time, source, counter) = from;
            let values = (org_name, name, bucket, time, source, counter, end, limit_of(chunk));
            let rows: Vec<Row> = db.rows(&db.s.track, values).await?;
            let last = rows.len() < chunk;
            for (time, source, counter, lat, lon, accuracy, speed, heading, battery) in rows {
                from = (time, source, counter);
                let motion = (accuracy, speed, heading, battery);
                let fix = fix(nat(time), counter.cast_unsigned(), (lat, lon), motion)?;
                fixes.push(StoredFix { org: org.clone(), agent: agent.clone(), source: source as u32, fix });
            }
            if last {
                break;
            }
        }
    }
    Ok(fixes)
}

pub(super) async fn latest(db: &Db, org: &OrgId, since: UnixMs) -> Result<Vec<StoredFix>, StoreError> {
    let name = org.as_str();
    let shard = |shard| db.rows::<(String, Option<Vec<u8>>)>(&db.s.fix_latest, (name, shard));
    let rows = try_join_all((0..FEW).map(shard)).await?;
    let mut latest = Vec::new();
    for (agent, cell) in rows.into_iter().flatten() {
        let Some(cell) = cell else { continue };
        let stored = decode(org, &agent, &cell)?;
        if stored.fix.time > since {
            latest.push(stored);
        }
    }
    latest.sort_unstable_by(|a, b| a.agent.cmp(&b.agent));
    Ok(latest)
}
