//! The log shape: reading, and heads.

use bytes::Bytes;
use fanfare_proto::{Epoch, Seq, UnixMs};
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    db::Db,
    topic::{self, Directory, Newest, Tail, View, names},
    value::{checked, int, limit as limit_of, nat},
};
use crate::{
    id::Topic,
    store::{Event, From, Head, Page, StoreError, damage::Known},
};

/// Events asked for at once.
const CHUNK: usize = 200;
/// Topics looked up at once.
const TOPICS: usize = 64;

type Row = (
    i64,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<Vec<u8>>,
    Option<i64>,
    Option<i32>,
);

pub(super) async fn heads(db: &Db, epoch: Epoch, topics: &[Topic]) -> Result<Vec<Head>, StoreError> {
    let head = |topic| async move {
        Ok(look(db, epoch, topic, View::Quorum).await?.map_or_else(|| Head::empty(epoch), |(head, _)| head))
    };
    let heads: Vec<_> = topics.iter().map(head).collect();
    stream::iter(heads).buffered(TOPICS).try_collect().await
}

/// A topic's end and its buckets, unless it never had an event.
///
/// No head is told whose event nobody can read: who is placed there would never be sent it. Both stand in one partition
/// and come with one read, which brings replicas that lack them up to date before it answers. Where the event is missing
/// all the same, an append under way is finished first, by reading serially; what then is missing does not count.
async fn look(
    db: &Db,
    epoch: Epoch,
    topic: &Topic,
    view: View,
) -> Result<Option<(Head, Directory)>, StoreError> {
    let Some(mut directory) = topic::directory(db, topic, view).await? else {
        return Ok(None);
    };
    let (mut tail, mut newest) = topic::end(db, topic, &directory, view).await?;
    // The event at the head of an empty bucket was in the bucket before, and decided when that one was sealed.
    let lacks = |tail: &Tail, newest: Option<Newest>, first: u64| {
        !tail.empty && tail.head >= first && newest.map(|newest| newest.seq) != Some(tail.head)
    };
    if lacks(&tail, newest, directory.first) {
        let Some(again) = topic::directory(db, topic, View::Serial).await? else {
            return Ok(None);
        };
        (tail, newest) = topic::end(db, topic, &again, View::Serial).await?;
        directory = again;
        if lacks(&tail, newest, directory.first) {
            // Unless it has expired between the two reads.
            directory.first = topic::directory(db, topic, View::Serial).await?.map_or(1, |now| now.first);
        }
        if lacks(&tail, newest, directory.first) {
            tracing::error!(%topic, head = tail.head, "the event at the head is missing");
            let start = directory.buckets[directory.buckets.len() - 1];
            (tail.head, tail.count) =
                newest.map_or((start.start - 1, start.base), |newest| (newest.seq, newest.count));
        }
    }
    let first = directory.first.min(tail.head + 1);
    let at = match newest.filter(|newest| newest.seq == tail.head) {
        _ if first > tail.head => None,
        Some(newest) => newest.at,
        // It is the last event of the bucket before.
        None => {
            let index = directory.holding(tail.head);
            let rows = rows(db, topic, &directory, index, (tail.head, tail.head + 1), true, 1).await?;
            rows.first().and_then(|row| row.3).map(|at| UnixMs(nat(at)))
        }
    };
    Ok(Some((Head { epoch, seq: Seq(tail.head), first: Seq(first), count: tail.count, at }, directory)))
}

/// The head and the events are read one after the other, each from a majority. Of an append that has reached only some
/// replicas yet, the head may be seen and the event not: then the append is finished first, which a serial read does,
/// and all is read again.
pub(super) async fn read(
    db: &Db,
    epoch: Epoch,
    topic: &Topic,
    from: From,
    limit: usize,
    max_bytes: usize,
) -> Result<Page, StoreError> {
    let (page, whole) = page(db, epoch, topic, from, limit, max_bytes, View::Quorum).await?;
    if whole {
        return Ok(page);
    }
    // What is missing now has expired meanwhile.
    Ok(self::page(db, epoch, topic, from, limit, max_bytes, View::Serial).await?.0)
}

/// Nothing past the head is told, so that both belong together; positions have no gaps, so what more there is follows
/// from them. Answers also whether nothing is missing.
async fn page(
    db: &Db,
    epoch: Epoch,
    topic: &Topic,
    from: From,
    limit: usize,
    max_bytes: usize,
    view: View,
) -> Result<(Page, bool), StoreError> {
    let Some((head, directory)) = look(db, epoch, topic, view).await? else {
        return Ok((Page { head: Head::empty(epoch), events: Vec::new(), more: false }, true));
    };
    let (oldest, newest) = (head.first.0, head.seq.0);
    let (mut low, mut high, falling) = match from {
        From::After(seq) => (oldest.max(seq.0.saturating_add(1)), newest, false),
        From::Before(seq) => (oldest, newest.min(seq.0.saturating_sub(1)), true),
        From::Latest => (oldest, newest, true),
    };
    let asked = (low, high);
    let (mut events, mut bytes) = (Vec::new(), 0_usize);
    'page: while low <= high && events.len() < limit {
        let index = directory.holding(if falling { high } else { low });
        let start = directory.buckets[index].start.max(low);
        let end = directory.end(index).min(high + 1);
        let rows = rows(db, topic, &directory, index, (start, end), falling, limit - events.len()).await?;
        if rows.is_empty() {
            // Expired meanwhile, or not there yet.
            if falling { high = start - 1 } else { low = end }
        }
        for row in rows {
            let seq = nat(row.0);
            if let Some(event) = event(topic, row) {
                bytes = bytes.saturating_add(event.data.len());
                if !events.is_empty() && bytes > max_bytes {
                    break 'page;
                }
                events.push(event);
            }
            if falling { high = seq - 1 } else { low = seq + 1 }
        }
    }
    if falling {
        events.reverse();
    }
    // As far as it went.
    let covered = if falling { (high.saturating_add(1), asked.1) } else { (asked.0, low.saturating_sub(1)) };
    let whole = is_whole(events.iter().map(|event: &Event| event.seq.0), covered);
    Ok((Page { head, events, more: low <= high }, whole))
}

/// Whether the positions are all of those from the first to the last; none where the last is before the first.
fn is_whole(positions: impl ExactSizeIterator<Item = u64>, (first, last): (u64, u64)) -> bool {
    let expected = (last + 1).saturating_sub(first);
    positions.len() as u64 == expected && positions.zip(first..).all(|(position, due)| position == due)
}

/// Events of one bucket from `start` on, short of `end`.
async fn rows(
    db: &Db,
    topic: &Topic,
    directory: &Directory,
    index: usize,
    (start, end): (u64, u64),
    falling: bool,
    limit: usize,
) -> Result<Vec<Row>, StoreError> {
    let (org, kind, key) = names(topic);
    let statement = if falling { &db.s.falling } else { &db.s.rising };
    let bucket = directory.buckets[index].id;
    // From 1 on: the rows at 0 are requests.
    let after = int(start.max(1) - 1);
    db.rows(statement, (org, kind, key, bucket, after, int(end), limit_of(limit.min(CHUNK)))).await
}

/// Events of a bucket from `first` to `last`.
pub(super) async fn span(
    db: &Db,
    topic: &Topic,
    bucket: i32,
    first: u64,
    last: u64,
) -> Result<Vec<Event>, StoreError> {
    let (org, kind, key) = names(topic);
    let limit = limit_of(usize::try_from(last - first + 1).unwrap_or(usize::MAX));
    let values = (org, kind, key, bucket, int(first - 1), int(last + 1), limit);
    let rows: Vec<Row> = db.rows(&db.s.rising, values).await?;
    Ok(rows.into_iter().filter_map(|row| event(topic, row)).collect())
}

/// `None` for what is left of a row that was removed while somebody wrote to it.
fn event(topic: &Topic, row: Row) -> Option<Event> {
    let (seq, Some(author), Some(client), Some(at), Some(name), data, Some(count), revision) = row else {
        return None;
    };
    let (seq, at, count) = (Seq(nat(seq)), UnixMs(nat(at)), nat(count));
    let (author, client_id) = match (checked(&author), checked(&client)) {
        (Ok(author), Ok(client)) => (author, client),
        (author, client) => {
            let why = format!("{author:?}, {client:?}");
            let known = Known { author: author.ok(), client_id: client.ok(), at, count };
            return Some(Event::unreadable(topic, seq, known, &why));
        }
    };
    let (data, revision) = (Bytes::from(data.unwrap_or_default()), revision.unwrap_or(0).cast_unsigned());
    Some(Event { seq, author, client_id, at, name, data, count, revision })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_noticed() {
        let whole = |positions: &[u64], span| is_whole(positions.iter().copied(), span);
        assert!(whole(&[4, 5, 6], (4, 6)));
        assert!(whole(&[], (7, 6)) && whole(&[], (1, 0)));
        // The newest, the oldest, one between, all.
        for positions in [&[4, 5][..], &[5, 6], &[4, 6], &[]] {
            assert!(!whole(positions, (4, 6)), "{positions:?}");
        }
    }
}
