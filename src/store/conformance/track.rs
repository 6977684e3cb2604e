//! Fixes.

use std::ops::RangeInclusive;

use fanfare_proto::{Fix, Motion, OrgId, Position, UnixMs, UserId};

use super::lab::{Lab, fresh_org, user};
use crate::store::{FixKey, StoredFix};

const DAY: u64 = 24 * 60 * 60 * 1_000;

pub(super) fn stored(org: &OrgId, agent: &UserId, time: u64, source: u32, counter: u64) -> StoredFix {
    let position = Position::from_e7((time % 1_000) as i32, -((counter % 1_000) as i32)).unwrap();
    let fix = Fix { counter, time: UnixMs(time), position, motion: Motion::default() };
    StoredFix { org: org.clone(), agent: agent.clone(), source, fix }
}

const fn always() -> RangeInclusive<UnixMs> {
    UnixMs(0)..=UnixMs(u64::MAX)
}

pub(super) async fn fixes_come_back_in_order(lab: &mut Lab) {
    let (org, ann) = (fresh_org(), user("ann"));
    // Over several days, arriving in no order.
    let mut fixes: Vec<_> =
        (0..200).map(|n| stored(&org, &ann, n * 53 % 200 * 3_000_000, (n % 3) as u32, n + 1)).collect();
    let motion = Motion::from_raw(Some(65_534), Some(0), Some(35_999), Some(100)).unwrap();
    let corner = Position::from_e7(-900_000_000, 1_800_000_000).unwrap();
    fixes.push(StoredFix {
        fix: Fix { counter: u64::MAX, time: UnixMs(7), position: corner, motion },
        ..stored(&org, &ann, 7, u32::MAX, 0)
    });
    for source in [0, 2, 1] {
        for counter in [3, 1, 2] {
            fixes.push(stored(&org, &ann, DAY, source, counter));
        }
    }
    let strangers = [stored(&org, &user("ben"), 5, 0, 1), stored(&fresh_org(), &ann, 5, 0, 1)];
    lab.store.put_fixes(fixes.iter().chain(&strangers).cloned().collect()).await.unwrap();
    fixes.sort_by_key(StoredFix::key);

    let track = async |span: RangeInclusive<u64>, after: Option<FixKey>, limit| {
        let span = UnixMs(*span.start())..=UnixMs(*span.end());
        lab.store.track(&org, &ann, span, after, limit).await.unwrap()
    };
    assert_eq!(track(0..=u64::MAX, None, 1_000).await, fixes);
    assert_eq!(track(0..=u64::MAX, None, 0).await, []);
    let span = DAY / 2..=3 * DAY;
    let within: Vec<_> = fixes.iter().filter(|fix| span.contains(&fix.fix.time.0)).cloned().collect();
    assert_eq!(track(span.clone(), None, 1_000).await, within);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = track(span.clone(), after, 7).await;
        let Some(last) = page.last() else { break };
        after = Some(last.key());
        paged.extend(page);
    }
    assert_eq!(paged, within);
    assert_eq!(
        track(DAY..=DAY, None, 100).await.len(),
        fixes.iter().filter(|fix| fix.fix.time.0 == DAY).count()
    );
    // A place to go on from that lies before the span, or after it.
    let early = FixKey { time: UnixMs(0), source: 9, counter: 9 };
    assert_eq!(track(span.clone(), Some(early), 1_000).await, within);
    assert_eq!(track(span, Some(FixKey { time: UnixMs(4 * DAY), ..early }), 1_000).await, []);
    let backwards = lab.store.track(&org, &ann, UnixMs(9)..=UnixMs(5), None, 9).await.unwrap();
    assert_eq!(backwards, []);
    assert_eq!(lab.store.track(&org, &user("nobody"), always(), None, 9).await.unwrap(), []);
}

pub(super) async fn repeated_fixes_change_nothing(lab: &mut Lab) {
    let (org, ann) = (fresh_org(), user("ann"));
    let fixes: Vec<_> = (1..=20).map(|n| stored(&org, &ann, n * 10, 1, n)).collect();
    lab.store.put_fixes(fixes.clone()).await.unwrap();
    lab.store
        .put_fixes(fixes[5..15].iter().chain(&fixes[..3]).chain(&fixes[..3]).cloned().collect())
        .await
        .unwrap();
    // Of two under one name, one stays.
    let mut other = fixes[7].clone();
    other.fix.position = Position::from_e7(1, 1).unwrap();
    lab.store.put_fixes(vec![other.clone()]).await.unwrap();
    // Another source, or another time, is another fix.
    let more = [stored(&org, &ann, 10, 2, 1), stored(&org, &ann, 11, 1, 1)];
    lab.store.put_fixes(more.to_vec()).await.unwrap();
    lab.store.put_fixes(Vec::new()).await.unwrap();
    let mut expected: Vec<_> = fixes.into_iter().chain(more).collect();
    expected.sort_by_key(StoredFix::key);
    let track = lab.store.track(&org, &ann, always(), None, 100).await.unwrap();
    if track.contains(&other) {
        let place = expected.iter().position(|fix| fix.key() == other.key()).unwrap();
        expected[place] = other;
    }
    assert_eq!(track, expected);
}

pub(super) async fn latest_is_by_time_taken(lab: &mut Lab) {
    let (org, ann, ben) = (fresh_org(), user("ann"), user("ben"));
    let latest = async |since| {
        let mut latest = lab.store.latest(&org, UnixMs(since)).await.unwrap();
        latest.sort_by(|a, b| a.agent.cmp(&b.agent));
        latest
    };
    assert_eq!(latest(0).await, []);
    let put = async |fixes: Vec<StoredFix>| lab.store.put_fixes(fixes).await.unwrap();
    let newest = stored(&org, &ann, 2 * DAY, 1, 9);
    put(vec![newest.clone()]).await;
    put(vec![stored(&org, &ann, DAY, 1, 8), stored(&org, &ann, 10, 1, 7)]).await;
    assert_eq!(latest(0).await, std::slice::from_ref(&newest));
    let second = stored(&org, &ben, 50, 1, 2);
    put(vec![stored(&org, &ben, 40, 1, 1), second.clone(), stored(&org, &ben, 30, 1, 3)]).await;
    put(vec![stored(&fresh_org(), &ben, 99, 1, 1)]).await;
    assert_eq!(latest(0).await, [newest.clone(), second.clone()]);
    assert_eq!(latest(49).await, [newest.clone(), second]);
    assert_eq!(latest(50).await, std::slice::from_ref(&newest));
    let newer = stored(&org, &ann, 2 * DAY + 1, 1, 1);
    put(vec![newer.clone(), newest]).await;
    assert_eq!(latest(50).await, [newer]);
}

pub(super) async fn days_expire_whole(lab: &mut Lab) {
    let (org, ann, ben) = (fresh_org(), user("ann"), user("ben"));
    let times = [0, DAY - 1, DAY, DAY + 5, 2 * DAY];
    let fixes: Vec<_> = (1..).zip(times).map(|(n, time)| stored(&org, &ann, time, 1, n)).collect();
    lab.store.put_fixes(fixes.clone()).await.unwrap();
    lab.store.put_fixes(vec![stored(&org, &ben, DAY - 2, 1, 1)]).await.unwrap();
    let left = async |agent| lab.store.track(&org, agent, always(), None, 100).await.unwrap();
    lab.store.expire_fixes(UnixMs(DAY - 1)).await.unwrap();
    assert_eq!(left(&ann).await, fixes);
    assert!(lab.store.expire_fixes(UnixMs(DAY)).await.unwrap() >= 1);
    assert_eq!(left(&ann).await, fixes[2..]);
    assert_eq!(left(&ben).await, []);
    // Who has no fix left has no latest one either.
    let latest = lab.store.latest(&org, UnixMs(0)).await.unwrap();
    assert_eq!(latest, [fixes[4].clone()]);
    assert_eq!(lab.store.expire_fixes(UnixMs(2 * DAY - 1)).await.unwrap(), 0);
    lab.store.expire_fixes(UnixMs(2 * DAY + 1)).await.unwrap();
    assert_eq!(left(&ann).await, fixes[4..]);
    // A day that went can come again.
    lab.store.put_fixes(vec![stored(&org, &ben, DAY - 2, 1, 1), fixes[1].clone()]).await.unwrap();
    assert_eq!(left(&ann).await, [fixes[1].clone(), fixes[4].clone()]);
    assert_eq!(left(&ben).await.len(), 1);
    lab.store.expire_fixes(UnixMs(9 * DAY)).await.unwrap();
    assert_eq!((left(&ann).await, left(&ben).await), (Vec::new(), Vec::new()));
}
