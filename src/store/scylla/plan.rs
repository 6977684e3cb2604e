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
