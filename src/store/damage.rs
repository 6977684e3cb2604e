//! What is stored and cannot be understood: a row that a damaged disk, another program or an older fault has left.
//!
//! One such row must not hide those beside it. An event keeps its place in its log, so that positions, cursors and copies
//! stay whole, and says that it cannot be read; anything else is left out. Each is logged once, with where it stands.

use std::{
    collections::HashSet,
    fmt::Display,
    hash::{BuildHasher, RandomState},
    sync::{LazyLock, Mutex, PoisonError},
};

use bytes::Bytes;
use fanfare_proto::{ClientId, Seq, UnixMs, UserId, event::name};

use super::Event;
use crate::{id::Topic, limit::LogLimiter, time::Clock};

/// Rows that are remembered as logged. Of those past that, one a minute is.
const REMEMBERED: usize = 1_000;

static SEEN: LazyLock<(RandomState, Mutex<HashSet<u64>>)> = LazyLock::new(Default::default);
static OTHERS: LogLimiter = LogLimiter::new();

/// Logs a row that is left out.
pub(crate) fn note(what: &'static str, place: &dyn Display, why: &dyn Display) {
    let place = place.to_string();
    let (hasher, seen) = &*SEEN;
    let row = hasher.hash_one((what, &place));
    let known = {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < REMEMBERED { Some(!seen.insert(row)) } else { seen.contains(&row).then_some(true) }
    };
    let left_out = match known {
        Some(true) => None,
        Some(false) => Some(0),
        None => OTHERS.allow(Clock::system().elapsed()),
    };
    if let Some(left_out) = left_out {
        tracing::error!(what, place, %why, left_out, "stored data does not decode: it is left out");
    }
}

/// What was decoded, or nothing and a line in the log.
pub(crate) fn readable<T, E: Display>(
    what: &'static str,
    place: impl FnOnce() -> String,
    decoded: Result<T, E>,
) -> Option<T> {
    match decoded {
        Ok(decoded) => Some(decoded),
        Err(why) => {
            note(what, &place(), &why);
            None
        }
    }
}

impl Event {
    /// Stands for an event of which only this much is known. Its place in the log is kept.
    pub(crate) fn unreadable(topic: &Topic, seq: Seq, known: Known, why: &dyn Display) -> Self {
        note("event", &format!("{topic} {}", seq.0), why);
        Self {
            seq,
            author: known.author.unwrap_or_else(UserId::unknown),
            client_id: known.client_id.unwrap_or_else(|| ClientId::at(seq)),
            at: known.at,
            name: name::EVENT_UNREADABLE.to_owned(),
            data: Bytes::from_static(b"{}"),
            count: known.count,
            revision: 0,
        }
    }

    /// The event as others can read it: its data is JSON, or it is one that cannot be read.
    pub(crate) fn checked(self, topic: &Topic) -> Self {
        match self.text() {
            Ok(_) => self,
            Err(why) => {
                let Self { seq, author, client_id, at, count, .. } = self;
                let known = Known { author: Some(author), client_id: Some(client_id), at, count };
                Self::unreadable(topic, seq, known, &why)
            }
        }
    }

    /// The data as JSON text.
    pub(crate) fn text(&self) -> Result<&str, serde_json::Error> {
        let text = serde_json::from_slice::<&serde_json::value::RawValue>(&self.data)?;
        Ok(text.get())
    }
}

/// What is known of an event that cannot be read.
pub(crate) struct Known {
    pub(crate) author: Option<UserId>,
    pub(crate) client_id: Option<ClientId>,
    pub(crate) at: UnixMs,
    pub(crate) count: u64,
}
