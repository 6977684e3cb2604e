//! Fixes.

use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc};

use fanfare_proto::{Fix, Motion, Position, UnixMs, UserId};

use super::lab::{Lab, fresh_org, user};
use crate::id::Tenant;
use crate::store::{FixClass, FixKey, StoredFix, WindowKey};

const DAY: u64 = 24 * 60 * 60 * 1_000;

pub(super) fn stored(org: &Tenant, agent: &UserId, time: u64, source: u32, counter: u64) -> StoredFix {
    let position = Position::from_e7((time % 1_000) as i32, -((counter % 1_000) as i32)).unwrap();
    let fix = Fix { counter, time: UnixMs(time), position, motion: Motion::default() };
    StoredFix { org: org.clone(), agent: agent.clone(), source, class: FixClass::Standard, fix }
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
    lab.store.expire_fixes(FixClass::Standard, UnixMs(DAY - 1)).await.unwrap();
    assert_eq!(left(&ann).await, fixes);
    assert!(lab.store.expire_fixes(FixClass::Standard, UnixMs(DAY)).await.unwrap() >= 1);
    assert_eq!(left(&ann).await, fixes[2..]);
    assert_eq!(left(&ben).await, []);
    // Who has no fix left has no latest one either.
    let latest = lab.store.latest(&org, UnixMs(0)).await.unwrap();
    assert_eq!(latest, [fixes[4].clone()]);
    assert_eq!(lab.store.expire_fixes(FixClass::Standard, UnixMs(2 * DAY - 1)).await.unwrap(), 0);
    lab.store.expire_fixes(FixClass::Standard, UnixMs(2 * DAY + 1)).await.unwrap();
    assert_eq!(left(&ann).await, fixes[4..]);
    // A day that went can come again.
    lab.store.put_fixes(vec![stored(&org, &ben, DAY - 2, 1, 1), fixes[1].clone()]).await.unwrap();
    assert_eq!(left(&ann).await, [fixes[1].clone(), fixes[4].clone()]);
    assert_eq!(left(&ben).await.len(), 1);
    lab.store.expire_fixes(FixClass::Standard, UnixMs(9 * DAY)).await.unwrap();
    assert_eq!((left(&ann).await, left(&ben).await), (Vec::new(), Vec::new()));
}

fn of(class: FixClass, fix: StoredFix) -> StoredFix {
    StoredFix { class, ..fix }
}

pub(super) async fn classes_are_read_together_and_expire_apart(lab: &mut Lab) {
    let (org, ann) = (fresh_org(), user("ann"));
    let fixes: Vec<_> = (0..30)
        .map(|n| of(FixClass::ALL[n as usize % 3], stored(&org, &ann, n * DAY / 7, 1, n + 1)))
        .collect();
    lab.store.put_fixes(fixes.iter().rev().cloned().collect()).await.unwrap();
    let track = async |after, limit| lab.store.track(&org, &ann, always(), after, limit).await.unwrap();
    assert_eq!(track(None, 100).await, fixes);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = track(after, 4).await;
        let Some(last) = page.last() else { break };
        after = Some(last.key());
        paged.extend(page);
    }
    assert_eq!(paged, fixes);
    assert_eq!(lab.store.latest(&org, UnixMs(0)).await.unwrap(), [fixes[29].clone()]);
    // What one class loses the others keep, and so their newest.
    assert!(lab.store.expire_fixes(FixClass::Long, UnixMs(9 * DAY)).await.unwrap() >= 1);
    let mut left: Vec<_> = fixes.iter().filter(|fix| fix.class != FixClass::Long).cloned().collect();
    assert_eq!(track(None, 100).await, left);
    assert_eq!(lab.store.latest(&org, UnixMs(0)).await.unwrap(), [left[19].clone()]);
    lab.store.expire_fixes(FixClass::Standard, UnixMs(9 * DAY)).await.unwrap();
    left.retain(|fix| fix.class == FixClass::Short);
    assert_eq!(track(None, 100).await, left);
    assert_eq!(lab.store.latest(&org, UnixMs(0)).await.unwrap(), left[9..]);
    lab.store.expire_fixes(FixClass::Short, UnixMs(2 * DAY)).await.unwrap();
    left.retain(|fix| fix.fix.time.0 >= 2 * DAY);
    assert_eq!(track(None, 100).await, left);
    // Sent again after its class was changed, it is stored twice and shown once.
    let again: Vec<_> = left.iter().cloned().map(|fix| of(FixClass::Long, fix)).collect();
    lab.store.put_fixes(again).await.unwrap();
    let keys = |fixes: &[StoredFix]| fixes.iter().map(StoredFix::key).collect::<Vec<_>>();
    assert_eq!(keys(&track(None, 100).await), keys(&left));
    lab.store.expire_fixes(FixClass::Short, UnixMs(9 * DAY)).await.unwrap();
    assert_eq!(keys(&track(None, 100).await), keys(&left));
    lab.store.expire_fixes(FixClass::Long, UnixMs(9 * DAY)).await.unwrap();
    assert_eq!(track(None, 100).await, []);
    assert_eq!(lab.store.latest(&org, UnixMs(0)).await.unwrap(), []);
}

pub(super) async fn a_window_holds_every_agent_of_the_organisation(lab: &mut Lab) {
    let org = fresh_org();
    // More agents than a backend looks at for one page.
    let agents: Vec<_> = (0..600).map(|n| user(&format!("a{n:03}"))).collect();
    let mut fixes = Vec::new();
    for (n, agent) in (0..).zip(&agents) {
        let class = FixClass::ALL[n as usize % 3];
        for k in 0..if n < 3 { 9 } else { 1 } {
            fixes.push(of(class, stored(&org, agent, DAY + n * 20 + k * DAY / 5, 1, k + 1)));
        }
    }
    let stranger = stored(&fresh_org(), &agents[0], DAY + 5, 1, 1);
    lab.store.put_fixes(fixes.iter().rev().cloned().chain([stranger]).collect()).await.unwrap();
    fixes.sort_by_key(|fix| (fix.fix.time.0 / DAY, fix.agent.clone(), fix.key()));

    let window = async |span: RangeInclusive<u64>, among: Option<&[UserId]>, limit| {
        let among: Option<Arc<BTreeSet<_>>> = among.map(|among| Arc::new(among.iter().cloned().collect()));
        let (mut found, mut after, mut calls) = (Vec::new(), None, 0);
        loop {
            let span = UnixMs(*span.start())..=UnixMs(*span.end());
            let page = lab.store.window(&org, among.clone(), span, after, limit).await.unwrap();
            assert!(page.fixes.len() <= limit);
            found.extend(page.fixes);
            (after, calls) = (page.next, calls + 1);
            assert!(calls < 1_000, "it ends");
            if after.is_none() {
                return found;
            }
        }
    };
    let within = |span: RangeInclusive<u64>| -> Vec<_> {
        fixes.iter().filter(|fix| span.contains(&fix.fix.time.0)).cloned().collect()
    };
    for (span, limit) in [(0..=9 * DAY, 1_000), (0..=9 * DAY, 100), (DAY + 20..=2 * DAY + 40, 7)] {
        assert_eq!(window(span.clone(), None, limit).await, within(span.clone()), "{span:?} by {limit}");
    }
    // Nobody has fixes there, but many worked that day.
    assert_eq!(window(DAY + DAY / 2..=DAY + DAY / 2 + 9, None, 10).await, []);
    assert_eq!(window(20 * DAY..=21 * DAY, None, 10).await, []);
    let few = [agents[2].clone(), agents[1].clone(), agents[500].clone(), user("nobody")];
    let theirs: Vec<_> = within(0..=9 * DAY).into_iter().filter(|fix| few.contains(&fix.agent)).collect();
    for limit in [1, 4, 100] {
        assert_eq!(window(0..=9 * DAY, Some(&few), limit).await, theirs);
    }
    assert_eq!(window(0..=9 * DAY, Some(&[]), 4).await, []);
    // A place that was made up, or lies outside.
    let end = FixKey { time: UnixMs(u64::MAX), source: u32::MAX, counter: u64::MAX };
    for (day, at) in [(0, None), (0, Some((agents[9].clone(), end))), (7, None), (u64::MAX, None)] {
        let after = Some(WindowKey { day, at });
        let page = lab.store.window(&org, None, UnixMs(DAY)..=UnixMs(DAY), after, 5).await.unwrap();
        let expected = if day == 0 { within(DAY..=DAY) } else { vec![] };
        assert!(page.fixes == expected || (page.fixes.is_empty() && page.next.is_some()), "{day}: {page:?}");
    }
}
