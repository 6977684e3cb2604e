//! An attempt at a group of appends: where the log ends, which of the group are repetitions, what is to be written.

use fanfare_proto::{Seq, UnixMs};
use futures::future::try_join_all;

use super::{
    append::{End, Lines, Request},
    gate::unavailable,
    plan::{Known, Plan, plan},
    rows::size,
    topic::{self, Tail, View, names},
    value::{checked, nat},
    write::Written,
};
use crate::{
    id::Topic,
    store::{Outcome, StoreError, damage},
};

/// Repetitions are known for so long after their first.
pub(super) const DAY: u64 = 24 * 60 * 60 * 1_000;

impl Lines {
    /// `None`: to be tried again from the beginning.
    pub(super) async fn attempt(
        &self,
        topic: &Topic,
        group: &[Request],
        end: &mut End,
    ) -> Result<Option<Plan>, StoreError> {
        self.settle(topic, end).await?;
        let fresh = end.tail.is_none();
        let tail = match end.tail.take() {
            Some(tail) => tail,
            None => match self.end_of(topic, group).await? {
                Some(tail) => tail,
                None => return Ok(None),
            },
        };
        let known = self.known(topic, &tail, group).await?;
        let plan = plan(&tail, self.epoch, known, group.iter().map(|request| &request.append));
        if plan.conflict && !fresh {
            // The head that was remembered may not be the head any more.
            return Ok(None);
        }
        if plan.events().next().is_none() {
            // An empty bucket's topic may not have been begun.
            end.tail = (!tail.empty).then_some(tail);
            return Ok(Some(plan));
        }
        let next = after(&tail, &plan);
        match self.write(topic, &tail, &next, &plan, group).await? {
            Written::Applied => {
                end.tail = (!next.is_full(&self.options)).then_some(next);
                Ok(Some(plan))
            }
            Written::Refused => Ok(None),
            Written::Loose(loose) => {
                end.loose = Some(loose);
                Err(unavailable("the outcome of an append is not known"))
            }
        }
    }

    /// The end as it is, in a bucket with room. `None`: it is on the move.
    async fn end_of(&self, topic: &Topic, group: &[Request]) -> Result<Option<Tail>, StoreError> {
        let db = self.db(topic);
        let directory = if let Some(directory) = topic::directory(&db, topic, View::Quorum).await? {
            directory
        } else {
            // Nothing may be written for a topic that nothing is appended to.
            let events = group.iter().flat_map(|request| &request.append.events);
            let refused = |request: &Request| request.append.expect.is_some_and(|expect| expect.0 > 0);
            if events.clone().next().is_none() || group.iter().all(refused) {
                return Ok(Some(nothing()));
            }
            topic::begin(&db, topic, events.map(|event| event.at.0).min().unwrap_or(0), 1, 0).await?;
            let begun = topic::directory(&db, topic, View::Serial).await?;
            begun.ok_or_else(|| unavailable(&format!("{topic} was not begun")))?
        };
        let tail = topic::tail(&db, topic, &directory, View::Serial).await?;
        if tail.sealed {
            topic::advance(&db, topic, &tail).await?;
            return Ok(None);
        }
        if tail.is_full(&self.options) {
            topic::seal(&db, topic, &tail).await?;
            return Ok(None);
        }
        Ok(Some(tail))
    }

    /// Looks the group's requests up in every bucket that may hold one of the last day.
    async fn known(&self, topic: &Topic, tail: &Tail, group: &[Request]) -> Result<Known, StoreError> {
        let events = || group.iter().flat_map(|request| &request.append.events);
        let Some(oldest) = events().map(|event| event.at.0).min() else {
            return Ok(Known::new());
        };
        let mut requests: Vec<String> =
            events().map(|event| format!("{} {}", event.author, event.client_id)).collect();
        requests.sort_unstable();
        requests.dedup();
        let young = tail.older.iter().filter(|(_, newest)| newest.saturating_add(DAY) >= oldest);
        let buckets = young.map(|(id, _)| *id).chain((!tail.empty).then_some(tail.bucket));
        let db = self.db(topic);
        let (org, kind, key) = names(topic);
        let look = |bucket| {
            let (db, requests) = (&db, &requests);
            async move {
                let mut found: Vec<(String, i64, i64, i64)> = Vec::new();
                for requests in requests.chunks(100) {
                    found.extend(db.rows(&db.s.requests, (org, kind, key, bucket, requests)).await?);
                }
                Ok::<_, StoreError>(found)
            }
        };
        let mut known = Known::new();
        for (request, seq, at, count) in try_join_all(buckets.map(look)).await?.into_iter().flatten() {
            let (author, client) = request.split_once(' ').unwrap_or_default();
            let outcome =
                Outcome { seq: Seq(nat(seq)), at: UnixMs(nat(at)), count: nat(count), duplicate: true };
            let place = || format!("{topic} {seq}");
            let request = checked(author).and_then(|author| Ok((author, checked(client)?)));
            let Some(request) = damage::readable("request", place, request) else { continue };
            known.insert(request, outcome);
        }
        Ok(known)
    }
}

/// The end of a topic that has never had an event.
fn nothing() -> Tail {
    Tail {
        bucket: 0,
        start: 1,
        empty: true,
        head: 0,
        count: 0,
        bytes: 0,
        amended: 0,
        newest: 0,
        sealed: false,
        older: Vec::new(),
    }
}

/// The end once a plan is written.
pub(super) fn after(tail: &Tail, plan: &Plan) -> Tail {
    let mut next = Tail { empty: false, ..tail.clone() };
    for event in plan.events() {
        next.head = event.seq.0;
        next.count = event.count;
        next.bytes += size(event);
        next.newest = next.newest.max(event.at.0);
    }
    next
}
