//! Where the device stands in its topics.

use std::collections::HashMap;

use fanfare_proto::{Cursor, Epoch, Seq, TopicName};
use serde::{Deserialize, Serialize};

/// Most topics remembered. Beyond, the one that was quiet longest is forgotten; the server then tells its head.
const MAX: usize = 10_000;

/// Where the device stands in its topics. Applications that keep it across restarts write it as JSON (a list, newest
/// first).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Cursor>", into = "Vec<Cursor>")]
pub struct Cursors {
    topics: HashMap<TopicName, Place>,
    /// Counts changes: what moved last is newest.
    clock: u64,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    epoch: Epoch,
    seq: Seq,
    moved: u64,
}

/// How an event or a word of the server changes a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Move {
    /// Never backwards within an epoch.
    Forward(Cursor),
    /// Exactly there: what lies between is lost or seen.
    Set(Cursor),
}

impl Cursors {
    /// The position in a topic.
    pub fn get(&self, topic: &TopicName) -> Option<(Epoch, Seq)> {
        self.topics.get(topic).map(|place| (place.epoch, place.seq))
    }

    /// The `limit` cursors that moved last, newest first.
    pub fn newest(&self, limit: usize) -> Vec<Cursor> {
        let mut all: Vec<_> = self.topics.iter().collect();
        all.sort_unstable_by_key(|(_, place)| std::cmp::Reverse(place.moved));
        all.truncate(limit);
        let cursor = |(topic, place): (&TopicName, &Place)| Cursor {
            topic: topic.clone(),
            epoch: place.epoch,
            seq: place.seq,
        };
        all.into_iter().map(cursor).collect()
    }

    /// Whether an event at this position was had before.
    pub(crate) fn has(&self, topic: &TopicName, epoch: Epoch, seq: Seq) -> bool {
        self.topics.get(topic).is_some_and(|place| place.epoch == epoch && place.seq >= seq)
    }

    pub(crate) fn apply(&mut self, change: Move) {
        match change {
            Move::Forward(to) if self.has(&to.topic, to.epoch, to.seq) => {}
            Move::Forward(to) | Move::Set(to) => self.put(to),
        }
    }

    fn put(&mut self, to: Cursor) {
        self.clock += 1;
        let place = Place { epoch: to.epoch, seq: to.seq, moved: self.clock };
        self.topics.insert(to.topic, place);
        if self.topics.len() > MAX {
            let oldest = self.topics.iter().min_by_key(|(_, place)| place.moved);
            if let Some(topic) = oldest.map(|(topic, _)| topic.clone()) {
                self.topics.remove(&topic);
            }
        }
    }
}

impl From<Vec<Cursor>> for Cursors {
    fn from(newest_first: Vec<Cursor>) -> Self {
        let mut cursors = Self::default();
        for cursor in newest_first.into_iter().take(MAX).rev() {
            cursors.put(cursor);
        }
        cursors
    }
}

impl From<Cursors> for Vec<Cursor> {
    fn from(cursors: Cursors) -> Self {
        cursors.newest(MAX)
    }
}
