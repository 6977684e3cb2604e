//! Whether a file still holds what the store does.
//!
//! Nothing keeps others from writing to a database while it is exported, nor to any store between an export that was
//! cut off and the one that goes on. What is read already is not looked at again, so it is compared once at the end.

use std::path::Path;

use anyhow::Context;
use fanfare::store::{
    Store,
    transfer::{self, Row},
};
use thiserror::Error;

use super::lines::Lines;

/// The store holds something else than the file.
#[derive(Debug, Error)]
#[error(
    "the store was written to after the export began: stop every server on it, and begin the export anew"
)]
pub(super) struct Changed;

/// Reads everything again, beside the rows in `path`: the lists of a store keep their order. Only fixes may be in the file
/// alone, as a database forgets them when their time has come. Answers how many events a CQL database would not take.
pub(super) async fn compare(store: &dyn Store, path: &Path) -> anyhow::Result<u64> {
    let mut lines = Lines::open(path).with_context(|| path.display().to_string())?;
    let (at, mut place, mut large) = (lines.header.at, None, 0);
    loop {
        let mut sink = |row: Row| {
            let there = serde_json::to_string(&row)?;
            large += u64::from(row.is_for_sqlite_only());
            loop {
                match lines.next()? {
                    Some(line) if line == there => return Ok(()),
                    Some(line) if is_fix(&line) => {}
                    _ => return Err(Changed.into()),
                }
            }
        };
        place = transfer::export::<anyhow::Error>(store, at, place, &mut sink).await?;
        if place.is_none() {
            break;
        }
    }
    while let Some(line) = lines.next()? {
        anyhow::ensure!(is_fix(&line), Changed);
    }
    Ok(large)
}

fn is_fix(line: &str) -> bool {
    line.starts_with(r#"{"fix""#)
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use fanfare::{
        id::{Audience, Tenant, Topic},
        store::{
            Append, FixClass, NewEvent, StoredFix,
            sqlite::{Options, Sqlite},
            transfer::Header,
        },
    };
    use fanfare_proto::{ClientId, JsonFix, OrgId, TopicKey, TopicKind, TopicName, UnixMs, UserId};

    use super::*;
    use crate::cli::transfer::Nobody;

    const DAY: u64 = 86_400_000;

    async fn append(store: &dyn Store, key: &str, n: usize) {
        let name = TopicName { kind: TopicKind::Conversation, key: TopicKey::new(key).unwrap() };
        let event = NewEvent {
            author: UserId::new("ann").unwrap(),
            client_id: ClientId::new(&format!("c{n}")).unwrap(),
            at: UnixMs(1),
            name: "message:new".to_owned(),
            data: "{}".into(),
            countable: true,
        };
        let topic = Topic { org: Tenant::stored(OrgId::new("acme").unwrap()), name };
        let audience = Audience::Organisation;
        store.append(Append { topic, expect: None, events: vec![event], audience }).await.unwrap();
    }

    async fn fix(store: &dyn Store, agent: &str, day: u64) {
        let (accuracy, speed, heading, battery) = (None, None, None, None);
        let (counter, time) = (day, UnixMs(day * DAY));
        let fix = JsonFix { counter, time, lat: 1.5, lon: 2.5, accuracy, speed, heading, battery };
        let (org, agent) = (Tenant::stored(OrgId::new("acme").unwrap()), UserId::new(agent).unwrap());
        let fix = StoredFix { org, agent, source: 1, class: FixClass::Short, fix: fix.try_into().unwrap() };
        store.put_fixes(vec![fix]).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_only_in_the_store_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&dir.path().join("a"), Arc::new(Nobody), &Options::default()).unwrap();
        for key in ["a", "b", "c"] {
            append(&*store, key, 0).await;
        }
        for day in [10, 20, 30] {
            fix(&*store, "van", day).await;
        }
        let path = dir.path().join("x.jsonl");
        let write = async || {
            let mut lines = vec![serde_json::to_string(&Header::new(UnixMs(1))).unwrap()];
            let mut sink = |row: Row| -> anyhow::Result<()> {
                lines.push(serde_json::to_string(&row)?);
                Ok(())
            };
            let mut place = None;
            loop {
                place = transfer::export(&*store, UnixMs(1), place, &mut sink).await.unwrap();
                if place.is_none() {
                    break;
                }
            }
            fs::write(&path, lines.join("\n") + "\n").unwrap();
        };
        let changed = async || compare(&*store, &path).await.is_err_and(|error| error.is::<Changed>());
        write().await;
        compare(&*store, &path).await.unwrap();
        // At the end of a log, a log at the end and one before, an agent between, and a fix from before the others.
        append(&*store, "a", 1).await;
        assert!(changed().await);
        write().await;
        for key in ["d", "aa"] {
            append(&*store, key, 0).await;
            assert!(changed().await);
            write().await;
        }
        for (agent, day) in [("cab", 20), ("van", 15), ("van", 40)] {
            fix(&*store, agent, day).await;
            assert!(changed().await);
            write().await;
        }
        // What is kept for some days only goes by itself, first or last.
        store.expire_fixes(FixClass::Short, UnixMs(18 * DAY)).await.unwrap();
        compare(&*store, &path).await.unwrap();
        store.expire_fixes(FixClass::Short, UnixMs(100 * DAY)).await.unwrap();
        compare(&*store, &path).await.unwrap();
        fix(&*store, "zoe", 50).await;
        assert!(changed().await);
        store.close().await;
    }
}
