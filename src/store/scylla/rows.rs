//! What an append writes.

use bytes::Bytes;
use scylla::value::CqlValue;

use super::{
    plan::Plan,
    topic::{Tail, names},
    value::int,
};
use crate::{id::Topic, store::Event};

/// About what an event takes in its partition.
pub(super) fn size(event: &Event) -> u64 {
    (event.data.len()
        + event.name.len()
        + 2 * event.author.as_str().len()
        + 2 * event.client_id.as_str().len()
        + 120) as u64
}

/// The values of the batch: the head, then each event and its request.
pub(super) fn values(topic: &Topic, tail: &Tail, next: &Tail, plan: &Plan, op: i64) -> Vec<Vec<CqlValue>> {
    let (org, kind, key) = names(topic);
    let text = |text: &str| CqlValue::Text(text.to_owned());
    let big = |value: u64| CqlValue::BigInt(int(value));
    let partition = || [text(org), text(kind), text(key), CqlValue::Int(tail.bucket)];
    let blob = |data: &Bytes| CqlValue::Blob(data.to_vec());
    let mut head = vec![big(next.head), big(next.count), big(next.bytes), big(next.newest)];
    head.extend(partition());
    if !tail.empty {
        head.push(big(tail.head));
    }
    let mut values = vec![head];
    for event in plan.events() {
        let (author, client) = (event.author.as_str(), event.client_id.as_str());
        let mut row: Vec<_> = partition().into();
        row.extend([big(event.seq.0), text(author), text(client), big(event.at.0), text(&event.name)]);
        let revision = CqlValue::Int(event.revision.cast_signed());
        row.extend([blob(&event.data), big(event.count), revision, CqlValue::BigInt(op)]);
        values.push(row);
        let mut row: Vec<_> = partition().into();
        row.extend([
            text(&format!("{author} {client}")),
            big(event.seq.0),
            big(event.at.0),
            big(event.count),
        ]);
        values.push(row);
    }
    values
}
