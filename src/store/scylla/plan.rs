//! What a group of appends comes to, given the end of the log and the repetitions among them. No I/O.

use std::collections::HashMap;

use fanfare_proto::{ClientId, Epoch, Seq, UserId};

use super::topic::Tail;
use crate::store::{Append, Appended, Event, NewEvent, Outcome, StoreError};

/// Requests that are in the log, with what they were answered.
pub(super) type Known = HashMap<(UserId, ClientId), Outcome>;

pub(super) struct Plan {
    /// One for each append.
    pub(super) answers: Vec<Result<Appended, StoreError>>,
    /// What each of them adds; rising over all.
    pub(super) added: Vec<Vec<Event>>,
    /// One of them was refused because of the head.
    pub(super) conflict: bool,
}

impl Plan {
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.added.iter().flatten()
    }
}

/// The appends are done one after the other, each on what the one before left.
pub(super) fn plan<'a>(
    tail: &Tail,
    epoch: Epoch,
    mut known: Known,
    appends: impl Iterator<Item = &'a Append>,
) -> Plan {
    let mut plan = Plan { answers: Vec::new(), added: Vec::new(), conflict: false };
    let (mut head, mut count) = (tail.head, tail.count);
    for append in appends {
        let name = |event: &NewEvent| (event.author.clone(), event.client_id.clone());
        let anything_new = append.events.iter().any(|event| !known.contains_key(&name(event)));
        let mut added = Vec::new();
        if anything_new && append.expect.is_some_and(|expect| expect.0 != head) {
            plan.conflict = true;
            plan.answers.push(Err(StoreError::Conflict { actual: head }));
            plan.added.push(added);
            continue;
        }
        let mut outcomes = Vec::with_capacity(append.events.len());
        for event in &append.events {
            if let Some(first) = known.get(&name(event)) {
                outcomes.push(*first);
                continue;
            }
            head += 1;
            count += u64::from(event.countable);
            let outcome = Outcome { seq: Seq(head), at: event.at, count, duplicate: false };
            known.insert(name(event), Outcome { duplicate: true, ..outcome });
            outcomes.push(outcome);
            added.push(Event {
                seq: Seq(head),
                author: event.author.clone(),
                client_id: event.client_id.clone(),
                at: event.at,
                name: event.name.clone(),
                data: event.data.clone(),
                count,
                revision: 0,
            });
        }
        plan.answers.push(Ok(Appended { epoch, outcomes }));
        plan.added.push(added);
    }
    plan
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use fanfare_proto::{OrgId, TopicKey, TopicKind, TopicName, UnixMs};

    use super::*;
    use crate::id::{Audience, Tenant, Topic};

    fn append(expect: Option<u64>, clients: &[&str]) -> Append {
        let name = TopicName { kind: TopicKind::Conversation, key: TopicKey::new("c").unwrap() };
        let event = |client: &&str| NewEvent {
            author: UserId::new("ann").unwrap(),
            client_id: ClientId::new(client).unwrap(),
            at: UnixMs(9),
            name: "test:event".to_owned(),
            data: Bytes::new(),
            countable: *client != "quiet",
        };
        Append {
            topic: Topic { org: Tenant::stored(OrgId::new("org").unwrap()), name },
            expect: expect.map(Seq),
            events: clients.iter().map(event).collect(),
            audience: Audience::Organisation,
        }
    }

    #[test]
    fn each_append_goes_on_from_the_one_before() {
        let tail = Tail {
            bucket: 2,
            start: 5,
            empty: false,
            head: 10,
            count: 7,
            bytes: 0,
            amended: 0,
            newest: 0,
            sealed: false,
            older: vec![],
        };
        let first = Outcome { seq: Seq(4), at: UnixMs(1), count: 3, duplicate: true };
        let known = Known::from([((UserId::new("ann").unwrap(), ClientId::new("old").unwrap()), first)]);
        let group = [
            append(None, &["a", "quiet", "old"]),
            // In the same group already.
            append(Some(99), &["a"]),
            append(Some(10), &["b"]),
            append(Some(12), &["a", "b"]),
            append(None, &[]),
        ];
        let plan = plan(&tail, Epoch(1), known, group.iter());
        assert!(plan.conflict);
        let told = |answer: &Result<Appended, StoreError>| {
            let outcomes = &answer.as_ref().ok()?.outcomes;
            Some(outcomes.iter().map(|o| (o.seq.0, o.count, o.duplicate)).collect::<Vec<_>>())
        };
        assert_eq!(
            plan.answers.iter().map(told).collect::<Vec<_>>(),
            [
                Some(vec![(11, 8, false), (12, 8, false), (4, 3, true)]),
                Some(vec![(11, 8, true)]),
                None,
                Some(vec![(11, 8, true), (13, 9, false)]),
                Some(vec![]),
            ]
        );
        assert_eq!(plan.answers[2], Err(StoreError::Conflict { actual: 12 }));
        let added: Vec<_> = plan.events().map(|event| (event.seq.0, event.client_id.as_str())).collect();
        assert_eq!(added, [(11, "a"), (12, "quiet"), (13, "b")]);
    }
}
